"""The header door: what real scanners and broken converters write becomes a Scan, or a HeaderError in words."""

import json
import random
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import ismrmrd
import pytest
from defusedxml.ElementTree import fromstring
from hypothesis import given, settings
from hypothesis import strategies as st

from aslive.streaming.errors import HeaderError
from aslive.streaming.header import read_header
from aslive.streaming.scan import Bolus, CounterRule, Limits, Scan, Source

ROOT = Path(__file__).resolve().parents[2]
RAW = ROOT.parent / "shared/data/raw"

HEADER = """<?xml version="1.0"?>
<ismrmrdHeader xmlns="http://www.ismrm.org/ISMRMRD">
  <version>2</version>
  <subjectInformation><patientName>Doe^Jane</patientName><patientBirthdate>1970-01-01</patientBirthdate></subjectInformation>
  <measurementInformation>
    <measurementID>m1</measurementID><patientPosition>hfs</patientPosition><protocolName>asl</protocolName>
    <measurementDependency><dependencyType>Noise</dependencyType><measurementID>m0</measurementID></measurementDependency>
  </measurementInformation>
  <acquisitionSystemInformation>
    <systemFieldStrength_T>3.0</systemFieldStrength_T>
    <relativeReceiverNoiseBandwidth>0.79</relativeReceiverNoiseBandwidth>
    <receiverChannels>2.0</receiverChannels>
    <coilLabel><coilNumber>1</coilNumber><coilName>B</coilName></coilLabel>
    <coilLabel><coilNumber>0</coilNumber><coilName>A</coilName></coilLabel>
  </acquisitionSystemInformation>
  <experimentalConditions><H1resonanceFrequency_Hz>123200000</H1resonanceFrequency_Hz></experimentalConditions>
  <encoding>
    <encodedSpace><matrixSize><x>160.0</x><y>80</y><z>1</z></matrixSize>
      <fieldOfView_mm><x>400</x><y>200</y><z>4.1</z></fieldOfView_mm></encodedSpace>
    <reconSpace><matrixSize><x>80</x><y>80</y><z>1</z></matrixSize>
      <fieldOfView_mm><x>200</x><y>200</y><z>4.1</z></fieldOfView_mm></reconSpace>
    <encodingLimits>
      <kspace_encoding_step_1><minimum>0</minimum><maximum>79</maximum><center>40</center></kspace_encoding_step_1>
      <repetition><minimum>0</minimum><maximum>3</maximum><center>0</center></repetition>
    </encodingLimits>
    <trajectory>EPI</trajectory>
    <trajectoryDescription>
      <identifier>ConventionalEPI</identifier>
      <userParameterLong><name>rampUpTime</name><value>160</value></userParameterLong>
      <userParameterDouble><name>dwellTime</name><value>3.1</value></userParameterDouble>
    </trajectoryDescription>
    <parallelImaging><accelerationFactor><kspace_encoding_step_1>2</kspace_encoding_step_1>
      <kspace_encoding_step_2>1</kspace_encoding_step_2></accelerationFactor></parallelImaging>
  </encoding>
  <encoding><trajectory>cartesian</trajectory></encoding>
  <sequenceParameters><TR>4100</TR><TR>5000</TR><TE>12.5</TE></sequenceParameters>
  <userParameters>
    <userParameterString><name>aslcontext</name><value>m0scan, control, label</value></userParameterString>
    <userParameterDouble><name>LabelingDuration</name><value>1.8</value></userParameterDouble>
    <userParameterDouble><name>PostLabelingDelay</name><value>1.8</value></userParameterDouble>
    <userParameterString><name>ArterialSpinLabelingType</name><value>pcasl</value></userParameterString>
    <userParameterString><name>PatientName</name><value>Doe^Jane</value></userParameterString>
  </userParameters>
</ismrmrdHeader>
"""


