from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aslive.sim.preparation import EfficiencyChange
from aslive.sim.protocol import Protocol
from aslive.sim.sequence import trains
from aslive.sim.time_encoding import TimeEncoded
from aslive.streaming.errors import ConfigError
from aslive.streaming.scan import Bolus, LabelingType, Role

THREE = (0.5, 1.0, 1.5)


@given(order=st.lists(st.integers(0, 2), max_size=5), pairs=st.integers(1, 9), first=st.booleans())
def test_pairs_have_their_delays_in_the_order_that_is_asked_for(order, pairs, first):
    protocol = Protocol(post_labeling_delay=THREE, delay_order=tuple(order), pairs=pairs, label_first=first)
    wanted = [THREE[(order or [0, 1, 2])[pair % (len(order) or 3)]] for pair in range(pairs)]
    assert [protocol.delay(1 + 2 * pair) for pair in range(pairs)] == wanted
    assert [protocol.delay(2 + 2 * pair) for pair in range(pairs)] == wanted
    assert protocol.delay(0) == 0
    assert protocol.context.count(Role.CONTROL) == protocol.context.count(Role.LABEL) == pairs


def test_each_delay_can_have_a_labeling_duration_of_its_own():
    protocol = Protocol(post_labeling_delay=THREE, labeling_duration=(1.0, 1.5, 2.0), pairs=3, m0scan=False)
    assert protocol.boluses == (Bolus(0.5, 1.0), Bolus(1.0, 1.5), Bolus(1.5, 2.0))
    excited = [train.time - protocol.excitation_time for train in trains(protocol) if train.first]
    assert np.subtract(excited, 5.0 * np.arange(6)) == pytest.approx([1.5, 1.5, 2.5, 2.5, 3.5, 3.5])


@pytest.mark.parametrize("kind", list(LabelingType))
def test_look_locker_reads_all_delays_after_one_labeling(kind):
    protocol = Protocol(
        matrix=(4, 4, 2),
        labeling_type=kind,
        post_labeling_delay=THREE,
        look_locker=True,
        flip_angle=30.0,
        pairs=2,
        bolus_cut_off_delay_time=0.4,
    )
    assert protocol.context == (Role.M0SCAN, *((Role.CONTROL,) * 3 + (Role.LABEL,) * 3) * 2)
    labeled = 0.0 if kind is LabelingType.PASL else 1.8
    excited = [train.time - protocol.excitation_time - 10.0 for train in trains(protocol) if train.first][1:]
    wanted = [5.0 * place + labeled + delay for place in range(4) for delay in THREE]
    assert excited == pytest.approx(wanted)
    assert [volume.preparation.reading for volume in protocol.volumes[1:]] == [0, 1, 2] * 4


@given(size=st.sampled_from([4, 8]), delay=st.floats(0, 1), total=st.floats(0.7, 3))
def test_sub_boluses_follow_each_other_up_to_the_delay(size, delay, total):
    encoding = TimeEncoded(size=size)
    protocol = Protocol(time_encoding=encoding, post_labeling_delay=(delay,), labeling_duration=total, pairs=2)
    boluses = protocol.boluses
    assert sum(bolus.labeling_duration for bolus in boluses) == pytest.approx(total)
    for earlier, later in pairwise(boluses):
        # One ends where the next begins.
        assert earlier.post_labeling_delay == pytest.approx(later.post_labeling_delay + later.labeling_duration)
    assert boluses[-1].post_labeling_delay == delay
    assert protocol.context == (Role.M0SCAN, *(Role.CONTROL, *(Role.LABEL,) * (size - 1)) * 2)


def test_all_images_of_a_cycle_with_the_other_sign_carry_label():
    protocol = Protocol(time_encoding=TimeEncoded(size=4, label_sign=1), post_labeling_delay=(0.2,), pairs=1)
    volumes = protocol.volumes[1:]
    assert {volume.preparation.role for volume in volumes} == {Role.LABEL}
    assert volumes[0].preparation.boluses == protocol.boluses


def test_labeling_can_become_worse_in_the_middle_of_a_scan():
    protocol = Protocol(pairs=4, efficiency_change=EfficiencyChange(2, 0.5), m0scan=False)
    found = [volume.preparation.efficiency for volume in protocol.volumes if volume.preparation.boluses]
    assert found == pytest.approx([0.85, 0.85, 0.425, 0.425])
    assert len({volume.preparation for volume in protocol.volumes}) == 3  # all controls are alike


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"post_labeling_delay": THREE, "delay_order": (0, 3)}, "the delay order names delay"),
        ({"post_labeling_delay": THREE, "labeling_duration": (1.0, 2.0)}, "one for each"),
        ({"labeling_duration": 0.0}, "longer than 0"),
        ({"post_labeling_delay": (1.0, 0.5), "look_locker": True}, "must ascend"),
        ({"post_labeling_delay": (0.5, 0.6), "look_locker": True}, "between two delays"),
        ({"look_locker": True, "averages": 2}, "in one TR"),
        ({"flip_angle": 30.0}, "is for Look-Locker"),
        ({"look_locker": True, "flip_angle": 0.0}, "above 0"),
        ({"look_locker": True, "time_encoding": TimeEncoded()}, "exclude each other"),
        ({"time_encoding": TimeEncoded(), "post_labeling_delay": (0.1, 0.2)}, "one post-labeling delay"),
        ({"time_encoding": TimeEncoded(), "labeling_type": LabelingType.PASL}, "cannot be time-encoded"),
        ({"time_encoding": TimeEncoded(), "label_first": True}, "order of their matrix"),
        ({"time_encoding": TimeEncoded(size=6)}, "no Hadamard matrix of size 6"),
        ({"time_encoding": TimeEncoded(durations=(0.5, 0.4))}, "7 sub-boluses"),
        ({"time_encoding": TimeEncoded(own_matrix=((1, -1), (1, -1)))}, "cycle of 3 images"),
        ({"time_encoding": TimeEncoded(own_matrix=((1, -1, 1), (-1, 1, -1)))}, "told apart"),
        ({"time_encoding": TimeEncoded(own_matrix=((1, 0, 1), (-1, 1, 1)))}, "of 1 and -1"),
        ({"time_encoding": TimeEncoded(label_sign=0)}, "1 or -1"),
        ({"efficiency_change": EfficiencyChange(1, 2.0)}, "between 0 and 1"),
        ({"post_labeling_delay": THREE, "labeling_duration": (1.0, 1.0, 3.0)}, "more than the repetition time"),
    ],
)
def test_schedules_that_cannot_be_played_are_refused_with_words(wrong, words):
    with pytest.raises(ConfigError, match=words):
        Protocol(**wrong)
