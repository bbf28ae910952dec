"""The labeling: who is believed, what is refused, and that nothing is converted in silence."""

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aslive.streaming.labeling import read_labeling, read_repetition_time
from aslive.streaming.labeling_faults import contradictions
from aslive.streaming.scan import CounterRule, Labeling, LabelingType, Limits, Role, Source
from aslive.streaming.statements import Statements

SOURCES = ("override", "header", "config", "sidecar")
PAIRS = "m0scan,control,label"
PCASL = {
    "aslcontext": PAIRS,
    "ArterialSpinLabelingType": "PCASL",
    "LabelingDuration": "1.8",
    "PostLabelingDelay": "1.8",
}


def read(
    header: Mapping[str, object] = {},
    settings: Mapping[str, object] = {},
    sidecar: Mapping[str, object] = {},
    inversion_times: tuple[float, ...] = (),
) -> tuple[Labeling, list[str]]:
    statements = Statements(header, settings, sidecar)
    return read_labeling(statements, inversion_times), statements.notes


@given(st.dictionaries(st.sampled_from(SOURCES), st.floats(0.1, 10), min_size=1))
def test_the_first_in_the_order_is_believed_for_each_key(said: dict[str, float]):
    def of(source: str) -> dict[str, object]:
        return {"PostLabelingDelay": said[source]} if source in said else {}

    labeling, notes = read(of("header"), {**of("config"), "override": of("override")}, of("sidecar"))
    believed = next(source for source in SOURCES if source in said)
    assert labeling.post_labeling_delay == (said[believed],)
    expected = {"override": Source.CONFIG, "header": Source.HEADER, "config": Source.CONFIG, "sidecar": Source.SIDECAR}
    assert labeling.sources == {"post_labeling_delay": expected[believed]}
    assert sum("disagree" in note for note in notes) == sum(value != said[believed] for value in said.values())


def test_each_key_has_its_own_source():
    labeling, _ = read({"LabelingDuration": "1.8"}, {"LabelingEfficiency": 0.85}, {"PostLabelingDelay": 2.0})
    assert labeling.sources == {
        "labeling_duration": Source.HEADER,
        "labeling_efficiency": Source.CONFIG,
        "post_labeling_delay": Source.SIDECAR,
    }


def test_a_value_that_cannot_be_right_leaves_its_place_to_the_next():
    labeling, notes = read({"PostLabelingDelay": "1800"}, sidecar={"PostLabelingDelay": 1.8})
    assert labeling.post_labeling_delay == (1.8,)
    assert labeling.sources["post_labeling_delay"] is Source.SIDECAR
    assert any("1800" in note and "ms" in note for note in notes)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("PostLabelingDelay", "1800"),
        ("PostLabelingDelay", "-1"),
        ("PostLabelingDelay", "nan"),
        ("PostLabelingDelay", "1.8 s"),
        ("PostLabelingDelay", "0,1.8"),
        ("PostLabelingDelay", {"value": 1.8}),
        ("LabelingDuration", "inf"),
        ("LabelingDuration", True),
        ("LabelingEfficiency", "85"),
        ("LabelingEfficiency", "0"),
        ("BackgroundSuppression", "maybe"),
        ("BackgroundSuppressionNumberPulses", "2.5"),
        ("ArterialSpinLabelingType", "VSASL"),
        ("BolusCutOffTechnique", "scissors"),
        ("M0Type", "None"),
        ("M0Estimate", "-3"),
        ("M0RepetitionTime", "10000"),
        ("MRAcquisitionType", "4D"),
        ("SliceTiming", "0,42,84"),
        ("LabelingDuration", "0"),
        ("LabelingDuration", "0,1.8,0"),
        ("ArterialSpinLabelingType", "velocity selective"),
        ("BolusCutOffDelayTime", "0"),
        ("BolusCutOffDelayTime", "1.6,0.7"),
        ("BolusCutOffDelayTime", "0.7,1.2,1.6"),
        ("BackgroundSuppressionPulseTime", "1700,2900"),
        ("LookLocker", "often"),
        ("FlipAngle", "0"),
        ("FlipAngle", "400"),
        ("VascularCrushing", "4 cm/s"),
    ],
)
def test_a_value_that_cannot_be_right_is_noted_and_unknown(key: str, value: object):
    labeling, notes = read({"aslcontext": PAIRS, key: value})
    assert labeling == Labeling(context=(Role.M0SCAN, Role.CONTROL, Role.LABEL), sources={"context": Source.HEADER})
    assert any(note.startswith(f"{key} in the header") and "expected" in note for note in notes)


