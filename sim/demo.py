"""The demo: a simulated scanner streams to a real server, and live maps come back."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import click
import numpy as np
from numpy.typing import NDArray
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text as Styled

from ..streaming.attributes import read_attributes
from ..streaming.client import Client, Pace
from ..streaming.errors import AsliveError
from ..streaming.messages import ConfigFile, Image, Message, Text
from ..streaming.perfusion import MapName
from ..streaming.sinks.nifti import BidsFolder
from .choices import Order, ReadoutType
from .epi import EchoPlanar
from .picture import Panel, draw
from .protocol import Protocol
from .scanner import Scanner
from .spiral import Spiral
from .truth import expected_cbf, write_truth

EXAMPLE = """\b
Example:
  aslive demo --output aslive-demo
  aslive demo --readout spiral
"""

_SHADES = " .:-=+*#%@"
_LONGEST_PAUSE = 0.35
"""Label and delay of all shots of a volume are played in this time, s: the demo's shortened TR."""
_GHOST = EchoPlanar(delay=2e-6, phase=0.3)
"""Gradients come 2 us late, and lines to and fro differ in phase, so that there is a ghost to correct."""
_EXCITATIONS = {ReadoutType.GRASE: 4, ReadoutType.SPIRAL: 8}
"""TRs that share the k-space of a volume: segments of GRASE, interleaves of a spiral."""
_NAMES = {
    ReadoutType.CARTESIAN: "Cartesian lines",
    ReadoutType.EPI: "EPI",
    ReadoutType.GRASE: "3-D GRASE",
    ReadoutType.SPIRAL: "stack of spirals",
}


@dataclass
class Progress:
    """What the terminal shows while the scan runs."""

    scanner: Scanner
    maps: dict[str, NDArray[np.float32]] = field(default_factory=dict)
    """Newest map by name, shape ``(z, y, x)``."""
    pairs: int = 0
    notices: list[str] = field(default_factory=list)

    def take(self, message: Message) -> None:
        """Keep the newest maps and the last notices."""
        if isinstance(message, Text):
            self.notices = [*self.notices[-3:], message.text]
        elif isinstance(message, Image):
            attributes = read_attributes(message.attributes)
            name = attributes.get("aslive_map", [""])[0]
            self.maps[name] = np.asarray(message.data[0], np.float32)
            self.pairs = max(self.pairs, int(attributes.get("aslive_pairs", ["0"])[0]))

    def gray(self, name: MapName) -> float:
        """Give the median of a map over gray matter; NaN where there is none yet."""
        data = self.maps.get(name)
        inside = self.scanner.head.gray_matter > 0.8
        values = data[inside & np.isfinite(data)] if data is not None and data.shape == inside.shape else np.empty(0)
        return float(np.median(values)) if values.size else float("nan")

    def show(self, latencies: list[float]) -> Group:
        """Draw the state of the scan for the terminal."""
        table = Table("", "", show_header=False, box=None, pad_edge=False)
        table.add_row("pairs", f"[bold]{self.pairs}[/] of {self.scanner.protocol.pairs}")
        table.add_row("CBF, gray matter", f"[bold]{self.gray(MapName.CBF):5.1f}[/] mL/100 g/min (median voxel)")
        table.add_row("standard error", f"{self.gray(MapName.CBF_STDERR):5.1f} mL/100 g/min (median voxel)")
        if latencies:
            table.add_row(
                "pair to map", f"{1e3 * latencies[-1]:5.1f} ms (median {1e3 * float(np.median(latencies)):.1f})"
            )
        return Group(table, _drawn(self.maps.get(MapName.CBF)), Styled("\n".join(self.notices), style="dim"))


