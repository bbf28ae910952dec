"""What the journal keeps when a client, a worker, the server or the disk gives way, and what can be made of it."""

import os
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from nibabel.nifti1 import Nifti1Image

from aslive.streaming.journal import bytes_of, read
from aslive.streaming.messages import Acquisition, Header
from aslive.streaming.wire import Decoder, encode

pytestmark = pytest.mark.timeout(120)


@pytest.fixture(scope="module")
def site(launch, tmp_path_factory):
    """A server that writes NIfTI maps of every scan, too."""
    maps = tmp_path_factory.mktemp("maps")
    return launch("--output", str(maps)), maps


def rerun(journal: Path, folder: Path) -> tuple[dict[str, bytes], str]:
    """Compute the maps of a journal again; gives them by name, and what was said."""
    command = [sys.executable, "-m", "aslive.streaming.cli", "rerun", str(journal), "--output", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    return pixels(folder), done.stderr


def pixels(folder: Path) -> dict[str, bytes]:
    """Give the voxels of every NIfTI file in a folder to the last bit, in the order of the wire."""
    files = sorted(folder.rglob("*.nii.gz"))
    return {file.name: np.asarray(Nifti1Image.from_filename(file).dataobj).T.tobytes() for file in files}


def lines_of(journal: Path) -> list[bytes]:
    """Give the readouts that a journal holds."""
    decoder = Decoder()
    messages = (message for piece in bytes_of(journal) for message in decoder.receive(piece))
    return [encode(message) for message in messages if isinstance(message, Acquisition)]


def of_volumes(scan, count: int) -> list[bytes]:
    """Give the noise readouts and the lines of the first volumes."""
    _, y, slices = scan.protocol.matrix
    return scan.lines[: scan.protocol.noise_readouts + count * slices * y]


def part(scan, count: int) -> bytes:
    """Give the beginning of a scan, with the lines of the first volumes."""
    return scan.opening + b"".join(of_volumes(scan, count))


def maps(name: str, enough: int):
    """Tell when a client has received that many maps of that name."""
    return lambda replies: len(replies.maps(name)) >= enough


def last_cbf(replies) -> bytes:
    """Give the pixels of the last CBF map."""
    return replies.maps("cbf")[-1].data.tobytes()


def test_a_rerun_gives_the_maps_of_the_live_scan(site, scan, tmp_path) -> None:
    server, folder = site
    assert server.talk(scan.stream).closed
    journal = server.recorded[-1]
    again, _ = rerun(journal, tmp_path)
    live = pixels(folder / journal.stem)
    assert again == live
    assert "sub-aslive_cbf.nii.gz" in again


def test_a_client_that_vanishes_leaves_a_whole_journal_that_can_be_rerun(server, scan, tmp_path) -> None:
    before = len(server.log), len(server.recorded)
    sent = part(scan, 5) + scan.lines[-1][:100]
    with server.connect() as client:
        client.send(sent)
        seen = client.read(maps("cbf", 2))
        client.vanish()
    assert server.logs("the scanner went away", before[0])
    assert server.logs("the connection was lost", before[0])
    (journal,) = server.recorded[before[1] :]
    assert b"".join(bytes_of(journal)) == sent
    again, said = rerun(journal, tmp_path)
    assert again["sub-aslive_cbf.nii.gz"] == last_cbf(seen)
    assert "100 bytes into a message" in said
    assert server.talk(scan.stream).maps("cbf")


def test_when_the_server_is_killed_the_journal_has_all_that_an_image_acknowledged(
    serve, scan, undisturbed, tmp_path, gone
) -> None:
    server = serve()
    workers = server.workers
    with server.connect() as client:
        client.send(part(scan, 5))
        seen = client.read(maps("cbf", 2))
        os.killpg(server.process.pid, signal.SIGKILL)
    server.process.wait(10)
    assert gone(workers)
    (journal,) = server.recorded
    assert lines_of(journal) == of_volumes(scan, 5)
    again, _ = rerun(journal, tmp_path)
    assert again["sub-aslive_cbf.nii.gz"] == last_cbf(seen)
    assert seen.image_bytes == undisturbed.image_bytes[: len(seen.images)]


def test_when_a_worker_is_killed_its_client_is_told_and_the_next_scan_is_served(serve, scan, undisturbed) -> None:
    server = serve()
    with server.connect() as client:
        client.send(part(scan, 3))
        client.read(maps("cbf", 1))
        for worker in server.workers:
            os.kill(worker, signal.SIGKILL)
        replies = client.read()
    (journal,) = server.recorded
    assert f"the raw data are kept in {journal.name}" in replies.texts
    assert replies.closed
    assert lines_of(journal) == of_volumes(scan, 3)
    assert server.talk(scan.stream).image_bytes == undisturbed.image_bytes


def full(server, scan, undisturbed) -> None:
    """Run a scan whose journal cannot be finished."""
    replies = server.talk(scan.stream)
    assert "error: the journal cannot be written" in replies.texts
    assert server.logs("alarm: the journal cannot be written")
    assert replies.closed
    assert replies.image_bytes == undisturbed.image_bytes


def test_a_journal_that_may_not_grow_does_not_stop_the_scan(serve, scan, undisturbed) -> None:
    server = serve()
    resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (100_000, 100_000))
    full(server, scan, undisturbed)
    full(server, scan, undisturbed)
    for journal in server.recorded:
        kept = b"".join(bytes_of(journal))
        assert scan.stream.startswith(kept)
        assert journal.stat().st_size <= 100_000


@pytest.fixture
def tiny_disk(tmp_path) -> Iterator[Path]:
    """A disk of 200 kB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=200k", "tmpfs", str(folder)], capture_output=True)
    if mounted.returncode:
        pytest.skip(f"a file system can be mounted by root only: {mounted.stderr.decode().strip()}")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_a_full_disk_does_not_stop_the_scan_nor_the_next(serve, scan, undisturbed, tiny_disk) -> None:
    server = serve(journals=tiny_disk)
    full(server, scan, undisturbed)
    begun = server.recorded
    (tiny_disk / "other data").write_bytes(bytes(4096 * max(0, os.statvfs(tiny_disk).f_bavail)))
    full(server, scan, undisturbed)
    assert server.recorded == begun


def test_a_folder_that_has_gone_does_not_stop_the_scan(site, scan, undisturbed) -> None:
    server, _ = site
    away = server.journals.rename(server.journals.with_name("away"))
    full(server, scan, undisturbed)
    away.rename(server.journals)
    assert "journal" not in server.talk(scan.stream).texts


def test_the_journal_is_what_was_sent_to_the_byte(server, scan) -> None:
    assert server.talk(scan.stream).closed
    journal = server.recorded[-1]
    kept = read(journal)
    assert b"".join(record.payload for record in kept if not record.kind) == scan.stream
    assert kept.left_over == 0
    assert journal.stat().st_mode & 0o077 == 0


def test_a_scan_without_data_leaves_no_journal(server, scan) -> None:
    before = server.recorded
    for stream in (b"\4\0", scan.opening + b"\4\0"):
        assert server.talk(stream).closed
    assert server.recorded == before


def test_a_scan_that_is_refused_is_kept_all_the_same(server, scan, eventually) -> None:
    before = len(server.recorded)
    refused = encode(Header("no header")) + b"".join(scan.lines)
    assert "not readable XML" in server.talk(refused, end=True).texts
    (journal,) = server.recorded[before:]
    assert eventually(lambda: b"".join(bytes_of(journal)) == refused)