def test_everything_in_the_words_of_bids_is_read():
    labeling, notes = read(
        {
            **PCASL,
            "PostLabelingDelay": "0, 1.5, 1.5",
            "BolusCutOffFlag": "FALSE",
            "BolusCutOffTechnique": "quipss ii",
            "BolusCutOffDelayTime": "0.7,1.6",
            "M0Type": "included",
            "M0Estimate": "1200",
            "M0RepetitionTime": "10",
            "LabelingEfficiency": "0.85",
            "BackgroundSuppression": "True",
            "BackgroundSuppressionNumberPulses": "2.0",
            "BackgroundSuppressionPulseTime": "1.7, 2.9",
            "LookLocker": "no",
            "FlipAngle": "90",
            "VascularCrushing": "true",
            "SliceTiming": "[0, 0.04, 0.08]",
            "MRAcquisitionType": "2d",
        }
    )
    assert notes == []
    assert labeling == Labeling(
        arterial_spin_labeling_type=LabelingType.PCASL,
        context=(Role.M0SCAN, Role.CONTROL, Role.LABEL),
        labeling_duration=(1.8,),
        post_labeling_delay=(0.0, 1.5, 1.5),
        bolus_cut_off_flag=False,
        bolus_cut_off_technique="QUIPSSII",
        bolus_cut_off_delay_time=(0.7, 1.6),
        m0_type="Included",
        m0_estimate=1200.0,
        m0_repetition_time=10.0,
        labeling_efficiency=0.85,
        background_suppression=True,
        background_suppression_number_pulses=2,
        background_suppression_pulse_time=(1.7, 2.9),
        look_locker=False,
        flip_angle=90.0,
        vascular_crushing=True,
        slice_timing=(0.0, 0.04, 0.08),
        mr_acquisition_type="2D",
        sources=labeling.sources,
    )
    assert set(labeling.sources.values()) == {Source.HEADER}


@pytest.mark.parametrize(
    "settings",
    [
        {"PostLabelingDelay": 1.8},
        {"postLabelingDelay": "1.8"},
        {"post_labeling_delay": [1.8]},
        {"parameters": {"config": "aslive", "PostLabelingDelay": "1.8"}},
        {"labeling": {"PostLabelingDelay": 1.8}, "chain": {"PostLabelingDelay": 9}},
        {"override": '{"PostLabelingDelay": 1.8}'},
    ],
)
def test_settings_may_be_flat_or_grouped(settings: dict[str, object]):
    assert read(settings=settings)[0].post_labeling_delay == (1.8,)


@given(st.lists(st.sampled_from(list(Role)), min_size=1, max_size=30))
def test_a_context_survives_every_way_of_writing_it(roles: list[Role]):
    ways = (
        ",".join(roles),
        ", ".join(role.upper() for role in roles),
        list(roles),
        "\n".join(("volume_type", *roles)) + "\n",
        str([str(role) for role in roles]),
    )
    complete = [*roles, Role.CONTROL, Role.LABEL]
    for way in (f"{ways[0]},control,label", f"{ways[1]}, CONTROL, LABEL", complete, f"{ways[3]}control\nlabel\n"):
        assert read({"aslcontext": way})[0].context == tuple(complete)


def test_a_word_that_is_no_role_leaves_its_volume_out():
    labeling, notes = read({"aslcontext": "control,label,lable,control,label"})
    assert labeling.context == (Role.CONTROL, Role.LABEL, Role.NOT_APPLICABLE, Role.CONTROL, Role.LABEL)
    assert any("lable" in note and "left out" in note for note in notes)


def test_a_context_without_a_pair_because_of_a_strange_word_is_not_used():
    labeling, notes = read({"aslcontext": "control,tag,control,tag"})
    assert labeling.context == ()
    assert any("tag" in note for note in notes)
    assert any("alternate" in note for note in notes)


