"""Server and worker understand each other, whatever pieces their frames come in."""

import socket
from collections.abc import Iterator
from itertools import pairwise
from threading import Thread
from time import monotonic

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aslive.streaming.channel import Frame, Frames, Kind, Line, frame

FRAMES = st.lists(st.builds(Frame, st.sampled_from(Kind), st.binary(max_size=40)), max_size=8)


@given(FRAMES, st.lists(st.integers(0, 300), max_size=10))
def test_frames_come_back_whatever_pieces_they_are_cut_into(said, cuts):
    data = b"".join(frame(*one) for one in said)
    places = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    frames = Frames()
    assert [heard for begin, end in pairwise(places) for heard in frames.receive(data[begin:end])] == said


@given(FRAMES)
def test_frames_come_back_byte_by_byte(said):
    frames = Frames()
    data = b"".join(frame(*one) for one in said)
    assert [heard for at in range(len(data)) for heard in frames.receive(data[at : at + 1])] == said


@given(st.binary(max_size=40), st.data())
def test_a_frame_that_is_not_whole_is_not_given(payload, draw):
    data = frame(Kind.REPLY, payload)
    frames = Frames()
    assert frames.receive(data[: draw.draw(st.integers(0, len(data) - 1))]) == []


def test_a_kind_nobody_knows_is_refused():
    with pytest.raises(ValueError, match="99 is not a valid Kind"):
        Frames().receive(b"\x63\0\0\0\0")


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, Line]]:
    """Give the server's socket and the worker's line."""
    server, worker = socket.socketpair()
    with server, worker:
        yield server, Line(worker)


def test_a_line_gives_frames_in_order(ends):
    server, line = ends
    server.sendall(frame(Kind.JOB, b"{}") + frame(Kind.WAKE) + frame(Kind.END, b"gone")[:-2])
    assert line.next() == Frame(Kind.JOB, b"{}")
    assert line.next(0) == Frame(Kind.WAKE, b"")
    assert line.next(0.01) is None
    server.sendall(b"ne")
    assert line.next() == Frame(Kind.END, b"gone")


def test_a_line_waits_no_longer_than_it_is_told(ends):
    _, line = ends
    begin = monotonic()
    assert line.next(0.05) is None
    assert 0.04 < monotonic() - begin < 2


def test_a_frame_that_is_put_back_comes_first(ends):
    server, line = ends
    server.sendall(frame(Kind.WAKE) + frame(Kind.BYTES, b"1") + frame(Kind.BYTES, b"2"))
    taken = line.next()
    assert taken
    line.put_back(taken)
    assert [line.next(0) for _ in range(3)] == [taken, Frame(Kind.BYTES, b"1"), Frame(Kind.BYTES, b"2")]


def test_the_end_of_the_server_is_noticed_after_what_it_said(ends):
    server, line = ends
    server.sendall(frame(Kind.WAKE))
    server.close()
    assert line.next() == Frame(Kind.WAKE, b"")
    with pytest.raises(EOFError, match="the server has gone"):
        line.next()


def test_what_is_sent_arrives_though_it_is_larger_than_any_buffer(ends):
    server, line = ends
    payload = bytes(range(256)) * (1 << 14)
    sender = Thread(target=line.send, args=(Kind.REPLY, payload))
    sender.start()
    frames, heard = Frames(), []
    while not heard:
        heard = frames.receive(server.recv(1 << 20))
    sender.join()
    assert heard == [Frame(Kind.REPLY, payload)]
