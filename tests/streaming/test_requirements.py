"""What absolute flow lacks is said in a sentence that helps, and a usual scan lacks nothing."""

from dataclasses import replace

import pytest

from aslive.streaming.requirements import missing
from aslive.streaming.scan import Labeling, LabelingType, Role, Scan

M, C, L = Role.M0SCAN, Role.CONTROL, Role.LABEL
PCASL = Labeling(LabelingType.PCASL, (M, C, L), labeling_duration=(1.8,), post_labeling_delay=(1.8,))
PASL = Labeling(
    LabelingType.PASL,
    (M, C, L),
    post_labeling_delay=(1.8,),
    bolus_cut_off_flag=True,
    bolus_cut_off_delay_time=(0.8,),
)


def said(labeling: Labeling, repetition_time: float | None = 5.0) -> str:
    return "; ".join(missing(Scan(labeling=labeling, repetition_time=repetition_time)))


@pytest.mark.parametrize(
    "labeling",
    [
        PCASL,
        PASL,
        replace(PASL, bolus_cut_off_technique="Q2TIPS", bolus_cut_off_delay_time=(0.7, 1.6)),
        replace(PASL, context=(C, L) * 3, post_labeling_delay=(0.3, 0.3, 0.8, 0.8, 1.8, 1.8)),
        replace(PCASL, post_labeling_delay=(0.0, 1.8, 1.8), labeling_duration=(0.0, 1.8, 1.8)),
        replace(PCASL, labeling_duration=(1.45,), post_labeling_delay=(3.5,)),
        replace(PCASL, look_locker=True, flip_angle=25.0),
    ],
)
def test_a_usual_scan_lacks_nothing(labeling):
    assert said(labeling) == ""


@pytest.mark.parametrize(
    ("labeling", "words"),
    [
        (replace(PCASL, arterial_spin_labeling_type=None), "ArterialSpinLabelingType of CASL, PCASL or PASL"),
        (replace(PCASL, post_labeling_delay=()), "PostLabelingDelay"),
        (replace(PCASL, labeling_duration=()), "LabelingDuration"),
        (replace(PCASL, labeling_duration=(0.0,)), "LabelingDuration above 0 s (it is 0)"),
        (replace(PCASL, labeling_duration=(1.8, 1.8, 0.0)), "LabelingDuration above 0 s (it is 0)"),
        (replace(PCASL, post_labeling_delay=(1.0, 1.8)), "each of the 3 volumes of aslcontext (there are 2 values)"),
        (replace(PCASL, m0_repetition_time=0.0), "M0RepetitionTime above 0 s"),
        (replace(PCASL, look_locker=True), "FlipAngle"),
        (replace(PASL, bolus_cut_off_flag=None), "BolusCutOffFlag"),
        (replace(PASL, bolus_cut_off_delay_time=()), "BolusCutOffDelayTime"),
        (replace(PASL, bolus_cut_off_delay_time=(0.0,)), "BolusCutOffDelayTime"),
        (replace(PASL, bolus_cut_off_technique="PICORE"), "it is PICORE"),
        (replace(PASL, post_labeling_delay=(0.6,)), "the bolus ends after the readout"),
    ],
)
def test_what_is_missing_is_named(labeling, words):
    assert words in said(labeling)


def test_no_repetition_time_is_not_a_fault_but_zero_is():
    assert said(PCASL, None) == ""
    assert said(PCASL, 0.0) == "a RepetitionTime above 0 s (it is 0)"


def test_what_does_not_fit_into_the_repetition_time_makes_flow_relative_and_what_cannot_be_one_does_not():
    words = "LabelingDuration and PostLabelingDelay that fit into RepetitionTime"
    assert [said(PCASL, time) for time in (3.6, 3.5, 1.8, 1.7, 0.01)] == ["", words, words, "", ""]
    assert said(PASL, 1.0) == ""
