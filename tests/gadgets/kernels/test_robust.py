import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm

from aslive.gadgets.kernels.robust import deviations, huber_weight, limit_for, shared_limit


@pytest.mark.parametrize("count", [4, 5, 6, 7, 9, 12, 20, 40, 60])
@pytest.mark.parametrize("limit", [2.6, 3.5])
def test_as_many_good_values_are_left_out_of_few_as_of_many(count, limit):
    values = np.random.default_rng(count).standard_normal((count, 400_000 // count))
    z = deviations(values, np.ones(count, np.bool_), 0.0, limit)
    beyond, promised = float(np.mean(np.abs(z) > limit)), 2 * norm.sf(limit)
    chance = 4 * math.sqrt(promised / values.size)
    assert 0.6 * promised - chance < beyond < 1.6 * promised + chance


@given(st.integers(4, 40), st.floats(0.01, 100), st.floats(-100, 100), st.integers(0, 1000))
def test_neither_unit_nor_origin_changes_a_robust_z(count, unit, origin, seed):
    values = np.random.default_rng(seed).standard_normal(count)
    every = np.ones(count, np.bool_)
    moved = deviations(unit * values + origin, every, 0.0, 3.5)
    np.testing.assert_allclose(moved, deviations(values, every, 0.0, 3.5), rtol=1e-6, atol=1e-6)


def test_a_floor_keeps_equal_values_from_making_any_other_an_outlier():
    values = np.array([1.0, 1.0, 1.0, 1.0, 1.02])
    every = np.ones(5, np.bool_)
    assert deviations(values, every, 0.02, 3.5)[-1] == pytest.approx(1.0)
    assert deviations(values, every, 0.0, 3.5)[-1] == np.inf
    assert not deviations(values, every, 0.0, 3.5)[:-1].any()


def test_fewer_than_four_tell_nothing():
    assert np.isnan(deviations(np.array([1.0, 2.0, 9.0, 3.0]), np.array([True, True, True, False]), 0.0, 3.5)).all()


@pytest.mark.parametrize("tests", [1, 8, 24])
def test_a_limit_that_is_shared_leaves_out_as_much_altogether(tests):
    assert tests * norm.sf(shared_limit(3.5, tests)) == pytest.approx(norm.sf(3.5))


def test_a_limit_for_very_many_is_the_limit():
    assert limit_for(100_000, 3.5) == pytest.approx(3.5, rel=0.07)


def test_hubers_weight_bends_at_its_bend():
    assert huber_weight(1.9, 2.0) == huber_weight(-2.0, 2.0) == huber_weight(float("nan"), 2.0) == 1.0
    assert huber_weight(-8.0, 2.0) == 0.25
