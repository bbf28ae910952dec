"""Measures a whole scan: throughput, latency, memory, and how near that is to what the machine can do.

One run prints one table; everything in it was measured in that run. Example:

    python benchmarks/run.py --pairs 20 --coils 32
"""

import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import click
import ismrmrd
import numpy as np
from rich.console import Console
from rich.table import Table

from aslive.gadgets.kernels.fft import Backend, CentredInverse
from aslive.sim.protocol import Protocol
from aslive.sim.scanner import Scanner
from aslive.streaming.client import Client, Pace
from aslive.streaming.convert import open_messages
from aslive.streaming.flow import MapName
from aslive.streaming.messages import Acquisition, Close, ConfigFile, Image
from aslive.streaming.sinks.reply import SERIES
from aslive.streaming.wire import Decoder, encode

_STEP = 1 << 22


@contextmanager
def server(folder: Path) -> Iterator[tuple[str, int, int]]:
    """Start a server; gives host, port and process id."""
    command = [sys.executable, "-m", "aslive.streaming.cli", "serve", "--port", "0", "--journals", str(folder)]
    with (folder / "server.log").open("w") as log:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True)
        assert process.stdout
        host, _, port = process.stdout.readline().removeprefix("ready ").strip().rpartition(":")
        try:
            yield host, int(port), process.pid
        finally:
            process.terminate()
            process.wait(60)
            process.stdout.close()


def processes(parent: int) -> list[int]:
    """Give a process and its children."""
    children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    return [parent, *map(int, children)]


