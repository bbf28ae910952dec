"""Lists by volume: each value goes where it belongs, or is refused in words."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aslive.streaming.per_volume import Series, miscounted
from aslive.streaming.scan import CounterRule, Labeling, Limits, Role

CONTEXT = (Role.M0SCAN, Role.CONTROL, Role.LABEL)
delays = st.lists(st.floats(0.1, 5), min_size=2, max_size=9, unique=True)


def limits(**counts: int) -> dict[str, Limits]:
    return {name: Limits(0, count - 1, 0) for name, count in counts.items()}


@given(delays)
def test_one_value_for_each_announced_volume_is_taken_as_it_is(values: list[float]):
    series = Series.of((), None, limits(repetition=len(values)))
    assert series.delays(values) == tuple(values)


@given(delays, st.integers(0, 2), st.integers(0, 3))
def test_one_value_for_each_pair_is_given_to_both_of_its_volumes(values: list[float], m0scans: int, dummies: int):
    rule = CounterRule("repetition", leading_m0scan=m0scans, leading_dummies=dummies)
    ahead = m0scans + dummies
    series = Series.of((), rule, limits(repetition=ahead + 2 * len(values)))
    labeling = Labeling(rule=rule, post_labeling_delay=series.delays(values), labeling_duration=(1.8,))
    for pair, value in enumerate(values):
        for volume in (ahead + 2 * pair, ahead + 2 * pair + 1):
            bolus = labeling.bolus(volume)
            assert bolus is not None and bolus.post_labeling_delay == value
            assert labeling.pair_of(volume) == pair
    assert [bolus.post_labeling_delay for bolus in labeling.boluses] == sorted(values)


@pytest.mark.parametrize("rule", [None, CounterRule("set")])
def test_control_and_label_of_one_repetition_are_two_volumes(rule: CounterRule | None):
    series = Series.of((), rule, limits(repetition=3, set=2, contrast=4))
    assert series.volumes == 6
    assert series.delays("0.5, 1, 1.5") == (0.5, 0.5, 1.0, 1.0, 1.5, 1.5)


@given(delays, st.integers(0, 40))
def test_a_list_that_fits_nothing_is_refused_with_the_lengths_that_would_fit(values: list[float], volumes: int):
    series = Series.of((), None, limits(repetition=volumes) if volumes else {})
    count = len(values)
    if volumes in (count, 2 * count):
        return
    with pytest.raises(ValueError, match=rf"^has {count} values") as refused:
        series.delays(values)
    assert (
        "aslcontext" in str(refused.value) if volumes < 2 else f"{volumes} (one for each volume)" in str(refused.value)
    )


@given(st.floats(0, 5), st.integers(1, 9))
def test_a_list_of_equal_values_is_one_value_whatever_its_length(value: float, count: int):
    assert set(Series(CONTEXT).delays([value] * count)) == {value}
    assert Series().delays([value] * count) == (value,)


def test_a_context_wants_the_value_of_its_m0scan_too():
    with pytest.raises(ValueError, match=r"2 values for 3 volumes of aslcontext; expected 1 or 3 \(0 for an m0scan\)"):
        Series(CONTEXT).delays("1.5, 1.8")


@pytest.mark.parametrize("value", ["0", "0, 0, 0", "1.8, 0, 1.8", "0, 1.8, 0"])
def test_no_control_and_no_label_is_labeled_for_no_time(value: str):
    with pytest.raises(ValueError, match=r"is 0.*above 0"):
        Series(CONTEXT).durations(value, pulsed=False)
    assert Series(CONTEXT).durations(value, pulsed=True) is not None


def test_an_m0scan_is_labeled_for_no_time():
    assert Series(CONTEXT).durations("0, 1.8, 1.8", pulsed=False) == (0.0, 1.8, 1.8)


@pytest.mark.parametrize(
    ("counts", "said"),
    [
        ({"repetition": 3}, ""),
        ({"repetition": 1}, ""),
        ({}, ""),
        ({"repetition": 11}, "volumes beyond the list are left out"),
        ({"repetition": 2}, "without effect"),
        ({"repetition": 2, "set": 2}, "without effect"),
    ],
)
def test_a_context_of_another_length_than_the_scan_is_noted(counts: dict[str, int], said: str):
    note = miscounted(CONTEXT, limits(**counts))
    assert said in note
    assert bool(note) == bool(said)


def test_control_and_label_in_one_repetition_agree_with_a_context_that_lists_both():
    context = (Role.CONTROL, Role.LABEL) * 4
    assert miscounted(context, limits(repetition=4, set=2)) == ""
