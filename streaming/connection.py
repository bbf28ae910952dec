"""One scanner's connection: bytes go to the journal at once, replies go back on their own way.

Receiving never waits for the computation: the bytes are appended to the journal, the worker is woken, and the socket is
read again. Only if the journal cannot be written do the bytes go to the worker from memory, and then TCP holds the
scanner back as soon as the worker lags.
"""

import asyncio
import json
import logging
import os
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

from .crew import Crew, Worker
from .errors import AsliveError
from .gate import Gate
from .journal import Journal
from .messages import Close, Text
from .noise_store import SUFFIX
from .wire import IMAGE, encode
from .worker import Job

logger = logging.getLogger(__name__)

_BUFFER = 1 << 20
_IMAGE_ID = IMAGE.to_bytes(2, "little")
_numbers = count(1)


@dataclass(frozen=True, slots=True)
class Site:
    """What the site has decided for every scan."""

    journals: Path
    """Folder of the journals."""
    settings: dict[str, Any] = field(default_factory=dict)  # Any: JSON values
    """Parameters of chains, gadgets and replies."""
    sidecar: dict[str, Any] = field(default_factory=dict)  # Any: JSON values
    chain_folders: tuple[str, ...] = ()
    output: Path | None = None
    """Folder for NIfTI maps, one folder per scan in it, or none."""
    noise: Path | None = None
    """Folder with the noise of earlier measurements; by default ``noise`` beside the journals."""
    nul: bool = False
    """Whether texts to the scanner end with a NUL."""
    message_timeout: float = 60.0
    """Longest silence in the middle of a message, s."""
    idle_timeout: float = 600.0
    """Longest silence between messages, s."""
    send_timeout: float = 30.0
    """Longest time a scanner may not read its replies, s."""
    drain_timeout: float = 5.0
    """Longest wait for the scanner to end its side after CLOSE, s."""
    sync_interval: float = 1.0
    """Longest time received data may be on their way to the disk, s."""


