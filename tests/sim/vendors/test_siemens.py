import numpy as np
import pytest

from aslive.sim.choices import NoiseScan
from aslive.sim.header import header_text, noise_header_text
from aslive.sim.protocol import Protocol
from aslive.sim.vendors.profile import apply
from aslive.sim.vendors.siemens import Siemens
from aslive.streaming.errors import ConfigError
from aslive.streaming.header import read_header
from aslive.streaming.layouts import ACQUISITION_HEADER, flag
from aslive.streaming.messages import Acquisition, Header

PRODUCT = Protocol(
    matrix=(80, 80, 1), field_of_view=(0.2, 0.2, 0.004), coils=2, pairs=1, m0scan=False, echo_spacing=0.56e-3
)
GENERAL, EPI = "siemens_ep2d_bold_phantom/epi_mrd.h5", "siemens_ep2d_bold_phantom/epi_mrd_EPIxsl.h5"
NOT_IN_THE_REAL_SCAN = {
    "/ismrmrdHeader/measurementInformation/measurementDependency/dependencyType",
    "/ismrmrdHeader/measurementInformation/measurementDependency/measurementID",
}


def headers(messages) -> np.ndarray:
    found = [message.header for message in messages if isinstance(message, Acquisition)]
    return np.frombuffer(b"".join(found), ACQUISITION_HEADER)


def first_volume(found: np.ndarray) -> np.ndarray:
    return found[found["idx"]["repetition"] == 0]


def head(messages) -> str:
    return next(message.text for message in messages if isinstance(message, Header))


def changes(paths, general: str, epi: str) -> dict[str, tuple[str | None, str | None]]:
    one, other = paths(general), paths(epi)
    names = one.keys() | other.keys()
    return {name: (one.get(name), other.get(name)) for name in names if one.get(name) != other.get(name)}


@pytest.mark.parametrize(("epi_style", "name"), [(False, GENERAL), (True, EPI)])
def test_the_header_has_the_elements_of_the_real_one(play, real, paths, epi_style, name):
    written = paths(head(apply(Siemens(epi_style=epi_style), play(PRODUCT))))
    wanted = paths(real(name)[0])
    assert wanted.keys() <= written.keys()
    assert written.keys() - wanted.keys() == NOT_IN_THE_REAL_SCAN


def test_the_two_styles_differ_where_the_real_files_differ(play, real, paths):
    ours = changes(paths, *(head(apply(Siemens(epi_style=style), play(PRODUCT))) for style in (False, True)))
    theirs = changes(paths, real(GENERAL)[0], real(EPI)[0])
    memory = {name for name in ours if "sWipMemBlock" in name}  # holds the labeling here
    assert ours.keys() == theirs.keys()
    assert all(ours[name] == theirs[name] for name in ours.keys() - memory)


@pytest.mark.parametrize("navigators_reversed", [True, False])
def test_a_train_has_the_flags_and_counters_of_the_real_one(play, real, navigators_reversed):
    written = first_volume(headers(apply(Siemens(), play(PRODUCT, navigators_reversed=navigators_reversed))))
    wanted = real(GENERAL)[1]
    for name in ("flags", "idx", "scan_counter", "center_sample", "number_of_samples", "channel_mask", "user_int"):
        np.testing.assert_array_equal(written[name], wanted[name], err_msg=name)
    np.testing.assert_array_equal(written["patient_table_position"], wanted["patient_table_position"])


def test_a_cartesian_volume_has_the_flags_and_counters_of_the_real_one(real, scanned):
    protocol = Protocol(matrix=(16, 160, 1), field_of_view=(0.2, 0.2, 0.004), coils=1, pairs=1, m0scan=False)
    written = first_volume(headers(apply(Siemens(), scanned(protocol))))
    wanted = real("siemens_multicoil_misc/gre_160_2ch.h5")[1]
    np.testing.assert_array_equal(written["flags"], wanted["flags"])
    np.testing.assert_array_equal(written["idx"], wanted["idx"])


