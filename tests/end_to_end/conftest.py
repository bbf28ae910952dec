"""A real ``aslive serve`` in its own process, a client over a real socket, and a tiny scan to send."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from threading import Thread

import pytest

from aslive.sim.anatomy import brain
from aslive.sim.protocol import Protocol
from aslive.sim.scanner import Scanner
from aslive.streaming.attributes import read_attributes
from aslive.streaming.errors import AsliveError
from aslive.streaming.messages import Acquisition, Close, ConfigFile, Image, Message, Text
from aslive.streaming.wire import Decoder, encode

SECONDS = 30.0
"""Nothing in these tests may take longer than this, s."""


def eventually(holds: Callable[[], object], seconds: float = SECONDS) -> bool:
    """Tell whether something becomes true in time."""
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


@dataclass
class Replies:
    """What a server said to one client."""

    messages: list[Message] = field(default_factory=list)
    data: bytes = b""
    """The same, as it came."""

    @property
    def texts(self) -> str:
        return "\n".join(message.text for message in self.messages if isinstance(message, Text))

    @property
    def images(self) -> list[Image]:
        return [message for message in self.messages if isinstance(message, Image)]

    @property
    def closed(self) -> bool:
        """Whether CLOSE came, once and as the last message."""
        return [isinstance(message, Close) for message in self.messages].index(True) == len(self.messages) - 1

    @property
    def image_bytes(self) -> list[bytes]:
        """All images to the last bit: header, attributes and pixels."""
        return [encode(image) for image in self.images]

    def maps(self, name: str) -> list[Image]:
        """Give the images of one map, in the order in which they came."""
        return [image for image in self.images if read_attributes(image.attributes)["aslive_map"] == [name]]


class Talker:
    """A client that sends bytes as they are, right or wrong, and keeps what comes back; it never hangs."""

    def __init__(self, address: tuple[str, int], seconds: float = SECONDS) -> None:
        self.socket = socket.create_connection(address, seconds)
        self.socket.settimeout(seconds)
        self.replies = Replies()
        self._decoder = Decoder()

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def end(self) -> None:
        """Send no more; replies may still come."""
        self.socket.shutdown(socket.SHUT_WR)

    def read(self, enough: Callable[[Replies], object] = lambda replies: False) -> Replies:
        """Receive until the server closes its end, or until there is enough."""
        while not enough(self.replies):
            data = self.socket.recv(1 << 20)
            if not data:
                break
            self.replies.data += data
            with suppress(AsliveError):  # a reply that is no MRD shows in what is missing
                self.replies.messages.extend(self._decoder.receive(data))
        return self.replies

    def vanish(self) -> None:
        """Be gone without a good-bye: the server receives RST."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self.socket.close()

    def __enter__(self) -> "Talker":
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()


def talk(
    address: tuple[str, int], data: bytes | Iterable[bytes], end: bool = False, seconds: float = SECONDS
) -> Replies:
    """Send bytes and receive everything that the server says until it closes.

    ``end`` ends the sending side after the last byte. The server may end before all is sent.
    """
    with Talker(address, seconds) as talker:

        def send() -> None:
            with suppress(OSError):  # the server has closed, and has said why
                for piece in [data] if isinstance(data, bytes) else data:
                    talker.send(piece)
                if end:
                    talker.end()

        sender = Thread(target=send)
        sender.start()
        try:
            return talker.read()
        finally:
            with suppress(OSError):
                talker.socket.shutdown(socket.SHUT_RDWR)
            sender.join(seconds)


@dataclass
class Server:
    """One ``aslive serve``."""

    process: subprocess.Popen[bytes]
    address: tuple[str, int]
    folder: Path
    journals: Path

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text()

    @property
    def output(self) -> str:
        """What it printed for other programs."""
        return (self.folder / "output").read_text()

    @property
    def workers(self) -> list[int]:
        """The process ids of its workers."""
        listed = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        return [int(word) for word in listed.split()]

    @property
    def recorded(self) -> list[Path]:
        """Its journals, oldest first."""
        return sorted(self.journals.glob("*.journal"))

    def talk(self, data: bytes | Iterable[bytes], end: bool = False, seconds: float = SECONDS) -> Replies:
        return talk(self.address, data, end, seconds)

    def connect(self, seconds: float = SECONDS) -> Talker:
        return Talker(self.address, seconds)

    def logs(self, words: str, after: int = 0) -> bool:
        """Tell whether the words stand in the log behind that many letters, or will in time."""
        return eventually(lambda: words in self.log[after:], 10.0)

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Ask it to end, and give its exit code."""
        self.process.send_signal(number)
        return self.process.wait(SECONDS)


def resident(process: int) -> float:
    """Give the memory that a process holds, bytes."""
    status = Path(f"/proc/{process}/status").read_text()
    return 1024 * int(status.partition("VmRSS:")[2].split()[0])


def alive(process: int) -> bool:
    """Tell whether a process runs; a zombie does not."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@dataclass
