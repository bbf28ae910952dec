"""What a header gets wrong is said before the scan, in a sentence that tells what would be right."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aslive.streaming.labeling_faults import contradictions
from aslive.streaming.scan import CounterRule, Labeling, LabelingType, Role

CONTEXT = (Role.M0SCAN, Role.CONTROL, Role.LABEL)
PCASL = Labeling(LabelingType.PCASL, CONTEXT, labeling_duration=(1.8,), post_labeling_delay=(1.8,))
PASL = Labeling(
    LabelingType.PASL,
    CONTEXT,
    post_labeling_delay=(1.8,),
    bolus_cut_off_flag=True,
    bolus_cut_off_delay_time=(0.8,),
)
USUAL = ((1.8, 1.8), (1.8, 2.0), (1.45, 1.525), (1.45, 2.525), (3.0, 3.0), (1.6, 1.5))


def said(labeling: Labeling, inversion_times: tuple[float, ...] = ()) -> str:
    return " ".join(contradictions(labeling, inversion_times))


@pytest.mark.parametrize(("duration", "delay"), USUAL)
def test_usual_protocols_are_not_doubted(duration: float, delay: float):
    labeling = replace(PCASL, labeling_duration=(duration,), post_labeling_delay=(delay,))
    assert said(labeling) == ""
    assert said(labeling, (duration + delay,)) == ""


@pytest.mark.parametrize(("duration", "delay"), USUAL)
def test_a_delay_that_counts_from_the_beginning_of_labeling_is_doubted(duration: float, delay: float):
    confused = replace(PCASL, labeling_duration=(duration,), post_labeling_delay=(duration + delay,))
    note = said(confused, (duration + delay,))
    assert f"It may have to be {delay:g} s" in note
    assert "override" in note
    assert bool(said(confused)) == (duration + delay > 3.5)


def test_several_delays_are_doubted_together():
    context = (Role.M0SCAN, *(Role.CONTROL, Role.LABEL) * 3)
    stated = (0.0, 2.3, 2.3, 2.8, 2.8, 3.6, 3.6)
    labeling = replace(PCASL, context=context, post_labeling_delay=stated)
    assert "0.5, 1, 1.8 s" in said(labeling)
    assert said(replace(labeling, labeling_duration=(2.5,))) == ""


def test_the_delay_of_pasl_is_the_inversion_time():
    assert said(PASL, (1.8,)) == ""
    note = said(replace(PASL, post_labeling_delay=(1.0,)), (1.8,))
    assert "TI in the header is 1.8 s" in note
    assert "believed" in note


def test_a_delay_of_zero_is_doubted():
    assert "leave the key out" in said(replace(PCASL, post_labeling_delay=(0.0,)))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"m0_type": "Included", "context": (Role.CONTROL, Role.LABEL)}, "lists no m0scan"),
        ({"m0_type": "Absent"}, "lists an m0scan"),
        ({"m0_type": "Estimate"}, "M0Estimate is missing"),
        ({"post_labeling_delay": (1.8, 1.8, 0.0)}, "volume 0, an m0scan"),
        ({"look_locker": True}, "each of its readouts"),
    ],
)
def test_what_cannot_all_be_true_is_said(change: dict, words: str):
    assert words in said(replace(PCASL, **change))


@pytest.mark.parametrize(
    "change",
    [
        {"context": CONTEXT},
        {"context": (), "rule": CounterRule("set", leading_m0scan=1)},
        {"background_suppression": False},
        {"m0_estimate": 900.0},
    ],
)
def test_nothing_is_said_where_m0_may_come(change: dict):
    assert said(replace(PCASL, **{"context": (Role.CONTROL, Role.LABEL), **change})) == ""


@pytest.mark.parametrize("change", [{}, {"background_suppression": True}, {"m0_type": "Separate"}])
def test_a_scan_that_nothing_gives_m0_is_told_so(change: dict):
    assert "Nothing gives M0" in said(replace(PCASL, context=(Role.CONTROL, Role.LABEL), **change))


def test_a_delay_that_repeats_ti_and_does_not_fit_is_explained_once():
    confused = replace(PCASL, post_labeling_delay=(3.6,))
    (doubt,) = contradictions(confused, (3.6,), 6.0)
    assert "override" in doubt
    (explained,) = contradictions(confused, (3.6,), 5.0)
    assert "more than the RepetitionTime of 5 s" in explained
    assert "it should be 1.8 s" in explained


times = st.lists(st.floats(0, 15), max_size=4).map(tuple)


@given(
    st.sampled_from((None, *LabelingType)),
    st.lists(st.sampled_from(Role), max_size=6).map(tuple),
    *(times,) * 4,
)
def test_any_labeling_is_judged_in_whole_sentences(kind, context, durations, delays, cut_off, inversion_times):
    def fitting(values):
        return values if len(values) in (0, 1, len(context)) else values[:1]

    labeling = Labeling(
        kind,
        context,
        labeling_duration=fitting(durations),
        post_labeling_delay=fitting(delays),
        bolus_cut_off_delay_time=cut_off,
    )
    for note in contradictions(labeling, inversion_times):
        assert note.endswith(".")
        assert "nan" not in note
