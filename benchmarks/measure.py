"""What a server does with a scan: how fast it takes it, when its answers come, and what they cost."""

import json
import os
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from presets import Stream

from aslive.streaming.client import Client, Pace
from aslive.streaming.convert import open_messages
from aslive.streaming.messages import Acquisition, Close, Image, Message
from aslive.streaming.perfusion import MapName
from aslive.streaming.sinks.reply import SERIES
from aslive.streaming.wire import Decoder

_STEP = 1 << 22

Advance = Callable[[float], None]
"""Told what share of the work is done, 0 to 1."""


@dataclass(slots=True)
class FullSpeed:
    """A scan sent as fast as the server takes it, several times."""

    readouts: int
    seconds: list[float] = field(default_factory=list)
    """From the first byte sent to the server's CLOSE, s, by run."""
    cpu: list[float] = field(default_factory=list)
    """CPU time of server and workers, s, by run."""
    later: list[float] = field(default_factory=list)
    """Volumes per second from the first control image to the last, by run: without what is learned once."""
    images: int = 0
    memory: list[float] = field(default_factory=list)
    """Peak of the resident memory of the server and of each of its workers, MB."""
    gadgets: list[dict[str, Any]] = field(default_factory=list)  # Any: JSON values
    """What each gadget cost in the last run."""

    @property
    def rates(self) -> NDArray[np.float64]:
        """Readouts per second, by run."""
        return self.readouts / np.array(self.seconds)


@dataclass(frozen=True, slots=True)
class AtScanPace:
    """When results came while the scan was played as the scanner plays it."""

    maps: NDArray[np.float64]
    """From the last byte of a pair to its CBF map, s."""
    controls: NDArray[np.float64]
    """From the last byte of a control volume to its image, s."""
    m0scan: NDArray[np.float64]
    """The same of the first volume, from which coil maps are learned."""


@contextmanager
def server(folder: Path) -> Iterator[tuple[str, int, int]]:
    """Start a server; gives host, port and process id."""
    command = [sys.executable, "-m", "aslive.streaming.cli", "serve", "--port", "0", "--journals", str(folder)]
    with (folder / "server.log").open("w") as log:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True)
        assert process.stdout
        told = process.stdout.readline()
        host, _, port = told.removeprefix("ready ").strip().rpartition(":")
        try:
            if not port.isdecimal():
                raise RuntimeError(f"the server did not start: {(folder / 'server.log').read_text()[-2000:]}")
            yield host, int(port), process.pid
        finally:
            process.terminate()
            process.wait(60)
            process.stdout.close()


def measure_full_speed(stream: Stream, folder: Path, runs: int, advance: Advance) -> FullSpeed:
    """Send a scan several times as fast as the server takes it, with its journal."""
    found = FullSpeed(stream.readouts)
    with server(folder) as (host, port, pid):
        for run in range(runs):
            before = _cpu_seconds(_processes(pid))
            seconds, found.images, controls = _send(stream, host, port)
            found.seconds.append(seconds)
            if len(controls) > 1:
                found.later.append(2 * (len(controls) - 1) / (controls[-1] - controls[0]))
            found.cpu.append(_cpu_seconds(_processes(pid)) - before)
            for journal in folder.glob("*.journal"):
                journal.unlink()  # or its way to the disk would slow the next run
            advance((run + 1) / runs)
        found.memory = sorted((_peak_memory(one) for one in _processes(pid)), reverse=True)
    summaries = sorted(folder.glob("*.json"), key=lambda path: path.stat().st_mtime)
    found.gadgets = json.loads(summaries[-1].read_text())["gadgets"]
    return found


def measure_at_scan_pace(stream: Stream, folder: Path, pause: float, advance: Advance) -> AtScanPace:
    """Play a scan with its pauses cut to ``pause``, s, and take the time of each answer."""

    def watched() -> Iterator[Message]:
        for number, message in enumerate(open_messages(stream.path)):
            yield message
            if isinstance(message, Acquisition) and number % 32 == 0:
                advance(number / stream.readouts)

    with server(folder) as (host, port, _):
        client = Client(host, port, Pace(1.0, longest_pause=pause))
        latencies = client.run(watched(), lambda message: None).latencies
    advance(1.0)
    maps, controls, m0scan = (
        np.array(latencies.get(SERIES[name], [])) for name in (MapName.CBF, MapName.CONTROL, MapName.M0SCAN)
    )
    return AtScanPace(maps, controls, m0scan)


def _send(stream: Stream, host: str, port: int) -> tuple[float, int, list[float]]:
    """Send a recorded stream; gives seconds until CLOSE, the images received, and when those of controls came, s."""
    images, controls = 0, []
    with socket.create_connection((host, port)) as connection, stream.path.open("rb") as file:
        begin = time.perf_counter()
        sender = threading.Thread(target=connection.sendfile, args=(file,))
        sender.start()
        decoder, open_ = Decoder(), True
        while open_ and (data := connection.recv(_STEP)):
            for message in decoder.receive(data):
                if isinstance(message, Image):
                    images += 1
                    if message.fields["image_series_index"] == SERIES[MapName.CONTROL]:
                        controls.append(time.perf_counter())
                open_ = not isinstance(message, Close)
        seconds = time.perf_counter() - begin
        sender.join()
    return seconds, images, controls


def _processes(parent: int) -> list[int]:
    children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    return [parent, *map(int, children)]


def _cpu_seconds(pids: list[int]) -> float:
    """Give the CPU time of processes so far, user and system."""
    ticks = 0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def _peak_memory(pid: int) -> float:
    found = re.search(r"VmHWM:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())
    return int(found.group(1)) / 1024 if found else 0.0
