import pytest
from hypothesis import given
from hypothesis import strategies as st

from aslive.gadgets.kernels.grid import (
    Axis,
    Grid,
    axis_from_counters,
    axis_from_limits,
    central,
    counted_axis,
    kept,
    thinned,
)


@given(st.integers(2, 200), st.data())
def test_stated_lines_stay_inside_and_the_centre_lands_in_the_middle(size, data):
    first = data.draw(st.integers(0, size // 2))
    axis = axis_from_limits(size, 0, size - 1 - first, size // 2 - first)
    if axis is not None:
        assert axis.row(size // 2 - first) == size // 2
        assert {axis.row(n) for n in range(size - first)} == set(range(first, size))
        assert axis.row(size - first) is None


def test_a_limit_of_one_value_with_a_larger_matrix_is_not_believed():
    assert axis_from_limits(64, 0, 0, 32) is None
    assert axis_from_limits(64, 0, 63, 70) is None
    assert axis_from_limits(64, 0, 127, 64) is None
    unstated = axis_from_limits(0, 0, 63, 32)
    assert unstated and unstated.size == 64


def test_lines_that_came_make_an_axis_they_fit_on():
    flash = axis_from_counters(64, 32, range(128))  # the header says 64 lines, 128 came
    assert (flash.size, flash.row(0), flash.row(127)) == (128, 0, 127)
    plain = axis_from_counters(64, 0, range(64))
    assert (plain.size, plain.row(0), plain.row(63)) == (64, 0, 63)


@given(st.integers(1, 300), st.data())
def test_a_crop_keeps_the_centre(size, data):
    count = data.draw(st.integers(1, size))
    part = central(size, count)
    assert part.start + count // 2 == size // 2
    assert part.start >= 0
    assert part.stop <= size


def test_the_field_of_view_says_what_is_kept():
    assert kept(128, 128, 0.44, 0.22, 64) == 64
    assert kept(72, 72, 0.225, 0.2, 64) == 64
    assert kept(128, 64, 0.22, 0.22, 64) == 128  # not the grid that the header describes
    assert kept(64, 64, 0.22, 0.22, 0) == 64


@pytest.mark.parametrize("step", [2, 3, 4])
@pytest.mark.parametrize("first", [0, 1])
def test_a_volume_that_lacks_rows_evenly_is_thinned_and_one_that_lost_lines_is_not(step, first):
    grid = Grid(axis(16), counted_axis(0, 1), counted_axis(0, 0))
    rows = {plane: set(range(first, 16, step)) for plane in (0, 1)}
    sparse = thinned(grid, rows, 1)
    assert sparse is not None
    assert sparse.step_y == step
    assert {plane: sparse.expected(plane, first) for plane in rows} == {plane: len(rows[plane]) for plane in rows}
    assert thinned(grid, rows | {1: rows[1] - {first + step}}, 1) is None
    assert thinned(grid, {plane: set(range(16)) - {5} for plane in (0, 1)}, 1) is None
    assert thinned(sparse, rows, 1) is None


def axis(size):
    return Axis(size, size // 2, 0, size - 1)
