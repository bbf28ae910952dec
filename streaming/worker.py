"""A process that runs scans, one after the other: journal in, replies out.

The server keeps it warm. A chain that fails, hangs or crashes takes no other scan with it, and a slow one never holds
up the receiver: its only queue is the journal.
"""

import json
import logging
import os
import signal
import socket
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from .channel import Frame, Kind, Line
from .errors import AsliveError, PeerSilent, ProtocolError
from .journal import bytes_of
from .messages import Acquisitions, Image, Message
from .noise_store import SUFFIX, NoiseStore, write_noise
from .pace import Pace
from .perfusion import MapName
from .registry import Registry
from .rehearsal import rehearse
from .scan import Noise
from .session import Session, State
from .sinks.nifti import BidsFolder
from .sinks.quality import QualityReport
from .sinks.reply import Reply
from .wire import Decoder, encode

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Job:
    """What the server tells a worker about one scan."""

    journal: str
    """Path of the journal that is being written; empty if it could not be begun."""
    settings: dict[str, Any] = field(default_factory=dict)  # Any: JSON values
    """The site's parameters."""
    sidecar: dict[str, Any] = field(default_factory=dict)  # Any: JSON values
    chain_folders: tuple[str, ...] = ()
    output: str | None = None
    """Folder for NIfTI maps, or none."""
    noise: str | None = None
    """Folder with the noise of earlier measurements, or none."""
    nul: bool = False
    """Whether texts to this scanner end with a NUL."""
    message_timeout: float = 60.0
    """Longest silence in the middle of a message, or before the first, s."""
    idle_timeout: float = 600.0
    """Longest silence between messages, s."""


def converse(pieces: Iterator[memoryview], session: Session, decoder: Decoder) -> Iterator[Message]:
    """Run one scan from its wire bytes, live or recorded; an error ends it in text and CLOSE, never in an exception."""
    try:
        for piece in pieces:
            for message in decoder.receive_together(piece):
                if isinstance(message, Acquisitions):
                    yield from session.acquire(message)
                else:
                    yield from session.receive(message)
            if session.state is State.DONE:
                return
        if decoder.waiting:
            raise ProtocolError(f"the stream ended {decoder.waiting} bytes into a message")
        yield from session.end("the stream ended without CLOSE")
    except AsliveError as error:
        yield from session.fail(error)


class Live:
    """The wire bytes of a scan that is still running: from its journal, or from memory if that cannot be written."""

    def __init__(self, line: Line, job: Job, decoder: Decoder, session: Session) -> None:
        self._line = line
        self._job = job
        self._decoder = decoder
        self._session = session
        self._path = Path(job.journal)
        self._size = 0
        self.pace = Pace()
        self._end: str | None = None

    def __iter__(self) -> Iterator[memoryview]:
        if self._job.journal:
            for piece in bytes_of(self._path, self._wait):
                self.pace.take(len(piece))
                yield piece
        while self._end is None:
            taken = self._next()
            if taken.kind == Kind.BYTES:
                self.pace.take_now()
                yield memoryview(taken.payload)
            elif taken.kind == Kind.END:
                self._end = taken.payload.decode()
        if self._end:
            raise ProtocolError(self._end)

    def _wait(self, _read: int) -> int | None:
        """Wait until the journal has grown; ``None`` when it will grow no more."""
        while True:
            size = self._path.stat().st_size
            self.pace.grew(size)
            if size > self._size:
                self._size = size
                return size
            if self._end is not None:
                return None
            taken = self._next()
            if taken.kind == Kind.END:
                self._end = taken.payload.decode()
            elif taken.kind == Kind.BYTES:
                self._line.put_back(taken)
                return self._grown()

    def _grown(self) -> int | None:
        """Tell what the journal got before the scan went on in memory."""
        size = self._path.stat().st_size
        grown, self._size = size > self._size, size
        return size if grown else None

    def _next(self) -> Frame:
        begun = self._decoder.waiting or self._session.state is State.CONFIG
        limit = self._job.message_timeout if begun else self._job.idle_timeout
        taken = self._line.next(limit)
        if taken is None:
            where = (
                "in the middle of a message" if self._decoder.waiting else f"while the server was {self._session.state}"
            )
            raise PeerSilent(f"nothing came for {limit:g} s {where}")
        return taken


class Files:
    """Writes what leaves the chain as NIfTI and tables with BIDS names, whatever the scanner itself is sent."""

    def __init__(self, folder: Path, session: Session) -> None:
        self._reply = Reply(maps=tuple(MapName))
        self._folder = BidsFolder(folder)
        self._quality = QualityReport()
        self._session = session
        self._started = False

    @property
    def folder(self) -> Path:
        """Where the files of the scan are written."""
        return self._folder.perfusion

    def watch(self, output: object) -> None:
        """Take one thing that left the chain."""
        if not self._started and self._session.scan:
            self._reply.start(self._session.scan)
            self._started = True
        self._quality.add(output)
        for message in self._reply.messages(output):
            if isinstance(message, Image):
                self._folder.add(message)

    def close(self) -> None:
        """Write the files."""
        self._folder.close()
        self._quality.write(self.folder, self._folder.subject)


def noise_found(store: NoiseStore, journal: str, measurement: str) -> Noise | None:
    """Find the noise of an earlier measurement, and leave a copy beside the journal.

    So the journal, run again on another day or another machine, is whitened by the same noise.
    """
    noise = store.find(measurement)
    if noise is not None and journal:
        write_noise(Path(journal).with_suffix(SUFFIX), noise)
    return noise


def run(line: Line, job: Job) -> dict[str, Any]:  # Any: JSON values
    """Run one live scan; gives its summary."""
    begin = time.monotonic()
    session = Session(Registry(map(Path, job.chain_folders)), dict(job.settings), job.sidecar)
    decoder = Decoder()
    files = Files(Path(job.output), session) if job.output else None
    session.watch = files.watch if files else None
    if job.noise:
        store = NoiseStore(Path(job.noise))
        session.noise_of = partial(noise_found, store, job.journal)
        session.keep_noise = store.keep
    live = Live(line, job, decoder, session)
    session.pace = live.pace
    for message in converse(iter(live), session, decoder):
        line.send(Kind.REPLY, encode(message, job.nul))
    if files:
        files.close()
    return summary(session, time.monotonic() - begin)


def summary(session: Session, seconds: float) -> dict[str, Any]:  # Any: JSON values
    """Tell what a session did, for the log and for people."""
    return {
        "readouts": session.readouts,
        "images": session.images,
        "seconds": round(seconds, 3),
        "error": session.error,
        "gadgets": [asdict(timing) for timing in session.timings],
        "measured": {name: asdict(measured) for name, measured in session.measured.items()},
    }


def main(descriptor: int) -> None:
    """Be a worker on an inherited socket until the server goes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    logging.basicConfig(level=os.environ.get("ASLIVE_LOG", "INFO"), format="%(asctime)s worker %(message)s")
    line = Line(socket.socket(fileno=descriptor))
    rehearse()
    try:
        line.send(Kind.READY)
        while taken := line.next():
            if taken.kind == Kind.JOB:
                job = Job(**json.loads(taken.payload))
                line.send(Kind.DONE, json.dumps(run(line, job)).encode())
    except (EOFError, BrokenPipeError, ConnectionResetError):
        return


if __name__ == "__main__":
    main(int(sys.argv[1]))
