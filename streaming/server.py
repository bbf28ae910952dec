"""The server: listens, lets in who may come in, and ends in order."""

import asyncio
import logging
import signal
from collections.abc import Callable

from .connection import Connection, Site
from .crew import Crew
from .errors import ConfigError
from .gate import Gate
from .messages import Close, Text
from .wire import encode

logger = logging.getLogger(__name__)


class Server:
    """Serves scans until it is told to stop."""

    def __init__(self, gate: Gate, site: Site, warm: int = 1, grace: float = 10.0) -> None:
        self._gate = gate
        self._site = site
        self._crew = Crew(warm)
        self._grace = grace
        self._connections: set[Connection] = set()

    async def run(self, ready: Callable[[str, int], None]) -> None:
        """Serve; ``ready`` is called with the address once everything is compiled, planned and listening."""
        loop = asyncio.get_running_loop()
        stopping = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stopping.set)
        try:
            self._site.journals.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigError(f"the folder for journals cannot be made: {error}") from error
        try:
            listener = await loop.create_server(self._connect, self._gate.host, self._gate.port)
            await self._crew.start()
            host, port = listener.sockets[0].getsockname()[:2]
            ready(host, port)
            await stopping.wait()
            listener.close()
            await self._stop()
        finally:
            await self._crew.close()

    def _connect(self) -> asyncio.BaseProtocol:
        if sum(connection.busy for connection in self._connections) >= self._gate.most_scans:
            return _Refusal(f"the server is busy with {self._gate.most_scans} scans; try again later")
        connection = Connection(self._site, self._crew, self._gate)
        self._connections.add(connection)
        connection.closed.add_done_callback(lambda _: self._connections.discard(connection))
        return connection

    async def _stop(self) -> None:
        """Let every scan finish what has come, for as long as the grace lasts."""
        waiting = [connection.closed for connection in self._connections]
        for connection in list(self._connections):
            connection.stop("the server is stopping; maps hold what came until now")
        if waiting:
            _, late = await asyncio.wait(waiting, timeout=self._grace)
            if late:
                logger.warning("%d scans did not finish within %g s; their journals are kept", len(late), self._grace)


class _Refusal(asyncio.Protocol):
    """Says why there is no service, and closes."""

    def __init__(self, reason: str, patience: float = 2.0) -> None:
        self._reason = reason
        self._patience = patience
        """How long the other end may go on sending, s; to close before it has read would take the words away."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101  (a stream socket has no other)
        logger.warning("refused %s: %s", transport.get_extra_info("peername"), self._reason)
        transport.write(encode(Text(f"error: {self._reason}")) + encode(Close()))
        transport.write_eof()
        asyncio.get_running_loop().call_later(self._patience, transport.abort)
