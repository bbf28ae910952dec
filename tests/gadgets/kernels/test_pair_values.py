"""Values of pairs, found again from running means."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aslive.gadgets.kernels.pair_values import PairValues

NUMBERS = st.lists(st.floats(1, 100).map(lambda value: round(value, 3)), min_size=2, max_size=30, unique=True)


def followed(values: list[float]) -> PairValues:
    found = PairValues()
    for count in range(1, len(values) + 1):
        found.follow(count, float(np.mean(values[:count])))
    return found


@given(NUMBERS)
def test_the_values_of_pairs_come_back_from_their_running_mean(values: list[float]) -> None:
    np.testing.assert_allclose(followed(values).values, values, rtol=1e-9)
    assert followed(values).variance() == pytest.approx(np.var(values, ddof=1), rel=1e-6)


@given(NUMBERS, st.data())
def test_a_pair_that_is_taken_out_takes_its_value_along(values: list[float], data: st.DataObject) -> None:
    found = followed(values)
    gone = data.draw(st.sampled_from(values))
    left = [value for value in values if value != gone]
    found.follow(len(left), float(np.mean(left)))
    np.testing.assert_allclose(sorted(found.values), sorted(left), rtol=1e-6)


@given(NUMBERS, st.floats(0.1, 10))
def test_another_scale_scales_all_values(values: list[float], scale: float) -> None:
    found = followed(values)
    found.follow(len(values), scale * float(np.mean(values)))
    np.testing.assert_allclose(found.values, scale * np.array(values), rtol=1e-9)


def test_a_cycle_that_has_grown_changes_its_own_value_only() -> None:
    found = followed([50.0, 60.0, 20.0])
    found.follow(3, (50 + 60 + 55) / 3, grown=True)
    np.testing.assert_allclose(found.values, [50, 60, 55])


def test_several_outliers_that_leave_at_once_are_those_far_off() -> None:
    found = followed([50.0, 51.0, 150.0, 49.0, -80.0])
    found.follow(3, 50.0)
    np.testing.assert_allclose(sorted(found.values), [49, 50, 51])


@given(st.data(), st.integers(3, 20))
def test_pairs_that_are_named_may_go_and_come_back_all_at_once(data: st.DataObject, count: int) -> None:
    true = [round(value, 3) for value in np.random.default_rng(count).uniform(1, 100, count)]
    found, kept = PairValues(), set[int]()
    for pair in range(count):
        earlier = data.draw(st.sets(st.integers(0, pair - 1))) if pair else set()
        kept = earlier | {pair}
        found.follow(len(kept), float(np.mean([true[name] for name in kept])), kept)
    np.testing.assert_allclose(sorted(found.values), sorted(true[name] for name in kept), rtol=1e-6)


def test_names_that_come_later_are_those_of_the_first_values() -> None:
    found = followed([50.0])
    found.follow(2, 55.0, [4, 7])
    found.follow(1, 60.0, [7])
    assert found.values == pytest.approx([60.0])


def test_the_first_pairs_may_be_left_out_of_the_spread() -> None:
    found = PairValues()
    found.follow(3, 50.0)  # three at once
    assert math.isnan(found.variance(first=3))
    for count, value in enumerate((56.0, 44.0), start=4):
        found.follow(count, (sum(found.values) + value) / count)
    assert found.variance(first=3) == pytest.approx(36.0)


def test_what_is_no_number_is_not_followed() -> None:
    found = followed([50.0, 60.0])
    found.follow(3, math.nan)
    found.follow(0, 1.0)
    assert found.values == [50.0, 60.0]
