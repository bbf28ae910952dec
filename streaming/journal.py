"""The journal: an append-only file of the wire bytes of one scan, which is queue, recording and crash recovery in one.

The receiver appends what came, in the pieces in which it came, and each piece is whole or not there. The layout stands
in ``docs/reference/journal.md``.
"""

import json
import os
import re
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import closing
from enum import IntEnum
from pathlib import Path
from struct import Struct
from threading import Lock
from typing import Any, NamedTuple, Self

from xxhash import xxh3_64

from .errors import JournalError

MAGIC = b"\x89ASLIVE\r\n\x1a\n\0"
"""First bytes of a journal: no text, and changed by whatever changes the ends of lines."""
VERSION = 1
LARGEST = 1 << 26
"""Most bytes in one record; a length above it is damage, not a reason to allocate."""
STEP = 1 << 22
"""Bytes read at a time."""

_FILE_HEADER = Struct("<12sI")
_HASHED = Struct("<IIQ")
"""Payload length, kind, time: the part of a record's header that goes into its hash, with the payload."""
_HASH = Struct("<Q")
_RECORD_HEADER = _HASHED.size + _HASH.size
_CANDIDATE = re.compile(rb"(?=.{3}[\0-\4][\0\1]\0{3}.{7}[\x10-\x7f])", re.DOTALL)
"""Where a record may begin: a length within bounds, a known kind, and a time between the years 2006 and 2262."""


class RecordKind(IntEnum):
    """What is in a record."""

    WIRE = 0
    NOTE = 1


class Record(NamedTuple):
    """One piece of a journal, whole and checked."""

    kind: int
    """A ``RecordKind``; later versions may know more."""
    time: int
    """When it came, ns since 1970."""
    payload: memoryview

    @property
    def note(self) -> dict[str, Any]:  # Any: whatever JSON holds
        """The facts of a note."""
        return json.loads(bytes(self.payload))


