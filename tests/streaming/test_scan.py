"""Which pair, cycle and bolus a volume belongs to."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aslive.streaming.scan import Bolus, CounterRule, Labeling, LabelingType, Role, TimeEncoding

C, L, M = Role.CONTROL, Role.LABEL, Role.M0SCAN
WALSH = TimeEncoding(((0, 1, 0, 1), (0, 1, 1, 0), (0, 0, 1, 1)), (Bolus(1.3, 0.5), Bolus(0.8, 0.5), Bolus(0.3, 0.5)))


@given(st.lists(st.tuples(st.sampled_from([C, L, M]), st.sampled_from([1.0, 2.0])), min_size=2, max_size=20))
def test_a_pair_is_a_control_and_a_label_of_one_bolus(volumes):
    labeling = Labeling(context=tuple(role for role, _ in volumes), post_labeling_delay=tuple(d for _, d in volumes))
    pairs: dict[int, list[int]] = {}
    for number, pair in enumerate(labeling.pairs):
        assert (pair is None) == (volumes[number][0] is M)
        assert labeling.pair_of(number) == pair
        if pair is not None:
            pairs.setdefault(pair, []).append(number)
    assert sorted(pairs) == list(range(len(pairs)))
    for members in pairs.values():
        assert len(members) in (1, 2)
        assert len({volumes[number][0] for number in members}) == len(members)
        assert len({volumes[number][1] for number in members}) == 1
    alone = {volumes[members[0]] for members in pairs.values() if len(members) == 1}
    for delay in (1.0, 2.0):
        assert not {(C, delay), (L, delay)} <= alone


def test_without_a_context_neighbors_make_pairs():
    rule = Labeling(rule=CounterRule("set", leading_m0scan=1, leading_dummies=2))
    assert [rule.pair_of(number) for number in range(7)] == [None, None, None, 0, 0, 1, 1]
    assert Labeling(LabelingType.PCASL).pair_of(3) == 1
    assert Labeling().pair_of(3) is None


@pytest.mark.parametrize("number", [-1, 3])
def test_a_volume_outside_of_the_context_is_in_no_pair(number):
    assert Labeling(context=(M, C, L)).pair_of(number) is None


def test_the_images_of_a_cycle_are_counted_without_m0scans():
    labeling = Labeling(context=(M, C, L, L, L, M, C, L), time_encoding=WALSH)
    found = [labeling.encoding_of(number) for number in range(-1, 9)]
    assert found == [None, None, (0, 0), (0, 1), (0, 2), (0, 3), None, (1, 0), (1, 1), None]
    assert [labeling.pair_of(number) for number in range(8)] == [None, 0, 0, 0, 0, None, 1, 1]
    assert Labeling(time_encoding=WALSH, rule=CounterRule("set", leading_m0scan=1)).encoding_of(6) == (1, 1)
    assert labeling.boluses == WALSH.boluses[::-1]
    assert Labeling(time_encoding=WALSH).stated


def test_boluses_are_listed_once():
    """Gadgets ask for them with each pair, and to list those of 60 pairs takes 0.1 ms each time."""
    labeling = Labeling(context=(M, C, L) * 40, post_labeling_delay=(1.8,))
    assert labeling.boluses is labeling.boluses
    assert labeling.boluses == (Bolus(1.8, 0.0),)
    assert replace(labeling, post_labeling_delay=(2.0,)).boluses == (Bolus(2.0, 0.0),)
