"""The demo: a simulated scanner streams to a real server, and live maps come back."""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import chain
from pathlib import Path

import click
import numpy as np
from rich.console import Console
from rich.live import Live

from ..streaming.client import Client, Pace
from ..streaming.errors import AsliveError
from ..streaming.messages import ConfigFile, Image, Message
from ..streaming.perfusion import MapName
from ..streaming.sinks.nifti import BidsFolder
from .anatomy import Anatomy, brain
from .choices import ReadoutType
from .cli_patient import fault_option, patient_of
from .demo_progress import Progress
from .demo_protocol import DemoLabeling, pairs_of, protocol_of
from .demo_verdict import draw_maps, judge, tell
from .protocol import Protocol
from .scanner import Scanner
from .territories import Late, Territory
from .truth import write_truth

EXAMPLE = """\b
Example:
  aslive demo --output aslive-demo
  aslive demo --readout spiral
  aslive demo --labeling multi-delay
  aslive demo --fault motion-step --fault spikes
"""

_LONGEST_PAUSE = 0.35
"""Label and delay of all shots of a volume are played in this time, s: the demo's shortened TR."""
_MAPS = "maps"
_LATE = Late(Territory.LEFT_MIDDLE, 0.8)
"""With many delays blood takes longer to one territory, so that there is something to see."""


@contextmanager
def server(folder: Path) -> Iterator[tuple[str, int]]:
    """Start ``aslive serve`` on a free port, give its address, and stop it in order."""
    command = [sys.executable, "-m", "aslive.streaming.cli", "serve", "--port", "0", "--journals", str(folder)]
    command += ["--output", str(folder / _MAPS)]
    log = folder / "server.log"
    with log.open("w") as stream:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=stream, text=True, env=dict(os.environ))  # noqa: S603  (our own server)
        try:
            assert process.stdout  # noqa: S101  (piped above)
            line = process.stdout.readline()
            if not line.startswith("ready "):
                raise AsliveError(f"the server did not start; it said: {log.read_text()[-2000:]}")
            host, _, port = line.removeprefix("ready ").strip().rpartition(":")
            yield host, int(port)
        finally:
            process.terminate()
            process.wait(30)
            if process.stdout:
                process.stdout.close()


def play(scanner: Scanner, output: Path, console: Console) -> dict[str, float]:
    """Play the demo and write its files; gives the figures of the summary."""
    progress = Progress(scanner)
    folder = BidsFolder(output, "demo")
    with tempfile.TemporaryDirectory(prefix="aslive-") as journals:
        with console.status("starting the server: loading and compiling"):
            running = server(Path(journals))
            host, port = running.__enter__()
        try:
            pause = _LONGEST_PAUSE / scanner.protocol.excitations
            client = Client(host, port, Pace(1.0, longest_pause=pause))
            with Live(progress.show([]), console=console, refresh_per_second=4) as live:

                def take(message: Message) -> None:
                    progress.take(message)
                    if isinstance(message, Image):
                        folder.add(message)
                        live.update(progress.show(_latencies(client)))

                report = client.run(chain([ConfigFile("default")], scanner.messages()), take)
        finally:
            running.__exit__(None, None, None)
        folder.close()
        _keep_quality(Path(journals) / _MAPS, folder.perfusion)
    write_truth(output / "truth", scanner.head, scanner.protocol, scanner.patient)
    figures = judge(scanner, progress) | _timing(_latencies(client))
    figures["readouts"] = report.readouts
    draw_maps(output / "maps.png", scanner, progress, figures)
    return figures


def _keep_quality(maps: Path, target: Path) -> None:
    """Keep what the server wrote about the quality of the scan, under the names of the demo."""
    for path in maps.glob("*/sub-*/perf/*_desc-*quality*"):
        shutil.copy(path, target / path.name.replace("sub-aslive", "sub-demo"))


def _latencies(client: Client) -> list[float]:
    series = list(MapName).index(MapName.CBF) + 1
    return list(client.report.latencies.get(series, ()))


def _timing(latencies: list[float]) -> dict[str, float]:
    if not latencies:
        return {}
    return {f"latency {name}": float(np.percentile(latencies, q)) for name, q in (("median", 50), ("worst", 100))}


def head_of(protocol: Protocol) -> Anatomy:
    """Give the head of the demo; if many delays can show it, blood is late in one territory."""
    head = brain(protocol.grid)
    return replace(head, late=(_LATE,)) if len(protocol.boluses) > 1 else head


@click.command(epilog=EXAMPLE)
@click.option("--output", type=click.Path(file_okay=False, path_type=Path), default="aslive-demo", show_default=True)
@click.option(
    "--readout",
    type=click.Choice([kind.value for kind in ReadoutType]),
    default=ReadoutType.EPI.value,
    show_default=True,
    help="How k-space is walked through; GRASE and spirals are 3-D.",
)
@click.option(
    "--labeling",
    type=click.Choice([kind.value for kind in DemoLabeling]),
    default=DemoLabeling.SINGLE.value,
    show_default=True,
    help="One delay, many, a cycle of sub-boluses, or a pulse.",
)
@click.option(
    "--pairs", type=click.IntRange(2), default=None, help="Control and label pairs, or cycles; by default 12, 20, or 5."
)
@click.option("--coils", type=click.IntRange(1, 64), default=8, show_default=True, help="Receiver coils.")
@click.option("--slices", type=click.IntRange(1), default=12, show_default=True, help="Slices, or 3-D partitions.")
@click.option("--3d", "three_dimensional", is_flag=True, help="Encode the slices by phase, too.")
@fault_option
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Same seed, same scan.")
def demo(
    output: Path,
    readout: str,
    labeling: str,
    pairs: int | None,
    coils: int,
    slices: int,
    three_dimensional: bool,
    fault: tuple[str, ...],
    seed: int,
) -> None:
    """Show it: a simulated scanner streams raw data, a server sends back live perfusion maps.

    Everything runs on this machine, in under a minute. The lines of each volume come at the pace of a scan; the time
    for labeling is shortened.
    """
    begin = time.monotonic()
    console = Console()
    kind = DemoLabeling(labeling)
    with console.status("preparing the simulated head"):
        count = pairs or pairs_of(kind)
        protocol = protocol_of(ReadoutType(readout), (64, 64, slices), coils, count, three_dimensional, kind)
        try:
            scanner = Scanner(protocol, seed=seed, anatomy=head_of(protocol), patient=patient_of(fault, seed))
        except AsliveError as error:
            raise click.UsageError(str(error)) from error
    output.mkdir(parents=True, exist_ok=True)
    tell(console, output, scanner, play(scanner, output, console), begin)
