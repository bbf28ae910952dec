"""Turns recordings into one another: journal, MRD HDF5 file, and the bare stream of wire bytes.

All go by way of the messages, so that each conversion is also a check. All content comes through; only whether texts
ended with a NUL does not.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import click
import h5py
from rich.progress import Progress

from . import journal, mrd_file, wire
from .errors import DataError, JournalError, ProtocolError
from .messages import Message

EXAMPLE = """\b
Example, a journal into a file that every MRD tool reads:
  aslive convert scan.journal scan.h5
"""


class Form(StrEnum):
    """How messages are kept on disk."""

    JOURNAL = "journal"
    MRD = "MRD HDF5 file"
    STREAM = "MRD stream"


SUFFIXES = {
    ".journal": Form.JOURNAL,
    ".h5": Form.MRD,
    ".hdf5": Form.MRD,
    ".mrd": Form.STREAM,
    ".bin": Form.STREAM,
    ".stream": Form.STREAM,
}
"""What a new file becomes, by the end of its name; what an old one is, its content tells."""


@dataclass(frozen=True, slots=True)
class Conversion:
    """What came of a conversion."""

    messages: int
    """Whole messages that were converted."""
    left_over: int
    """Bytes of a message, or of a journal's record, that began at the end of the source and did not end."""
    fault: str = ""
    """Why the source could not be read further, if it is damaged; all before that was converted."""


class Messages(Iterator[Message]):
    """The messages of a recording, whatever its form, one by one."""

    def __init__(self, path: Path) -> None:
        self.done = 0.0
        """Share of the recording that was read, from 0 to 1."""
        self.left_over = 0
        """Bytes at the end that are no whole message; known when the reading has ended."""
        self._messages = self._read(path, form_of(path))

    def __next__(self) -> Message:
        return next(self._messages)

    def _read(self, path: Path, form: Form) -> Iterator[Message]:
        if form is Form.MRD:
            total = mrd_file.count(path)
            for number, message in enumerate(mrd_file.read(path), 1):
                self.done = min(1.0, number / total)
                yield message
            return
        size = path.stat().st_size
        decoder = wire.Decoder()
        if form is Form.STREAM:
            for piece in _pieces(path):
                yield from decoder.receive(piece)
                self.done = decoder.decoded / size
        else:
            reader = journal.read(path)
            for record in reader:
                if record.kind == journal.RecordKind.WIRE:
                    yield from decoder.receive(record.payload)
                    self.done = decoder.decoded / size
            self.left_over = reader.left_over
        self.left_over += decoder.waiting
        self.done = 1.0


def open_messages(path: Path) -> Messages:
    """Open a recording for replay; its content tells which form it has.

    Raises ``DataError`` for what is none; the reading raises ``JournalError`` or ``ProtocolError`` where it is damaged.
    """
    return Messages(path)


def form_of(path: Path) -> Form:
    """Tell from its first bytes what a recording is; raises ``DataError`` for what is none."""
    with path.open("rb") as file:
        start = file.read(len(journal.MAGIC))
    if start == journal.MAGIC:
        return Form.JOURNAL
    if h5py.is_hdf5(path):
        return Form.MRD
    try:
        if wire.measure(start, 0, len(start)) and start:
            return Form.STREAM
    except ProtocolError as error:
        raise DataError(f"{path} is no journal, no MRD HDF5 file and no MRD stream: {error}") from error
    raise DataError(f"{path} is empty")


def convert(
    source: Path, target: Path, progress: Callable[[float], None] | None = None, overwrite: bool = False
) -> Conversion:
    """Convert a recording into the form that the name of ``target`` asks for.

    ``progress`` is called now and then with the share that is done. The target is there only when it is whole. Where
    the source is torn or damaged, all before that is converted, and the result says so; if there is nothing before it,
    its error is raised. Raises ``FileExistsError`` rather than overwrite, unless told to.
    """
    form = _form_for(target)
    if target.exists() and not overwrite:
        raise FileExistsError(f"{target} is there already")
    messages = open_messages(source)
    partial = target.with_name(f"{target.name}.partial")
    partial.unlink(missing_ok=True)
    whole, fault = 0, ""
    try:
        with _writer(partial, form) as write:
            try:
                for message in _watched(messages, progress):
                    write(message)
                    whole += 1
            except (DataError, JournalError, ProtocolError) as error:
                if not whole:
                    raise
                fault = str(error)
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)
    return Conversion(whole, messages.left_over, fault)


def _form_for(target: Path) -> Form:
    if target.suffix not in SUFFIXES:
        raise DataError(f"{target.name} should end with one of: {', '.join(SUFFIXES)}")
    return SUFFIXES[target.suffix]


def _watched(messages: Messages, progress: Callable[[float], None] | None) -> Iterator[Message]:
    told = 0.0
    for message in messages:
        yield message
        if progress and messages.done >= told + 0.01:
            told = messages.done
            progress(told)


def _pieces(path: Path) -> Iterable[bytes]:
    with path.open("rb", buffering=0) as file:
        while piece := file.read(journal.STEP):
            yield piece


@contextmanager
def _writer(path: Path, form: Form) -> Iterator[Callable[[Message], object]]:
    match form:
        case Form.MRD:
            with mrd_file.MrdFile(path) as file:
                yield file.add
        case Form.JOURNAL:
            with journal.Journal.create(path, {"origin": "converted"}) as record:
                yield lambda message: record.append(wire.encode(message))
        case Form.STREAM:
            with path.open("wb") as stream:
                yield lambda message: stream.write(wire.encode(message))


@click.command("convert", epilog=EXAMPLE)
@click.argument("source", metavar="IN", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.argument("target", metavar="OUT", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--overwrite", is_flag=True, help="Replace OUT if it is there.")
@click.pass_context
def convert_command(context: click.Context, source: Path, target: Path, overwrite: bool) -> None:
    """Convert a recording: journal, MRD HDF5 file or MRD stream.

    IN may be any of them. The end of OUT's name says what it becomes: .journal; .h5 or .hdf5; .mrd, .bin or .stream.
    What is torn or damaged is converted as far as it is whole.
    """
    if target.exists() and not overwrite:
        raise click.UsageError(f"{target} is there already; --overwrite replaces it.")
    with Progress(transient=True) as bar:
        task = bar.add_task(source.name, total=1.0)
        result = convert(source, target, lambda done: bar.update(task, completed=done), overwrite)
    click.echo(f"{result.messages} messages -> {target}")
    if result.left_over:
        click.echo(f"The last {result.left_over} bytes of {source} are no whole message and were left out.", err=True)
    if result.fault:
        click.echo(f"{source} could be read no further: {result.fault}", err=True)
        context.exit(1)