def test_every_repetition_ends_with_the_flags_of_the_last_one(play):
    written = headers(apply(Siemens(), play(PRODUCT)))
    ends = (written["flags"] & flag(14)) != 0
    assert ends.sum() == 2
    np.testing.assert_array_equal(ends, (written["flags"] & flag(25)) != 0)


def test_flags_that_the_converter_never_sets_are_not_set(play):
    never = sum(flag(number) for number in (*range(1, 7), *range(9, 14), *range(15, 19)))
    assert not np.any(headers(apply(Siemens(), play(PRODUCT)))["flags"] & never)


def test_the_header_contradicts_the_readouts_as_real_ones_do(play):
    scan = read_header(head(apply(Siemens(), play(PRODUCT))))
    written = headers(apply(Siemens(), play(PRODUCT)))
    encoding = scan.encoding
    assert encoding is not None
    assert encoding.trajectory == "cartesian"
    assert encoding.echo_planar
    assert encoding.trajectory_parameters["etl"] == 128
    assert encoding.limits["segment"].maximum == 0
    assert set(written["idx"]["segment"]) == {0, 1}
    assert scan.relative_noise_bandwidth == pytest.approx(0.793)
    assert "Noise" in scan.dependencies


def test_the_sequence_s_own_memory_holds_the_labeling_and_nothing_says_so(scanned):
    neutral = scanned(Protocol(matrix=(8, 8, 1), coils=1, pairs=1))
    scan = read_header(head(apply(Siemens(), neutral)))
    assert not scan.labeling.stated
    assert scan.parameters["sWipMemBlock.alFree[0]"] == "1800000"
    assert scan.parameters["sWipMemBlock.alFree[1]"] == "1800000"


def test_the_noise_of_an_earlier_measurement_is_still_found_by_its_number():
    protocol = Protocol(noise_scan=NoiseScan.EARLIER)
    noise = read_header(Siemens().header(noise_header_text(protocol)))
    scan = read_header(Siemens().header(header_text(protocol)))
    assert scan.dependencies == {"Noise": noise.measurement_id}
    assert not noise.dependencies


def test_partial_fourier_along_z_is_forgotten_by_the_epi_style_only(play):
    text = head(play(Protocol(matrix=(8, 8, 8), three_dimensional=True, partial_fourier_slice=0.75, coils=1, pairs=1)))
    centers = []
    for style in (False, True):
        encoding = read_header(Siemens(epi_style=style).header(text)).encoding
        assert encoding is not None
        centers.append(encoding.limits["kspace_encode_step_2"].center)
    assert centers == [2, 4]


@pytest.mark.parametrize("label_first", [False, True])
def test_sets_come_with_a_rule_that_names_the_label(label_first, scanned):
    protocol = Protocol(matrix=(8, 8, 1), coils=1, pairs=2, label_first=label_first)
    neutral = scanned(protocol)
    profile = Siemens(volumes_by_set=True)
    places = [(int(i["repetition"]), int(i["set"])) for i in headers(apply(profile, neutral))["idx"]]
    assert list(dict.fromkeys(places)) == [(0, 0), (1, 0), (1, 1), (2, 0), (2, 1)]
    scan = read_header(profile.header(head(neutral)), profile.settings(head(neutral)))
    rule = scan.labeling.rule
    assert rule is not None
    assert (rule.counter, rule.label_value, rule.leading_m0scan) == ("set", 0 if label_first else 1, 1)
    assert scan.labeling.bolus(3) == pytest.approx((1.8, 1.8))


def test_several_delays_cannot_go_by_set():
    text = header_text(Protocol(pairs=2, post_labeling_delay=(1.0, 1.5)))
    with pytest.raises(ConfigError, match="volumes by repetition"):
        Siemens(volumes_by_set=True).settings(text)
