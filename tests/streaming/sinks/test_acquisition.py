"""Every map tells how it was acquired, in BIDS's words: what is true of it, and nothing that is not known."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aslive.streaming.flow import Place
from aslive.streaming.perfusion import MapName
from aslive.streaming.readouts import Counters, Geometry
from aslive.streaming.scan import Bolus, Labeling, LabelingType, Role, Scan, TimeEncoding
from aslive.streaming.sinks.acquisition import acquisition

CONTEXT = (Role.M0SCAN, *(Role.CONTROL, Role.LABEL) * 3)
DELAYS = (0.0, 1.0, 1.0, 0.5, 0.5, 1.0, 1.0)
SCAN = Scan(
    labeling=Labeling(
        LabelingType.PCASL,
        CONTEXT,
        labeling_duration=(1.8,),
        post_labeling_delay=DELAYS,
        m0_repetition_time=10.0,
        background_suppression=False,
    ),
    repetition_time=5.0,
    field_strength=3.0,
)


def at(number: int, role: Role) -> Place:
    return Place(number, Counters(), 0.0, Geometry(), role, number=number)


def with_labeling(labeling: Labeling) -> Scan:
    return Scan(labeling=labeling)


def test_a_map_of_many_pairs_has_each_delay_once():
    known = acquisition(SCAN, MapName.CBF, at(6, Role.LABEL))
    assert known["PostLabelingDelay"] == [0.5, 1.0]
    assert known["LabelingDuration"] == 1.8
    assert known["RepetitionTimePreparation"] == 5.0
    assert known["BackgroundSuppression"] is False


@pytest.mark.parametrize("number", range(1, 7))
def test_a_control_or_label_has_the_delay_of_its_own_volume(number: int):
    name = MapName(CONTEXT[number].value)
    known = acquisition(SCAN, name, at(number, CONTEXT[number]))
    assert known["PostLabelingDelay"] == DELAYS[number]


def test_an_m0scan_has_its_own_repetition_time_and_no_labeling():
    known = acquisition(SCAN, MapName.M0SCAN, at(0, Role.M0SCAN))
    assert known == {"MagneticFieldStrength": 3.0, "RepetitionTimePreparation": 10.0}


def test_durations_that_differ_stand_beside_their_delays():
    labeling = Labeling(
        LabelingType.PCASL,
        (Role.CONTROL, Role.LABEL) * 2,
        labeling_duration=(2.0, 2.0, 1.0, 1.0),
        post_labeling_delay=(0.5, 0.5, 0.2, 0.2),
    )
    known = acquisition(with_labeling(labeling), MapName.ATT, at(3, Role.LABEL))
    assert (known["PostLabelingDelay"], known["LabelingDuration"]) == ([0.2, 0.5], [1.0, 2.0])


def test_an_image_of_a_time_encoded_cycle_has_no_single_delay():
    boluses = (Bolus(2.0, 1.0), Bolus(1.0, 1.0), Bolus(0.2, 0.8))
    labeling = Labeling(
        LabelingType.PCASL,
        (Role.CONTROL, *(Role.LABEL,) * 3),
        time_encoding=TimeEncoding(((0, 1, 0, 1), (0, 0, 1, 1), (0, 1, 1, 0)), boluses),
    )
    assert "PostLabelingDelay" not in acquisition(with_labeling(labeling), MapName.LABEL, at(1, Role.LABEL))
    known = acquisition(with_labeling(labeling), MapName.ATT, at(3, Role.LABEL))
    assert (known["PostLabelingDelay"], known["LabelingDuration"]) == ([0.2, 1.0, 2.0], [0.8, 1.0, 1.0])


def test_the_bolus_cut_off_belongs_to_pasl_only():
    labeling = Labeling(
        LabelingType.PASL, post_labeling_delay=(1.8,), bolus_cut_off_flag=True, bolus_cut_off_delay_time=(0.8,)
    )
    known = acquisition(with_labeling(labeling), MapName.CBF, at(1, Role.LABEL))
    assert (known["BolusCutOffFlag"], known["BolusCutOffDelayTime"], known["PostLabelingDelay"]) == (True, 0.8, 1.8)
    assert "LabelingDuration" not in known
    assert "BolusCutOffFlag" not in acquisition(SCAN, MapName.CBF, at(1, Role.LABEL))


@given(st.sampled_from(MapName), st.sampled_from(Role), st.integers(-1, 9))
def test_what_nobody_said_is_not_there(name: MapName, role: Role, number: int):
    place = Place(max(number, 0), Counters(), 0.0, Geometry(), role, number=number)
    assert acquisition(Scan(), name, place) == {}
    known = acquisition(SCAN, name, place)
    assert json.loads(json.dumps(known)) == known
    assert None not in known.values()