def _drawn(data: NDArray[np.float32] | None) -> Styled:
    """Draw the middle slice in characters, 0 to 80 mL/100 g/min."""
    if data is None:
        return Styled("waiting for the first pair ...", style="dim")
    image = np.nan_to_num(data[data.shape[0] // 2])
    image = image[: image.shape[0] // 2 * 2].reshape(-1, 2, image.shape[1]).mean(1)
    shades = np.clip(image / 80 * len(_SHADES), 0, len(_SHADES) - 1).astype(int)
    return Styled("\n".join("".join(_SHADES[shade] for shade in row) for row in shades), style="yellow")


@contextmanager
def server(folder: Path) -> Iterator[tuple[str, int]]:
    """Start ``aslive serve`` on a free port, give its address, and stop it in order."""
    command = [sys.executable, "-m", "aslive.streaming.cli", "serve", "--port", "0", "--journals", str(folder)]
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

                report = client.run(_opened(scanner), take)
        finally:
            running.__exit__(None, None, None)
    folder.close()
    write_truth(output / "truth", scanner.head, scanner.protocol)
    figures = _judge(scanner, progress) | _timing(_latencies(client))
    figures["readouts"] = report.readouts
    _picture(output / "maps.png", scanner, progress, figures)
    return figures


def _opened(scanner: Scanner) -> Iterator[Message]:
    yield ConfigFile("default")
    yield from scanner.messages()


def _latencies(client: Client) -> list[float]:
    series = list(MapName).index(MapName.CBF) + 1
    return list(client.report.latencies.get(series, ()))


def _timing(latencies: list[float]) -> dict[str, float]:
    if not latencies:
        return {}
    return {f"latency {name}": float(np.percentile(latencies, q)) for name, q in (("median", 50), ("worst", 100))}


def _judge(scanner: Scanner, progress: Progress) -> dict[str, float]:
    """Compare with what the formula should give on noise-free images, and with the standard error map."""
    if MapName.CBF not in progress.maps:
        raise AsliveError("the server sent no CBF map; its notices: " + " | ".join(progress.notices))
    cbf, stderr = progress.maps[MapName.CBF], progress.maps[MapName.CBF_STDERR]
    expected = expected_cbf(scanner.head, scanner.protocol)
    inside = (scanner.head.gray_matter > 0.8) & np.isfinite(cbf) & np.isfinite(stderr) & np.isfinite(expected)
    error = cbf[inside] - expected[inside]
    return {
        "gray matter CBF": float(np.mean(cbf[inside])),
        "expected": float(np.mean(expected[inside])),
        "true": float(np.mean(scanner.head.cbf[inside])),
        "standard error": float(np.median(stderr[inside])),
        "error of a voxel": float(np.std(error)),
    }


def _picture(path: Path, scanner: Scanner, progress: Progress, figures: dict[str, float]) -> None:
    maps = progress.maps
    control, deltam = maps[MapName.CONTROL], maps[MapName.DELTAM]
    bright = float(np.percentile(control, 99.5))
    spread = float(np.percentile(np.abs(deltam), 99.5))
    unit = "mL/100 g/min"
    panels = (
        Panel("control", control, "signal, noise units", (0, bright)),
        Panel(f"deltam, mean of {progress.pairs} pairs", deltam, "signal, noise units", (-spread, spread), "RdBu_r"),
        Panel("CBF", np.nan_to_num(maps[MapName.CBF]), unit, (0, 80), "inferno"),
        Panel("CBF, standard error", np.nan_to_num(maps[MapName.CBF_STDERR]), unit, (0, 30), "viridis"),
    )
    facts = {
        "gray matter": f"{figures['gray matter CBF']:.1f} {unit}",
        "formula on perfect data": f"{figures['expected']:.1f}",
        "true": f"{figures['true']:.1f}",
        "pair to map": f"{1e3 * figures.get('latency median', float('nan')):.1f} ms",
    }
    protocol = scanner.protocol
    size, name = "x".join(map(str, protocol.matrix)), _NAMES[protocol.readout]
    title = f"aslive demo: simulated {protocol.labeling_type}, {name}, {size}, {protocol.coils} coils"
    draw(path, panels, title, facts)


def tell(console: Console, output: Path, figures: dict[str, float], begin: float) -> None:
    """Print the closing summary."""
    table = Table("", "measured", "expected", title="gray matter, mL/100 g/min")
    table.add_row(
        "CBF, mean", f"{figures['gray matter CBF']:.1f}", f"{figures['expected']:.1f} (true {figures['true']:.1f})"
    )
    table.add_row(
        "error of a voxel, SD", f"{figures['error of a voxel']:.1f}", f"{figures['standard error']:.1f} (its map)"
    )
    console.print()
    console.print(table)
    console.print(
        "The single-delay formula must not give the true flow: it lets label decay with the T1 of blood until the "
        "readout. What it gives on noise-free images is in the second column.",
        style="dim",
    )
    if "latency median" in figures:
        median, worst = 1e3 * figures["latency median"], 1e3 * figures["latency worst"]
        console.print(f"pair to map: median {median:.1f} ms, worst {worst:.1f} ms")
    console.print(f"{int(figures['readouts'])} readouts, {time.monotonic() - begin:.0f} s in all")
    console.print(f"maps, truth and picture: {output}/   (open {output / 'maps.png'})")


def protocol_of(readout: ReadoutType, matrix: tuple[int, int, int], coils: int, pairs: int, deep: bool) -> Protocol:
    """Give a typical protocol with this readout; GRASE and spirals are 3-D, the others if ``deep``."""
    deep = deep or readout in _EXCITATIONS
    excitations = _EXCITATIONS.get(readout, 1)
    return Protocol(
        matrix=matrix,
        field_of_view=(0.22, 0.22, 0.144),
        readout=readout,
        echo_planar=_GHOST,
        segments=excitations if readout is ReadoutType.GRASE else 1,
        spiral=Spiral(interleaves=excitations),
        three_dimensional=deep,
        partition_order=Order.CENTRIC if readout in _EXCITATIONS else Order.LINEAR,
        coils=coils,
        pairs=pairs,
    )


@click.command(epilog=EXAMPLE)
@click.option("--output", type=click.Path(file_okay=False, path_type=Path), default="aslive-demo", show_default=True)
@click.option(
    "--readout",
    type=click.Choice([kind.value for kind in ReadoutType]),
    default=ReadoutType.EPI.value,
    show_default=True,
    help="How k-space is walked through; GRASE and spirals are 3-D.",
)
@click.option("--pairs", type=click.IntRange(2), default=12, show_default=True, help="Control and label pairs.")
@click.option("--coils", type=click.IntRange(1, 64), default=8, show_default=True, help="Receiver coils.")
@click.option("--slices", type=click.IntRange(1), default=12, show_default=True, help="Slices, or 3-D partitions.")
@click.option("--3d", "three_dimensional", is_flag=True, help="Encode the slices by phase, too.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Same seed, same noise.")
def demo(output: Path, readout: str, pairs: int, coils: int, slices: int, three_dimensional: bool, seed: int) -> None:
    """Show it: a simulated scanner streams raw data, a server sends back live perfusion maps.

    Everything runs on this machine, in under a minute. The lines of each volume come at the pace of a scan; the time
    for labeling is shortened.
    """
    begin = time.monotonic()
    console = Console()
    with console.status("preparing the simulated head"):
        protocol = protocol_of(ReadoutType(readout), (64, 64, slices), coils, pairs, three_dimensional)
        scanner = Scanner(protocol, seed=seed)
    output.mkdir(parents=True, exist_ok=True)
    tell(console, output, play(scanner, output, console), begin)