def cpu_seconds(pids: list[int]) -> float:
    """Give the CPU time of processes so far, user and system."""
    ticks = 0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def memory(pids: list[int], what: str = "VmHWM") -> float:
    """Give the sum of the resident memory of processes, MB; ``VmHWM`` is the peak."""
    kilobytes = 0
    for pid in pids:
        found = re.search(rf"{what}:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())
        kilobytes += int(found.group(1)) if found else 0
    return kilobytes / 1024


def full_speed(stream: Path, host: str, port: int) -> tuple[float, int]:
    """Send a recorded stream as fast as the server takes it; gives seconds until CLOSE and the images received."""
    images = 0
    with socket.create_connection((host, port)) as connection, stream.open("rb") as file:
        begin = time.perf_counter()
        sender = threading.Thread(target=connection.sendfile, args=(file,))
        sender.start()
        decoder, open_ = Decoder(), True
        while open_ and (data := connection.recv(_STEP)):
            for message in decoder.receive(data):
                images += isinstance(message, Image)
                open_ = not isinstance(message, Close)
        seconds = time.perf_counter() - begin
        sender.join()
    return seconds, images


def at_scan_pace(stream: Path, host: str, port: int, pause: float) -> np.ndarray:
    """Play a recorded scan with shortened pauses; gives the time from the last byte of a pair to its CBF map, s."""
    client = Client(host, port, Pace(1.0, longest_pause=pause))
    report = client.run(open_messages(stream), lambda message: None)
    return np.array(report.latencies[SERIES[MapName.CBF]])


def bare_receive(stream: Path) -> float:
    """Send the stream over loopback to a receiver that throws it away; gives s."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        begin = time.perf_counter()
        with socket.create_connection(listener.getsockname()) as sending, listener.accept()[0] as receiving:

            def send() -> None:
                with stream.open("rb") as file:
                    sending.sendfile(file)
                sending.shutdown(socket.SHUT_WR)

            sender = threading.Thread(target=send)
            sender.start()
            buffer = memoryview(bytearray(1 << 20))
            while receiving.recv_into(buffer):
                pass
            sender.join()
        return time.perf_counter() - begin


def best(action: Callable[[], object], times: int = 3) -> float:
    """Give the shortest of several runs, s."""
    found = []
    for _ in range(times):
        begin = time.perf_counter()
        action()
        found.append(time.perf_counter() - begin)
    return min(found)


def limits(stream: Path, protocol: Protocol) -> dict[str, float]:
    """Measure what the machine could do at best with the same data, in readouts/s."""
    x, y, _ = protocol.matrix
    coils, samples = protocol.coils, protocol.encoded_matrix[0]
    with stream.open("rb") as file:
        block = file.read(1 << 28)
    readout_size = len(encode(next(m for m in Decoder().receive(block) if isinstance(m, Acquisition))))
    lines = len(block) // readout_size
    target = bytearray(len(block))

    def copy() -> None:
        memoryview(target)[:] = block

    along_x = CentredInverse((coils, samples), 1, Backend.FFTW)
    along_y = CentredInverse((coils, 1, y, x), 2, Backend.FFTW)
    line = np.ones((coils, samples), np.complex64)
    plane = np.ones((coils, 1, y, x), np.complex64)

    def transform() -> None:
        for _ in range(y):
            along_x(line)
        along_y(plane)

    payload = block[: readout_size * min(lines, 4000)]
    start = payload.find((1008).to_bytes(2, "little"), payload.find(b"</ismrmrdHeader>"))
    count = (len(payload) - start) // readout_size

    def decode_theirs() -> None:
        at = start + 2
        for _ in range(count):
            view = memoryview(payload)[at : at + readout_size - 2]
            position = 0

            def read(size: int, view: memoryview = view) -> bytes:
                nonlocal position
                position += size
                return bytes(view[position - size : position])

            ismrmrd.Acquisition.deserialize_from(read)
            at += readout_size

    def decode_ours() -> None:
        for _ in Decoder().receive(payload):
            pass

    return {
        "loopback, bytes thrown away": stream.stat().st_size / readout_size / bare_receive(stream),
        "memcpy of the data": lines / best(copy),
        "bare FFTs of these sizes": y / best(transform, 20),
        "bare decoding, ismrmrd package": count / best(decode_theirs),
        "bare decoding, aslive": count / best(decode_ours),
    }


@click.command()
@click.option("--matrix", nargs=3, type=int, default=(64, 64, 24), show_default=True)
@click.option("--coils", default=32, show_default=True)
@click.option("--pairs", default=20, show_default=True)
@click.option("--3d", "three_dimensional", is_flag=True)
@click.option("--pause", default=0.6, show_default=True, help="Longest pause between volumes at scan pace, s.")
@click.option("--runs", default=3, show_default=True, help="Full-speed runs.")
@click.option("--json", "target", type=click.Path(path_type=Path), help="Write the figures as JSON, too.")
def main(
    matrix: tuple[int, int, int],
    coils: int,
    pairs: int,
    three_dimensional: bool,
    pause: float,
    runs: int,
    target: Path | None,
) -> None:
    """Measure a whole scan."""
    console = Console()
    protocol = Protocol(matrix=matrix, coils=coils, pairs=pairs, three_dimensional=three_dimensional)
    scanner = Scanner(protocol)
    figures: dict[str, object] = {}
    with tempfile.TemporaryDirectory(prefix="aslive-bench-") as name:
        folder = Path(name)
        stream = folder / "scan.mrd"
        with console.status("simulating"), stream.open("wb") as file:
            file.write(encode(ConfigFile("default")))
            for message in scanner.messages():
                file.write(encode(message))
        size = stream.stat().st_size
        with console.status("full speed"), server(folder) as (host, port, pid):
            seconds, cpu, images = [], [], 0
            for _ in range(runs):
                before = cpu_seconds(processes(pid))
                spent, images = full_speed(stream, host, port)
                seconds.append(spent)
                cpu.append(cpu_seconds(processes(pid)) - before)
                for journal in folder.glob("*.journal"):
                    journal.unlink()  # or its way to the disk would slow the next run
            peak = memory(processes(pid))
            summaries = sorted(folder.glob("*.json"))
            gadgets = json.loads(summaries[-1].read_text())["gadgets"]
        with console.status("scan pace"), server(folder) as (host, port, _):
            latencies = at_scan_pace(stream, host, port, pause)
        with console.status("limits"):
            bounds = limits(stream, protocol)
    rate = scanner.readouts / np.array(seconds)
    table = Table(
        title=f"{'x'.join(map(str, matrix))}, {coils} coils, {pairs} pairs, {'3-D' if three_dimensional else '2-D'}"
    )
    table.add_column("figure")
    table.add_column("value", justify="right")
    rows = {
        "readouts": f"{scanner.readouts}",
        "data": f"{size / 1e6:.0f} MB",
        f"full speed, median of {runs}": f"{np.median(rate):.0f} readouts/s ({np.min(rate):.0f}-{np.max(rate):.0f})",
        "": f"{size / 1e6 / np.median(seconds):.0f} MB/s",
        "CPU, server and worker": f"{np.median(cpu):.1f} s of {np.median(seconds):.1f} s",
        "peak memory, server and worker": f"{peak:.0f} MB",
        "images received": f"{images}",
        "pair to map, median": f"{1e3 * np.percentile(latencies, 50):.1f} ms",
        "pair to map, p95": f"{1e3 * np.percentile(latencies, 95):.1f} ms",
        "pair to map, p99": f"{1e3 * np.percentile(latencies, 99):.1f} ms",
    }
    for row in rows.items():
        table.add_row(*row)
    table.add_section()
    total = sum(gadget["seconds"] for gadget in gadgets)
    for gadget in gadgets:
        share = f"{100 * gadget['seconds'] / total:.1f} %"
        each = f"{1e6 * gadget['seconds'] / max(1, gadget['messages']):.1f} us x {gadget['messages']}"
        table.add_row(f"gadget {gadget['name']}", f"{share}  ({each})")
    table.add_section()
    for limit, bound in bounds.items():
        table.add_row(f"limit: {limit}", f"{bound:.0f} readouts/s (whole chain: {np.median(rate) / bound:.2f} of it)")
    console.print(table)
    figures = {**rows, "latencies": latencies.tolist(), "rates": rate.tolist(), "limits": bounds, "gadgets": gadgets}
    if target:
        target.write_text(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()
