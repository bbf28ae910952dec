"""Watching the raw signal: spikes, a receiver at its limit, coils that fail, lines out of order."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from struct import Struct

import numpy as np
from numpy.typing import NDArray

from ..streaming.flow import Place
from ..streaming.gadget import Gadget
from ..streaming.notices import Measure, Measurement
from ..streaming.numbering import Numbering
from ..streaming.readouts import Kind, Readout, Train
from ..streaming.scan import Scan
from .calibration.line_places import LinePlaces
from .calibration.volume_ends import Stretch, VolumeEnds
from .calibration.volume_kinds import Sort, VolumeKinds
from .kernels.coil_signal import CoilSignal, GainHistory
from .kernels.line_order import LineOrder
from .kernels.noise_scan import NoiseScan
from .kernels.raw_lines import RawLines

_NUMBER = Struct("<I")
_NUMBER_AT = 14  # of scan_counter in the MRD header
_FEWEST = 256  # samples of an image, below which all of k-space is its middle, and nothing there is a spike
_NEVER = 1e30
_VISIBLE = 1 / 8  # of the samples of an image: a spike of so much noise power adds half a standard deviation to it
_VISIBLE_UNMEASURED = 1 / 16  # where the noise is only guessed, from above
_QUIET = 32.0  # times the noise of a sample, which noise alone does not reach


@dataclass(slots=True)
class _Watched:
    """One volume, as far as it has come."""

    place: Place
    sort: Sort
    signal: CoilSignal
    spikes: int = 0
    saturated: int = 0
    out_of_order: int = 0


@dataclass
class WatchSignal(Gadget):
    """Watches the raw signal of every coil for what no later step could tell from anatomy or blood.

    Once for each volume, ahead of its last line: readouts with a spike; readouts in which a coil was at the limit of
    its receiver; signal over that of the first volumes of the same role, delay and echo; dead and noisy coils; lines
    out of the order of time. Once for the measurement of noise, if there is one: what it holds beside noise, its dead
    and its noisy coils. It stands at the head of the chain, and passes everything on unchanged.
    """

    _scan: Scan = field(default_factory=Scan, init=False, repr=False)
    _ends: VolumeEnds = field(default_factory=lambda: VolumeEnds(Scan()), init=False, repr=False)
    _kinds: VolumeKinds = field(default_factory=lambda: VolumeKinds(Scan()), init=False, repr=False)
    _places: LinePlaces = field(default_factory=lambda: LinePlaces(Numbering(Scan())), init=False, repr=False)
    _volumes: dict[int, _Watched] = field(default_factory=dict, init=False, repr=False)
    _gains: dict[Sort, GainHistory] = field(default_factory=dict, init=False, repr=False)
    _order: LineOrder = field(default_factory=LineOrder, init=False, repr=False)
    _out_of_order: int = field(default=0, init=False, repr=False)
    """Lines of no volume."""
    _noise: NoiseScan = field(default_factory=NoiseScan, init=False, repr=False)
    _noise_told: bool = field(default=False, init=False, repr=False)
    _shape: tuple[int, ...] = field(default=(), init=False, repr=False)
    _lines: RawLines = field(default_factory=lambda: RawLines(0, 0), init=False, repr=False)
    _listening: bool = field(default=False, init=False, repr=False)
    """Whether the noise has to be told from the lines themselves."""
    _least: float = field(default=_QUIET, init=False, repr=False)
    """Power that is worth a look, over that of the noise."""

    def start(self, scan: Scan) -> None:
        """Forget the scan before."""
        self._scan, self._ends, self._kinds = scan, VolumeEnds(scan), VolumeKinds(scan)
        self._volumes, self._gains, self._places = {}, {}, LinePlaces(self._ends.numbering)
        self._order, self._out_of_order = LineOrder(), 0
        self._noise, self._noise_told, self._shape, self._listening = NoiseScan(), False, (), False

    def process(self, message: Readout | Train) -> Iterator[Readout | Train | Measurement]:
        """Look at a line, or the lines of a train, and pass them on."""
        if isinstance(message, Readout):
            late = (0,) if self._order.look(message.time, _NUMBER.unpack_from(message.header, _NUMBER_AT)[0]) else ()
            if message.kind is Kind.NOISE:
                if not self._noise_told:
                    self._noise.add(message.data, message.dwell)
                yield message
                return
        else:
            times = (message.headers["acquisition_time_stamp"] * message.tick).tolist()
            late = self._order.look_together(times, message.headers["scan_counter"].tolist())
        if not self._noise_told:
            yield from self._tell_noise()
        image = False
        for stretch in self._ends.stretches(message):
            image = True
            self._watch(message, stretch, sum(line in stretch.lines for line in late) if late else 0)
            if self._ends.over:
                yield from self._tell(self._ends.ended())
        if not image:
            self._out_of_order += len(late)
        yield message

    def finish(self) -> Iterator[Measurement]:
        """Tell of the volumes that did not end, and of a measurement of nothing but noise."""
        if not self._noise_told:
            yield from self._tell_noise()
        yield from self._tell(self._ends.finish())

    def _watch(self, message: Readout | Train, stretch: Stretch, late: int) -> None:
        """Look at lines of one volume and plane."""
        first = stretch.first
        if not self._shape:
            self._begin(first)
        if stretch.late:
            self._out_of_order += late
            return
        volume = self._volumes.get(stretch.volume)
        if volume is None:
            sort = self._kinds.sort(stretch.volume, first)
            volume = _Watched(Place.of(first, stretch.volume), sort, CoilSignal(self._shape[0]))
            self._volumes[stretch.volume] = volume
        volume.out_of_order += late + self._out_of_order
        self._out_of_order = 0
        if first.data.shape != self._shape:
            return
        lines = message.data[np.newaxis] if isinstance(message, Readout) else message.data
        if len(stretch.lines) < len(lines):
            lines = lines[stretch.lines.start : stretch.lines.stop]
        places = self._places.find(message, first, stretch.lines)
        self._lines.spikes.places = self._places.count
        if not self._listening:
            self._look(lines, places, volume)
            return
        for number in range(len(lines)):
            self._look(lines[number : number + 1], places[number : number + 1], volume)
            self._lines.spikes.floor = self._least * self._lines.spikes.listen(self._lines.power)

    def _look(self, lines: NDArray[np.complex64], places: NDArray[np.int64], volume: _Watched) -> None:
        """Look at lines ``(lines, coils, samples)`` of a volume."""
        spiky, limited = self._lines.look(lines, places, self._places.parts, volume.sort, volume.signal)
        volume.spikes += spiky
        volume.saturated += limited

    def _begin(self, first: Readout) -> None:
        """Prepare for lines of this shape."""
        self._shape = coils, samples = first.data.shape
        self._lines = RawLines(coils, samples)
        noise = self._noise_power(first)
        self._listening = noise == 0
        numbering = self._ends.numbering
        planes = numbering.planes
        images = planes[1] - planes[0] + 1 if planes is not None and not numbering.three_dimensional else 1
        visible = _VISIBLE_UNMEASURED if self._listening else _VISIBLE
        lines = self._ends.stated / images
        self._least = max(_QUIET, visible * lines * samples)
        self._lines.spikes.floor = noise * self._least
        if lines * samples < _FEWEST:
            self._listening, self._lines.spikes.floor = False, _NEVER

    def _noise_power(self, first: Readout) -> float:
        """Tell the noise power of a sample of all coils together; 0 where nobody measured it."""
        coils, earlier = first.data.shape[0], self._scan.noise
        if self._noise.readouts and len(self._noise.power) == coils:
            power, dwell = float(self._noise.power.sum()), self._noise.dwell
        elif earlier is not None and len(earlier.covariance) == coils:
            power, dwell = float(np.trace(earlier.covariance).real), earlier.dwell
        else:
            return 0.0
        return power * dwell / first.dwell if min(dwell, first.dwell) > 0 else power

    def _tell(self, over: list[int]) -> Iterator[Measurement]:
        """Tell what was seen in volumes that are over."""
        self._listening = self._listening and not over
        for number in over:
            volume = self._volumes.pop(number)
            place, signal = volume.place, volume.signal
            yield Measurement(Measure.SPIKES, volume.spikes, place)
            yield Measurement(Measure.SATURATED, volume.saturated, place)
            gain = self._gains.setdefault(volume.sort, GainHistory()).compare(signal, first=number == 0)
            if gain is not None:
                yield Measurement(Measure.GAIN, gain, place)
            yield Measurement(Measure.DEAD_COILS, int(signal.dead.sum()), place)
            yield Measurement(Measure.NOISY_COILS, int(signal.noisy.sum()), place)
            if self._order.told:
                yield Measurement(Measure.LINES_OUT_OF_ORDER, volume.out_of_order, place)

    def _tell_noise(self) -> Iterator[Measurement]:
        """Tell what the measurement of noise showed, once it is over."""
        self._noise_told = True
        if self._noise.readouts:
            yield Measurement(Measure.NOISE_SCAN_SIGNAL, self._noise.signal())
            yield Measurement(Measure.DEAD_COILS, self._noise.dead)
            yield Measurement(Measure.NOISY_COILS, self._noise.noisy)