def test_a_list_of_delays_needs_one_value_for_each_volume():
    labeling, notes = read({**PCASL, "PostLabelingDelay": "0,1.5"})
    assert labeling.post_labeling_delay == ()
    assert any("2 values for 3 volumes" in note for note in notes)


def test_a_decimal_comma_is_not_taken_for_two_delays():
    labeling, notes = read({"PostLabelingDelay": "1,8"})
    assert labeling.post_labeling_delay == ()
    assert any("without aslcontext" in note for note in notes)


def test_a_rule_is_read_from_an_object_or_from_its_text():
    rule = {"counter": "User[3]", "label_value": 0, "modulo": "2", "leading_m0scan": 1, "leading_dummies": 2}
    for written in (rule, str(rule).replace("'", '"')):
        assert read(settings={"rule": written})[0].rule == CounterRule("user_3", 0, 2, 1, 2)


@pytest.mark.parametrize(
    "rule",
    [
        "set",
        {"counter": "line"},
        {"counter": "user_8"},
        {"counter": "set", "label": 1},
        {"counter": "set", "modulo": 1},
        {"counter": "set", "label_value": 2},
        {"counter": "set", "label_value": -1},
        [1],
    ],
)
def test_a_rule_that_cannot_work_is_noted(rule: object):
    labeling, notes = read(settings={"rule": rule})
    assert labeling.rule is None
    assert any(note.startswith("rule in the config") for note in notes)


@pytest.mark.parametrize(
    ("header", "settings", "context", "rule"),
    [
        ({"aslcontext": PAIRS}, {"rule": {"counter": "set"}}, True, True),
        ({"aslcontext": PAIRS}, {"override": {"rule": {"counter": "set"}}}, False, True),
        ({}, {"rule": {"counter": "set"}, "aslcontext": PAIRS}, True, True),
        ({}, {"override": {"rule": {"counter": "set"}, "aslcontext": PAIRS}}, True, True),
        ({}, {"rule": {"counter": "set"}}, False, True),
        ({}, {}, False, False),
    ],
)
def test_the_context_goes_before_the_rule_unless_the_site_overrides(
    header: dict[str, object], settings: dict[str, object], context: bool, rule: bool
):
    labeling, _ = read(header, settings)
    assert (bool(labeling.context), labeling.rule is not None) == (context, rule)
    assert ("context" in labeling.sources, "rule" in labeling.sources) == (context, rule)


def test_pasl_takes_its_delay_from_the_inversion_time():
    labeling, notes = read({"ArterialSpinLabelingType": "pasl"}, inversion_times=(1.8,))
    assert labeling.post_labeling_delay == (1.8,)
    assert labeling.sources["post_labeling_delay"] is Source.HEADER
    assert any("TI" in note for note in notes)


def test_pcasl_does_not_trust_the_inversion_time_unless_told_to():
    header = {"ArterialSpinLabelingType": "PCASL", "LabelingDuration": 1.8}
    labeling, notes = read(header, inversion_times=(3.6,))
    assert labeling.post_labeling_delay == ()
    assert any("3.6" in note for note in notes)
    told, _ = read(header, {"PostLabelingDelayFromInversionTime": True}, inversion_times=(3.6,))
    assert told.post_labeling_delay == (1.8,)
    too_short, _ = read(header, {"PostLabelingDelayFromInversionTime": True}, inversion_times=(1.5,))
    assert too_short.post_labeling_delay == ()


def test_a_stated_delay_goes_before_the_inversion_time():
    labeling, _ = read({"ArterialSpinLabelingType": "PASL", "PostLabelingDelay": 1.5}, inversion_times=(1.8,))
    assert labeling.post_labeling_delay == (1.5,)


def test_slices_from_the_top_turn_the_slice_times():
    said = {"SliceTiming": [0.0, 0.04, 0.08], "SliceEncodingDirection": "k-"}
    assert read(sidecar=said)[0].slice_timing == (0.08, 0.04, 0.0)
    assert read(sidecar={**said, "SliceEncodingDirection": "k"})[0].slice_timing == (0.0, 0.04, 0.08)


def test_a_sidecars_direction_does_not_turn_the_headers_slice_times():
    times = {"SliceTiming": "0,0.04,0.08"}
    assert read(times, sidecar={"SliceEncodingDirection": "k-"})[0].slice_timing == (0.0, 0.04, 0.08)
    assert read(times, {"override": {"SliceEncodingDirection": "k-"}})[0].slice_timing == (0.08, 0.04, 0.0)


