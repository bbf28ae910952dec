"""How a server begins, says where it is, and ends, with and without a scan under way."""

import signal
import socket
import subprocess
import sys
from ipaddress import ip_network

import pytest

from aslive.streaming.errors import ConfigError
from aslive.streaming.gate import Gate

pytestmark = pytest.mark.timeout(120)

SERVE = (sys.executable, "-m", "aslive.streaming.cli", "serve")


def refused(*options: str) -> str:
    """Start a server that cannot be; gives the one line that it says."""
    done = subprocess.run([*SERVE, *options], capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert done.stdout == ""
    (said,) = (line for line in done.stderr.splitlines() if "WARNING" not in line)
    return said


def test_ready_is_said_once_and_tells_the_address(server) -> None:
    word, address = server.output.split()
    host, _, port = address.rpartition(":")
    assert word == "ready"
    assert server.output.count("\n") == 1
    with socket.create_connection((host, int(port)), 5):
        pass


def test_an_idle_server_ends_at_once_and_takes_its_workers_along(serve, gone) -> None:
    server = serve()
    workers = server.workers
    assert workers
    assert server.stop(signal.SIGTERM) == 0
    assert gone(workers)
    assert "Traceback" not in server.log


def test_a_server_told_to_end_in_mid_scan_gives_what_came_and_says_why(serve, scan, undisturbed, gone) -> None:
    server = serve()
    workers = server.workers
    _, lines, slices = scan.protocol.matrix
    two_pairs = scan.protocol.noise_readouts + 5 * lines * slices
    with server.connect() as client, server.connect() as silent:
        client.send(scan.opening + b"".join(scan.lines[: two_pairs + 3]))
        client.read(lambda replies: replies.maps("cbf"))
        server.process.send_signal(signal.SIGTERM)
        replies = client.read()
        told = silent.read()
        assert told.closed
        assert "the server is stopping" in told.texts
    assert server.process.wait(10) == 0
    assert "the server is stopping" in replies.texts
    assert replies.closed
    assert len(replies.maps("cbf")) == 2
    assert [one.data.tobytes() for one in replies.maps("cbf")] == [
        one.data.tobytes() for one in undisturbed.maps("cbf")[:2]
    ]
    assert gone(workers)
    assert "Traceback" not in server.log


def test_a_scanner_that_goes_on_sending_does_not_keep_a_server_alive(serve, scan) -> None:
    server = serve("--grace", "3")

    def without_end():
        yield scan.opening
        yield b"".join(scan.lines[:100])
        assert server.logs("connected from")  # a connection that nobody took could only be reset
        server.process.send_signal(signal.SIGINT)
        while server.process.poll() is None:
            yield scan.lines[100]

    replies = server.talk(without_end())
    assert server.process.wait(10) == 0
    assert "the server is stopping" in replies.texts


def test_a_port_in_use_is_said_in_one_line(server) -> None:
    said = refused("--port", str(server.address[1]), "--journals", str(server.journals))
    assert "cannot listen on 127.0.0.1" in said
    assert "already in use" in said


def test_a_folder_for_journals_that_cannot_be_made_is_said_in_one_line(tmp_path) -> None:
    (tmp_path / "file").touch()
    assert "the folder for journals cannot be made" in refused("--port", "0", "--journals", str(tmp_path / "file/in"))


def test_to_listen_to_the_world_needs_a_list_of_those_who_may_connect(tmp_path) -> None:
    said = refused("--host", "0.0.0.0", "--port", "0", "--journals", str(tmp_path))  # noqa: S104  (it is refused)
    assert "--allow" in said


def test_who_is_in_no_listed_network_is_kept_out() -> None:
    gate = Gate("0.0.0.0", 0, [ip_network("10.1.2.0/24"), ip_network("fd00::/8")])  # noqa: S104  (not listened on)
    assert all(map(gate.lets_in, ("10.1.2.7", "::ffff:10.1.2.7", "fd00::1", "127.0.0.1", "::1", "fd00::1%eth0")))
    assert not any(map(gate.lets_in, ("10.1.3.7", "::ffff:10.1.3.7", "fe80::1%eth0", "192.168.0.1")))
    with pytest.raises(ConfigError, match="--allow"):
        Gate("::")
