import numpy as np
import pytest

from aslive.gadgets.physiology import StatePhysiology
from aslive.streaming.errors import ConfigError
from aslive.streaming.flow import Volume
from aslive.streaming.notices import Notice
from aslive.streaming.perfusion import Physiology
from aslive.streaming.scan import Bolus, LabelingType, Role, Scan, Source, TimeEncoding

C, L, M = Role.CONTROL, Role.LABEL, Role.M0SCAN


@pytest.fixture(scope="session")
def stated(run, make_volume):
    """Give the physiology of a scan, and what was said beside it."""

    def state(
        labeling, gadget: StatePhysiology | None = None, tesla: float | None = 3.0
    ) -> tuple[Physiology, list[str]]:
        volumes = [make_volume(np.ones((1, 2, 2)), M, 0), make_volume(np.ones((1, 2, 2)), C, 1)]
        scan = Scan(labeling=labeling, repetition_time=5.0, field_strength=tesla)
        out = run([gadget or StatePhysiology()], volumes, scan)
        (physiology,) = (message for message in out if isinstance(message, Physiology))
        assert out[-2:] == volumes
        assert out.index(physiology) == len(out) - 3
        return physiology, [message.text for message in out if isinstance(message, Notice)]

    return state


def test_it_comes_once_ahead_of_the_first_volume_and_all_volumes_pass(run, make_volume, pcasl):
    volumes = [make_volume(np.ones((1, 2, 2)), C, n) for n in range(3)]
    out = run([StatePhysiology()], volumes, Scan(labeling=pcasl(), field_strength=3.0))
    assert [type(message) for message in out] == [Physiology, Volume, Volume, Volume]


def test_every_constant_says_where_it_came_from(stated, pcasl):
    sources = {"labeling_duration": Source.SIDECAR, "post_labeling_delay": Source.CONFIG}
    physiology, said = stated(pcasl(sources=sources), StatePhysiology(t1_gray_matter=1.3, t1_tissue=1.5))
    constants = physiology.constants
    assert constants["labeling_duration"] == (1.8, "s", Source.SIDECAR)
    assert constants["post_labeling_delay"] == (1.8, "s", Source.CONFIG)
    assert constants["labeling_efficiency"] == (0.85, "", Source.HEADER)
    assert constants["arterial_spin_labeling_type"] == ("PCASL", "", Source.HEADER)
    assert constants["t1_blood"] == (1.65, "s", Source.DEFAULT)
    assert constants["t1_tissue"] == (1.5, "s", Source.CONFIG)
    assert constants["t1_gray_matter"] == (1.3, "s", Source.CONFIG)
    assert constants["t1_white_matter"] == (0.83, "s", Source.DEFAULT)
    assert constants["t1_fluid"] == (4.3, "s", Source.DEFAULT)
    assert constants["partition_coefficient"] == (0.9, "mL/g", Source.DEFAULT)
    assert not physiology.missing
    assert not said


def test_hematocrit_sets_the_t1_of_blood_unless_that_is_given(stated, pcasl):
    constants = stated(pcasl(), StatePhysiology(hematocrit=0.25))[0].constants
    assert constants["t1_blood"] == (pytest.approx(2.006, abs=5e-4), "s", Source.CONFIG)
    assert constants["hematocrit"] == (0.25, "", Source.CONFIG)
    constants = stated(pcasl(), StatePhysiology(hematocrit=0.25, t1_blood=1.8))[0].constants
    assert constants["t1_blood"] == (1.8, "s", Source.CONFIG)
    assert "hematocrit" not in constants


@pytest.mark.parametrize(
    ("tesla", "t1", "said"), [(1.5, 1.35, 0), (2.89, 1.65, 0), (7.0, 2.087, 0), (0.55, 1.3765, 0), (None, 1.65, 1)]
)
def test_t1_of_blood_follows_the_field(stated, pcasl, tesla, t1, said):
    physiology, words = stated(pcasl(), tesla=tesla)
    assert physiology.number("t1_blood") == pytest.approx(t1)
    assert len(words) == said


