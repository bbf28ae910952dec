"""One scan as a table of states: what is taken when, what is answered, and how it ends."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aslive.streaming.errors import AsliveError, DataError, ProtocolError
from aslive.streaming.layouts import ACQUISITION_HEADER, IMAGE_HEADER, WAVEFORM_HEADER
from aslive.streaming.messages import (
    Acquisition,
    Acquisitions,
    Array,
    Close,
    ConfigFile,
    ConfigText,
    Header,
    Image,
    Message,
    Query,
    Response,
    Text,
    Waveform,
)
from aslive.streaming.perfusion import Map, MapName
from aslive.streaming.session import Measured, Session, State
from aslive.streaming.wire import Decoder, encode

CHAIN = "<configuration><stream><gadget><classname>mean</classname></gadget></stream></configuration>"
ASL_HEADER = Header(
    "<ismrmrdHeader><encoding><trajectory>cartesian</trajectory></encoding><userParameters><userParameterString>"
    "<name>ArterialSpinLabelingType</name><value>PCASL</value></userParameterString></userParameters></ismrmrdHeader>"
)


def acquisition(value: float = 1.0, line: int = 0) -> Acquisition:
    header = np.zeros((), ACQUISITION_HEADER)
    header["number_of_samples"], header["active_channels"], header["center_sample"] = 4, 1, 2
    header["idx"]["kspace_encode_step_1"] = line
    return Acquisition(header.tobytes(), np.empty((0, 0), np.float32), np.full((1, 4), value, np.complex64))


IMAGE = Image(np.zeros((), IMAGE_HEADER).tobytes(), "", np.zeros((0, 0, 0, 0), np.float32))
WAVEFORM = Waveform(np.zeros((), WAVEFORM_HEADER).tobytes(), np.zeros((0, 0), np.uint32))
EXAMPLES: dict[type, Message] = {
    type(message): message
    for message in (
        ConfigFile("asl"),
        ConfigText(CHAIN),
        ASL_HEADER,
        Close(),
        Text("hello"),
        Query(7, "gadgetron::info"),
        Response(7, "no question"),
        acquisition(),
        IMAGE,
        WAVEFORM,
        Array(np.zeros(2)),
    )
}
WAYS: dict[State, list[Message]] = {
    State.CONFIG: [],
    State.HEADER: [ConfigFile("asl")],
    State.STREAM: [ConfigFile("asl"), ASL_HEADER],
    State.DONE: [ConfigFile("asl"), ASL_HEADER, Close()],
}
MOVES: dict[State, dict[type, State]] = {
    State.CONFIG: {
        ConfigFile: State.HEADER,
        ConfigText: State.HEADER,
        Header: State.STREAM,
        Text: State.CONFIG,
        Query: State.CONFIG,
        Close: State.DONE,
    },
    State.HEADER: {Header: State.STREAM, Text: State.HEADER, Query: State.HEADER, Close: State.DONE},
    State.STREAM: {kind: State.STREAM for kind in (Text, Query, Acquisition, Image, Waveform, Array)}
    | {Close: State.DONE},
    State.DONE: dict.fromkeys(EXAMPLES, State.DONE),
}


def send(session: Session, *messages: Message) -> list[Message]:
    return [answer for message in messages for answer in session.receive(message)]


def talk(session: Session, *messages: Message) -> list[Message]:
    """Run a session as the server does: an error ends it, and whatever comes after is still handed in."""
    answers = []
    for message in messages:
        try:
            for answer in session.receive(message):
                answers.append(answer)
        except AsliveError as error:
            answers.extend(session.fail(error))
    return answers


def texts(messages: list[Message]) -> list[str]:
    return [message.text for message in messages if isinstance(message, Text)]


def pixels(messages: list[Message]) -> list[float]:
    return [float(message.data.flat[0].real) for message in messages if isinstance(message, Image)]


# The table


@pytest.mark.parametrize("kind", EXAMPLES, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("state", State, ids=lambda state: state.name)
def test_every_state_takes_what_the_table_says_and_nothing_else(site, state, kind):
    session = Session(site)
    send(session, *WAYS[state])
    assert session.state is state
    if kind in MOVES[state]:
        answers = send(session, EXAMPLES[kind])
        assert session.state is MOVES[state][kind]
        if state is State.DONE:
            assert answers == []
    else:
        with pytest.raises(ProtocolError, match=f"{kind.__name__} came while the server was {state}"):
            send(session, EXAMPLES[kind])


@pytest.mark.parametrize("state", [State.CONFIG, State.HEADER, State.STREAM], ids=lambda state: state.name)
def test_close_is_answered_by_close_in_every_state(site, state):
    session = Session(site)
    send(session, *WAYS[state])
    *_, last = send(session, Close())
    assert last == Close()
    assert session.error == ""


@pytest.mark.parametrize("state", [State.CONFIG, State.HEADER, State.STREAM], ids=lambda state: state.name)
@pytest.mark.parametrize(
    ("question", "words"),
    [
        ("gadgetron::info", "aslive "),
        ("info", "aslive "),
        ("gadgetron::chains", "default asl image loud"),
        ("gadgets", "mean break"),
        ("nonsense" * 100, "unknown query 'nonsense"),
    ],
)
def test_a_query_is_answered_in_every_state(site, state, question, words):
    session = Session(site)
    send(session, *WAYS[state])
    (answer,) = send(session, Query(2**40, question))
    assert isinstance(answer, Response)
    assert answer.correlation_id == 2**40
    assert answer.text.startswith(words)
    assert len(answer.text) < 200
    assert session.state is state


@settings(max_examples=60)
@given(st.lists(st.sampled_from(list(EXAMPLES.values())), max_size=12))
def test_any_conversation_ends_in_exactly_one_close_which_is_last(site, messages):
    session = Session(site)
    answers = [*talk(session, *messages), *session.end("the stream ended")]
    assert [isinstance(answer, Close) for answer in answers].count(True) == 1
    assert isinstance(answers[-1], Close)
    assert session.state is State.DONE


# Data


def test_results_leave_with_the_data_that_made_them(site):
    session = Session(site)
    send(session, ASL_HEADER)
    received = [pixels(send(session, acquisition(value, value))) for value in range(1, 4)]
    assert [value for values in received for value in values] == [1, 2, 3]
    assert session.readouts == 3
    assert session.images + len(pixels(send(session, Close()))) == 3


@pytest.mark.parametrize("state", [State.STREAM, State.DONE], ids=lambda state: state.name)
def test_acquisitions_may_be_handed_in_together(site, state):
    session, other = Session(site), Session(site)
    send(session, *WAYS[state])
    send(other, *WAYS[state])
    lines = [acquisition(value, value) for value in range(1, 6)]
    (run,) = Decoder().receive_together(b"".join(map(encode, lines)))
    assert isinstance(run, Acquisitions)
    together = [*session.acquire(run), *send(session, Close())]
    one_by_one = send(other, *lines, Close())
    assert pixels(together) == pixels(one_by_one)
    assert texts(together) == texts(one_by_one)
    assert session.readouts == other.readouts


def test_what_is_odd_about_the_header_is_said_once_before_the_data(site):
    session = Session(site)
    assert send(session, ASL_HEADER) == []
    first = texts(send(session, WAVEFORM, WAVEFORM))
    assert session.scan
    assert first == [f"info: {note}" for note in session.scan.notes]
    assert first
    assert not set(first) & set(texts(send(session, acquisition(), acquisition(), Close())))


def test_what_no_gadget_takes_goes_back_only_if_the_scanner_can_read_it(site):
    session = Session(site)
    send(session, ASL_HEADER, acquisition())
    assert send(session, IMAGE) == [IMAGE]
    assert send(session, WAVEFORM) == send(session, Array(np.zeros(2))) == []


def test_whoever_watches_sees_all_that_leaves_the_chain(site):
    seen: list[object] = []
    session = Session(site, {"reply.maps": "control"}, watch=seen.append)
    answers = send(session, ASL_HEADER, acquisition(), WAVEFORM, Close())
    assert pixels(answers) == []
    assert [thing.name for thing in seen if isinstance(thing, Map)] == [MapName.CBF]
    assert WAVEFORM in seen


def test_the_cost_of_each_gadget_is_told(site):
    session = Session(site)
    assert session.timings == []
    send(session, ASL_HEADER, *(acquisition() for _ in range(3)), Close())
    assert [(timing.name, timing.messages) for timing in session.timings] == [("break", 3), ("mean", 3)]


def test_a_stream_that_ends_without_close_gives_what_there_is_and_says_why(site):
    session = Session(site)
    send(session, ASL_HEADER, acquisition())
    *_, words, reason, close = session.end("the stream ended without CLOSE")
    assert (words, reason, close) == (
        Text("warning: the factor was 1"),
        Text("warning: the stream ended without CLOSE"),
        Close(),
    )
    assert list(session.end("again")) == []


# Errors


@pytest.mark.parametrize("where", ["start", "process", "finish"])
def test_a_failing_gadget_is_named_to_the_scanner(site, where):
    session = Session(site, {"break.where": where})
    answers = talk(session, ASL_HEADER, acquisition(), acquisition(), Close(), Close())
    words = f"error: gadget 'break' failed: ZeroDivisionError: in {where}"
    assert answers[-2:] == [Text(words), Close()]
    assert texts(answers).count(words) == 1
    assert [isinstance(answer, Close) for answer in answers].count(True) == 1
    assert session.error == words.removeprefix("error: ")
    assert session.state is State.DONE


def test_an_error_in_the_stream_gives_what_was_computed_first(site):
    session = Session(site)
    answers = talk(session, ASL_HEADER, acquisition(), ASL_HEADER, acquisition())
    assert pixels(answers) == [1]
    assert answers[-3:] == [
        Text("warning: the factor was 1"),
        Text("error: Header came while the server was taking data"),
        Close(),
    ]


def test_a_gadget_that_fails_while_an_error_is_told_does_not_hide_it(site):
    session = Session(site, {"break.where": "finish"})
    answers = talk(session, ASL_HEADER, acquisition(), ASL_HEADER)
    assert answers[-3:] == [
        Text("error: gadget 'break' failed: ZeroDivisionError: in finish"),
        Text("error: Header came while the server was taking data"),
        Close(),
    ]
    assert session.error == "Header came while the server was taking data"


def test_parameters_that_do_not_fit_leave_no_half_built_chain_behind(site):
    session = Session(site)
    answers = talk(session, ASL_HEADER, Text('{"reply.maps": "cbv"}'))
    assert [text for text in texts(answers) if "failed" in text] == []
    assert isinstance(answers[-1], Close)


def test_a_session_fails_only_once(site):
    session = Session(site)
    assert len(list(session.fail(DataError("first")))) == 2
    assert list(session.fail(DataError("second"))) == []
    assert session.error == "first"


def test_what_was_measured_is_kept_and_what_has_no_answer_is_not_counted():
    measured = Measured()
    for value in (0.1, float("nan"), 0.3):
        measured.add(value)
    assert (measured.count, measured.latest) == (2, 0.3)
    assert measured.mean == pytest.approx(0.2)
