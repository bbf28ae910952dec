"""A scanner may ask for its chain in many ways, and change its parameters until data flow."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aslive.streaming.errors import AsliveError, ConfigError, GadgetError, HeaderError
from aslive.streaming.layouts import ACQUISITION_HEADER
from aslive.streaming.messages import Acquisition, Close, ConfigFile, ConfigText, Header, Image, Message, Text
from aslive.streaming.session import Session

MRD = "<ismrmrdHeader><encoding><trajectory>cartesian</trajectory></encoding>{}</ismrmrdHeader>"
PCASL = (
    "<userParameters><userParameterString><name>ArterialSpinLabelingType</name><value>PCASL</value>"
    "</userParameterString></userParameters>"
)
ASL_HEADER, PLAIN_HEADER = Header(MRD.format(PCASL)), Header(MRD.format(""))
TRIPLE = (
    "<configuration><stream><gadget><classname>mean</classname><property name='factor' value='3'/></gadget></stream>"
    "</configuration>"
)


def acquisition(value: float = 1.0) -> Acquisition:
    header = np.zeros((), ACQUISITION_HEADER)
    header["number_of_samples"], header["active_channels"], header["center_sample"] = 4, 1, 2
    return Acquisition(header.tobytes(), np.empty((0, 0), np.float32), np.full((1, 4), value, np.complex64))


def send(session: Session, *messages: Message) -> list[Message]:
    return [answer for message in messages for answer in session.receive(message)]


def texts(messages: list[Message]) -> list[str]:
    return [message.text for message in messages if isinstance(message, Text)]


def pixels(messages: list[Message]) -> list[float]:
    return [float(message.data.flat[0].real) for message in messages if isinstance(message, Image)]


@pytest.mark.parametrize(
    ("opening", "value"),
    [
        ([ConfigFile("loud")], 100),
        ([ConfigFile("loud.xml")], 100),
        ([ConfigText(TRIPLE)], 3),
        ([ConfigText("\ufeff\n <?xml version='1.0'?>" + TRIPLE)], 3),
        ([ConfigText("loud")], 100),
        ([ConfigText("")], 1),
        ([ConfigFile("default.xml")], 1),
        ([ConfigFile("")], 1),
        ([], 1),
        ([ConfigText('{"config": "loud"}')], 100),
        ([ConfigText('{"parameters": {"customconfig": "loud", "config": "asl"}}')], 100),
        ([ConfigText('{"chain": [{"gadget": "mean", "factor": "7"}]}')], 7),
        ([ConfigText('{"mean.factor": 5}')], 5),
        ([Text('{"mean": {"factor": 5}}'), ConfigFile("loud")], 5),
        ([ConfigFile("loud"), Text('{"mean.factor": 5}')], 5),
    ],
)
def test_a_scanner_may_ask_for_a_chain_in_many_ways(site, opening, value):
    session = Session(site)
    assert pixels(send(session, *opening, ASL_HEADER, acquisition(), Close())) == [value]


def test_an_unknown_chain_is_said_and_the_default_used(site):
    session = Session(site)
    answers = send(session, ConfigFile("invertcontrast"), ASL_HEADER, acquisition(), Close())
    assert texts(answers)[0] == (
        "warning: there is no chain 'invertcontrast' here, the default is used; there are: default, asl, image, loud"
    )
    assert pixels(answers) == [1]


def test_an_endless_name_is_not_said_back_whole(site):
    answers = send(Session(site), ConfigText("n" * 100_000), Close())
    assert len(texts(answers)[0]) < 300


@pytest.mark.parametrize(
    ("header", "series"), [(ASL_HEADER, "aslive_cbf"), (PLAIN_HEADER, "aslive_image")], ids=["asl", "image"]
)
def test_the_default_chain_follows_from_the_header(site, header, series):
    answers = send(Session(site), header, acquisition())
    (image,) = [answer for answer in answers if isinstance(answer, Image)]
    assert series in image.attributes


@pytest.mark.parametrize("json_text", ['{"mean.factor": 5}', '{"version": 1, "parameters": {"mean": {"factor": "5"}}}'])
def test_parameters_after_the_header_change_the_gadgets(site, json_text):
    session = Session(site)
    answers = send(session, ConfigFile("loud"), ASL_HEADER, Text(json_text), acquisition(), Close())
    assert pixels(answers) == [5]
    assert "warning: the factor was 5" in texts(answers)


def test_parameters_after_the_header_may_change_the_chain(site):
    session = Session(site)
    answers = send(session, ConfigFile("asl"), ASL_HEADER, Text('{"customconfig": "loud"}'), acquisition(2), Close())
    assert pixels(answers) == [200]


def test_parameters_after_the_first_data_are_refused_in_words(site):
    session = Session(site)
    send(session, ASL_HEADER, acquisition())
    assert texts(send(session, Text('{"mean.factor": 5}'))) == [
        "warning: parameters that come after the first data are not used"
    ]
    assert pixels(send(session, acquisition())) == [1]


def test_a_text_that_is_no_json_is_passed_over(site):
    session = Session(site)
    send(session, ASL_HEADER, acquisition())
    assert send(session, Text("hello")) == []


def test_the_scanners_parameters_go_over_the_sites_and_leave_them_alone(site):
    parameters = {"mean.factor": 3, "reply.maps": "cbf"}
    asked = Text('{"mean": {"factor": 5}}')
    assert pixels(send(Session(site, parameters), ASL_HEADER, asked, acquisition(), Close())) == [5]
    assert parameters == {"mean.factor": 3, "reply.maps": "cbf"}
    assert pixels(send(Session(site, parameters), ASL_HEADER, acquisition())) == [3]


def test_the_reply_has_parameters_too(site):
    session = Session(site, {"reply": {"pixel_format": "int16", "text_style": "fire"}})
    *images, note, _ = send(session, ASL_HEADER, acquisition(), Close())
    assert [image.data.dtype for image in images if isinstance(image, Image)] == [np.dtype(np.int16)]
    assert note == Text("WRN the factor was 1")


@pytest.mark.parametrize(
    ("opening", "kind", "words"),
    [
        ([ConfigText("<configuration")], ConfigError, "the configuration is no XML"),
        ([ConfigText('{"chain": [3]}')], ConfigError, "a chain lists gadget names"),
        ([ConfigText('{"chain": ["os"]}'), ASL_HEADER], ConfigError, "there is no gadget 'os'"),
        ([ASL_HEADER, Text('{"mean.factor": "loud"}')], ConfigError, "parameter 'factor' of gadget 'mean'"),
        ([ASL_HEADER, Text('{"mean.volume": 1}')], ConfigError, "gadget 'mean' has no parameter 'volume'; it has"),
        ([ASL_HEADER, Text('{"reply.maps": "cbv"}')], ConfigError, "parameter 'maps' of reply cannot be 'cbv'"),
        ([Header("Dummy XML header")], HeaderError, "not readable XML"),
        ([ASL_HEADER, Text('{"break.where": "start"}')], GadgetError, "gadget 'break' failed"),
    ],
)
def test_an_opening_that_cannot_be_served_ends_in_words_and_close(site, opening, kind, words):
    session = Session(site)
    with pytest.raises(kind, match=words) as caught:
        send(session, *opening)
    *_, text, close = session.fail(caught.value)
    assert text == Text(f"error: {caught.value}")
    assert close == Close()
    assert session.error == str(caught.value)
    assert send(session, *opening, acquisition(), Close()) == []


@settings(max_examples=30)
@given(st.text(max_size=40) | st.dictionaries(st.text(max_size=8), st.integers() | st.text()).map(json.dumps))
def test_any_config_text_is_served_or_refused_in_words(site, text):
    session = Session(site)
    try:
        answers = send(session, ConfigText(text), ASL_HEADER, acquisition(), Close())
    except AsliveError as error:
        answers = list(session.fail(error))
        assert Text(f"error: {error}") in answers
    assert isinstance(answers[-1], Close)
