"""``aslive replay``: sends a recording to a server and keeps what comes back."""

import json
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from math import inf
from pathlib import Path
from typing import Any

import click
import numpy as np
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.table import Table

from .client import Client, Pace, Report
from .convert import Messages, open_messages
from .messages import ConfigFile, ConfigText, Header, Image, Message, Text
from .mrd_file import ImageFile
from .sinks.nifti import BidsFolder
from .sinks.reply import SERIES

EXAMPLE = """\b
Example, at the pace of the scan:
  aslive replay scan.h5 --to 127.0.0.1:9002 --speed 1 --output maps
"""


class Speed(click.ParamType):
    """A factor, or ``max``."""

    name = "speed"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:  # Any: click's
        """Read the factor."""
        try:
            speed = inf if value == "max" else float(value)
        except ValueError:
            speed = 0.0
        if not speed > 0:
            self.fail(f"{value!r} is neither a factor above 0 nor 'max'", param, ctx)
        return speed


class Address(click.ParamType):
    """``HOST:PORT``."""

    name = "address"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, int]:  # Any
        """Read host and port."""
        if isinstance(value, tuple):
            return value
        host, _, port = str(value).rpartition(":")
        if not host or not port.isdigit() or not 0 < int(port) < 65536:
            self.fail(f"{value!r} is no HOST:PORT, such as 127.0.0.1:9002", param, ctx)
        return host.strip("[]"), int(port)


@click.command("replay", epilog=EXAMPLE)
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--to", "address", type=Address(), default="127.0.0.1:9002", show_default=True, help="Server, HOST:PORT.")
@click.option(
    "--speed", type=Speed(), default="max", show_default=True, help="1 is scan pace, 10 ten times that, or max."
)
@click.option("--tick", type=float, default=2.5e-3, show_default=True, help="Unit of the acquisition time stamps, s.")
@click.option("--config", help="Name of the chain to ask for, instead of the recording's own.")
@click.option("--config-file", type=click.Path(exists=True, path_type=Path), help="Chain as an XML or JSON file.")
@click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help="Parameter sent after the header.")
@click.option("--output", type=click.Path(file_okay=False, path_type=Path), help="Folder for replies: HDF5 and NIfTI.")
@click.option("--nul/--no-nul", default=False, help="End texts with a NUL, as FIRE does.")
@click.option("--timeout", type=float, default=60.0, show_default=True, help="Longest silence of the server, s.")
@click.option("--report", type=click.Path(dir_okay=False, path_type=Path), help="Write the summary as JSON, too.")
def replay_command(
    file: Path,
    address: tuple[str, int],
    speed: float,
    tick: float,
    config: str | None,
    config_file: Path | None,
    settings: tuple[str, ...],
    output: Path | None,
    nul: bool,
    timeout: float,
    report: Path | None,
) -> None:
    """Send a recording to an MRD server, ours or another, and receive what comes back.

    FILE is a journal, an MRD HDF5 file or an MRD stream.
    """
    console = Console(stderr=True)
    recording = open_messages(file)
    opening = _opening(config, config_file)
    client = Client(*address, Pace(speed, tick), nul, timeout)
    with ExitStack() as stack:
        bar = stack.enter_context(_bar(console))
        task = bar.add_task(file.name, total=1.0, status="")
        sinks = _sinks(output, stack)

        def take(message: Message) -> None:
            if isinstance(message, Text):
                console.print(f"[server] {message.text}", markup=False, highlight=False)
            for sink in sinks:
                sink(message)

        result = client.run(_watched(_prepared(recording, opening, _parameters(settings)), recording, bar, task), take)
    _tell(console, result)
    if report:
        report.write_text(json.dumps(_figures(result), indent=2) + "\n")
    if output:
        click.echo(output)


def _bar(console: Console) -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    return Progress(*columns, console=console, transient=not sys.stderr.isatty())


def _opening(config: str | None, config_file: Path | None) -> Message | None:
    if config_file:
        return ConfigText(config_file.read_text())
    return ConfigFile(config) if config else None


def _parameters(settings: tuple[str, ...]) -> Message | None:
    if not settings:
        return None
    pairs = [setting.partition("=") for setting in settings]
    for key, equals, _ in pairs:
        if not key or not equals:
            raise click.BadParameter(f"{key!r} is no KEY=VALUE", param_hint="--set")
    return Text(json.dumps({"parameters": {key: value for key, _, value in pairs}}))


def _prepared(recording: Messages, opening: Message | None, parameters: Message | None) -> Iterator[Message]:
    """Put the config before everything, and parameters behind the header."""
    begun = False
    for message in recording:
        own = isinstance(message, ConfigFile | ConfigText)
        if not begun:
            yield opening or (message if own else ConfigFile("default"))
            begun = True
        if own:
            continue
        yield message
        if parameters and isinstance(message, Header):
            yield parameters


def _watched(messages: Iterator[Message], recording: Messages, bar: Progress, task: TaskID) -> Iterator[Message]:
    for message in messages:
        yield message
        bar.update(task, completed=recording.done)


def _sinks(output: Path | None, stack: ExitStack) -> list[Any]:  # Any: callables that take a message
    if output is None:
        return []
    output.mkdir(parents=True, exist_ok=True)
    images = stack.enter_context(ImageFile(output / "replies.h5"))
    folder = BidsFolder(output)
    stack.callback(folder.close)
    return [images.add, lambda message: folder.add(message) if isinstance(message, Image) else None]


def _figures(result: Report) -> dict[str, Any]:  # Any: JSON values
    names = {number: str(name) for name, number in SERIES.items()}
    latencies = {
        names.get(series, f"series {series}"): {
            "count": len(values),
            **{key: float(np.percentile(values, q)) for key, q in (("median", 50), ("p95", 95), ("p99", 99))},
        }
        for series, values in sorted(result.latencies.items())
    }
    return {
        "readouts": result.readouts,
        "bytes": result.sent_bytes,
        "images": result.images,
        "texts": result.texts,
        "seconds": result.seconds,
        "sending_seconds": result.sending_seconds,
        "latencies": latencies,
    }


def _tell(console: Console, result: Report) -> None:
    """Print the closing summary."""
    rate = result.readouts / result.seconds if result.seconds else 0.0
    console.print(
        f"{result.readouts} readouts ({result.sent_bytes / 1e6:.1f} MB) sent, {result.images} images received "
        f"in {result.seconds:.2f} s: {rate:.0f} readouts/s, {result.sent_bytes / 1e6 / result.seconds:.0f} MB/s"
    )
    if not result.latencies:
        return
    table = Table(
        "image", "count", "median ms", "p95 ms", "p99 ms", title="from the last byte sent to the image received"
    )
    for name, figures in _figures(result)["latencies"].items():
        times = [f"{1e3 * figures[key]:.1f}" for key in ("median", "p95", "p99")]
        table.add_row(name, str(figures["count"]), *times)
    console.print(table)
