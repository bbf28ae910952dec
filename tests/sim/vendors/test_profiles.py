from collections import Counter

import ismrmrd.xsd
import numpy as np
import pytest

from aslive.sim.header import header_text
from aslive.sim.protocol import Protocol
from aslive.sim.vendors.catalog import as_written_by, profile_of
from aslive.sim.vendors.ge import without_oversampling
from aslive.sim.vendors.profile import Vendor
from aslive.streaming.door import Door
from aslive.streaming.errors import ConfigError
from aslive.streaming.header import read_header
from aslive.streaming.layouts import ACQUISITION_HEADER, flag
from aslive.streaming.messages import Acquisition, Header
from aslive.streaming.readouts import Kind, Readout

VENDORS = tuple(vendor for vendor in Vendor if vendor is not Vendor.NEUTRAL)
SMALL = Protocol(matrix=(16, 12, 3), coils=2, pairs=2)
every_vendor = pytest.mark.parametrize("vendor", VENDORS)
keeps_directions = pytest.mark.parametrize("vendor", [Vendor.SIEMENS, Vendor.SIEMENS_EPI, Vendor.PULSEQ])


def read(messages) -> list[Readout]:
    """Read a stream as the server does."""
    header, *rest = messages
    door = Door(read_header(header.text))
    acquisitions = (message for message in rest if isinstance(message, Acquisition))
    found = [result for acquisition in acquisitions for result in door.receive(acquisition)]
    return [result for result in (*found, *door.finish()) if isinstance(result, Readout)]


def forward(readout: Readout) -> np.ndarray:
    return readout.data[:, ::-1] if readout.flags & flag(22) else readout.data


def lines(readouts: list[Readout], kind: Kind) -> list[tuple[int, ...]]:
    """Give ky, kz, slice, average and repetition of the readouts of a kind, in their order."""
    found = (readout.counters for readout in readouts if readout.kind is kind)
    return [(c.kspace_encode_step_1, c.kspace_encode_step_2, c.slice, c.average, c.repetition) for c in found]


@every_vendor
def test_cartesian_lines_stay_what_they_are(vendor, scanned):
    neutral = scanned(SMALL)
    before, after = read(neutral), read(as_written_by(vendor, neutral))
    assert Counter(readout.kind for readout in after) == Counter(readout.kind for readout in before)
    assert lines(after, Kind.IMAGING) == lines(before, Kind.IMAGING)


@pytest.mark.parametrize("vendor", [Vendor.SIEMENS, Vendor.PHILIPS, Vendor.PULSEQ])
def test_noise_readouts_stay_noise(vendor, scanned):
    after = read(as_written_by(vendor, scanned(SMALL, 450.0)))
    assert sum(readout.kind is Kind.NOISE for readout in after) == SMALL.noise_readouts


def test_ge_sends_no_noise_readouts(scanned):
    assert not any(readout.kind is Kind.NOISE for readout in read(as_written_by(Vendor.GE, scanned(SMALL, 450.0))))


@keeps_directions
@pytest.mark.parametrize("navigators_reversed", [True, False])
@pytest.mark.parametrize("alternates", [True, False])
def test_an_epi_stays_what_it_is_whatever_is_called_forward(play, vendor, navigators_reversed, alternates):
    stream = [*play(SMALL, navigators_reversed=navigators_reversed, alternates=alternates)]
    before, after = read(stream), read(as_written_by(vendor, stream))
    assert [readout.kind for readout in after] == [readout.kind for readout in before]
    assert lines(after, Kind.IMAGING) == lines(before, Kind.IMAGING)
    turns = [bool((one.flags ^ other.flags) & flag(22)) for one, other in zip(before, after, strict=True)]
    assert len(set(turns)) == 1  # all lines turn round, or none
    for one, other in zip(before, after, strict=True):
        np.testing.assert_array_equal(forward(one), forward(other))


@pytest.mark.parametrize(("vendor", "reversed_first"), [(Vendor.SIEMENS, True), (Vendor.PULSEQ, False)])
def test_navigators_begin_as_the_vendor_s_do(play, vendor, reversed_first):
    for begin in (True, False):
        navigators = [r for r in read(as_written_by(vendor, play(SMALL, navigators_reversed=begin)))][:3]
        assert [bool(r.flags & flag(22)) for r in navigators] == [reversed_first, not reversed_first, reversed_first]


def test_ge_turns_the_lines_of_an_epi_round_and_tells_no_direction(play):
    stream = list(play(SMALL))
    before, after = read(stream), read(as_written_by(Vendor.GE, stream))
    assert [readout.kind for readout in after] == [readout.kind for readout in before]
    assert not any(readout.flags & flag(22) for readout in after)
    for one, other in zip(before, after, strict=True):
        np.testing.assert_array_equal(forward(one), other.data)
    assert {readout.counters.kspace_encode_step_1 for readout in after if readout.kind is Kind.NAVIGATOR} == {6}


def test_ge_s_patient_does_not_come_through_the_door():
    profile = profile_of(Vendor.GE)
    assert profile is not None
    text = profile.header(header_text(SMALL))
    assert "SIMULATED^HEAD" in text
    assert "SIMULATED^HEAD" not in read_header(text).text


