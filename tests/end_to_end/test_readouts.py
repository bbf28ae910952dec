"""Every readout through the one chain: raw data in, and the same blood flow out as from plain Cartesian lines."""

from collections.abc import Iterable
from functools import cache

import numpy as np
import pytest
from numpy.typing import NDArray
from through_session import maps, reconstruct

from aslive.sim.anatomy import brain
from aslive.sim.choices import NoiseScan, ReadoutType, ReferenceType
from aslive.sim.effects import Effects
from aslive.sim.epi import EchoPlanar
from aslive.sim.protocol import Protocol
from aslive.sim.scanner import Scanner
from aslive.sim.spiral import Spiral
from aslive.sim.truth import expected_cbf
from aslive.streaming.messages import ConfigFile, Message, Text
from aslive.streaming.registry import Registry
from aslive.streaming.scan import Noise, Role
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


UNSTEADY = {
    "delay and phase of odd lines": {"echo_planar": GHOSTS},
    "off resonance": {"effects": Effects(off_resonance=30.0)},
    "drift": {"effects": Effects(drift=1.0)},
    "decay": {"effects": Effects(decay=True)},
    "phase of each shot": {"effects": Effects(shot_phase=0.3)},
    "gradients of spirals late": {"effects": Effects(trajectory_delay=1e-6)},
    "all of them": {
        "echo_planar": GHOSTS,
        "effects": Effects(off_resonance=30.0, drift=1.0, decay=True, shot_phase=0.2, trajectory_delay=1e-6),
    },
}
SINGLE: dict[str, tuple[dict[str, object], float]] = {
    "EPI": ({"readout": EPI}, 0.01),
    "EPI, every second line": ({"readout": EPI, "acceleration": (2, 1)}, 0.01),
    "GRASE": ({"readout": GRASE}, 0.03),  # T2 decay along the partitions blurs
    "spiral": ({"readout": SPIRAL, "spiral": Spiral(interleaves=1)}, 0.02),
    "stack of spirals": ({"readout": SPIRAL, "three_dimensional": True, "spiral": Spiral(interleaves=1)}, 0.02),
}
"""One shot a slice, or a volume, and by how much the flow of gray matter may be off."""


@pytest.mark.parametrize("suffering", UNSTEADY.values(), ids=UNSTEADY)
@pytest.mark.parametrize(("options", "bound"), SINGLE.values(), ids=SINGLE)
def test_what_a_real_scanner_suffers_from_changes_little(options, bound, suffering):
    scanner = scan(matrix=(28, 28, 6), coils=6, **options, **suffering)
    replies = reconstruct(scanner.messages())
    assert not complaints(replies)
    assert abs(gray_matter_error(scanner, replies)) < bound


SEGMENTED = {
    "EPI in 2 segments": {"readout": EPI, "segments": 2},
    "GRASE in 2 segments": {"readout": GRASE, "segments": 2},
    "GRASE in 2 segments, 2 shots": {"readout": GRASE, "segments": 2, "shots": 2},
    "GRASE in 2 segments, turned over": {"readout": GRASE, "segments": 2, "background_suppression": -0.05},
}


@pytest.mark.parametrize("options", SEGMENTED.values(), ids=SEGMENTED)
def test_shots_of_one_volume_may_each_have_a_phase_of_their_own(options):
    scanner = scan(echo_planar=GHOSTS, effects=Effects(shot_phase=0.5, drift=0.2), **options)
    replies = reconstruct(scanner.messages())
    assert not complaints(replies)
    assert abs(gray_matter_error(scanner, replies)) < 0.01


CHAINS = {
    "asl_cartesian": {"three_dimensional": True},
    "asl_epi": {"readout": EPI, "echo_planar": GHOSTS, "acceleration": (2, 1)},
    "asl_grase": {"readout": GRASE, "echo_planar": GHOSTS, "segments": 2},
    "asl_spiral": {"readout": SPIRAL, "three_dimensional": True},
}


