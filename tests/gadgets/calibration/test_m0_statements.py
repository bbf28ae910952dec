import pytest

from aslive.gadgets.calibration.m0_statements import (
    gain_ratio,
    is_static,
    repetition_time,
    shows_all,
    since_labeling,
    voxel_size,
)
from aslive.streaming.perfusion import Constant
from aslive.streaming.scan import Bolus, Encoding, Labeling, LabelingType, Role, Scan, Source, TimeEncoding


def test_the_m0scan_has_its_own_repetition_time_if_one_is_stated():
    own = Labeling(m0_repetition_time=8.0, sources={"m0_repetition_time": Source.SIDECAR})
    scan = Scan(labeling=own, repetition_time=4.0)
    assert repetition_time(scan, True) == Constant(8.0, "s", Source.SIDECAR)
    assert repetition_time(scan, False) == Constant(4.0, "s", Source.HEADER)
    assert repetition_time(Scan(), True) is None
    assert repetition_time(Scan(repetition_time=0.0), False) is None


@pytest.mark.parametrize("key", ["M0GainRatio", "m0_gain_ratio"])
def test_a_stated_ratio_of_gains_is_found_however_it_is_written(key):
    assert gain_ratio(Scan(parameters={key: "2.5"})) == Constant(2.5, "", Source.HEADER)


@pytest.mark.parametrize("value", ["0", "-1", "much", "1, 2", ""])
def test_a_ratio_of_gains_that_is_none_is_not_used(value):
    assert gain_ratio(Scan(parameters={"M0GainRatio": value})) is None


@pytest.mark.parametrize(
    ("changes", "bolus", "expected"),
    [
        ({}, Bolus(2.0, 1.8), 3.8),
        ({"arterial_spin_labeling_type": LabelingType.PASL}, Bolus(2.0), 2.0),
        ({"time_encoding": TimeEncoding(((0, 1),) * 2, (Bolus(2.5, 1.0), Bolus(1.5, 1.0)))}, None, 3.5),
    ],
)
def test_the_excitation_is_counted_from_the_beginning_of_labeling(changes, bolus, expected):
    assert since_labeling(Labeling(**changes), bolus) == pytest.approx(expected)


@pytest.mark.parametrize("bolus", [None, Bolus(2.0)])
def test_an_excitation_that_nobody_states_has_no_time(bolus):
    assert not since_labeling(Labeling(), bolus) > 0


def test_of_a_cycle_the_images_without_any_labeled_bolus_are_static():
    encoding = TimeEncoding(((0, 1, 1), (0, 0, 1)), (Bolus(2.5, 1.0), Bolus(1.5, 1.0)))
    labeling = Labeling(context=(Role.CONTROL, Role.LABEL, Role.LABEL) * 2, time_encoding=encoding)
    assert [is_static(labeling, number) for number in range(6)] == [True, False, False] * 2


@pytest.mark.parametrize(("kind", "z"), [("3D", 0.004), ("2D", 0.0)])
def test_slices_of_a_2d_scan_may_have_gaps(kind, z):
    encoding = Encoding((64, 64, 30), (0.2, 0.2, 0.12), (64, 50, 30), (0.192, 0.2, 0.12), {})
    scan = Scan((encoding,), Labeling(mr_acquisition_type=kind))
    assert voxel_size(scan) == pytest.approx((z, 0.004, 0.003))


@pytest.mark.parametrize(
    ("suppressed", "look_locker", "shown"),
    [(False, None, True), (False, True, False), (True, None, False), (None, None, False)],
)
def test_controls_show_all_magnetization_only_where_that_is_stated(suppressed, look_locker, shown):
    assert shows_all(Labeling(background_suppression=suppressed, look_locker=look_locker)) is shown
