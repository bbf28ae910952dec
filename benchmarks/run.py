"""Measures whole scans: throughput, latency, memory, and how near that is to what the machine can do.

One run prints one table for each scan; everything in it was measured in that run. Example:

    python benchmarks/run.py --preset epi --preset grase --keep /tmp/streams
    python benchmarks/run.py --readout epi --acceleration 2 --pairs 10
"""

import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

import click
from bounds import bare_transforms, wire_limits
from measure import measure_at_scan_pace, measure_full_speed
from presets import PRESETS, changed, record
from report import Figures, table
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from aslive.sim.choices import ReadoutType
from aslive.sim.protocol import Protocol
from aslive.sim.spiral import Spiral
from aslive.streaming.errors import AsliveError

_THREADS = "OPENBLAS_NUM_THREADS"


@click.command()
@click.option("--preset", "presets", type=click.Choice([*PRESETS, "all"]), multiple=True, help="May be given twice.")
@click.option(
    "--readout",
    type=click.Choice([kind.value for kind in ReadoutType]),
    help="Like the preset of that name, the default.",
)
@click.option("--matrix", nargs=3, type=click.IntRange(1), help="Voxels in x, y, z.")
@click.option("--coils", type=click.IntRange(1))
@click.option("--pairs", type=click.IntRange(1))
@click.option("--3d", "three_dimensional", is_flag=True, help="Encode the slices by phase, too.")
@click.option("--acceleration", type=click.IntRange(1), help="Of lines.")
@click.option("--segments", type=click.IntRange(1), help="TRs that share the lines.")
@click.option("--interleaves", type=click.IntRange(1), help="Arms of a spiral.")
@click.option("--pause", default=0.6, show_default=True, help="Longest pause between volumes at scan pace, s.")
@click.option("--runs", default=3, show_default=True, help="Full-speed runs.")
@click.option("--keep", type=click.Path(file_okay=False, path_type=Path), help="Folder that keeps simulated streams.")
@click.option("--json", "target", type=click.Path(dir_okay=False, path_type=Path), help="Write the figures, too.")
def main(
    presets: tuple[str, ...],
    readout: str | None,
    matrix: tuple[int, int, int] | None,
    coils: int | None,
    pairs: int | None,
    three_dimensional: bool,
    acceleration: int | None,
    segments: int | None,
    interleaves: int | None,
    pause: float,
    runs: int,
    keep: Path | None,
    target: Path | None,
) -> None:
    """Measure whole scans, each over TCP with a server and its journal."""
    if os.environ.get(_THREADS) != "1":  # read when NumPy is loaded, which is too late for this process
        os.execve(sys.executable, [sys.executable, *sys.argv], os.environ | {_THREADS: "1"})  # noqa: S606
    if presets and readout:
        raise click.UsageError("--readout is the preset of that name with changes; give one of them")
    changes: dict[str, Any] = {"matrix": matrix, "coils": coils, "pairs": pairs, "segments": segments}  # Any: fields
    changes |= {
        "three_dimensional": three_dimensional or None,
        "acceleration": (acceleration, 1) if acceleration else None,
        "spiral": Spiral(interleaves=interleaves) if interleaves else None,
    }
    changes = {name: value for name, value in changes.items() if value is not None}
    names = [readout] if readout else list(PRESETS) if "all" in presets else presets or ["cartesian"]
    try:
        scans = {name: changed(PRESETS[name](), changes) for name in names}
    except AsliveError as error:
        raise click.UsageError(str(error)) from error
    console, everything = Console(width=110), {}
    for name, protocol in scans.items():
        figures = measured(protocol, pause, runs, keep, console)
        console.print(table(name, figures))
        everything[name] = figures.as_json()
        if target:
            target.write_text(json.dumps(everything, indent=2))


def measured(protocol: Protocol, pause: float, runs: int, keep: Path | None, console: Console) -> Figures:
    """Simulate one scan, and measure all there is to measure."""
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    with (
        tempfile.TemporaryDirectory(prefix="aslive-bench-") as name,
        Progress(*columns, console=console, transient=True) as progress,
    ):
        folder = Path(name)
        kept = keep or folder
        kept.mkdir(parents=True, exist_ok=True)
        stream = record(protocol, kept, progress)
        tasks = [progress.add_task(text, total=1.0) for text in ("full speed", "scan pace")]
        fast = measure_full_speed(stream, folder, runs, lambda share: progress.update(tasks[0], completed=share))
        paced = measure_at_scan_pace(stream, folder, pause, lambda share: progress.update(tasks[1], completed=share))
        limits = progress.add_task("limits", total=None)
        figures = Figures(stream, stream.size, fast, paced, bare_transforms(protocol), wire_limits(stream))
        progress.remove_task(limits)
    return figures


if __name__ == "__main__":
    main()
