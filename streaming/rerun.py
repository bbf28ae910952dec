"""``aslive rerun``: computes the maps of a recording again, by the same path as a live scan, without a server."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import click
from rich.console import Console

from .config import read_json
from .convert import Form, form_of, open_messages
from .errors import AsliveError
from .journal import bytes_of
from .messages import Text
from .noise_store import SUFFIX, NoiseStore, read_noise
from .registry import Registry
from .scan import Noise
from .session import Session
from .wire import Decoder, encode
from .worker import Files, converse, summary

EXAMPLE = """\b
Example:
  aslive rerun 20260101T120000-42-0001.journal --output maps
"""


@click.command("rerun", epilog=EXAMPLE)
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--output", type=click.Path(file_okay=False, path_type=Path), required=True, help="Folder for the maps.")
@click.option("--settings", type=click.Path(exists=True, path_type=Path), help="JSON file of parameters.")
@click.option(
    "--sidecar", type=click.Path(exists=True, path_type=Path), help="BIDS sidecar for a header without ASL words."
)
@click.option(
    "--chains", multiple=True, type=click.Path(path_type=Path, exists=True), help="Folder with chains of the site."
)
@click.option(
    "--noise",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder of earlier measurements' noise, read and written.",
)
def rerun_command(
    file: Path, output: Path, settings: Path | None, sidecar: Path | None, chains: tuple[Path, ...], noise: Path | None
) -> None:
    """Compute the maps of a journal, an MRD HDF5 file or an MRD stream, without a server.

    A journal cut short by a crash gives the maps of all that is whole. The noise of an earlier measurement is taken
    from the copy that the server left beside the journal, else from the folder of --noise, else from "noise" beside
    the file.
    """
    console = Console(stderr=True)
    session = Session(Registry(chains), read_json(settings), read_json(sidecar))
    session.noise_of = partial(_noise_of, file, NoiseStore(noise or file.parent / "noise"))
    session.keep_noise = NoiseStore(noise).keep if noise else None
    files = Files(output, session)
    session.watch = files.watch
    with console.status(f"{file.name}"):
        for message in converse(_pieces(file), session, Decoder()):
            if isinstance(message, Text):
                console.print(message.text, markup=False, highlight=False)
    files.close()
    told = summary(session, 0.0)
    console.print(f"{told['readouts']} readouts, {told['images']} images")
    if session.error:
        raise AsliveError(f"{session.error}; what could be computed is in {output}")
    click.echo(output)


def _noise_of(file: Path, store: NoiseStore, measurement: str) -> Noise | None:
    return read_noise(file.with_suffix(SUFFIX)) or store.find(measurement)


def _pieces(path: Path) -> Iterator[memoryview]:
    if form_of(path) is Form.JOURNAL:
        return bytes_of(path)
    return (memoryview(encode(message)) for message in open_messages(path))