def test_a_labeling_duration_of_zero_leaves_its_place_to_the_sidecar():
    labeling, notes = read({**PCASL, "LabelingDuration": "0"}, sidecar={"LabelingDuration": 1.8})
    assert labeling.labeling_duration == (1.8,)
    assert any("no blood would be labeled" in note for note in notes)


def test_velocity_selective_labeling_is_relative_and_says_so():
    labeling, notes = read({**PCASL, "ArterialSpinLabelingType": "VSASL"})
    assert labeling.arterial_spin_labeling_type is None
    assert labeling.stated
    assert any("velocity-selective labeling is not supported" in note for note in notes)


def test_a_delay_alone_says_that_this_is_asl():
    assert read({"PostLabelingDelay": 1.8, "ArterialSpinLabelingType": "VSASL"})[0].stated
    assert not read({"FlipAngle": 90})[0].stated


def test_the_counters_say_which_pair_a_delay_belongs_to_where_there_is_no_context():
    statements = Statements({**PCASL, "aslcontext": "", "PostLabelingDelay": "0.5,1.0"}, {"rule": {"counter": "set"}})
    limits = {"repetition": Limits(0, 1, 0), "set": Limits(0, 1, 0)}
    labeling = read_labeling(statements, limits=limits)
    assert labeling.post_labeling_delay == (0.5, 0.5, 1.0, 1.0)
    assert [bolus.post_labeling_delay for bolus in labeling.boluses] == [0.5, 1.0]


def test_an_m0scan_without_a_repetition_time_is_noted():
    labeling, notes = read({**PCASL, "RepetitionTimePreparation": "0,5,5"})
    assert labeling.m0_repetition_time is None
    assert any("is 0 for the m0scan" in note for note in notes)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inside: st.lists(inside, max_size=4) | st.dictionaries(st.text(max_size=8), inside, max_size=4),
    max_leaves=6,
)
WORDS = st.sampled_from(
    (
        *PCASL,
        *("rule", "override", "parameters", "SliceTiming", "SliceEncodingDirection", "M0Type", "M0Estimate"),
        *("M0RepetitionTime", "RepetitionTimePreparation", "BolusCutOffDelayTime", "BolusCutOffFlag"),
        *("BackgroundSuppression", "BackgroundSuppressionNumberPulses", "BackgroundSuppressionPulseTime"),
        *("LookLocker", "FlipAngle", "VascularCrushing", "TimeEncodedMatrixType", "TimeEncodedMatrixSize"),
        *("TimeEncodedMatrix", "TimeEncodedLabelSign", "TimeEncodedLabelingDuration"),
    )
)
TEXTS = st.text(max_size=12) | st.text("0123456789.,;+-e \\[]nainf", max_size=12) | st.just("control,label")


@given(*(st.dictionaries(WORDS, JSON, max_size=6) for _ in range(3)))
def test_no_json_can_break_the_reading(
    header: dict[str, object], settings: dict[str, object], sidecar: dict[str, object]
):
    labeling, notes = read(header, settings, sidecar)
    _see_that_it_is_sound(labeling, notes)


@given(st.dictionaries(WORDS, TEXTS, max_size=8), st.integers(0, 5))
def test_no_text_of_any_key_can_break_the_reading(header: dict[str, str], repetitions: int):
    statements = Statements(header)
    labeling = read_labeling(statements, limits={"repetition": Limits(0, repetitions, 0)})
    repetition_time = read_repetition_time(statements, labeling.context)
    assert repetition_time is None or repetition_time > 0
    notes = [*statements.notes, *contradictions(labeling)]
    if not labeling.context:
        assert len(labeling.post_labeling_delay) in (0, 1, repetitions + 1)
    else:
        _see_that_it_is_sound(labeling, notes)


def _see_that_it_is_sound(labeling: Labeling, notes: list[str]) -> None:
    assert all(0 <= time <= 15 for time in (*labeling.post_labeling_delay, *labeling.labeling_duration))
    assert len(labeling.post_labeling_delay) in (0, 1, len(labeling.context))
    assert all(note.endswith(".") for note in notes)