def test_ge_and_philips_tell_no_times(scanned):
    neutral = scanned(SMALL)
    for vendor in (Vendor.GE, Vendor.PHILIPS):
        times = {(readout.time, readout.dwell) for readout in read(as_written_by(vendor, neutral))}
        assert len(times) == 1
        assert {dwell for _, dwell in times} == {0.0}


def test_a_pulseq_train_has_the_flags_and_counters_of_the_real_one(play, real):
    protocol = Protocol(matrix=(128, 128, 1), coils=1, pairs=1, m0scan=False, echo_spacing=0.7e-3)
    stream = list(play(protocol, samples=128, navigators_reversed=False, alternates=False))
    written = [m.header for m in as_written_by(Vendor.PULSEQ, stream) if isinstance(m, Acquisition)]
    fields = np.frombuffer(b"".join(written), ACQUISITION_HEADER)
    volume = fields[fields["idx"]["repetition"] == 0]
    wanted = real("pulseq_epi_phantom/epi128_4ch_flattop.h5")[1]
    for name in ("idx", "acquisition_time_stamp", "scan_counter", "center_sample", "measurement_uid"):
        np.testing.assert_array_equal(volume[name], wanted[name], err_msg=name)
    np.testing.assert_array_equal(volume["flags"][:-1], wanted["flags"][:-1])  # the scan goes on, so its end is no last
    assert fields["flags"][-1] == wanted["flags"][-1]


def test_a_pulseq_header_has_the_elements_of_the_real_one(play, real, paths):
    written = next(m.text for m in as_written_by(Vendor.PULSEQ, play(SMALL)) if isinstance(m, Header))
    wanted = paths(real("pulseq_epi_phantom/epi128_4ch_rampsamp.h5")[0])
    extra = {name for name in paths(written) if "parallelImaging" in name}
    assert paths(written).keys() - extra == {name for name in wanted if not name.endswith("comment")}


@every_vendor
def test_no_vendor_s_header_tells_of_asl_and_the_settings_make_up_for_it(vendor):
    text = header_text(SMALL)
    profile = profile_of(vendor)
    assert profile is not None
    bare, told = read_header(profile.header(text)), read_header(profile.header(text), profile.settings(text))
    neutral = read_header(text)
    assert not bare.labeling.stated
    assert told.labeling.context == neutral.labeling.context
    for name in ("labeling_duration", "post_labeling_delay", "labeling_efficiency", "mr_acquisition_type"):
        assert getattr(told.labeling, name) == getattr(neutral.labeling, name)
    assert told.repetition_time == pytest.approx(neutral.repetition_time)
    assert told.echo_time == pytest.approx(neutral.echo_time)
    assert told.field_strength == pytest.approx(neutral.field_strength)


@pytest.mark.parametrize("vendor", [Vendor.SIEMENS, Vendor.SIEMENS_EPI, Vendor.PULSEQ])
def test_the_ismrmrd_package_reads_the_header(vendor, play):
    for text in (header_text(SMALL), next(iter(play(SMALL))).text):
        profile = profile_of(vendor)
        assert profile is not None
        header = ismrmrd.xsd.CreateFromDocument(profile.header(text))
        assert header.encoding[0].reconSpace.matrixSize.x == 16


@pytest.mark.parametrize("vendor", [Vendor.PHILIPS, Vendor.GE])
def test_what_a_converter_cannot_carry_is_refused(vendor):
    profile = profile_of(vendor)
    assert profile is not None
    with pytest.raises(ConfigError, match="partial Fourier"):
        profile.header(header_text(Protocol(matrix=(16, 16, 2), partial_fourier=0.75)))


def test_philips_refuses_an_epi_whose_directions_it_would_lose(play):
    with pytest.raises(ConfigError, match="direction of EPI lines"):
        list(as_written_by(Vendor.PHILIPS, play(SMALL)))


@pytest.mark.parametrize("protocol", [Protocol(three_dimensional=True), Protocol(averages=2)])
def test_ge_refuses_what_it_does_not_count(protocol):
    profile = profile_of(Vendor.GE)
    assert profile is not None
    with pytest.raises(ConfigError, match="ge_to_ismrmrd"):
        profile.header(header_text(protocol))


@pytest.mark.parametrize("samples", [16, 17, 30])
def test_without_oversampling_the_inner_columns_of_the_image_are_kept(samples):
    columns = 8
    image = np.zeros(samples, np.complex64)
    begin = samples // 2 - columns // 2
    image[begin : begin + columns] = np.random.default_rng(1).standard_normal(columns)
    places, inner = np.arange(samples) - samples // 2, np.arange(columns) - columns // 2
    data = np.exp(-2j * np.pi * np.outer(places, places) / samples) @ image / np.sqrt(samples)
    found = without_oversampling(data[None].astype(np.complex64), columns)[0]
    back = np.exp(2j * np.pi * np.outer(inner, inner) / columns) @ found / np.sqrt(columns)
    np.testing.assert_allclose(back, image[begin : begin + columns], atol=1e-5)