@pytest.mark.parametrize(
    ("changes", "efficiency", "pulses", "source"),
    [
        ({}, 0.85, None, None),
        ({"arterial_spin_labeling_type": LabelingType.CASL}, 0.68, None, None),
        ({"background_suppression": True, "background_suppression_number_pulses": 4}, 0.85 * 0.95**4, 4, Source.HEADER),
        (
            {"background_suppression": True, "background_suppression_pulse_time": (1.0, 3.0)},
            0.85 * 0.95**2,
            2,
            Source.HEADER,
        ),
        ({"background_suppression": True}, 0.85 * 0.95, 1, Source.DEFAULT),
    ],
)
def test_each_suppression_pulse_takes_its_share_of_the_label(stated, pcasl, changes, efficiency, pulses, source):
    physiology, said = stated(pcasl(labeling_efficiency=None, **changes))
    assert physiology.number("labeling_efficiency") == pytest.approx(efficiency)
    if pulses is not None:
        assert physiology.constants["background_suppression_number_pulses"] == (pulses, "", source)
    assert ["number of its pulses" in text for text in said] == [True] * (source is Source.DEFAULT)


def test_a_stated_efficiency_includes_all_losses(stated, pcasl):
    suppressed = pcasl(background_suppression=True, background_suppression_number_pulses=5)
    assert stated(suppressed)[0].number("labeling_efficiency") == 0.85
    chosen = stated(suppressed, StatePhysiology(labeling_efficiency=0.7))[0]
    assert chosen.constants["labeling_efficiency"] == (0.7, "", Source.CONFIG)


def test_the_share_that_a_pulse_leaves_can_be_chosen(stated, pcasl):
    labeling = pcasl(labeling_efficiency=None, background_suppression=True, background_suppression_number_pulses=2)
    physiology, _ = stated(labeling, StatePhysiology(background_suppression_efficiency=0.93))
    assert physiology.number("labeling_efficiency") == pytest.approx(0.85 * 0.93**2)
    assert physiology.constants["background_suppression_efficiency"] == (0.93, "", Source.CONFIG)


def test_several_delays_are_listed_once_each(stated, pcasl):
    labeling = pcasl(context=(M, C, L, C, L, C, L), post_labeling_delay=(0.0, 2.0, 2.0, 1.0, 1.0, 2.0, 2.0))
    physiology, _ = stated(labeling)
    assert physiology.constants["post_labeling_delay"].value == (1.0, 2.0)
    assert physiology.constants["labeling_duration"].value == 1.8
    assert not physiology.missing


def test_the_sub_boluses_of_a_time_encoded_scan_are_its_delays(stated, pcasl):
    encoding = TimeEncoding(((1, 0), (0, 1)), (Bolus(1.2, 1.0), Bolus(0.5, 0.7)))
    physiology, _ = stated(pcasl(time_encoding=encoding))
    assert physiology.constants["post_labeling_delay"].value == (0.5, 1.2)
    assert physiology.constants["labeling_duration"].value == (0.7, 1.0)


def test_pasl_says_how_its_bolus_ends(stated, pcasl):
    pulsed = pcasl(
        arterial_spin_labeling_type=LabelingType.PASL,
        bolus_cut_off_flag=True,
        bolus_cut_off_delay_time=(0.8, 1.6),
        bolus_cut_off_technique="Q2TIPS",
    )
    constants = stated(pulsed)[0].constants
    assert constants["bolus_cut_off_delay_time"] == ((0.8, 1.6), "s", Source.HEADER)
    assert constants["bolus_cut_off_technique"] == ("Q2TIPS", "", Source.HEADER)
    assert "labeling_duration" not in constants


def test_what_is_missing_goes_with_the_constants_that_there_are(stated, pcasl):
    physiology, _ = stated(pcasl(post_labeling_delay=(), arterial_spin_labeling_type=None))
    assert len(physiology.missing) == 2
    assert np.isnan(physiology.number("post_labeling_delay"))
    assert np.isnan(physiology.number("labeling_efficiency"))
    assert physiology.number("t1_blood") == 1.65


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("t1_blood", 0.0),
        ("t1_tissue", -1.0),
        ("partition_coefficient", float("nan")),
        ("hematocrit", 42.0),
        ("labeling_efficiency", 85.0),
        ("background_suppression_efficiency", 0.0),
    ],
)
def test_impossible_constants_are_refused(run, name, value):
    with pytest.raises(ConfigError, match=name):
        run([StatePhysiology(**{name: value})], [], Scan())