@pytest.mark.parametrize(("chain", "options"), CHAINS.items(), ids=CHAINS)
def test_a_chain_that_is_asked_for_by_name_gives_the_maps_of_the_default_one(chain, options):
    messages = list(scan(**options).messages())
    wanted, found = (reconstruct(messages, chain=name) for name in ("default", chain))
    assert not complaints(found)
    for name in ("m0scan", "control", "label", "deltam", "cbf"):
        np.testing.assert_array_equal(maps(found, name), maps(wanted, name))


@pytest.mark.parametrize("options", [{"readout": EPI, "acceleration": (2, 1)}, {"readout": GRASE}, {"readout": SPIRAL}])
def test_half_of_the_coils_hold_all_of_the_flow(options):
    scanner = scan(**options, coils=16)
    replies = reconstruct(scanner.messages(), {"compress.coils": 8})
    assert any("16 coils compressed to 8" in reply.text for reply in replies if isinstance(reply, Text))
    assert not complaints(replies)
    assert abs(gray_matter_error(scanner, replies)) < 0.01


def test_decay_along_the_partitions_is_undone_on_demand():
    scanner = scan(readout=GRASE, matrix=(32, 32, 16), effects=Effects(decay=True))
    blurred, sharp = (reconstruct(scanner.messages(), {"decay.t2": t2}) for t2 in (None, 0.08))
    assert not complaints(sharp)
    assert any("Images are filtered along z" in reply.text for reply in sharp if isinstance(reply, Text))
    truth = np.abs(scanner.image(Role.M0SCAN))
    before, after = (misses(maps(replies, "m0scan")[0], truth) for replies in (blurred, sharp))
    assert after < 0.8 * before


def misses(image: NDArray[np.float32], truth: NDArray[np.floating]) -> float:
    """Give the normalized root-mean-square error of an image, but for its scale."""
    scaled = image * (np.vdot(image, truth) / np.vdot(image, image))
    return float(np.linalg.norm(scaled - truth) / np.linalg.norm(truth))


@pytest.mark.parametrize("readout", [EPI, GRASE, SPIRAL])
def test_noise_of_an_earlier_measurement_whitens_as_noise_of_the_scan_itself(readout):
    protocol = Protocol(matrix=(24, 24, 4), coils=4, pairs=1, readout=readout, noise_scan=NoiseScan.EARLIER)
    scanner = Scanner(protocol, snr=100.0, anatomy=head(protocol.grid))
    kept: dict[str, Noise] = {}
    for messages in (scanner.noise_messages(), scanner.messages()):
        session = Session(Registry(), keep_noise=kept.__setitem__, noise_of=kept.get)
        pieces = (memoryview(encode(message)) for message in (ConfigFile("default"), *messages))
        replies = list(converse(pieces, session, Decoder()))
        assert not complaints(replies)
    assert any("of noise of the earlier measurement" in reply.text for reply in replies if isinstance(reply, Text))
    if readout != SPIRAL:
        white = np.sqrt(2) * np.linalg.inv(np.linalg.cholesky(scanner.covariance))
        phantom = np.linalg.norm(np.einsum("dc,czyx->dzyx", white, scanner.images(Role.M0SCAN)), axis=0)
        inside = phantom > 0.3 * phantom.max()
        brightness = np.vdot(phantom[inside], maps(replies, "m0scan")[0][inside]) / np.vdot(
            phantom[inside], phantom[inside]
        )
        assert brightness == pytest.approx(np.sqrt(protocol.redundancy), rel=0.05)


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


def without_lowest(image: NDArray[np.complex64], partitions: int) -> NDArray[np.complexfloating]:
    spectrum = np.fft.fftshift(np.fft.fft(np.fft.ifftshift(image, 0), axis=0), 0)
    spectrum[:partitions] = 0
    return np.fft.fftshift(np.fft.ifft(np.fft.ifftshift(spectrum, 0), axis=0), 0)
