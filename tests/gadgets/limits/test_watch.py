"""Limits with hysteresis."""

from math import nan

from hypothesis import given
from hypothesis import strategies as st

from aslive.gadgets.limits.profile import Limit
from aslive.gadgets.limits.watch import Watch

LIMIT = Limit("dvars", bound=3.0, above=True, clears=2.0, after=2, clear_after=3)
values = st.lists(st.floats(-10, 10), max_size=40)


@given(values)
def test_an_alarm_needs_as_many_bad_values_in_a_row_as_the_limit_says(seen: list[float]) -> None:
    watch = Watch(LIMIT, 3.0)
    raised = [watch.see(value) for value in seen]
    for n, now in enumerate(raised):
        if now and not (n and raised[n - 1]):
            assert n >= 1 and min(seen[n - 1 : n + 1]) > 3.0
        if n and raised[n - 1] and not now:
            assert max(seen[n - 2 : n + 1]) <= 2.0


@given(values)
def test_below_is_above_upside_down(seen: list[float]) -> None:
    upside_down = Watch(Limit("dvars", -3.0, above=False, clears=-2.0, after=2, clear_after=3), 3.0)
    watch = Watch(LIMIT, 3.0)
    assert [watch.see(value) for value in seen] == [upside_down.see(-value) for value in seen]


@given(values)
def test_what_is_not_a_number_changes_nothing(seen: list[float]) -> None:
    watch, holes = Watch(LIMIT, 3.0), Watch(LIMIT, 3.0)
    for value in seen:
        holes.see(nan)
        assert watch.see(value) == holes.see(value)


def test_a_value_must_be_beyond_the_limit_by_more_than_its_uncertainty() -> None:
    limit = Limit("labeling_change", bound=0.5, above=False, clears=0.7)
    assert not Watch(limit, 3.0).see(0.2, stderr=0.11)
    assert Watch(limit, 3.0).see(0.2, stderr=0.09)


def test_between_limit_and_clearing_an_alarm_stays_as_it_is() -> None:
    watch = Watch(Limit("dvars", 3.0, above=True, clears=2.0), 3.0)
    assert [watch.see(value) for value in (2.5, 3.5, 2.5, 1.5, 2.5)] == [False, True, True, False, False]
