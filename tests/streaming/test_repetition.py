"""A repetition time too short for the delay alone is none; one too short for labeling and delay tells of a mix-up."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aslive.streaming.repetition import crowded, first_bolus, from_label_to_label
from aslive.streaming.scan import Bolus, CounterRule, Labeling, LabelingType, Role, TimeEncoding

M, C, L = Role.M0SCAN, Role.CONTROL, Role.LABEL
PCASL = Labeling(LabelingType.PCASL, (M, C, L), labeling_duration=(1.8,), post_labeling_delay=(1.8,))
PASL = replace(PCASL, arterial_spin_labeling_type=LabelingType.PASL, labeling_duration=())
times = st.floats(0.1, 3)


def encoded(count: int = 7, duration: float = 0.4, delay: float = 0.2) -> Labeling:
    boluses = tuple(Bolus(delay + duration * later, duration) for later in reversed(range(count)))
    matrix = tuple((1,) * (count + 1) for _ in boluses)
    return replace(PCASL, labeling_duration=(), time_encoding=TimeEncoding(matrix, boluses))


@given(times, times, st.floats(0, 0.9))
def test_a_delay_that_counts_from_the_beginning_of_labeling_is_explained(duration, delay, readout):
    labeling = replace(PCASL, labeling_duration=(duration,), post_labeling_delay=(delay,), slice_timing=(0.0, readout))
    shortest = duration + delay + readout
    assert crowded(labeling, shortest) == ""
    text = crowded(replace(labeling, post_labeling_delay=(duration + delay,)), shortest)
    assert "END of labeling" in text
    assert f"it should be {delay:g} s" in text


@given(times, times, times)
def test_a_repetition_time_is_used_doubted_or_set_aside_by_what_fits_into_it(duration, delay, repetition_time):
    labeling = replace(PCASL, labeling_duration=(duration,), post_labeling_delay=(delay,))
    notes: list[str] = []
    _, used = from_label_to_label(labeling, repetition_time, notes)
    too_short = repetition_time + 1e-3 < delay
    assert used == (None if too_short else repetition_time)
    assert len(notes) == too_short
    assert bool(crowded(labeling, repetition_time)) == (not too_short and repetition_time + 1e-3 < delay + duration)


@pytest.mark.parametrize("repetition_time", [None, 0.01, 1.0, 1.8, 3.0])
def test_the_delay_of_pasl_begins_with_its_labeling(repetition_time):
    assert crowded(PASL, repetition_time) == ""
    _, used = from_label_to_label(PASL, repetition_time, [])
    assert used == (repetition_time if repetition_time and repetition_time >= 1.8 else None)


@pytest.mark.parametrize(("of_m0scan", "kept"), [(0.01, None), (10.0, 10.0), (None, None)])
def test_what_is_said_of_the_m0scan_is_kept_unless_it_is_as_short(of_m0scan, kept):
    labeling, _ = from_label_to_label(replace(PCASL, m0_repetition_time=of_m0scan), 0.01, [])
    assert labeling.m0_repetition_time == kept


def test_all_sub_boluses_must_fit_and_the_delay_is_that_of_the_last():
    assert crowded(encoded(), 3.0) == ""
    assert "LabelingDuration 2.8 s + PostLabelingDelay 0.2 s" in crowded(encoded(), 2.9)
    assert from_label_to_label(encoded(), 0.25, [])[1] == 0.25
    assert from_label_to_label(encoded(), 0.15, [])[1] is None


def test_delays_that_differ_are_held_against_the_first_repetition_time_only():
    labeling = replace(PCASL, context=(M, C, L, C, L), post_labeling_delay=(0.0, 1.0, 1.0, 2.5, 2.5))
    assert crowded(labeling, 3.0) == ""
    assert "more than the RepetitionTime of 2 s" in crowded(labeling, 2.0)


def test_where_no_delay_is_stated_every_repetition_time_is_believed():
    assert from_label_to_label(Labeling(), 0.01, []) == (Labeling(), 0.01)
    assert crowded(Labeling(), 0.01) == ""


def test_the_first_bolus_is_that_of_the_first_control_or_label():
    labeling = replace(PCASL, post_labeling_delay=(0.0, 1.0, 2.0))
    assert first_bolus(labeling) == Bolus(1.0, 1.8)
    assert first_bolus(replace(labeling, context=(), rule=CounterRule("set", leading_m0scan=2))) == Bolus(2.0, 1.8)
    assert first_bolus(Labeling()) is None
