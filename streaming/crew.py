"""The worker processes as the server sees them: kept warm, lent to one scan at a time, replaced when they fail."""

import asyncio
import json
import logging
import os
import socket
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from typing import Any, Protocol

from .channel import Frames, Kind, frame
from .errors import AsliveError
from .worker import Job

logger = logging.getLogger(__name__)

_PATIENCE = 0.3
"""How long a scan waits for a worker to come back before another process is started, s."""

_ONE_THREAD = {
    name: "1" for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
}
"""Small products run fastest on one core, and other scans want theirs; a site's own setting wins."""


class Customer(Protocol):
    """Whoever a worker works for."""

    def replied(self, message: bytes) -> None:
        """Take one whole wire message for the scanner."""

    def done(self, summary: dict[str, Any] | None) -> None:  # Any: JSON values
        """Learn that the scan is over, with its summary; ``None`` when the process died."""

    def hold(self) -> None:
        """Stop handing over bytes of the scan for a while."""

    def release(self) -> None:
        """Go on handing over bytes of the scan."""


class Worker(asyncio.Protocol):
    """One worker process."""

    def __init__(self, left: Callable[["Worker"], None]) -> None:
        self.ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.alive = True
        self._left = left
        self._customer: Customer | None = None
        self._frames = Frames()

    @classmethod
    async def launch(cls, left: Callable[["Worker"], None]) -> "Worker":
        """Start a process; it is ready when it has rehearsed."""
        ours, theirs = socket.socketpair()
        with theirs:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "aslive.streaming.worker",
                str(theirs.fileno()),
                pass_fds=(theirs.fileno(),),
                env=_ONE_THREAD | dict(os.environ),
                start_new_session=True,
            )
        ours.setblocking(False)
        loop = asyncio.get_running_loop()
        _, worker = await loop.connect_accepted_socket(lambda: cls(left), ours)
        worker.process = process
        return worker

    process: asyncio.subprocess.Process

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin to talk with the process."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101  (a stream socket has no other)
        self._transport = transport

    def work(self, job: Job, customer: Customer) -> None:
        """Give it a scan."""
        self._customer = customer
        self._transport.write(frame(Kind.JOB, json.dumps(asdict(job)).encode()))

    def wake(self) -> None:
        """Tell it that the journal has grown; wakes that it has not yet heard count as one."""
        if not self._transport.get_write_buffer_size():
            self._transport.write(frame(Kind.WAKE))

    def hand_over(self, data: bytes) -> None:
        """Give it bytes of the scan that the journal could not keep."""
        self._transport.write(frame(Kind.BYTES, data))

    def end(self, reason: str = "") -> None:
        """Tell it that no more will come, and why, unless all is well."""
        self._transport.write(frame(Kind.END, reason.encode()))

    def pause(self) -> None:
        """Take no replies for a while."""
        self._transport.pause_reading()

    def resume(self) -> None:
        """Take replies again."""
        if self.alive:
            self._transport.resume_reading()

    def kill(self) -> None:
        """End the process, whatever it does."""
        if self.process.returncode is None:
            self.process.kill()

    def pause_writing(self) -> None:
        """Hear from asyncio that the process is slow to take bytes."""
        if self._customer:
            self._customer.hold()

    def resume_writing(self) -> None:
        """Hear from asyncio that the process takes bytes again."""
        if self._customer:
            self._customer.release()

    def data_received(self, data: bytes) -> None:
        """Take what the process says."""
        for kind, payload in self._frames.receive(data):
            if kind == Kind.READY and not self.ready.done():
                self.ready.set_result(None)
            elif kind == Kind.REPLY and self._customer:
                self._customer.replied(payload)
            elif kind == Kind.DONE:
                self._dismiss(json.loads(payload))

    def connection_lost(self, exc: Exception | None) -> None:
        """Learn that the process has gone."""
        self.alive = False
        if not self.ready.done():
            self.ready.set_exception(AsliveError("a worker process ended before it was ready; see the log above"))
            self.ready.exception()  # it is told to whoever waits, and no fault if nobody does
        self._dismiss(None)

    def _dismiss(self, summary: dict[str, Any] | None) -> None:  # Any: JSON values
        customer, self._customer = self._customer, None
        if customer:
            customer.done(summary)
        self._left(self)


class Crew:
    """The processes: some always warm, more when more scans come."""

    def __init__(self, warm: int) -> None:
        self._warm = warm
        self._idle: list[Worker] = []
        self._all: set[Worker] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._back = asyncio.Event()
        self._closing = False

    async def start(self) -> None:
        """Start the warm ones and wait until they are ready."""
        self._idle.extend(await asyncio.gather(*(self._launch() for _ in range(self._warm))))

    async def _launch(self) -> Worker:
        worker = await Worker.launch(self._left)
        self._all.add(worker)
        try:
            await worker.ready
        except AsliveError:
            self._all.discard(worker)
            raise
        return worker

    async def take(self) -> Worker:
        """Lend a worker for one scan; starts one if all are busy."""
        worker = self._free()
        if worker is None and self._all:  # a scanner may have its CLOSE just before the worker is free
            self._back.clear()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._back.wait(), _PATIENCE)
            worker = self._free()
        return worker or await self._launch()

    def _free(self) -> Worker | None:
        while self._idle:
            worker = self._idle.pop()
            if worker.alive:
                return worker
        return None

    def _left(self, worker: Worker) -> None:
        """Take a worker back after its scan, or replace it if it died."""
        if not worker.alive:
            self._all.discard(worker)
            if worker in self._idle:
                self._idle.remove(worker)
            if not self._closing and len(self._all) < self._warm:
                self._keep(self.start_one())
        elif worker not in self._idle:
            if len(self._idle) < self._warm:
                self._idle.append(worker)
                self._back.set()
            else:
                worker.kill()

    async def start_one(self) -> None:
        """Start one more warm worker."""
        try:
            self._idle.append(await self._launch())
            self._back.set()
        except AsliveError as error:
            logger.error("%s", error)

    def _keep(self, coroutine: Any) -> None:  # Any: a coroutine of whatever kind asyncio takes
        task = asyncio.get_running_loop().create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """End all processes and wait for them."""
        self._closing = True
        for task in self._tasks:
            task.cancel()
        workers = list(self._all)
        for worker in workers:
            worker.kill()
        await asyncio.gather(*(worker.process.wait() for worker in workers))
