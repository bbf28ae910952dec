"""Every readout through the one chain: raw data in, and the same blood flow out as from plain Cartesian lines."""

from collections.abc import Iterable
from functools import cache

import numpy as np
import pytest
from numpy.typing import NDArray

from aslive.sim.anatomy import brain
from aslive.sim.choices import ReadoutType, ReferenceType
from aslive.sim.epi import EchoPlanar
from aslive.sim.protocol import Protocol
from aslive.sim.scanner import Scanner
from aslive.sim.truth import expected_cbf
from aslive.streaming.attributes import read_attributes
from aslive.streaming.messages import ConfigFile, Image, Message, Text
from aslive.streaming.registry import Registry
from aslive.streaming.scan import Role
from aslive.streaming.session import Session
from aslive.streaming.wire import Decoder, encode
from aslive.streaming.worker import converse

T1_TISSUE = 1.607
"""What the CBF gadget takes for the recovery of M0 at 3 T, s."""
EPI, GRASE, SPIRAL = ReadoutType.EPI, ReadoutType.GRASE, ReadoutType.SPIRAL
GHOSTS = EchoPlanar(delay=2e-6, phase=0.4)
READOUTS: dict[str, dict[str, object]] = {
    "Cartesian, every second line": {"acceleration": (2, 1)},
    "EPI": {"readout": EPI},
    "EPI with ghosts": {"readout": EPI, "echo_planar": GHOSTS},
    "EPI in 2 segments": {"readout": EPI, "echo_planar": GHOSTS, "segments": 2},
    "EPI, every second line": {"readout": EPI, "echo_planar": GHOSTS, "acceleration": (2, 1)},
    "EPI, every third line": {"readout": EPI, "acceleration": (3, 1), "reference_lines": 24},
    "EPI, separate reference": {"readout": EPI, "acceleration": (2, 1), "reference": ReferenceType.SEPARATE},
    "EPI, gradient-echo reference": {"readout": EPI, "acceleration": (2, 1), "reference": ReferenceType.FLASH},
    "EPI, 6/8 of k-space": {"readout": EPI, "partial_fourier": 0.75},
    "EPI, 7/8 of every second line": {"readout": EPI, "partial_fourier": 0.875, "acceleration": (2, 1)},
    "EPI, suppressed": {"readout": EPI, "background_suppression": 0.1},
    "EPI in 3-D": {"readout": EPI, "three_dimensional": True, "shots": 8},
    "GRASE": {"readout": GRASE},
    "GRASE in 2 segments": {"readout": GRASE, "echo_planar": GHOSTS, "segments": 2},
    "GRASE in 2 shots": {"readout": GRASE, "shots": 2},
    "GRASE, 2 x 2 CAIPIRINHA": {"readout": GRASE, "acceleration": (2, 2), "caipi_shift": 1},
    "GRASE, suppressed": {"readout": GRASE, "background_suppression": 0.1},
    "spirals": {"readout": SPIRAL},
    "stack of spirals": {"readout": SPIRAL, "three_dimensional": True},
    "stack of spirals, suppressed": {"readout": SPIRAL, "three_dimensional": True, "background_suppression": 0.1},
}

ROLES = (Role.M0SCAN, Role.CONTROL, Role.LABEL)
head = cache(brain)


def reconstruct(messages: Iterable[Message], settings: dict[str, object] | None = None) -> list[Message]:
    pieces = (memoryview(encode(message)) for message in (ConfigFile("default"), *messages))
    return list(converse(pieces, Session(Registry(), settings or {}), Decoder()))


def maps(replies: Iterable[Message], name: str) -> list[NDArray[np.float32]]:
    images = [reply for reply in replies if isinstance(reply, Image)]
    return [
        image.data[0].view(np.float32) for image in images if read_attributes(image.attributes)["aslive_map"] == [name]
    ]


def complaints(replies: Iterable[Message]) -> list[str]:
    return [reply.text for reply in replies if isinstance(reply, Text) and reply.text.startswith(("warning", "error"))]


def scan(**options: object) -> Scanner:
    usual: dict[str, object] = {"matrix": (32, 32, 8), "coils": 8, "pairs": 1, "reference_lines": 16}
    protocol = Protocol(**(usual | options))  # pyright: ignore[reportArgumentType] (fields of Protocol)
    return Scanner(protocol, snr=None, anatomy=head(protocol.grid))


def gray_matter_error(scanner: Scanner, replies: Iterable[Message], truth: NDArray[np.floating] | None = None) -> float:
    """Tell by how much the mean flow of gray matter misses what fully sampled Cartesian lines give."""
    (cbf,) = maps(replies, "cbf")
    if truth is None:
        truth = expected_cbf(scanner.head, scanner.protocol, t1_tissue=T1_TISSUE)
    gray = scanner.head.gray_matter > 0.6
    assert np.isfinite(cbf[gray]).mean() > 0.99
    return float(np.nanmean(cbf[gray]) / np.nanmean(truth[gray]) - 1)


@pytest.mark.parametrize("options", READOUTS.values(), ids=READOUTS)
def test_gray_matter_flow_is_that_of_cartesian_lines_to_one_percent(options):
    scanner = scan(**options)
    replies = reconstruct(scanner.messages())
    assert not complaints(replies)
    assert abs(gray_matter_error(scanner, replies)) < 0.01


@pytest.mark.parametrize("method", ["pocs", "homodyne"])
@pytest.mark.parametrize("options", [{"readout": GRASE, "partial_fourier_slice": 0.75}, {"partial_fourier": 0.75}])
def test_a_frozen_phase_brings_back_what_partial_fourier_left_out(options, method):
    scanner = scan(matrix=(32, 32, 24), coils=4, **options)
    replies = reconstruct(scanner.messages(), {"partial_fourier.method": method})
    assert not complaints(replies)
    assert abs(gray_matter_error(scanner, replies)) < 0.01


def test_zero_filled_partial_fourier_loses_resolution_and_nothing_else():
    """Without its phase, what was not acquired is gone: flow is that of true images whose k-space was cut."""
    scanner = scan(readout=GRASE, matrix=(32, 32, 24), coils=4, partial_fourier_slice=0.75, echo_planar=GHOSTS)
    replies = reconstruct(scanner.messages(), {"fourier.taper": 0.0})
    delay = scanner.protocol.delay(1)
    images = [scanner.image(role, delay if role is not Role.M0SCAN else 0.0) for role in ROLES]
    gray = scanner.head.gray_matter > 0.6
    m0, control, label = (np.abs(image)[gray] for image in images)
    m0_cut, control_cut, label_cut = (np.abs(without_lowest(image, 6))[gray] for image in images)
    change = np.ones(gray.shape)
    change[gray] = (control_cut - label_cut) / m0_cut / ((control - label) / m0)
    truth = change * expected_cbf(scanner.head, scanner.protocol, t1_tissue=T1_TISSUE)
    assert abs(gray_matter_error(scanner, replies, truth)) < 0.002
    assert abs(gray_matter_error(scanner, replies)) > 0.01


def without_lowest(image: NDArray[np.complex64], partitions: int) -> NDArray[np.complex64]:
    spectrum = np.fft.fftshift(np.fft.fft(np.fft.ifftshift(image, 0), axis=0), 0)
    spectrum[:partitions] = 0
    return np.fft.fftshift(np.fft.ifft(np.fft.ifftshift(spectrum, 0), axis=0), 0)
