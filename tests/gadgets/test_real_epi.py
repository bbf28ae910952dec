"""Five EPI of real phantoms, through readout and ghost: what is measured on them, and no more ghost than noise."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from aslive.gadgets.ghost import CorrectGhost
from aslive.gadgets.kernels.ghost_level import ghost_level
from aslive.gadgets.readout import TransformReadout
from aslive.streaming.convert import open_messages
from aslive.streaming.door import Door
from aslive.streaming.gadget import Gadget
from aslive.streaming.header import read_header
from aslive.streaming.messages import Acquisition, Header
from aslive.streaming.notices import Measure, Measurement, Notice
from aslive.streaming.readouts import Kind, Readout
from aslive.streaming.scan import Scan

SIEMENS = "siemens_ep2d_bold_phantom/epi_mrd"
FIGURES = [
    # name, ghost before, ghost after, slope in rad per voxel, constant in rad
    ("pulseq_epi_phantom/epi128_4ch_rampsamp", 0.672, 0.045, -0.0645, -0.007),
    ("pulseq_epi_phantom/epi128_4ch_flattop", 0.720, 0.057, -0.0675, -0.018),
    ("pulseq_epi_phantom/epi96_1ch_rampsamp_peplus", 0.784, 0.056, -0.0912, -0.002),
    ("pulseq_epi_phantom/epi96_1ch_rampsamp_peminus", 0.812, 0.053, -0.0912, -0.002),
    (SIEMENS, 0.156, 0.101, -0.0084, 0.098),
    (f"{SIEMENS}_EPIxsl", 0.156, 0.101, -0.0084, 0.098),
]


def open_scan(path: Path) -> tuple[Scan, list]:
    """Read a recording as the server does."""
    scan, door = Scan(), Door(Scan())
    came: list = []
    for message in open_messages(path):
        if isinstance(message, Acquisition):
            came += door.receive(message)
        elif isinstance(message, Header):
            scan = read_header(message.text)
            door = Door(scan)
    return scan, [*came, *door.finish()]


def magnitude(messages: Sequence[object], rows: int) -> NDArray:
    """Put lines where their counters say, transform along y, and give the root sum of squares over the coils."""
    lines = [message for message in messages if isinstance(message, Readout) and message.kind is Kind.IMAGING]
    plane = np.zeros((lines[0].data.shape[0], rows, lines[0].data.shape[1]), complex)
    for line in lines:
        plane[:, line.counters.kspace_encode_step_1] = line.data
    shifted = np.fft.ifftshift(plane, axes=1)
    images = np.fft.fftshift(np.fft.ifft(shifted, axis=1, norm="ortho"), axes=1)
    return np.sqrt((np.abs(images) ** 2).sum(axis=0))


def level(image: NDArray, by: NDArray) -> float:
    """Mean in the ghost over mean in the object; where both lie, the corrected image says."""
    mask = by > 0.25 * np.percentile(by, 99)
    ghost = np.roll(mask, len(mask) // 2, axis=0) & ~mask
    return float(image[ghost].mean() / image[mask].mean())


@pytest.fixture(scope="module")
def through(run, shared_data):
    recordings: dict[str, tuple[Scan, list[Readout]]] = {}

    def reconstruct(name: str, gadgets: Sequence[Gadget]) -> tuple[NDArray, list[object]]:
        if name not in recordings:
            recordings[name] = open_scan(shared_data / "raw" / f"{name}.h5")
        scan, messages = recordings[name]
        out = run(gadgets, messages, scan)
        return magnitude(out, scan.encodings[0].encoded_matrix[1]), out

    return reconstruct


@pytest.mark.parametrize(("name", "before", "after", "slope", "constant"), FIGURES)
def test_real_ghosts_go_and_the_figures_are_those_of_the_literature(through, name, before, after, slope, constant):
    image, out = through(name, [TransformReadout(), CorrectGhost()])
    ghosted, _ = through(name, [TransformReadout()])
    assert level(ghosted, image) == pytest.approx(before, abs=0.002)
    assert level(image, image) == pytest.approx(after, abs=0.002)
    rows = image.shape[0]
    measured = ghost_level(image[np.newaxis].astype(np.complex64), np.array([rows // 2]), rows)
    assert measured == pytest.approx(level(image, image), rel=0.01)
    found = {message.name: message.value for message in out if isinstance(message, Measurement)}
    assert found[Measure.NAVIGATOR_SLOPE] == pytest.approx(slope, abs=1e-3)
    assert found[Measure.NAVIGATOR_CONSTANT] == pytest.approx(constant, abs=1e-3)
    assert not [message for message in out if isinstance(message, Notice)]


def test_two_ways_to_write_the_header_give_the_same_image(through):
    gadgets = [TransformReadout(), CorrectGhost()]
    one, other = (through(name, gadgets)[0] for name in (SIEMENS, f"{SIEMENS}_EPIxsl"))
    assert np.linalg.norm(one - other) < 1e-5 * np.linalg.norm(one)


def test_regridding_is_worth_its_product(through):
    """Without it the ghost of a scan that is read on long ramps is brighter."""
    name = "pulseq_epi_phantom/epi96_1ch_rampsamp_peplus"
    even, regridded = (through(name, [first, CorrectGhost()])[0] for first in (_Evenly(), TransformReadout()))
    assert level(even, even) > 1.15 * level(regridded, regridded)


def test_an_epi_that_lost_its_flags_is_reported_and_does_not_crash(run, shared_data):
    scan, messages = open_scan(shared_data / "raw/siemens_multicoil_misc/pulseq05_epi_officialconv.h5")
    out = run([TransformReadout(), CorrectGhost()], messages, scan)
    assert sum(isinstance(message, Readout) for message in out) == 128
    assert any("lost its polarity" in message.text for message in out if isinstance(message, Notice))


class _Evenly(TransformReadout):
    """Takes the samples as even, whatever the header says of the gradient."""

    def start(self, scan: Scan) -> None:
        super().start(replace(scan, encodings=tuple(replace(one, trapezoid=None) for one in scan.encodings)))