class Connection(asyncio.BufferedProtocol):
    """One scanner's connection, from its first byte to its last."""

    def __init__(self, site: Site, crew: Crew, gate: Gate) -> None:
        self.number = next(_numbers)
        self._site = site
        self._crew = crew
        self._gate = gate
        self._loop = asyncio.get_running_loop()
        self.closed: asyncio.Future[None] = self._loop.create_future()
        """Done when the connection is closed and the scan is worked through."""
        self._buffer = memoryview(bytearray(_BUFFER))
        self._journal: Journal | None = None
        self._worker: Worker | None = None
        self._from_memory = False
        self._held: list[bytes] = []
        self._taking: asyncio.Task[None] | None = None
        self._syncing: asyncio.Future[None] | None = None
        self._synced = 0.0
        self._received = 0
        self._input_ended: str | None = None
        self._peer_ended = False
        self._open = False
        self._finished = False
        self._concluded = False
        self._mute = False
        self._timers: dict[str, asyncio.TimerHandle] = {}

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101  (a stream socket has no other)
        self._transport, self._open = transport, True
        self.peer = transport.get_extra_info("peername")
        connection = transport.get_extra_info("socket")
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        if not self._gate.lets_in(self.peer[0]):
            logger.warning("scan %d: refused %s, which is in no allowed network", self.number, self.peer[0])
            transport.abort()
            return
        logger.info("scan %d: connected from %s", self.number, self.peer)
        self._after("first byte", self._site.message_timeout, self._silent)

    def get_buffer(self, sizehint: int) -> memoryview:
        """Lend the receive buffer."""
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        """Keep what came, wake the worker, and go back to the socket."""
        data = self._buffer[:nbytes]
        if not self._received and not self._finished:
            self._begin()
        self._received += nbytes
        if self._journal and not self._from_memory:
            try:
                self._journal.append(data)
            except OSError as error:
                self._journal_failed(error)
            else:
                if self._worker:
                    self._worker.wake()
                self._after("sync", self._site.sync_interval, self._sync)
                return
        if self._finished:
            return  # an error was answered; the rest is read and dropped
        if self._worker:
            self._worker.hand_over(bytes(data))
        else:
            self._held.append(bytes(data))
            self.hold()

    def eof_received(self) -> bool:
        """Learn that the scanner sends no more; replies may still go."""
        self._peer_ended = True
        self._end_input("")
        if not self._received:
            logger.info("scan %d: nothing came, not one byte", self.number)
        if self._finished or not self._received:
            self._hang_up()
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        """Learn that the connection is gone; the chain still works through what has come."""
        self._open, self._peer_ended = False, True
        if not self._finished and self._received:
            logger.warning("scan %d: the scanner went away: %s", self.number, exc or "connection closed")
        self._end_input(f"the connection was lost: {exc}" if exc else "")
        self._give_up()
        self._conclude()

    @property
    def busy(self) -> bool:
        """Whether a scan runs, or may still begin."""
        return not (self._finished or (self._peer_ended and not self._received))

    def stop(self, reason: str) -> None:
        """End the scan because the server stops: what came is worked through, no more is taken, and it is said why."""
        if self._finished:
            return
        self.hold()
        self._end_input(reason)
        if not self._received:
            self._say(Text(reason))
            self._finish()

    def _begin(self) -> None:
        """Open the journal and ask for a worker."""
        self._cancel("first byte")
        stamp = time.strftime("%Y%m%dT%H%M%S", time.gmtime())
        self._path = self._site.journals / f"{stamp}-{os.getpid()}-{self.number:04d}.journal"
        try:
            self._journal = Journal.create(self._path, {"scan": self.number, "peer": str(self.peer)})
        except OSError as error:
            self._journal_failed(error)
        self._taking = self._loop.create_task(self._take_worker())

    async def _take_worker(self) -> None:
        site = self._site
        job = Job(
            journal=str(self._path) if self._journal else "",
            settings=site.settings,
            sidecar=site.sidecar,
            chain_folders=site.chain_folders,
            output=str(site.output / self._path.stem) if site.output else None,
            noise=str(site.noise or site.journals / "noise"),
            nul=site.nul,
            message_timeout=site.message_timeout,
            idle_timeout=site.idle_timeout,
        )
        try:
            self._worker = await self._crew.take()
        except (AsliveError, OSError) as error:  # OSError: the machine has no room for one more process
            logger.error("scan %d: no worker: %s", self.number, error)
            self._say(Text(f"error: no worker can take the scan: {error}"))
            self._taking = None
            self._finish()
            return
        self._worker.work(job, self)
        for data in self._held:
            self._worker.hand_over(data)
        self._held.clear()
        self.release()
        if self._input_ended is not None:
            self._worker.end(self._input_ended)

    def _end_input(self, reason: str) -> None:
        if self._input_ended is None:
            self._input_ended = reason
            if self._worker and not self._finished:
                self._worker.end(reason)

    def _silent(self) -> None:
        text = f"no byte came within {self._site.message_timeout:g} s"
        logger.warning("scan %d: %s", self.number, text)
        self._say(Text(f"error: {text}"))
        self._finish()

    def _journal_failed(self, error: OSError) -> None:
        """Raise the alarm; from now on the scan goes on from memory, and TCP holds the scanner back."""
        self._from_memory = True
        text = f"the journal cannot be written ({error.strerror}); the scan goes on, but is not recorded from here on"
        logger.error("scan %d: alarm: %s", self.number, text)
        self._say(Text(f"error: {text}"))

    def hold(self) -> None:
        """Read no more from the scanner for a while: the worker cannot take it."""
        if self._open:
            self._transport.pause_reading()

    def release(self) -> None:
        """Read from the scanner again, unless no more is taken."""
        if self._open and (self._finished or self._input_ended is None):
            self._transport.resume_reading()

    def replied(self, message: bytes) -> None:
        """Send one whole message of the worker; what an image was made of is then put on the disk."""
        self._send(message)
        if message[:2] == _IMAGE_ID:
            self._hurry()

    def done(self, summary: dict[str, Any] | None) -> None:  # Any: JSON values
        """Learn that the worker is through with the scan, or that it died."""
        self._worker = None
        if summary is None:
            logger.error("scan %d: its worker died", self.number)
            kept = f"; the raw data are kept in {self._path.name}" if self._journal else ""
            self._say(Text(f"error: the reconstruction ended unexpectedly{kept}"))
            self._finish()
            return
        log = logger.error if summary["error"] else logger.info
        log(
            "scan %d: %d readouts, %d images, %.1f s%s",
            self.number,
            summary["readouts"],
            summary["images"],
            summary["seconds"],
            f", {summary['error']}" if summary["error"] else "",
        )
        empty = not (summary["readouts"] or summary["images"] or summary["error"])
        if self._journal and not empty:
            self._tell(summary)
        self._finish(said_close=True, empty=empty)

    def _tell(self, summary: dict[str, Any]) -> None:  # Any: JSON values
        """Leave the summary beside the journal; a full disk is no reason to fail here."""
        with suppress(OSError):
            self._path.with_suffix(".json").write_text(json.dumps(summary, indent=2) + "\n")

    def _finish(self, said_close: bool = False, empty: bool = False) -> None:
        """Close in order: CLOSE, then the scanner's end of the connection, or a deadline."""
        if not said_close:
            self._say(Close())
        self._finished = True
        self._cancel("first byte")
        if empty and self._journal:
            self._path.unlink(missing_ok=True)
            self._path.with_suffix(SUFFIX).unlink(missing_ok=True)
        if not self._open:
            self._conclude()
        elif self._peer_ended or self._mute:
            self._hang_up()
        else:
            self._transport.write_eof()
            self.release()
            self._drain(self._received)

    def _drain(self, received: int) -> None:
        """Wait until the scanner ends its side, or sends nothing more for a while."""

        def look() -> None:
            if self._received == received:
                self._hang_up()
            else:
                self._drain(self._received)

        self._after("drain", self._site.drain_timeout, look)

    def _hang_up(self) -> None:
        """Close the connection; a scanner that does not read cannot hold it open."""
        if self._mute:
            self._transport.abort()
        else:
            self._transport.close()
            self._after("hang up", self._site.send_timeout, self._transport.abort)

    def _conclude(self) -> None:
        """Let go of everything when both the connection and the worker are through."""
        if self._concluded or self._open or self._worker or (self._taking and not self._taking.done()):
            return
        self._concluded = True
        for name in list(self._timers):
            self._cancel(name)
        if self._journal:
            putting = self._loop.run_in_executor(None, _put_on_disk, self._journal, True)
            putting.add_done_callback(lambda _: self.closed.set_result(None))
        else:
            self.closed.set_result(None)

    def _say(self, *messages: Text | Close) -> None:
        for message in messages:
            self._send(encode(message, self._site.nul))

    def _send(self, message: bytes) -> None:
        if self._open and not self._mute:
            self._transport.write(message)

    def pause_writing(self) -> None:
        """Hear from asyncio that the scanner is slow to read its replies."""
        if self._worker:
            self._worker.pause()
        self._after("send", self._site.send_timeout, self._give_up)

    def resume_writing(self) -> None:
        """Hear from asyncio that the scanner reads again."""
        self._cancel("send")
        if self._worker:
            self._worker.resume()

    def _give_up(self) -> None:
        """Send nothing more to a scanner that does not read; the scan itself goes on."""
        if self._open and not self._mute:
            logger.error("scan %d: the scanner has not read for %g s", self.number, self._site.send_timeout)
        self._mute = True
        if self._worker:
            self._worker.resume()
        elif self._finished and self._open:
            self._hang_up()

    def _hurry(self) -> None:
        """Put the journal on the disk now, unless that was done a moment ago: a replay at full speed must not wait."""
        if self._loop.time() - self._synced > self._site.sync_interval:
            self._sync()

    def _sync(self) -> None:
        """Put the journal on the disk, in a thread; one at a time is enough."""
        self._cancel("sync")
        if self._journal and (self._syncing is None or self._syncing.done()):
            self._synced = self._loop.time()
            self._syncing = self._loop.run_in_executor(None, _put_on_disk, self._journal)

    def _after(self, name: str, seconds: float, action: Callable[[], None]) -> None:
        """Do something later, unless it is already going to be done."""

        def act() -> None:
            self._timers.pop(name, None)
            action()

        if name not in self._timers:
            self._timers[name] = self._loop.call_later(seconds, act)

    def _cancel(self, name: str) -> None:
        timer = self._timers.pop(name, None)
        if timer:
            timer.cancel()


def _put_on_disk(journal: Journal, last: bool = False) -> None:
    """Wait in a thread until a journal is on the disk; the last time it is closed too."""
    try:
        journal.sync()
    except OSError as error:
        logger.error("alarm: %s is not safe on the disk: %s", journal.path.name, error.strerror)
    if last:
        journal.close()
