"""The same scan in the hand of every vendor's converter gives the same maps, if the site says what is lost."""

from collections.abc import Iterable
from functools import cache
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from through_session import maps, reconstruct

from aslive.sim.anatomy import Anatomy
from aslive.sim.choices import ReadoutType, ReferenceType
from aslive.sim.epi import EchoPlanar
from aslive.sim.protocol import Protocol
from aslive.sim.scanner import Scanner
from aslive.sim.vendors.catalog import as_written_by
from aslive.sim.vendors.profile import Vendor, apply
from aslive.sim.vendors.siemens import Siemens
from aslive.streaming.header import read_header
from aslive.streaming.messages import Header, Message, Text

VENDORS = tuple(vendor for vendor in Vendor if vendor is not Vendor.NEUTRAL)
every_vendor = pytest.mark.parametrize("vendor", VENDORS)
CARTESIAN = Protocol(matrix=(16, 14, 3), coils=4, pairs=3)


def mixed_head(protocol: Protocol) -> Anatomy:
    """A head of random tissue, so that nothing leans on symmetry or smoothness."""
    fractions = np.random.default_rng(0).dirichlet((2, 2, 1, 0.5), protocol.grid.shape)
    return Anatomy(protocol.grid, np.ascontiguousarray(np.moveaxis(fractions[..., :3], -1, 0), np.float32))


@cache
def neutral(protocol: Protocol, snr: float | None = None) -> tuple[Message, ...]:
    return tuple(Scanner(protocol, snr=snr, anatomy=mixed_head(protocol)).messages())


@cache
def expected(protocol: Protocol, snr: float | None = None) -> list[Message]:
    return reconstruct(neutral(protocol, snr))


def texts(replies: Iterable[Message]) -> str:
    return "\n".join(reply.text for reply in replies if isinstance(reply, Text))


def differ(found: NDArray[np.float32], wanted: NDArray[np.float32]) -> float:
    """Give the normalized root-mean-square error where both have a value; they must have it in the same voxels."""
    np.testing.assert_array_equal(np.isnan(found), np.isnan(wanted))
    return float(np.sqrt(np.nansum((found - wanted) ** 2) / np.nansum(wanted**2)))


def assert_same_maps(replies: list[Message], wanted: list[Message]) -> None:
    for name in ("cbf", "deltam", "m0scan"):
        pairs = list(zip(maps(replies, name), maps(wanted, name), strict=True))
        assert all(differ(found, other) < 0.01 for found, other in pairs), name
    assert maps(wanted, "cbf"), texts(wanted)


@every_vendor
def test_a_cartesian_scan_gives_the_same_maps_from_every_vendor(vendor):
    replies = reconstruct(as_written_by(vendor, neutral(CARTESIAN), tell_settings=True))
    assert_same_maps(replies, expected(CARTESIAN))


def test_control_and_label_may_be_told_apart_by_set():
    replies = reconstruct(apply(Siemens(volumes_by_set=True), neutral(CARTESIAN), tell_settings=True))
    assert_same_maps(replies, expected(CARTESIAN))


@every_vendor
def test_without_the_site_s_words_a_vendor_s_scan_is_no_asl(vendor):
    replies = reconstruct(as_written_by(vendor, neutral(CARTESIAN)))
    assert not maps(replies, "cbf")
    assert len(maps(replies, "image")) == 7


def test_the_noise_bandwidth_that_siemens_states_scales_images_and_leaves_the_flow():
    replies = reconstruct(as_written_by(Vendor.SIEMENS, neutral(CARTESIAN, 450.0), tell_settings=True))
    wanted = expected(CARTESIAN, 450.0)
    assert differ(maps(replies, "cbf")[-1], maps(wanted, "cbf")[-1]) < 1e-3
    assert differ(maps(replies, "m0scan")[0], maps(wanted, "m0scan")[0] * np.float32(0.793**0.5)) < 1e-3


GHOST = EchoPlanar(delay=2e-6, phase=0.3)


def grase(**options: Any) -> Protocol:  # Any: fields of Protocol
    usual: dict[str, Any] = {"matrix": (16, 14, 8), "coils": 4, "pairs": 1, "echo_spacing": 0.55e-3}
    return Protocol(readout=ReadoutType.GRASE, echo_planar=GHOST, **(usual | options))


TRAINS = {
    "EPI": Protocol(
        matrix=(16, 14, 2), coils=4, pairs=2, readout=ReadoutType.EPI, echo_planar=GHOST, echo_spacing=0.55e-3
    ),
    "accelerated EPI with FLASH reference": Protocol(
        matrix=(32, 32, 1),
        coils=8,
        pairs=1,
        readout=ReadoutType.EPI,
        echo_planar=GHOST,
        echo_spacing=0.55e-3,
        acceleration=(2, 1),
        reference=ReferenceType.FLASH,
    ),
    "GRASE in two segments": grase(segments=2),
    "GRASE in two shots, 6/8 of the partitions": grase(partial_fourier_slice=0.75, shots=2),
    "GRASE, 2 x 2 CAIPIRINHA": grase(matrix=(24, 24, 8), coils=8, acceleration=(2, 2), caipi_shift=1),
    "spirals": Protocol(matrix=(16, 14, 3), coils=4, pairs=1, readout=ReadoutType.SPIRAL),
    "stack of spirals": Protocol(
        matrix=(16, 14, 3), coils=4, pairs=1, readout=ReadoutType.SPIRAL, three_dimensional=True
    ),
}


@pytest.mark.parametrize("protocol", TRAINS.values(), ids=TRAINS)
@pytest.mark.parametrize("vendor", [Vendor.SIEMENS, Vendor.SIEMENS_EPI, Vendor.PULSEQ])
def test_trains_and_spirals_give_the_same_maps_from_every_vendor_that_can_tell_of_them(vendor, protocol):
    replies = reconstruct(as_written_by(vendor, neutral(protocol), tell_settings=True))
    assert_same_maps(replies, expected(protocol))


def test_an_epi_without_a_ghost_is_the_same_from_ge_if_its_dwell_time_is_the_fixed_one():
    protocol = Protocol(
        matrix=(16, 14, 2),
        coils=4,
        pairs=1,
        readout=ReadoutType.EPI,
        echo_planar=EchoPlanar(dwell=2e-6, samples=220),
        echo_spacing=0.55e-3,
    )
    replies = reconstruct(as_written_by(Vendor.GE, neutral(protocol), tell_settings=True))
    assert_same_maps(replies, expected(protocol))
    assert "Navigators tell nothing" in texts(replies)


def test_ghosts_of_a_converter_that_hides_directions_stay_and_are_told():
    """Lines that were turned round already cannot be told apart, so nothing can be corrected."""
    protocol = TRAINS["EPI"]
    replies = reconstruct(as_written_by(Vendor.GE, neutral(protocol), tell_settings=True))
    assert "warning: Navigators tell nothing: they are of one direction only" in texts(replies)
    assert differ(maps(replies, "m0scan")[0], maps(expected(protocol), "m0scan")[0]) > 0.05
    assert len(maps(replies, "cbf")) == protocol.pairs


@every_vendor
def test_who_built_the_scanner_is_known(vendor):
    (header,) = (m for m in as_written_by(vendor, neutral(CARTESIAN)) if isinstance(m, Header))
    wanted = {Vendor.PHILIPS: "PHILIPS", Vendor.GE: "GE MEDICAL SYSTEMS"}.get(vendor, "SIEMENS")
    assert read_header(header.text).vendor == wanted
