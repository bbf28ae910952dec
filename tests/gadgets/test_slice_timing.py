import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aslive.gadgets.slice_timing import TimeSlices
from aslive.streaming.flow import Volume
from aslive.streaming.notices import Notice
from aslive.streaming.perfusion import Map, MapName, SliceTimes
from aslive.streaming.scan import Role, Scan, Source

C, L, M = Role.CONTROL, Role.LABEL, Role.M0SCAN
SHAPE = (4, 3, 2)
TIMES = (0.0, 0.04, 0.08, 0.12)
STAMPS = (10.0, 10.04, 10.08, 10.12)


@pytest.fixture(scope="session")
def time(run, make_volume, pcasl):
    """Run an m0scan and two controls with time stamps; give the times, the maps and the words."""

    def run_it(stamps=STAMPS, missing=0, gadget: TimeSlices | None = None, **changes: object):
        labeling = pcasl(**({"mr_acquisition_type": "2D"} | changes))
        volumes = [
            make_volume(np.ones(SHAPE), M, 0, slice_times=tuple(5 + 2 * n for n in range(4))),
            make_volume(np.ones(SHAPE), C, 1, missing=missing, slice_times=stamps),
            make_volume(np.ones(SHAPE), L, 2, slice_times=stamps),
        ]
        out = run([gadget or TimeSlices()], volumes, Scan(labeling=labeling, repetition_time=5.0))
        assert [message for message in out if isinstance(message, Volume)] == volumes
        return out

    return run_it


def times(out) -> SliceTimes:
    (found,) = (message for message in out if isinstance(message, SliceTimes))
    return found


def words(out):
    return [message.text for message in out if isinstance(message, Notice)]


def kinds(out):
    return [type(message) for message in out]


def test_stated_times_are_known_ahead_of_the_first_volume(time):
    out = time(slice_timing=TIMES, sources={"slice_timing": Source.SIDECAR})
    assert kinds(out) == [SliceTimes, Map, Volume, Volume, Volume]
    assert times(out) == SliceTimes(TIMES, Source.SIDECAR)


def test_times_are_measured_on_the_first_control_where_they_are_not_stated(time):
    out = time()
    assert kinds(out) == [Volume, SliceTimes, Map, Volume, Volume]
    assert times(out).source is Source.DATA
    np.testing.assert_allclose(times(out).offsets, TIMES, atol=1e-9)


def test_an_incomplete_volume_tells_no_times(time):
    assert kinds(time(missing=3)) == [Volume, Volume, SliceTimes, Map, Volume]


@given(st.permutations(range(4)), st.integers(1, 2), st.floats(1, 5e4))
def test_any_order_of_slices_and_bands_is_measured_to_a_tick(time, order, bands, begin):
    wanted = np.array([(place // bands) * 0.04 for place in order])
    stamps = tuple(2.5e-3 * round((begin + offset) / 2.5e-3) for offset in wanted)
    np.testing.assert_allclose(times(time(stamps)).offsets, wanted, atol=2.51e-3)


def test_times_that_contradict_the_header_are_said_and_the_header_is_used(time):
    out = time((10.0, 10.1, 10.2, 10.3), slice_timing=TIMES)
    assert times(out).offsets == TIMES
    assert len(words(out)) == 1
    assert "differ by up to 180 ms" in words(out)[0]
    assert not words(time((10.0, 10.1, 10.2, 10.3), slice_timing=TIMES, gadget=TimeSlices(tolerance=0.2)))


def test_a_list_of_another_length_is_not_used(time):
    out = time(slice_timing=TIMES[:3])
    assert times(out).source is Source.DATA
    assert "lists 3 times for 4 slices" in words(out)[0]


@pytest.mark.parametrize("stamps", [(), (0.0,) * 4, (10.0,) * 4, (10.0, 10.04, 10.08)])
def test_without_any_times_all_slices_count_as_read_at_once_and_that_is_said(time, stamps):
    out = time(stamps)
    assert times(out) == SliceTimes((0.0,) * 4, Source.DEFAULT)
    assert "upper ones read low" in words(out)[0]


def test_slices_that_wait_for_a_labeling_each_have_no_time_of_their_own(time):
    out = time((10.0, 15.0, 20.0, 25.0))
    assert times(out) == SliceTimes((0.0,) * 4, Source.DEFAULT)
    assert "labeling of its own" in words(out)[0]


def test_in_3d_all_slices_are_read_at_once(time):
    out = time((), mr_acquisition_type="3D")
    assert kinds(out) == [SliceTimes, Map, Volume, Volume, Volume]
    assert times(out).offsets == (0.0,) * 4


def test_the_map_shows_the_shortest_delay_of_each_voxel(time):
    delays = {"context": (M, C, L, C, L), "post_labeling_delay": (0.0, 2.0, 2.0, 1.5, 1.5)}
    (shown,) = (message for message in time(slice_timing=TIMES, **delays) if isinstance(message, Map))
    assert (shown.name, shown.units) == (MapName.DELAY, "s")
    expected = np.broadcast_to(1.5 + np.array(TIMES, np.float32)[:, None, None], SHAPE)
    np.testing.assert_allclose(shown.data, expected, rtol=1e-6)


def test_without_a_delay_there_is_no_map(time):
    assert kinds(time(slice_timing=TIMES, post_labeling_delay=())) == [SliceTimes, Volume, Volume, Volume]