def test_lengths_and_times_are_converted_to_si_units():
    scan = read_header(HEADER)
    assert scan.encoding is not None
    assert scan.encoding.encoded_matrix == (160, 80, 1)
    assert scan.encoding.encoded_field_of_view == pytest.approx((0.4, 0.2, 0.0041))
    assert (scan.repetition_time, scan.echo_time, scan.field_strength) == (4.1, 0.0125, 3.0)
    assert scan.encoding.trajectory_parameters == {"rampUpTime": 160.0, "dwellTime": 3.1}


def test_everything_that_is_stated_is_read():
    scan = read_header(HEADER)
    assert scan.encoding is not None
    assert len(scan.encodings) == 2
    assert scan.encoding.limits["kspace_encode_step_1"] == Limits(0, 79, 40)
    assert (scan.encoding.trajectory, scan.encoding.trajectory_identifier) == ("epi", "ConventionalEPI")
    assert scan.encoding.acceleration == (2, 1)
    assert (scan.coils, scan.coil_names) == (2, ("A", "B"))
    assert (scan.measurement_id, scan.protocol_name, scan.patient_position) == ("m1", "asl", "HFS")
    assert scan.dependencies == {"Noise": "m0"}
    assert scan.relative_noise_bandwidth == 0.79
    assert scan.labeling.stated
    assert scan.labeling.sources["repetition_time"] is Source.HEADER


def test_the_patient_is_forgotten():
    scan = read_header(HEADER)
    assert "Doe" not in repr(scan)
    assert "1970" not in repr(scan)
    assert read_header(scan.text).encodings == scan.encodings
    assert "<ismrmrdHeader" in scan.text


@pytest.mark.parametrize(
    "dressed",
    [
        HEADER + "\0\0",
        "\ufeff" + HEADER + " \n\0",
        "\r\n " + HEADER,
        HEADER + "\0rubbish",
        HEADER.replace('<?xml version="1.0"?>', '<?xml version="1.0" encoding="ascii"?>'),
        HEADER.replace(' xmlns="http://www.ismrm.org/ISMRMRD"', ""),
        HEADER.replace("http://www.ismrm.org/ISMRMRD", "urn:other"),
        HEADER.replace("<version>2", "<version>1"),
        HEADER.replace("<encodedSpace>", "<somethingNew>1</somethingNew><encodedSpace>"),
        HEADER.replace("encodedSpace", "EncodedSpace"),
    ],
)
def test_what_is_wrapped_around_a_header_does_not_matter(dressed: str):
    plain, scan = read_header(HEADER), read_header(dressed)
    assert scan.encodings == plain.encodings
    assert scan.labeling == plain.labeling
    assert scan.notes == plain.notes


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("<x>80</x><y>80</y>", "<x>0</x><y>0</y>", "0 x 0 x 1"),
        ("<trajectory>EPI", "<trajectory>rosette", "rosette"),
        ("<trajectory>EPI</trajectory>", "", "taken as cartesian"),
        ("accelerationFactor", "other", "encoding 0 has no accelerationFactor"),
        ("receiverChannels", "other", "receiverChannels"),
        ("experimentalConditions", "other", "experimentalConditions"),
        ("<systemFieldStrength_T>3.0</systemFieldStrength_T>", "", "resonance"),
        ("<maximum>79", "<maximum>99999", "kspace_encode_step_1 are not usable"),
        ("<TR>4100</TR><TR>5000</TR>", "", "no usable TR"),
        ("<TR>4100</TR>", "<TR>fast</TR>", "no time in ms"),
        (">160</value>", ">long</value>", "rampUpTime"),
        ("encodingLimits", "other", "encoding 0 has no encodingLimits"),
    ],
)
def test_every_fallback_is_noted(old: str, new: str, said: str):
    assert old in HEADER
    assert not any(said in note for note in read_header(HEADER).notes)
    assert any(said in note for note in read_header(HEADER.replace(old, new)).notes)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("<x>160.0</x>", "<x>4097</x>", "4097"),
        ("<x>160.0</x>", "<x>nan</x>", "nan"),
        ("<x>160.0</x>", "<x>-1</x>", "-1"),
        ("<x>400</x>", "<x>4e9</x>", "4e+09"),
        ("<x>400</x>", "<x>nan</x>", "nan"),
    ],
)
def test_sizes_no_scanner_has_are_refused(old: str, new: str, said: str):
    with pytest.raises(HeaderError, match="expected") as raised:
        read_header(HEADER.replace(old, new))
    assert said in str(raised.value)


