"""What the server and a worker process say to each other, over a socket pair.

A frame is one byte of kind, four bytes of length, and its payload. To the worker: a JOB as JSON; WAKE when the
journal has grown; BYTES of the scan itself, only when the journal cannot be written; END when no more will come, with
the reason if something is wrong. From the worker: READY, each REPLY as one whole wire message, and DONE with a
summary as JSON.
"""

from collections import deque
from enum import IntEnum
from select import poll
from socket import socket
from struct import Struct
from typing import NamedTuple

_HEAD = Struct("<B I")
_STEP = 1 << 20


class Kind(IntEnum):
    """What a frame says."""

    JOB = 1
    WAKE = 2
    BYTES = 3
    END = 4
    READY = 5
    REPLY = 6
    DONE = 7


class Frame(NamedTuple):
    """One thing said."""

    kind: Kind
    payload: bytes


def frame(kind: Kind, payload: bytes = b"") -> bytes:
    """Give the bytes of a frame."""
    return _HEAD.pack(kind, len(payload)) + payload


class Frames:
    """Turns received bytes into frames, whatever pieces they come in."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def receive(self, data: bytes) -> list[Frame]:
        """Give the frames that are complete with these bytes."""
        self._buffer += data
        found: list[Frame] = []
        at = 0
        while len(self._buffer) - at >= _HEAD.size:
            kind, length = _HEAD.unpack_from(self._buffer, at)
            end = at + _HEAD.size + length
            if end > len(self._buffer):
                break
            found.append(Frame(Kind(kind), bytes(self._buffer[at + _HEAD.size : end])))
            at = end
        del self._buffer[:at]
        return found


class Line:
    """The worker's end, blocking."""

    def __init__(self, connection: socket) -> None:
        self._connection = connection
        self._frames = Frames()
        self._waiting: deque[Frame] = deque()
        self._poll = poll()
        self._poll.register(connection, 1)  # POLLIN

    def next(self, timeout: float | None = None) -> Frame | None:
        """Wait for the next frame; ``None`` when there is none within ``timeout`` seconds.

        Raises ``EOFError`` when the server has gone.
        """
        while not self._waiting:
            if not self._poll.poll(None if timeout is None else 1e3 * timeout):
                return None
            data = self._connection.recv(_STEP)
            if not data:
                raise EOFError("the server has gone")
            self._waiting.extend(self._frames.receive(data))
        return self._waiting.popleft()

    def put_back(self, taken: Frame) -> None:
        """Give a frame back, to be taken again first."""
        self._waiting.appendleft(taken)

    def send(self, kind: Kind, payload: bytes = b"") -> None:
        """Say something; waits while the server cannot take it."""
        self._connection.sendall(frame(kind, payload))
