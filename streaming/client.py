"""Plays a scanner: sends a recording to an MRD server at the pace of the scan, and receives what comes back.

Sending and receiving are two threads over one socket, without a lock between them.
"""

import socket
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from math import inf
from struct import Struct
from threading import Thread

from .errors import AsliveError, PeerSilent, ProtocolError
from .messages import Acquisition, Close, Image, Message
from .wire import Decoder, encode

Volume = tuple[int, int, int, int]
"""Which volume something belongs to: contrast, phase, repetition and set, which images carry too."""

_STAMP = Struct("<I")
_STAMP_AT = 18
_VOLUME = Struct("<4H")
_ACQUISITION_VOLUME_AT = 250
_IMAGE_VOLUME_AT = 100
_STEP = 1 << 20
_LOOK = 0.1


@dataclass
class Pace:
    """When each readout is due, from its acquisition time stamp."""

    speed: float = 1.0
    """1 is the pace of the scan, 10 is ten times as fast; infinite is as fast as the server takes it."""
    tick: float = 2.5e-3
    """Length of one tick of the time stamps, s."""
    longest_pause: float = inf
    """Longer pauses, in which nothing is read out, are cut to this, s."""
    _last: int | None = field(default=None, init=False)
    _elapsed: float = field(default=0.0, init=False)
    _start: float = field(default=0.0, init=False)

    def wait(self, header: bytes) -> None:
        """Wait until the readout is due.

        A stamp that goes back (midnight, a new scan) is due at once, and so is 0, which tells nothing.
        """
        (stamp,) = _STAMP.unpack_from(header, _STAMP_AT)
        if self.speed == inf or not stamp:
            return
        if self._last is None:
            self._start = time.monotonic()
        else:
            self._elapsed += min(max(0, stamp - self._last) * self.tick, self.longest_pause) / self.speed
        self._last = stamp
        pause = self._start + self._elapsed - time.monotonic()
        if pause > 0:
            time.sleep(pause)


@dataclass
class Report:
    """What a replay did."""

    readouts: int = 0
    sent_bytes: int = 0
    images: int = 0
    texts: int = 0
    seconds: float = 0.0
    """From the first byte sent to the server's CLOSE, s."""
    sending_seconds: float = 0.0
    """From the first byte sent to the last, s."""
    latencies: dict[int, list[float]] = field(default_factory=dict)
    """By image series: from the last byte of a volume sent to each of its images received, s."""


class Client:
    """One connection to an MRD server."""

    def __init__(
        self, host: str, port: int, pace: Pace | None = None, nul: bool = False, timeout: float = 60.0
    ) -> None:
        self._address = (host, port)
        self._pace = pace or Pace(inf)
        self._nul = nul
        self._timeout = timeout
        self._sent: dict[Volume, float] = {}
        self._failure: Exception | None = None
        self._heard = 0.0
        self.report = Report()

    def run(self, messages: Iterable[Message], take: Callable[[Message], None]) -> Report:
        """Send all messages, and CLOSE if they hold none; ``take`` is given every reply, in the receiving thread.

        Raises ``ProtocolError`` if the server ends the connection without CLOSE, ``PeerSilent`` if it says nothing for
        ``timeout`` seconds after everything was sent, ``AsliveError`` if it cannot be reached.
        """
        try:
            connection = socket.create_connection(self._address, self._timeout)
        except OSError as error:
            raise AsliveError(f"no server answers at {self._address[0]}:{self._address[1]}: {error}") from error
        with connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection.settimeout(None)
            receiver = Thread(target=self._receive, args=(connection, take), name="replies", daemon=True)
            begin = time.monotonic()
            receiver.start()
            self._send(connection, messages, receiver)
            self.report.sending_seconds = time.monotonic() - begin
            self._await(connection, receiver)
            self.report.seconds = time.monotonic() - begin
        if self._failure:
            raise self._failure
        return self.report

    def _send(self, connection: socket.socket, messages: Iterable[Message], receiver: Thread) -> None:
        closed = False
        try:
            for message in messages:
                if isinstance(message, Acquisition):
                    self._pace.wait(message.header)
                data = encode(message, self._nul)
                connection.sendall(data)
                self.report.sent_bytes += len(data)
                if isinstance(message, Acquisition):
                    self.report.readouts += 1
                    self._sent[_VOLUME.unpack_from(message.header, _ACQUISITION_VOLUME_AT)] = time.monotonic()
                elif isinstance(message, Close):
                    closed = True
                    break
                if not receiver.is_alive():
                    return  # the server has closed, perhaps after an error that it has told
            if not closed:
                connection.sendall(encode(Close()))
        except OSError:
            return  # the server has closed its end; what it said before tells why

    def _await(self, connection: socket.socket, receiver: Thread) -> None:
        """Wait for the server's CLOSE, for as long as it says something now and then."""
        self._heard = time.monotonic()
        while receiver.is_alive():
            receiver.join(_LOOK)
            if time.monotonic() - self._heard > self._timeout:
                self._failure = PeerSilent(f"the server said nothing for {self._timeout:g} s after everything was sent")
                connection.shutdown(socket.SHUT_RDWR)
                receiver.join()

    def _receive(self, connection: socket.socket, take: Callable[[Message], None]) -> None:
        decoder = Decoder()
        try:
            while data := connection.recv(_STEP):
                self._heard = time.monotonic()
                for message in decoder.receive(data):
                    self._count(message)
                    take(message)
                    if isinstance(message, Close):
                        return
            self._failure = self._failure or ProtocolError("the server ended the connection without CLOSE")
        except (OSError, AsliveError) as error:
            self._failure = self._failure or ProtocolError(f"the replies cannot be read: {error}")

    def _count(self, message: Message) -> None:
        if not isinstance(message, Image):
            self.report.texts += not isinstance(message, Close)
            return
        self.report.images += 1
        sent = self._sent.get(_VOLUME.unpack_from(message.header, _IMAGE_VOLUME_AT))
        if sent is not None:
            series = int(message.fields["image_series_index"])
            self.report.latencies.setdefault(series, []).append(time.monotonic() - sent)