class RecordedScan:
    """One simulated scan, as the bytes of each message."""

    protocol: Protocol
    header: bytes
    lines: list[bytes]
    """Noise readouts and imaging lines."""
    messages: list[Message]

    @property
    def stream(self) -> bytes:
        """The whole scan."""
        return self.opening + b"".join(self.lines) + encode(Close())

    @property
    def opening(self) -> bytes:
        """Config and header."""
        return encode(ConfigFile("default")) + self.header


def record(protocol: Protocol, seed: int = 0) -> RecordedScan:
    """Play a scan of the coarse brain."""
    header, *lines, _ = messages = list(Scanner(protocol, seed, anatomy=brain(protocol.grid)).messages())
    acquisitions = [line for line in lines if isinstance(line, Acquisition)]
    return RecordedScan(protocol, encode(header), [encode(line) for line in acquisitions], messages)


Serve = Callable[..., Server]


@pytest.fixture(scope="session")
def launch(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serve]:
    """Start ``aslive serve`` with options, in a process group of its own; all are gone at the end."""
    servers: list[Server] = []
    numbers = count()

    def start(*options: str, journals: Path | None = None) -> Server:
        folder = tmp_path_factory.mktemp(f"server{next(numbers)}")
        journals = journals or folder / "journals"
        command = [sys.executable, "-m", "aslive.streaming.cli", "serve", "--port", "0", "--journals", str(journals)]
        with (folder / "output").open("wb") as output, (folder / "log").open("wb") as log:
            process = subprocess.Popen([*command, *options], stdout=output, stderr=log, start_new_session=True)
        server = Server(process, ("", 0), folder, journals)
        servers.append(server)
        assert eventually(lambda: server.output.endswith("\n") or process.poll() is not None), server.log
        assert server.output.startswith("ready "), server.log
        host, _, port = server.output.split()[1].rpartition(":")
        server.address = (host, int(port))
        return server

    yield start
    for server in servers:
        end(server)


def end(server: Server) -> None:
    """Make sure that a server and its workers are gone, stopped ones too."""
    workers = server.workers if alive(server.process.pid) else []
    for process in (server.process.pid, *workers):
        with suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)
    server.process.wait(SECONDS)
    for journal in server.recorded:
        journal.unlink()


@pytest.fixture
def serve(launch: Serve) -> Iterator[Serve]:
    """Start servers for one test; they end with it."""
    servers: list[Server] = []

    def start(*options: str, **keywords: object) -> Server:
        servers.append(launch(*options, **keywords))
        return servers[-1]

    yield start
    for server in servers:
        end(server)


@pytest.fixture(name="eventually")
def wait_until() -> Callable[[Callable[[], object]], bool]:
    """Wait for something to become true, for a while."""
    return eventually


@pytest.fixture
def gone() -> Callable[[list[int]], bool]:
    """Wait for processes to end, for a while."""
    return lambda processes: eventually(lambda: not any(map(alive, processes)))


@pytest.fixture(name="resident")
def memory_of() -> Callable[[int], float]:
    """Tell how much memory a process holds, bytes."""
    return resident


@pytest.fixture(name="record", scope="session")
def record_scan() -> Callable[..., RecordedScan]:
    """Play a scan of any protocol."""
    return record


@pytest.fixture(scope="session")
def server(launch: Serve) -> Server:
    """The server that tests without wishes of their own share."""
    return launch()


@pytest.fixture(scope="session")
def scan() -> RecordedScan:
    """A tiny scan: 16 x 16 x 2 voxels, 4 coils, an m0scan and 3 pairs."""
    return record(Protocol(matrix=(16, 16, 2), coils=4, pairs=3))


@pytest.fixture(scope="session")
def undisturbed(server: Server, scan: RecordedScan) -> Replies:
    """What the tiny scan gives when nothing else happens."""
    replies = server.talk(scan.stream)
    assert replies.closed
    assert len(replies.maps("cbf")) == scan.protocol.pairs
    return replies
