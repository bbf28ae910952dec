"""Odd numbers of columns, lines, slices and coils, and the noise of images: every readout through the whole session."""

from collections.abc import Iterable
from functools import cache

import numpy as np
import pytest
from through_session import maps, reconstruct

from aslive.sim.anatomy import brain
from aslive.sim.choices import Order, ReadoutType
from aslive.sim.epi import EchoPlanar
from aslive.sim.protocol import Protocol
from aslive.sim.scanner import Scanner
from aslive.sim.truth import expected_cbf
from aslive.streaming.messages import Message, Text
from aslive.streaming.scan import Role

T1_TISSUE = 1.607
"""What the CBF gadget takes for the recovery of M0 at 3 T, s."""
EPI, GRASE, SPIRAL = ReadoutType.EPI, ReadoutType.GRASE, ReadoutType.SPIRAL
GHOSTS = EchoPlanar(delay=2e-6, phase=0.4)
ODD_TRAIN = EchoPlanar(samples=151, dwell=2.9e-6, delay=-1.5e-6, phase=-0.3, navigators_begin_reversed=False)
ON_A_GRID: dict[str, dict[str, object]] = {
    "Cartesian slices": {},
    "Cartesian slab": {"three_dimensional": True},
    "EPI": {"readout": EPI, "echo_planar": GHOSTS},
    "EPI, odd number of samples": {"readout": EPI, "echo_planar": ODD_TRAIN},
    "EPI in 3 segments": {"readout": EPI, "echo_planar": GHOSTS, "segments": 3},
    "GRASE": {"readout": GRASE, "echo_planar": GHOSTS},
    "GRASE in 3 segments, 2 shots": {"readout": GRASE, "echo_planar": GHOSTS, "segments": 3, "shots": 2},
}
ALL = ON_A_GRID | {
    "Cartesian, centric": {"three_dimensional": True, "line_order": Order.CENTRIC, "partition_order": Order.CENTRIC},
    "EPI, every second line": {"readout": EPI, "acceleration": (2, 1)},
    "EPI, 7/8 of k-space": {"readout": EPI, "partial_fourier": 0.875},
    "EPI, phase oversampling": {"readout": EPI, "phase_lines": 37},
    "GRASE, every second line": {"readout": GRASE, "acceleration": (2, 1)},
    "GRASE, partition oversampling": {"readout": GRASE, "partitions": 9},
    "GRASE, centric": {"readout": GRASE, "partition_order": Order.CENTRIC},
    "spirals": {"readout": SPIRAL},
    "stack of spirals": {"readout": SPIRAL, "three_dimensional": True},
}
head = cache(brain)


def reconstructed(messages: Iterable[Message]) -> list[Message]:
    """Send a scan that nothing is wrong with."""
    replies = reconstruct(messages)
    assert not [reply.text for reply in replies if isinstance(reply, Text) and reply.text.startswith(("warn", "error"))]
    return replies


def scan(snr: float | None, **options: object) -> Scanner:
    usual: dict[str, object] = {"matrix": (33, 31, 7), "coils": 5, "pairs": 2, "reference_lines": 15}
    protocol = Protocol(**(usual | options))  # pyright: ignore[reportArgumentType] (fields of Protocol)
    return Scanner(protocol, snr=snr, anatomy=head(protocol.grid))


@pytest.mark.parametrize("options", ALL.values(), ids=ALL)
def test_flow_of_gray_matter_is_right_to_one_percent(options):
    scanner = scan(None, **options, pairs=1)
    (cbf,) = maps(reconstructed(scanner.messages()), "cbf")
    truth = expected_cbf(scanner.head, scanner.protocol, t1_tissue=T1_TISSUE)
    assert cbf.shape == truth.shape == (7, 31, 33)
    gray = scanner.head.gray_matter > 0.6
    assert np.isfinite(cbf[gray]).mean() > 0.99
    assert np.nanmean(cbf[gray]) == pytest.approx(np.nanmean(truth[gray]), rel=0.01)
    assert np.corrcoef(cbf[gray], truth[gray])[0, 1] > 0.95


@pytest.mark.parametrize("options", ON_A_GRID.values(), ids=ON_A_GRID)
def test_images_are_the_phantom_within_a_noise_of_1(options):
    """The units of an image are its noise, also where the samples of an EPI were regridded."""
    scanner = scan(30.0, **options)
    replies = reconstructed(scanner.messages())
    white = np.sqrt(2) * np.linalg.inv(np.linalg.cholesky(scanner.covariance))
    whitened = np.einsum("dc,czyx->dzyx", white, scanner.images(Role.CONTROL))
    phantom = np.sqrt(np.sum(np.abs(whitened) ** 2, axis=0))
    inside = phantom > 0.3 * np.max(phantom)
    first, second = (control[inside] for control in maps(replies, "control"))
    assert np.std(first - second) / np.sqrt(2) == pytest.approx(1, abs=0.05)
    # what is oversampled has more signal by the root of the samples per voxel
    brightness = np.vdot(phantom[inside], first) / np.vdot(phantom[inside], phantom[inside])
    assert brightness == pytest.approx(np.sqrt(scanner.protocol.redundancy), rel=0.05)
    assert np.std(first - brightness * phantom[inside]) == pytest.approx(1, abs=0.08)
