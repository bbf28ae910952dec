import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aslive.gadgets.stack import Stack
from aslive.streaming.flow import Place, Slab, Volume
from aslive.streaming.notices import Notice
from aslive.streaming.readouts import Counters, Geometry

Z = 4


def slabs(number=0, positions=tuple(range(Z)), missing=0):
    out = []
    for index, position in enumerate(positions):
        geometry = Geometry(position=(0.0, 0.0, 5e-3 * position))
        place = Place(number, Counters(repetition=number), 10.0 + 0.1 * index, geometry, missing=missing)
        data = np.full((1, 3, 2), 10 * number + position, np.complex64)
        out.append(Slab(data, place, index, False))
    return out


def ended(messages):
    *head, last = messages
    return [*head, Slab(last.data, last.place, last.index, True)]


@given(st.permutations(range(Z)))
def test_slices_are_placed_by_index_whatever_their_order(run, make_scan, order):
    (volume,) = run([Stack()], ended([slabs()[i] for i in order]), make_scan((2, 3, Z)))
    np.testing.assert_array_equal(volume.data[:, 0, 0], range(Z))
    assert volume.slice_times == pytest.approx([10.0, 10.1, 10.2, 10.3])
    assert volume.place.time == 10.0
    assert volume.place.geometry.position[2] == pytest.approx(10e-3)
    assert volume.spacing == pytest.approx(5e-3)


@pytest.mark.parametrize("positions", [(3, 2, 1, 0), (0, 2, 1, 3)])
def test_slices_lie_in_the_order_of_their_positions(run, make_scan, positions):
    messages = ended(slabs(0, positions)) + ended(slabs(1, positions))
    out = run([Stack()], messages, make_scan((2, 3, Z)))
    first, second = (m for m in out if isinstance(m, Volume))
    np.testing.assert_array_equal(first.data[:, 0, 0], range(Z))
    np.testing.assert_array_equal(second.data[:, 0, 0], np.arange(Z) + 10)
    assert [first.slice_times[z] for z in positions] == sorted(first.slice_times)
    assert sum(isinstance(m, Notice) for m in out) == 1


def test_positions_that_say_nothing_change_nothing(run, make_scan):
    (volume,) = run([Stack()], ended(slabs(positions=(5, 5, 5, 5))), make_scan((2, 3, Z)))
    assert isinstance(volume, Volume)
    assert volume.spacing == 0


def test_a_lost_slice_is_zero_and_missing(run, make_scan):
    messages = [slab for slab in slabs() if slab.index != 2]
    (volume,) = run([Stack()], messages, make_scan((2, 3, Z)))
    np.testing.assert_array_equal(volume.data[:, 0, 0], [0, 1, 0, 3])
    assert volume.place.missing == 3
    assert not volume.complete


def test_missing_lines_add_up(run, make_scan):
    (volume,) = run([Stack()], ended(slabs(missing=2)), make_scan((2, 3, Z)))
    assert volume.place.missing == 2 * Z


def test_a_volume_that_comes_whole_passes(run, make_scan):
    slab = Slab(np.ones((Z, 3, 2), np.complex64), slabs()[0].place, 0, True)
    (volume,) = run([Stack()], [slab], make_scan((2, 3, Z), three_dimensional=True))
    assert volume.data is slab.data
    assert volume.slice_times == ()


def test_without_limits_the_first_volume_tells_how_many_slices_there_are(run, make_scan):
    first, second = ended(slabs(0)), [slab for slab in slabs(1) if slab.index < 3]
    volumes = run([Stack()], first + second, make_scan((2, 3, Z), limits={}))
    assert [volume.data.shape[0] for volume in volumes] == [Z, Z]
    assert [volume.complete for volume in volumes] == [True, False]