@pytest.mark.parametrize(
    "text",
    [
        "Dummy XML header",
        "",
        "\0",
        HEADER[: len(HEADER) // 2],
        "<configuration/>",
        '<!DOCTYPE a [<!ENTITY b "bbbb"><!ENTITY c "&b;&b;&b;">]>\n<ismrmrdHeader>&c;</ismrmrdHeader>',
        "<ismrmrdHeader>" + "<a>" * 500 + "</a>" * 500 + "</ismrmrdHeader>",
        "\udcff<ismrmrdHeader",
    ],
)
def test_what_is_no_header_is_refused_in_words(text: str):
    with pytest.raises(HeaderError, match="expected"):
        read_header(text)


def test_the_refusal_shows_what_came():
    with pytest.raises(HeaderError, match="Dummy XML header"):
        read_header("Dummy XML header")


def test_an_empty_header_gives_a_scan_full_of_notes():
    scan = read_header("<ismrmrdHeader/>")
    assert scan.encodings == ()
    assert len(scan.notes) >= 5
    assert not scan.labeling.stated


def test_repeated_parameters_become_a_list():
    once = "<userParameterDouble><name>PostLabelingDelay</name><value>1.8</value></userParameterDouble>"
    several = "".join(once.replace("1.8", value) for value in ("0", "1.5", "1.5"))
    assert read_header(HEADER.replace(once, several)).labeling.post_labeling_delay == (0.0, 1.5, 1.5)


def said_about(**keys: object) -> str:
    """Give what is noted on a header whose keys are overridden."""
    return " ".join(read_header(HEADER, {"override": keys}).notes)


def test_a_complete_header_lacks_nothing_for_absolute_flow():
    assert "missing:" not in said_about()
    assert "does not fit" not in said_about()


@pytest.mark.parametrize(
    ("old", "new", "name"),
    [
        (">pcasl<", ">VSASL<", "ArterialSpinLabelingType"),
        ("<name>PostLabelingDelay</name><value>1.8", "<name>PostLabelingDelay</name><value>1800", "PostLabelingDelay"),
        ("<name>LabelingDuration</name><value>1.8", "<name>LabelingDuration</name><value>0", "LabelingDuration"),
        (">pcasl<", ">PASL<", "BolusCutOff"),
        (
            "<name>PostLabelingDelay</name><value>1.8",
            "<name>PostLabelingDelay</name><value>3.6",
            "fit into RepetitionTime",
        ),
        (
            "<name>PostLabelingDelay</name>",
            "<name>LookLocker</name><value>true</value></userParameterDouble>"
            "<userParameterDouble><name>PostLabelingDelay</name>",
            "FlipAngle",
        ),
    ],
)
def test_what_absolute_flow_lacks_is_said_before_the_scan(old: str, new: str, name: str):
    assert old in HEADER
    scan = read_header(HEADER.replace(old, new))
    (note,) = [note for note in scan.notes if "missing:" in note]
    assert name in note
    assert note.endswith("stay relative.")
    assert scan.labeling.stated


def test_labeling_and_delay_that_do_not_fit_into_the_repetition_time_are_explained_once():
    assert said_about(PostLabelingDelay=3.6).count("END of labeling") == 1
    assert "it should be 1.8 s" in said_about(PostLabelingDelay=3.6)


def test_a_repetition_time_that_is_shorter_than_the_delay_alone_is_not_used_and_flow_stays_absolute():
    scan = read_header(HEADER.replace("<TR>4100</TR><TR>5000</TR>", "<TR>15</TR>"))
    assert scan.repetition_time is None
    (note,) = [note for note in scan.notes if "RepetitionTime" in note]
    assert "0.015 s, shorter than PostLabelingDelay (1.8 s) alone" in note
    assert not any("missing:" in note for note in scan.notes)


def test_a_repetition_time_of_zero_is_unknown_and_noted():
    scan = read_header(HEADER.replace("<TR>4100</TR><TR>5000</TR>", "<TR>0</TR>"))
    assert scan.repetition_time is None
    assert any("no usable TR" in note for note in scan.notes)
    zero = read_header(HEADER.replace("<TR>4100</TR><TR>5000</TR>", ""), sidecar={"RepetitionTimePreparation": 0})
    assert zero.repetition_time is None
    assert any("is 0; expected s, above 0" in note for note in zero.notes)


def test_the_flip_angle_has_an_element_of_its_own():
    scan = read_header(HEADER.replace("<TE>", "<flipAngle_deg>35</flipAngle_deg><TE>"))
    assert scan.labeling.flip_angle == 35
    assert scan.labeling.sources["flip_angle"] is Source.HEADER
    assert read_header(HEADER.replace("<TE>", "<flipAngle_deg>0</flipAngle_deg><TE>")).labeling.flip_angle is None


def test_a_context_of_another_length_than_the_scan_is_noted():
    assert "aslcontext lists 3 volumes, but encodingLimits announce 4 repetitions" in said_about()
    assert "encodingLimits announce" not in said_about(aslcontext="m0scan,m0scan,control,label")


def test_a_list_by_volume_needs_no_context_where_the_counters_count_as_many():
    bare = HEADER.replace("<name>aslcontext</name>", "<name>series</name>")
    labeling = read_header(bare, {"override": {"PostLabelingDelay": [0.5, 0.5, 1.0, 1.0]}}).labeling
    assert labeling.post_labeling_delay == (0.5, 0.5, 1.0, 1.0)
    assert len(labeling.boluses) == 2


def test_a_sidecar_gives_the_repetition_time_a_header_lacks():
    bare = HEADER.replace("<TR>4100</TR><TR>5000</TR>", "")
    scan = read_header(bare, sidecar={"RepetitionTimePreparation": [10.0, 5.0, 5.0]})
    assert scan.repetition_time == 5.0
    assert scan.labeling.m0_repetition_time == 10.0
    assert scan.labeling.sources["repetition_time"] is Source.SIDECAR


def example(language: str) -> str:
    page = (ROOT / "docs/reference/asl-contract.md").read_text()
    return page.partition(f"```{language}\n")[2].partition("```")[0]


def test_the_header_on_the_contract_page_means_what_the_page_says():
    scan = read_header(example("xml"))
    assert [role.value for role in scan.labeling.context] == ["m0scan", "control", "label", "control", "label"]
    assert scan.labeling.post_labeling_delay == (0.0, 1.5, 1.5, 2.0, 2.0)
    assert (scan.repetition_time, scan.labeling.m0_repetition_time) == (5.0, 10.0)
    assert scan.three_dimensional
    assert not any("not used" in note or "missing:" in note for note in scan.notes)


def test_the_config_on_the_contract_page_means_what_the_page_says():
    scan = read_header("<ismrmrdHeader/>", json.loads(example("json")))
    assert scan.labeling.rule == CounterRule("set", leading_m0scan=1)
    assert (scan.labeling.bolus(0), scan.field_strength) == (Bolus(1.8, 1.8), 3.0)
    assert set(scan.labeling.sources.values()) == {Source.CONFIG}
    assert not any("not used" in note or "missing:" in note for note in scan.notes)


def test_a_key_in_the_override_that_nobody_knows_is_noted():
    notes = read_header(HEADER, {"override": {"PostLabellingDelay": 1.8}}).notes
    assert any("postlabellingdelay" in note for note in notes)


@settings(max_examples=60, deadline=2000)
@given(st.randoms(use_true_random=False), st.integers(1, 12))
def test_a_mutilated_header_gives_a_scan_or_a_header_error(chance: random.Random, cuts: int):
    root = fromstring(HEADER)
    for _ in range(cuts):
        parent = chance.choice([element for element in root.iter() if len(element)])
        child = chance.choice(list(parent))
        match chance.randrange(4):
            case 0:
                parent.remove(child)
            case 1:
                child.tag = chance.choice(
                    ("x", "y", "renamed", "encoding", "{urn:other}" + child.tag.rpartition("}")[2])
                )
            case 2:
                child.text = chance.choice(("", "-1", "nan", "1e400", "160.0", "9" * 30, "words", "٣", "1_0"))
            case 3:
                parent.append(child)
        if not len(root):
            break
    try:
        scan = read_header(ElementTree.tostring(root, encoding="unicode"))
    except HeaderError as error:
        assert "expected" in str(error)
    else:
        assert isinstance(scan, Scan)


@settings(max_examples=60, deadline=2000)
@given(st.text(max_size=200))
def test_any_text_gives_a_scan_or_a_header_error(text: str):
    for candidate in (text, f"<ismrmrdHeader>{text}</ismrmrdHeader>"):
        try:
            read_header(candidate)
        except HeaderError as error:
            assert "expected" in str(error)


@pytest.mark.skipif(not RAW.exists(), reason="the shared raw data are not beside the checkout")
@pytest.mark.parametrize(
    ("name", "encoded", "recon", "coils", "identifier", "said"),
    [
        ("siemens_ep2d_bold_phantom/epi_mrd_EPIxsl", (80, 80, 1), (80, 80, 1), 2, "ConventionalEPI", ""),
        ("siemens_ep2d_bold_phantom/epi_mrd", (160, 80, 1), (80, 80, 1), 2, "ConventionalEPI", ""),
        ("pulseq_epi_phantom/epi128_4ch_rampsamp", (128, 128, 1), (128, 128, 1), 4, "ConventionalEPI", "TR"),
        ("pulseq_epi_phantom/epi128_4ch_flattop", (128, 128, 1), (128, 128, 1), 4, "ConventionalEPI", "TR"),
        ("pulseq_epi_phantom/epi96_1ch_rampsamp_peplus", (96, 96, 1), (96, 96, 1), 1, "ConventionalEPI", "TR"),
        ("pulseq_epi_phantom/epi96_1ch_rampsamp_peminus", (96, 96, 1), (96, 96, 1), 1, "ConventionalEPI", "TR"),
        ("siemens_multicoil_misc/flash_128_16ch_a", (64, 64, 2), (0, 0, 1), 16, "", "0 x 0 x 1"),
        ("siemens_multicoil_misc/flash_128_16ch_b", (64, 64, 2), (0, 0, 1), 16, "", "0 x 0 x 1"),
        ("siemens_multicoil_misc/se2d_64x64_32ch", (64, 64, 2), (64, 64, 1), 32, "", ""),
        ("siemens_multicoil_misc/gre_160_2ch", (320, 160, 1), (160, 160, 1), 2, "", ""),
        ("siemens_multicoil_misc/pulseq05_epi_officialconv", (64, 64, 2), (64, 64, 1), 4, "", ""),
    ],
)
def test_real_headers_are_read(
    name: str, encoded: tuple[int, ...], recon: tuple[int, ...], coils: int, identifier: str, said: str
):
    with ismrmrd.Dataset(str(RAW / f"{name}.h5"), mode="r") as recording:
        xml: Any = recording.read_xml_header()  # Any: the package's types say less than what it gives
    scan = read_header(xml.decode())
    assert scan.encoding is not None
    assert (scan.encoding.encoded_matrix, scan.encoding.recon_matrix) == (encoded, recon)
    assert (scan.coils, scan.encoding.trajectory_identifier) == (coils, identifier)
    assert scan.field_strength == pytest.approx(2.89362, abs=1e-5)
    assert len(scan.coil_names) in (0, coils)
    assert any(said in note for note in scan.notes)
    assert not scan.labeling.stated
