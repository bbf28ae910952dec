"""A server among clients that stall, vanish, do not read, or come all at once, and with a chain that is held back."""

import os
import signal
import socket
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from aslive.sim.protocol import Protocol
from aslive.streaming.messages import Close
from aslive.streaming.wire import encode

pytestmark = pytest.mark.timeout(120)

CLOSE = encode(Close())
MEGABYTE = 1e6


@pytest.fixture(scope="module")
def impatient(launch):
    """A server that waits half a second for bytes, one for reads, and serves one scan at a time."""
    options = {"--message-timeout": 0.5, "--idle-timeout": 1.0, "--send-timeout": 1.0, "--most-scans": 1}
    return launch(*(str(word) for option in options.items() for word in option))


@pytest.fixture(scope="module")
def large(record):
    """A scan of 65 MB, more than any socket holds."""
    scan = record(Protocol(matrix=(64, 64, 8), coils=8, pairs=7))
    assert len(scan.stream) > 60 * MEGABYTE
    return scan


def served(server, scan, undisturbed, eventually) -> bool:
    """Tell whether a scan is served, once the server has let go of the one before."""
    return eventually(lambda: server.talk(scan.stream).image_bytes == undisturbed.image_bytes)


def test_a_client_that_stalls_in_mid_message_is_told_and_let_go(impatient, scan, undisturbed, eventually) -> None:
    with impatient.connect() as client:
        client.send(scan.opening + b"".join(scan.lines[:100]) + scan.lines[100][:500])
        replies = client.read()
    assert "nothing came for 0.5 s in the middle of a message" in replies.texts
    assert replies.closed
    assert served(impatient, scan, undisturbed, eventually)


def test_a_client_that_stalls_between_messages_is_told_and_let_go(impatient, scan, undisturbed, eventually) -> None:
    with impatient.connect() as client:
        client.send(scan.opening + b"".join(scan.lines[:100]))
        replies = client.read()
    assert "nothing came for 1 s while the server was taking data" in replies.texts
    assert replies.closed
    assert served(impatient, scan, undisturbed, eventually)


def test_a_client_that_connects_and_says_nothing_is_told_and_let_go(impatient, scan, undisturbed, eventually) -> None:
    with impatient.connect() as client:
        replies = client.read()
    assert "no byte came within 0.5 s" in replies.texts
    assert replies.closed
    assert served(impatient, scan, undisturbed, eventually)


def test_a_client_that_never_reads_holds_up_neither_its_scan_nor_the_next(
    impatient, large, scan, undisturbed, eventually
) -> None:
    before = len(impatient.log)
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.settimeout(30)
        client.connect(impatient.address)
        client.sendall(large.stream)
        assert impatient.logs("the scanner has not read for 1 s", before)
        assert impatient.logs(f"{len(large.lines)} readouts", before)
        assert served(impatient, scan, undisturbed, eventually)


def test_one_scan_too_many_is_refused_in_words_and_the_first_goes_on(impatient, scan, undisturbed, eventually) -> None:
    with impatient.connect() as first:
        first.send(scan.opening + b"".join(scan.lines[:100]))
        refused = impatient.talk(scan.stream)
        first.send(b"".join(scan.lines[100:]) + CLOSE)
        replies = first.read()
    assert "the server is busy with 1 scans" in refused.texts
    assert refused.closed
    assert replies.image_bytes == undisturbed.image_bytes
    assert served(impatient, scan, undisturbed, eventually)


def test_clients_that_vanish_one_after_the_other_take_nothing_with_them(server, scan, undisturbed) -> None:
    for end in range(1, len(scan.stream), len(scan.stream) // 10):
        before = len(server.log)
        with server.connect() as client:
            client.send(scan.stream[:end])
            client.vanish()
        assert server.logs("the scanner went away", before)
        assert server.logs("readouts, ", before)
    assert server.talk(scan.stream).image_bytes == undisturbed.image_bytes
    assert "Traceback" not in server.log


def test_a_chain_that_is_held_back_never_holds_up_the_scanner(server, large, resident) -> None:
    with server.connect() as client:
        client.send(large.opening + large.lines[0])
        for worker in server.workers:
            os.kill(worker, signal.SIGSTOP)
        try:
            before, begin = resident(server.process.pid), time.monotonic()
            client.send(b"".join(large.lines[1:]) + CLOSE)
            sending, after = time.monotonic() - begin, resident(server.process.pid)
            held_back = client.replies.images
        finally:
            for worker in server.workers:
                os.kill(worker, signal.SIGCONT)
        replies = client.read()
    assert sending < 10
    assert after - before < 10 * MEGABYTE
    assert not held_back
    assert replies.closed
    assert len(replies.maps("cbf")) == large.protocol.pairs
    assert replies.image_bytes == server.talk(large.stream).image_bytes


def test_scans_that_come_all_at_once_give_what_each_gives_alone(server, record) -> None:
    scans = [record(Protocol(matrix=(16, 16, 2), coils=4, pairs=3), seed) for seed in range(4)]
    with ThreadPoolExecutor(4) as clients:
        together = list(clients.map(lambda scan: server.talk(scan.stream), scans))
    for scan, replies in zip(scans, together, strict=True):
        assert replies.closed
        assert replies.image_bytes == server.talk(scan.stream).image_bytes
    assert len({replies.data for replies in together}) == 4


def test_memory_does_not_grow_with_the_length_of_the_scan(server, record, resident) -> None:
    pairs = 100
    protocol = Protocol(matrix=(32, 32, 4), coils=4, pairs=pairs)
    scan = record(protocol)
    kept_differences = pairs * 4 * 32 * 32 * 4
    imaging = protocol.noise_readouts + 50 * protocol.matrix[1] * protocol.matrix[2]
    with server.connect() as client:
        client.send(scan.opening + b"".join(scan.lines[:imaging]))
        client.read(lambda replies: len(replies.maps("cbf")) == 24)
        early = [resident(process) for process in (server.process.pid, *server.workers)]
        client.send(b"".join(scan.lines[imaging:]))
        client.read(lambda replies: len(replies.maps("cbf")) == pairs)
        late = [resident(process) for process in (server.process.pid, *server.workers)]
        client.send(CLOSE)
        assert client.read().closed
    for before, after in zip(early, late, strict=True):
        assert after - before < 10 * MEGABYTE + kept_differences
