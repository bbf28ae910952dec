"""The journal keeps what came, and never gives what did not."""

import gc
import os
import resource
import signal
import stat
import subprocess
import sys
import weakref
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aslive.streaming import journal
from aslive.streaming.errors import JournalError
from aslive.streaming.journal import Journal

PIECES = st.lists(st.binary(max_size=60), max_size=6)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "scan.journal"


def written(path: Path, pieces: list[bytes]) -> list[int]:
    """Write a journal and give the size of the file after each record."""
    with Journal.create(path, {"scanner": "test"}) as record:
        sizes = [record.size]
        for piece in pieces:
            record.append(piece)
            if piece:
                sizes.append(record.size)
    return sizes


def recovered(path: Path) -> list[bytes]:
    return [bytes(piece) for piece in journal.bytes_of(path)]


@given(PIECES)
def test_all_that_was_appended_is_read_in_its_pieces(pieces):
    with TemporaryDirectory() as folder:
        path = Path(folder, "scan.journal")
        sizes = written(path, pieces)
        assert recovered(path) == [piece for piece in pieces if piece]
        assert path.stat().st_size == sizes[-1]


def test_a_journal_cut_at_any_byte_gives_all_that_is_whole(path):
    pieces = [b"first", b"second piece", b"x" * 40]
    sizes = written(path, pieces)
    content = path.read_bytes()
    for end in range(len(content) + 1):
        path.write_bytes(content[:end])
        if end < 16:
            with pytest.raises(JournalError, match="is no journal"):
                recovered(path)
            continue
        reader = journal.read(path)
        found = [bytes(record.payload) for record in reader if record.kind == journal.RecordKind.WIRE]
        whole = max((size for size in (16, *sizes) if size <= end), default=16)
        assert found == pieces[: max(0, sum(size <= end for size in sizes) - 1)]
        assert reader.left_over == end - whole


@given(st.data())
def test_a_changed_byte_is_never_read_as_data(data):
    pieces = [b"first", b"second piece", b"\0" * 50, b"last"]
    with TemporaryDirectory() as folder:
        path = Path(folder, "scan.journal")
        sizes = written(path, pieces)
        content = bytearray(path.read_bytes())
        place = data.draw(st.integers(0, len(content) - 1))
        content[place] ^= data.draw(st.integers(1, 255))
        path.write_bytes(content)
        if place >= sizes[-2]:  # in the last record: the tail
            assert recovered(path) == pieces[:-1]
        else:
            found = []
            with pytest.raises(JournalError, match=str(path)):
                found.extend(bytes(piece) for piece in journal.bytes_of(path))
            assert pieces[: len(found)] == found


def test_a_damaged_length_in_the_middle_is_not_taken_for_the_end(path):
    sizes = written(path, [b"a" * 100, b"b" * 100, b"c" * 100])
    content = bytearray(path.read_bytes())
    content[sizes[1] + 2] = 1  # 65 kB more than there are
    path.write_bytes(content)
    with pytest.raises(JournalError, match=f"damaged at byte {sizes[1]}; whole records stand behind"):
        recovered(path)


def test_blocks_lost_to_a_power_cut_are_a_torn_tail(path):
    sizes = written(path, [b"kept"])
    with path.open("ab") as file:
        file.write(bytes(10_000))
    reader = journal.read(path)
    assert [bytes(record.payload) for record in reader][1:] == [b"kept"]
    assert reader.left_over == path.stat().st_size - sizes[-1]


def test_records_larger_than_a_step_and_cut_by_one_are_read(path, monkeypatch):
    monkeypatch.setattr(journal, "STEP", 64)
    pieces = [bytes([n]) * size for n, size in enumerate((10, 30, 64, 500, 1, 39))]
    written(path, pieces)
    assert recovered(path) == pieces


def test_a_piece_above_the_largest_record_is_kept_in_several(path, monkeypatch):
    monkeypatch.setattr(journal, "LARGEST", 1000)
    written(path, [b"ab" * 1250])
    assert [len(piece) for piece in recovered(path)] == [1000, 1000, 500]


def test_payloads_stay_valid_when_the_reading_goes_on(path):
    pieces = [os.urandom(1 << 20) for _ in range(6)]
    written(path, pieces)
    assert list(journal.bytes_of(path)) == pieces