class Journal:
    """Writes the record of one scan; what ``append`` has taken survives the end of this process, however it ends.

    One thread appends; ``sync`` may be called from another.
    """

    def __init__(self, path: Path, file: int) -> None:
        self.path = path
        self.size = 0
        """Bytes of the file up to the end of the last whole record."""
        self.payload = 0
        """Wire bytes among them."""
        self._file = file
        self._closing = Lock()

    @classmethod
    def create(cls, path: Path, note: Mapping[str, Any]) -> Self:  # Any: whatever JSON holds
        """Begin a new journal that only its owner can read; raises ``FileExistsError`` rather than overwrite one.

        ``note`` says whose it is (scanner, version); it must not name the patient.
        """
        journal = cls(path, os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        try:
            journal._put(memoryview(_FILE_HEADER.pack(MAGIC, VERSION)))
            journal.annotate(note)
        except BaseException:  # whatever stopped it, half a beginning must not stay
            journal.close()
            path.unlink()
            raise
        return journal

    def append(self, data: bytes | bytearray | memoryview) -> None:
        """Keep bytes as they came from the scanner.

        Raises ``OSError`` if they cannot be kept (disk full); the file then ends with the last whole record, and a
        later ``append`` may succeed.
        """
        view = memoryview(data).cast("B")
        for start in range(0, len(view), LARGEST):
            piece = view[start : start + LARGEST]
            self._record(RecordKind.WIRE, piece)
            self.payload += len(piece)

    def annotate(self, note: Mapping[str, Any]) -> None:  # Any: whatever JSON holds
        """Keep facts about the scan that did not come over the wire."""
        self._record(RecordKind.NOTE, memoryview(json.dumps(note).encode()))

    def _record(self, kind: RecordKind, payload: memoryview) -> None:
        start = _HASHED.pack(len(payload), kind, time.time_ns())
        self._put(memoryview(start + _HASH.pack(_digest(start, payload))), payload)

    def _put(self, *pieces: memoryview) -> None:
        """Write all or nothing, always behind the last whole record, so that nothing can stand behind a torn one."""
        at = self.size
        try:
            while pieces:
                written = os.pwritev(self._file, pieces, at)
                at += written
                pieces = _after(pieces, written)
        except OSError:
            os.ftruncate(self._file, self.size)
            raise
        self.size = at

    def sync(self) -> None:
        """Wait until all that was appended before is on the disk, so that it survives the loss of power too."""
        with self._closing:
            if self._file >= 0:
                os.fdatasync(self._file)

    def close(self) -> None:
        """End the journal; closing twice does no harm."""
        with self._closing:
            if self._file >= 0:
                os.close(self._file)
            self._file = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _after(pieces: tuple[memoryview, ...], written: int) -> tuple[memoryview, ...]:
    """Give what a write has left, should it have been cut short."""
    for number, piece in enumerate(pieces):
        if written < len(piece):
            return piece[written:], *pieces[number + 1 :]
        written -= len(piece)
    return ()


def _digest(start: bytes | memoryview, payload: memoryview) -> int:
    digest = xxh3_64(start)
    digest.update(payload)
    return digest.intdigest()


class Reader(Iterator[Record]):
    """Gives a journal record by record, whether its scan is over or still running.

    The payloads are views of the blocks read, and stay valid. A torn tail, as a crash leaves it, ends the reading
    quietly and is counted in ``left_over``; damage with whole records behind it raises ``JournalError``.
    """

    def __init__(self, path: Path, wait: Callable[[int], int | None] | None = None) -> None:
        self.path = path
        self.left_over = 0
        """Bytes of the torn tail; known when the reading has ended."""
        self._wait = wait
        self._known = 0
        self._records = self._read()

    def __next__(self) -> Record:
        return next(self._records)

    def close(self) -> None:
        """Stop before the end."""
        self._records.close()

    def _read(self) -> Generator[Record]:
        with self.path.open("rb", buffering=0) as stream:
            file = stream.fileno()
            if self._wait is None:
                self._known = os.fstat(file).st_size
            self._check(self._fetch(file, 0, _FILE_HEADER.size)[: _FILE_HEADER.size])
            offset, needed = _FILE_HEADER.size, _RECORD_HEADER
            while needed and len(block := self._fetch(file, offset, needed)) >= needed:
                used, needed = yield from _records(memoryview(block))
                offset += used
            self._end(file, offset)

    def _fetch(self, file: int, offset: int, needed: int) -> bytes:
        """Read a block of at least ``needed`` bytes, waiting for them if it must; a shorter one is the end."""
        while self._known - offset < needed and self._wait is not None:
            size = self._wait(offset)
            if size is None:
                break
            self._known = size
        return os.pread(file, min(max(needed, STEP), max(0, self._known - offset)), offset)

    def _check(self, header: bytes) -> None:
        if len(header) < _FILE_HEADER.size or not header.startswith(MAGIC):
            raise JournalError(f"{self.path} is no journal: it does not begin as one")
        version = _FILE_HEADER.unpack(header)[1]
        if version != VERSION:
            raise JournalError(f"{self.path} is a journal of version {version}; this program reads version {VERSION}")

    def _end(self, file: int, offset: int) -> None:
        """Tell a torn tail, which is at most one record and has no whole one in it, from damage in the middle."""
        self.left_over = self._known - offset
        if self.left_over > _RECORD_HEADER + LARGEST:
            raise JournalError(f"{self.path} is damaged at byte {offset}; {self.left_over} bytes stand behind that")
        tail = memoryview(os.pread(file, self.left_over, offset))
        for candidate in _CANDIDATE.finditer(tail, 1):
            if next(_records(tail[candidate.start() :]), None) is not None:
                raise JournalError(f"{self.path} is damaged at byte {offset}; whole records stand behind that")


def _records(view: memoryview) -> Generator[Record, None, tuple[int, int]]:
    """Give the whole records of a block; return the bytes used, and what the next record needs (0: it is damaged)."""
    at = 0
    while at + _RECORD_HEADER <= len(view):
        length, kind, moment = _HASHED.unpack_from(view, at)
        start = at + _RECORD_HEADER
        end = start + length
        if length > LARGEST:
            return at, 0
        if end > len(view):
            return at, end - at
        (expected,) = _HASH.unpack_from(view, at + _HASHED.size)
        if _digest(view[at : at + _HASHED.size], view[start:end]) != expected:
            return at, 0
        yield Record(kind, moment, view[start:end])
        at = end
    return at, _RECORD_HEADER


def read(path: Path, wait: Callable[[int], int | None] | None = None) -> Reader:
    """Read a journal from its beginning.

    ``wait`` makes the reading live: it is called with the bytes read so far when they are used up, and gives the
    ``Journal.size`` that the writer has reached since, or ``None`` when no more will come. It may block.
    """
    return Reader(path, wait)


def bytes_of(path: Path, wait: Callable[[int], int | None] | None = None) -> Iterator[memoryview]:
    """Give the wire bytes of a journal, in the pieces in which they came."""
    with closing(read(path, wait)) as reader:  # left before its end, it would keep alive what ``wait`` belongs to
        for record in reader:
            if record.kind == RecordKind.WIRE:
                yield record.payload
