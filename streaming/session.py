"""One scan, from its first message to its last: a table of states, without a socket.

=========  =======================================  ==================================================
state      takes                                    and then
=========  =======================================  ==================================================
CONFIG     config name or text, header, text        HEADER, or STREAM after a header
HEADER     header, parameters as JSON text          STREAM
STREAM     data, parameters before the first data   results go out as soon as they exist
DONE       anything                                 nothing: CLOSE has been sent
=========  =======================================  ==================================================

A query is answered in every state; CLOSE ends every state with CLOSE. What comes in the wrong state is an error: text,
CLOSE, and the rest is read and dropped.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from importlib.metadata import version
from math import isnan
from typing import Any

from .chain import Chain, Timing
from .config import (
    DEFAULT_CHAIN,
    Recipe,
    addressed,
    build,
    chain_name,
    converted,
    listed_recipe,
    merged,
    named_recipe,
    read_settings,
    xml_recipe,
)
from .door import Door
from .errors import AsliveError, ConfigError, GadgetError, ProtocolError
from .header import read_header
from .messages import (
    Acquisition,
    Acquisitions,
    Array,
    Close,
    ConfigFile,
    ConfigText,
    Header,
    Image,
    Message,
    Query,
    Response,
    Text,
    Waveform,
)
from .notices import Level, Measure, Measurement, Notice
from .pace import Pace
from .perfusion import Map, MapName
from .registry import LONGEST_NAME, Registry
from .scan import Noise, Scan
from .sinks.reply import Reply

ASL_CHAIN = "asl"
IMAGE_CHAIN = "image"
_ANY_CHAIN = ("", DEFAULT_CHAIN, "default_measurement_dependencies")
"""Names that leave the chain to us; the last one asks to keep noise for later scans, which every chain of ours does."""


class State(StrEnum):
    """Where a session stands."""

    CONFIG = "waiting for a config"
    HEADER = "waiting for a header"
    STREAM = "taking data"
    DONE = "done"


@dataclass(slots=True)
class Measured:
    """One quantity, measured again and again during a scan."""

    count: int = 0
    """Values that are numbers."""
    mean: float = 0.0
    latest: float | None = None

    def add(self, value: float) -> None:
        """Take in a value; NaN is no answer, and is not counted."""
        if not isnan(value):
            self.count += 1
            self.mean += (value - self.mean) / self.count
            self.latest = value


@dataclass
class Session:
    """One scan."""

    registry: Registry
    settings: dict[str, Any] = field(default_factory=dict)  # Any: JSON values
    """The site's parameters; the scanner's own are added as they come."""
    sidecar: Mapping[str, Any] = field(default_factory=dict)  # Any: JSON values
    """A BIDS sidecar, for what the header does not say."""
    watch: Callable[[object], None] | None = None
    """Is shown everything that leaves the chain, for instance to write files."""
    noise_of: Callable[[str], Noise | None] | None = None
    """Finds the noise of an earlier measurement by its id."""
    keep_noise: Callable[[str, Noise], None] | None = None
    """Is given the id and the noise of this measurement, for later ones."""
    pace: Pace | None = None
    """Tells when the data arrived, where they come live."""

    state: State = field(default=State.CONFIG, init=False)
    readouts: int = field(default=0, init=False)
    """Acquisitions taken so far."""
    scan: Scan | None = field(default=None, init=False)
    error: str = field(default="", init=False)
    """Why the session failed, if it did."""
    measured: dict[str, Measured] = field(default_factory=dict, init=False)
    """What was measured of the data on the way, by name, and region where there is one."""
    _recipe: Recipe | None = field(default=None, init=False)
    _header: str = field(default="", init=False)
    _notes: list[Notice] = field(default_factory=list, init=False)
    _chain: Chain | None = field(default=None, init=False)
    _door: Door | None = field(default=None, init=False)
    _timed: list[Measurement] = field(default_factory=list, init=False)
    """Measurements of the computation itself, that wait until the chain has come to rest."""
    _timed_map: tuple[int, int] = field(default=(-1, -1), init=False)
    """Volume and pairs of the latest map that was timed."""
    _reply: Reply = field(default_factory=Reply, init=False)
    _flowing: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        """Let the site choose the chain for scanners that do not."""
        self._take(self.settings)
        self.state = State.CONFIG

    @property
    def images(self) -> int:
        """Images sent so far."""
        return self._reply.images

    @property
    def timings(self) -> list[Timing]:
        """What each gadget has cost so far."""
        return self._chain.timings if self._chain else []

    def receive(self, message: Message) -> Iterator[Message]:
        """Take one message, give what to answer; raises ``AsliveError``, after which ``fail`` ends the session."""
        match self.state, message:
            case State.DONE, _:
                return
            case State.STREAM, Acquisition():
                yield from self._acquire(message)
            case _, Query(correlation_id, text):
                yield Response(correlation_id, self._answer(text))
            case _, Close():
                yield from self._finish()
            case State.CONFIG, ConfigFile(name):
                self._choose(name)
            case State.CONFIG, ConfigText(text):
                self._configure(text)
            case ((State.CONFIG | State.HEADER), Header(text)):
                self._open(text)
            case ((State.CONFIG | State.HEADER | State.STREAM), Text(text)):
                yield from self._adjust(text)
            case State.STREAM, Image() | Waveform() | Array():
                yield from self._announce()
                yield from self._push(message)
            case _:
                raise ProtocolError(f"{type(message).__name__} came while the server was {self.state}")

    def acquire(self, acquisitions: Acquisitions) -> Iterator[Message]:
        """Take acquisitions that arrived together; gives what ``receive`` would for each, with less to do."""
        if self.state is not State.STREAM:
            for acquisition in acquisitions.split():
                yield from self.receive(acquisition)
            return
        assert self._door  # noqa: S101  (the state says so)
        yield from self._count(len(acquisitions.headers))
        for readout in self._door.receive_together(acquisitions):
            yield from self._push(readout)

    def end(self, reason: str) -> Iterator[Message]:
        """End the session though the scanner sent no CLOSE: give what there is, and say why."""
        if self.state is not State.DONE:
            yield from self._finish(Notice(reason, Level.WARNING))

    def fail(self, error: AsliveError) -> Iterator[Message]:
        """End the session after an error: what was computed stays, the reason and CLOSE go out."""
        if self.state is State.DONE:
            return
        self.error = str(error)
        last = Notice(self.error, Level.ERROR)
        if isinstance(error, GadgetError):
            self._chain = None  # it stopped in the middle of a message, and cannot be asked for more
        try:
            yield from self._finish(last)
        except GadgetError as further:
            self._chain = None
            yield from self._finish(Notice(str(further), Level.ERROR), last)

    def _choose(self, name: str) -> None:
        self.state = State.HEADER
        asked = name.removesuffix(".xml")
        if asked in _ANY_CHAIN:
            return
        self._recipe = named_recipe(name, self.registry)
        if self._recipe is None:
            chains = ", ".join((DEFAULT_CHAIN, *self.registry.chains))
            self._note(f"there is no chain {name[:LONGEST_NAME]!r} here, the default is used; there are: {chains}")

    def _configure(self, text: str) -> None:
        self.state = State.HEADER
        settings = read_settings(text)
        if settings is not None:
            self._take(settings)
        elif text.lstrip("\ufeff \t\r\n").startswith("<"):
            self._recipe = xml_recipe(text)
        elif text.strip():
            self._choose(text.strip())

    def _take(self, settings: Mapping[str, Any]) -> None:  # Any: JSON values
        self.settings = merged(self.settings, settings)
        listed = settings.get("chain")
        if isinstance(listed, list):
            self._recipe = listed_recipe(listed)
        elif name := chain_name(settings):
            self._choose(name)

    def _adjust(self, text: str) -> Iterator[Message]:
        settings = read_settings(text)
        if settings is None:
            return
        if self._flowing:
            yield from self._out(Notice("parameters that come after the first data are not used", Level.WARNING))
            return
        state = self.state
        self._take(settings)
        self.state = state
        if self._header:
            self._open(self._header)

    def _open(self, text: str) -> None:
        """Read the header and prepare the chain, so that the first readout finds everything ready."""
        self._header = text
        scan = read_header(text, self.settings, self.sidecar)
        self.scan = replace(scan, noise=self._earlier_noise(scan))
        recipe = self._recipe or named_recipe(ASL_CHAIN if self.scan.labeling.stated else IMAGE_CHAIN, self.registry)
        if recipe is None:
            raise ConfigError("the installation has no chains; install aslive again")
        chain = build(recipe, self.registry, self.settings)
        reply = Reply(**converted("reply", Reply.parameters(), addressed("reply", self.settings)))
        reply.start(self.scan)
        chain.start(self.scan)
        self._chain, self._reply, self._door = chain, reply, Door(self.scan)
        self.state = State.STREAM

    def _earlier_noise(self, scan: Scan) -> Noise | None:
        """Look up the noise measurement that a header names."""
        needed = scan.noise_measurement
        return self.noise_of(needed) if self.noise_of and needed else None

    def _acquire(self, acquisition: Acquisition) -> Iterator[Message]:
        assert self._door  # noqa: S101  (the state says so)
        yield from self._count(1)
        for readout in self._door.receive(acquisition):
            yield from self._push(readout)

    def _count(self, readouts: int) -> Iterator[Message]:
        if not self._flowing:
            yield from self._announce()
        self.readouts += readouts

    def _announce(self) -> Iterator[Message]:
        """Say, once and before the first data, what was missing or odd."""
        if self._flowing:
            return
        self._flowing = True
        notes, self._notes = self._notes, []
        for text in self.scan.notes if self.scan else ():
            notes.append(Notice(text, Level.INFO))
        for notice in notes:
            yield from self._out(notice)

    def _push(self, message: object) -> Iterator[Message]:
        if self._chain:
            for output in self._chain.push(message):
                yield from self._out(output)
        while self._timed and self._chain:
            for output in self._chain.push(self._timed.pop(0)):
                yield from self._out(output)

    def _out(self, output: object) -> Iterator[Message]:
        if isinstance(output, Measurement):
            name = f"{output.name}:{output.region}" if output.region else str(output.name)
            self.measured.setdefault(name, Measured()).add(output.value)
        if isinstance(output, Noise) and self.keep_noise and self.scan and self.scan.measurement_id:
            self.keep_noise(self.scan.measurement_id, output)
        if self.watch:
            self.watch(output)
        yield from self._reply.messages(output)
        if self.pace and isinstance(output, Map) and output.name in (MapName.CBF, MapName.DELTAM):
            self._time(output, self.pace)

    def _time(self, result: Map, pace: Pace) -> None:
        """Tell how long the first map of an update took since its data arrived, and how long these had waited."""
        if (result.place.volume, result.pairs) == self._timed_map:
            return
        self._timed_map = result.place.volume, result.pairs
        self._timed += [
            Measurement(Measure.LATENCY, pace.since_arrival, result.place, pairs=result.pairs),
            Measurement(Measure.LAG, pace.lag, result.place, pairs=result.pairs),
        ]

    def _finish(self, *last: Notice) -> Iterator[Message]:
        yield from self._announce()
        if self._chain and self._door:
            for readout in self._door.finish():
                yield from self._push(readout)
            for output in self._chain.finish():
                yield from self._out(output)
        self.state = State.DONE
        for notice in last:
            yield from self._out(notice)
        yield Close()

    def _note(self, text: str) -> None:
        self._notes.append(Notice(text, Level.WARNING))

    def _answer(self, question: str) -> str:
        match question.partition("::")[2] or question:
            case "info" | "version":
                return f"aslive {version('aslive')} (MRD streaming 1)"
            case "chains":
                return " ".join((DEFAULT_CHAIN, *self.registry.chains))
            case "gadgets":
                return " ".join(self.registry.gadgets)
            case _:
                return f"unknown query {question[:80]!r}; aslive answers info, chains and gadgets"