def test_reading_while_it_is_written_gives_the_same_as_later(path):
    pieces = [b"one", b"two" * 1000, b"three", b"four"]
    with Journal.create(path, {}) as record:
        left = iter(pieces)
        asked: list[int] = []

        def wait(size: int) -> int | None:
            asked.append(size)
            if len(asked) > 1:  # at first there is only the note
                piece = next(left, None)
                if piece is None:
                    return None
                record.append(piece)
            return record.size

        live: Iterator[memoryview] = journal.bytes_of(path, wait)
        assert [bytes(piece) for piece in live] == pieces == recovered(path)
    assert asked[0] == 0
    assert asked[-1] == path.stat().st_size
    assert all(earlier <= later for earlier, later in pairwise(asked))


def test_a_full_disk_leaves_the_last_whole_record_last(path):
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    with Journal.create(path, {}) as record:
        record.append(b"kept")
        size = record.size
        resource.setrlimit(resource.RLIMIT_FSIZE, (size + 1000, before[1]))
        try:
            with pytest.raises(OSError, match="File too large"):
                record.append(bytes(5000))
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
        assert path.stat().st_size == record.size == size
        assert record.payload == 4
        record.append(b"and on")
    assert recovered(path) == [b"kept", b"and on"]


def test_a_live_reader_is_not_misled_by_what_a_full_disk_took_back(path):
    sizes = written(path, [b"kept"])
    told = iter([sizes[-1] + 300, None])
    reader = journal.read(path, lambda _: next(told))
    assert [bytes(record.payload) for record in reader][1:] == [b"kept"]


def test_what_was_appended_survives_a_killed_process(path):
    program = (
        "import os, signal, sys; from pathlib import Path; from aslive.streaming.journal import Journal\n"
        "record = Journal.create(Path(sys.argv[1]), {})\n"
        "for n in range(100): record.append(bytes([n]) * 1000)\n"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    result = subprocess.run([sys.executable, "-c", program, path], check=False)
    assert result.returncode == -signal.SIGKILL
    assert recovered(path) == [bytes([n]) * 1000 for n in range(100)]


def test_only_the_owner_can_read_it(path):
    written(path, [])
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_journal_is_never_overwritten(path):
    written(path, [b"precious"])
    with pytest.raises(FileExistsError):
        Journal.create(path, {})
    assert recovered(path) == [b"precious"]


def test_a_journal_that_cannot_begin_leaves_nothing(path):
    with pytest.raises(TypeError):
        Journal.create(path, {"not JSON": object()})
    assert not path.exists()


def test_notes_and_times_come_back(path):
    with Journal.create(path, {"scanner": "mars", "port": 9002}) as record:
        record.append(b"data")
        record.annotate({"end": "CLOSE"})
        record.sync()
    first, data, last = journal.read(path)
    assert first.note == {"scanner": "mars", "port": 9002}
    assert last.note == {"end": "CLOSE"}
    assert 0 <= last.time - first.time < 60e9
    assert data.kind == journal.RecordKind.WIRE


def test_syncing_and_closing_a_closed_journal_do_no_harm(path):
    record = Journal.create(path, {})
    record.close()
    record.close()
    record.sync()


def test_another_version_is_refused_with_its_number(path):
    written(path, [])
    content = bytearray(path.read_bytes())
    content[12] = 9
    path.write_bytes(content)
    with pytest.raises(JournalError, match="version 9"):
        recovered(path)


def test_another_file_is_refused(path):
    path.write_text("no journal at all, but long enough to be one")
    with pytest.raises(JournalError, match="is no journal"):
        recovered(path)


def test_reading_that_is_left_before_the_end_keeps_nothing_alive(tmp_path):
    class Waiter:
        def wait(self, _: int) -> int | None:
            return (tmp_path / "scan.journal").stat().st_size

    with Journal.create(tmp_path / "scan.journal", {}) as record:
        record.append(b"one")
        record.append(b"two")
    waiter = Waiter()
    gone = weakref.ref(waiter)
    pieces = journal.bytes_of(tmp_path / "scan.journal", waiter.wait)
    assert bytes(next(pieces)) == b"one"
    gc.disable()
    try:
        del waiter, pieces
        assert gone() is None
    finally:
        gc.enable()
