import numpy as np
import pytest

from aslive.gadgets.decay import UndoDecay
from aslive.streaming.errors import ConfigError
from aslive.streaming.flow import KSpace, Place
from aslive.streaming.notices import Level, Notice
from aslive.streaming.readouts import Counters, Geometry

SPACING, T2 = 0.025, 0.08


def volume(number, count=8, order=None, times=None):
    """Give partitions that weigh 1 before their decay, in the order in which they are read."""
    order = list(range(count)) if order is None else order
    place = Place(number, Counters(), 10.0 * number + 1, Geometry())
    for echo, index in enumerate(order):
        data = np.full((2, 1, 3, 4), np.exp(-echo * SPACING / T2), np.complex64)
        time = place.time + echo * SPACING if times is None else times[echo]
        yield KSpace(data, place, index, echo == count - 1, time)


def undone(run, messages, scan, **parameters):
    out = run([UndoDecay(**({"t2": T2, "noise_gain": 100} | parameters))], messages, scan)
    return [m for m in out if isinstance(m, KSpace)], [m for m in out if isinstance(m, Notice)]


@pytest.fixture
def scan(make_scan):
    return make_scan((4, 3, 8), three_dimensional=True)


@pytest.mark.parametrize("order", [None, [4, 3, 5, 2, 6, 1, 7, 0]])
def test_partitions_weigh_alike_when_their_decay_is_undone(run, scan, order):
    planes, notices = undone(run, [*volume(0, order=order), *volume(1, order=order)], scan)
    values = np.array([plane.data.real for plane in planes])
    np.testing.assert_allclose(values, values[0, 0, 0, 0, 0], rtol=1e-4)
    assert len(planes) == 16
    assert [notice.level for notice in notices] == [Level.INFO]
    assert "noise grows" in notices[0].text


def test_the_first_volume_is_held_until_it_is_complete_and_the_weights_are_those_of_all(scan):
    gadget = UndoDecay(t2=T2)
    gadget.start(scan)
    *early, last = volume(0)
    assert [made for message in early for made in gadget.process(message)] == []
    first = [made for made in gadget.process(last) if isinstance(made, KSpace)]
    later = [made for message in volume(1) for made in gadget.process(message) if isinstance(made, KSpace)]
    assert [plane.index for plane in first] == [plane.index for plane in later] == list(range(8))
    for one, two in zip(first, later, strict=True):
        np.testing.assert_array_equal(one.data, two.data)


def test_the_noise_gain_stays_within_its_limit(run, scan):
    planes, _ = undone(run, list(volume(0, order=[4, 3, 5, 2, 6, 1, 7, 0])), scan, noise_gain=1.3)
    original = {plane.index: plane.data for plane in volume(0, order=[4, 3, 5, 2, 6, 1, 7, 0])}
    weights = np.array([(plane.data / original[plane.index]).real.mean() for plane in planes])
    assert np.sqrt(np.mean(weights**2)) <= 1.3 + 1e-5
    assert weights[0] == pytest.approx(1)


def test_without_time_stamps_the_order_of_arrival_and_the_echo_time_tell(run, make_scan):
    scan = make_scan((4, 3, 8), three_dimensional=True, echo_time=5 * SPACING)
    planes, notices = undone(run, list(volume(0, times=[0.0] * 8)), scan)
    values = np.array([plane.data.real for plane in planes])
    np.testing.assert_allclose(values, values[0, 0, 0, 0, 0], rtol=1e-4)
    assert "order of arrival" in notices[0].text


def test_where_nothing_tells_the_echo_times_nothing_is_done(run, scan):
    messages = list(volume(0, times=[0.0] * 8))
    planes, notices = undone(run, messages, scan)
    for plane, message in zip(planes, messages, strict=True):
        np.testing.assert_array_equal(plane.data, message.data)
    assert [notice.level for notice in notices] == [Level.WARNING]


def test_partitions_that_never_came_do_not_spoil_the_weights(run, scan):
    first = [plane for plane in volume(0) if plane.index != 3]
    planes, _ = undone(run, [*first, *volume(1)], scan)
    values = np.array([plane.data.real.mean() for plane in planes])
    np.testing.assert_allclose(values, values[0], rtol=0.06)


def test_a_scan_that_ends_in_its_first_volume_loses_nothing(run, scan):
    planes, _ = undone(run, list(volume(0))[:5], scan)
    assert len(planes) == 5


@pytest.mark.parametrize(
    ("t2", "three_dimensional", "needed"), [(None, True, False), (T2, False, False), (T2, True, True)]
)
def test_it_is_needed_where_t2_is_given_and_z_is_encoded(make_scan, t2, three_dimensional, needed):
    assert UndoDecay(t2=t2).needed(make_scan((4, 3, 8), three_dimensional=three_dimensional)) is needed


def test_a_t2_that_cannot_be_is_refused(scan):
    with pytest.raises(ConfigError, match="above 0"):
        UndoDecay(t2=0.0).start(scan)
