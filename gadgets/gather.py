"""Collecting lines until a slice, a partition, a volume is complete."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np

from ..streaming.errors import DataError
from ..streaming.flow import Counters, Geometry, Kind, KSpace, Level, Notice, Place, Readout, Train
from ..streaming.gadget import Gadget
from ..streaming.scan import Encoding, Scan
from .kernels.grid import Grid, learned_grid, stated_grid
from .kernels.lines import Plane

_GATHERED = (Kind.IMAGING, Kind.REFERENCE_AND_IMAGING)
_KEY = ("repetition", "set", "contrast", "phase")
_LINE = "kspace_encode_step_1"
_NEVER_IN_THE_KEY = (_LINE, "kspace_encode_step_2", "slice")
_OPEN = 2  # volumes in work: control and label of an interleaved segmented scan
_REMEMBERED = 4  # volumes that were given up, whose late lines are told from a new volume

Key = tuple[int, ...]
Line = tuple[int, tuple[int, int]]
"""Plane, and (row, average) in it."""


@dataclass(slots=True)
class _Volume:
    """One volume, filling up."""

    number: int
    key: Key
    place: Place
    first: Line
    again: bool
    """Whether its counters are those of an earlier volume."""
    planes: dict[int, Plane] = field(default_factory=dict)
    places: dict[int, Place] = field(default_factory=dict)
    done: dict[int, set[tuple[int, int]]] = field(default_factory=dict)
    """Planes that went out, with the lines they had."""

    def seen(self, index: int) -> set[tuple[int, int]]:
        """Which lines of a plane came."""
        plane = self.planes.get(index)
        return plane.seen if plane is not None else self.done.get(index, set())

    @property
    def lines(self) -> int:
        """How many distinct lines came."""
        return sum(len(plane.seen) for plane in self.planes.values()) + sum(map(len, self.done.values()))


@dataclass
class Gather(Gadget):
    """Collects the lines of each volume, and passes a slice or partition on as soon as it is complete.

    Complete means: as many distinct lines (average, ky, kz) have come as the header's limits say; their order does
    not matter, and lines that came more than once are averaged. A line ``(coils, x)`` goes to row ``ky - center + Ny
    // 2`` of ``(coils, 1, Ny, x)``; what is never acquired (partial Fourier) stays zero. Where the limits contradict
    the matrix or the data, the first volume is held back until the counters change, and teaches what to expect of the
    others. A volume that cannot become complete any more, because a later one has or because a third one begins, goes
    out as it is.
    """

    max_bytes: int = 4 * 2**30
    """Memory that the volumes in work may take; a scan that needs more is refused."""

    _encoding: Encoding | None = field(default=None, init=False, repr=False)
    _three_dimensional: bool = field(default=False, init=False, repr=False)
    _plane_name: str = field(default="slice", init=False, repr=False)
    _plane_counter: int = field(default=3, init=False, repr=False)
    _key_counters: tuple[int, ...] = field(default=(), init=False, repr=False)
    _key_flag: int = field(default=0, init=False, repr=False)
    _averaged: bool = field(default=True, init=False, repr=False)
    _grid: Grid | None = field(default=None, init=False, repr=False)
    _learned: bool = field(default=False, init=False, repr=False)
    _held: list[Readout] | None = field(default=None, init=False, repr=False)
    _held_bytes: int = field(default=0, init=False, repr=False)
    _shape: tuple[int, ...] = field(default=(), init=False, repr=False)
    _open: dict[Key, _Volume] = field(default_factory=dict, init=False, repr=False)
    _given_up: dict[Key, _Volume] = field(default_factory=dict, init=False, repr=False)
    _keys: set[Key] = field(default_factory=set, init=False, repr=False)
    _repeats: bool = field(default=False, init=False, repr=False)
    _geometry: dict[int, Geometry] = field(default_factory=dict, init=False, repr=False)
    _count: int = field(default=0, init=False, repr=False)
    _came_before: int = field(default=-1, init=False, repr=False)
    _outside: int = field(default=0, init=False, repr=False)
    _late: int = field(default=0, init=False, repr=False)
    _spoilt: int = field(default=0, init=False, repr=False)

    def start(self, scan: Scan) -> None:
        """Read from the header what k-space to expect."""
        self._encoding, self._three_dimensional = scan.encoding, scan.three_dimensional
        self._plane_name = "kspace_encode_step_2" if scan.three_dimensional else "slice"
        self._plane_counter = Counters._fields.index(self._plane_name)
        carrier = scan.labeling.rule.counter if scan.labeling.rule else ""
        told = carrier in Counters._fields and carrier not in _NEVER_IN_THE_KEY
        names = dict.fromkeys((*_KEY, carrier) if told else _KEY)
        self._key_counters = tuple(Counters._fields.index(name) for name in names)
        self._key_flag = 1 << (int(carrier.removeprefix("flag_")) - 1) if carrier.startswith("flag_") else 0
        self._averaged = carrier != "average"
        self._grid = self._stated_grid()
        repetition = self._limits("repetition")
        self._repeats = repetition is not None and repetition[1] > repetition[0]
        self._learned, self._held, self._held_bytes, self._shape = False, [], 0, ()
        self._open, self._given_up, self._keys, self._geometry = {}, {}, set(), {}
        self._count = self._outside = self._late = self._spoilt = 0
        self._came_before = -1

    def process(self, message: Readout | Train) -> Iterator[KSpace | Readout | Notice]:
        """Take one line, or a train; give the planes that it completes. Readouts that are no images pass on."""
        if isinstance(message, Train):
            yield from self._take_train(message)
            return
        if message.kind not in _GATHERED:
            yield message
            return
        if message.data.shape != self._shape:
            if self._shape:
                yield from self._leave_out(message, "has another number of coils or columns than the first line")
                return
            self._shape = message.data.shape
            yield from self._announce()
        if self._grid is None:
            yield from self._hold(message)
        else:
            yield from self._store(message, self._grid)

    def _take_train(self, train: Train) -> Iterator[KSpace | Readout | Notice]:
        """Take lines as ``process`` does, but ask less about one that goes on with the plane of the line before it."""
        plain = self._held is None and train.shape == self._shape
        volume, plane, index, average, before = None, None, 0, 0, None
        for data, readout in zip(train.data, train.readouts, strict=True):
            grid, counters = self._grid, readout.counters
            if plane is not None and volume is not None and grid is not None and before is not None:
                row = grid.lines.row(counters[0])
                goes_on = counters[1:] == before.counters[1:] and not (readout.flags ^ before.flags) & self._key_flag
                if goes_on and row is not None and (row, average) not in plane.seen:
                    if not plane.add(data, (row, average)):
                        yield from self._count_spoilt(volume)
                    elif len(plane.seen) == grid.expected:
                        yield from self._complete(volume, index, grid)
                        plane = None
                    continue
            yield from self.process(readout.with_data(data))
            before, plane, grid = readout, None, self._grid
            volume = self._open.get(self._key(readout)) if plain and grid is not None else None
            line = grid.locate(*self._counted(readout)) if volume is not None and grid is not None else None
            if volume is not None and line is not None:
                index, average = line[0], line[1][1]
                plane = volume.planes.get(index)

    def finish(self) -> Iterator[KSpace | Notice]:
        """Release what is open, and say what was left out."""
        if self._grid is None and self._held:
            yield from self._learn(self._held)
        for key in list(self._open):
            yield from self._release(self._open.pop(key))
        for count, words in (
            (self._outside, "did not fit into the k-space and were left out"),
            (self._late, "came too late for their volume and were left out"),
            (self._spoilt, "held values that are no numbers, and count as missing"),
        ):
            if count:
                yield Notice(f"{count} lines {words}.")

    # What to expect.

    def _limits(self, name: str) -> tuple[int, int, int] | None:
        limits = self._encoding.limits.get(name) if self._encoding else None
        return (limits.minimum, limits.maximum, limits.center) if limits else None

    def _matrix(self) -> tuple[int, int | None]:
        """Give the rows and, in 3-D, the partitions that the header states; 0 for unknown."""
        _, rows, partitions = self._encoding.encoded_matrix if self._encoding else (0, 0, 0)
        return rows, partitions if self._three_dimensional else None

    def _stated_grid(self) -> Grid | None:
        if self._encoding is None or max(self._encoding.acceleration) > 1:
            return None
        lines, planes = self._limits(_LINE), self._limits(self._plane_name)
        return stated_grid(*self._matrix(), lines, planes, self._limits("average") if self._averaged else None)

    def _announce(self) -> Iterator[Notice]:
        if self._encoding and max(self._encoding.acceleration) > 1:
            along_y, along_z = self._encoding.acceleration
            yield Notice(
                f"The scan skips lines (acceleration {along_y} x {along_z}), and this chain cannot fill them in: its "
                "images will be folded. Ask for a chain with GRAPPA.",
                Level.ERROR,
            )
        if self._grid is None:
            yield Notice(
                "The header does not say which lines to expect: the first volume ends when the counters change, and "
                "the others are expected to be like it.",
                Level.INFO,
            )
        else:
            self._check_size(self._grid)

    def _check_size(self, grid: Grid) -> None:
        coils, columns = self._shape
        needed = _OPEN * 8 * coils * columns * grid.lines.size * grid.planes.size
        if needed > self.max_bytes:
            raise DataError(
                f"Volumes of {coils} coils x {grid.planes.size} x {grid.lines.size} x {columns} samples need "
                f"{needed / 1e9:.1f} GB; max_bytes allows {self.max_bytes / 1e9:.1f} GB. Is the header right?"
            )

    def _hold(self, message: Readout) -> Iterator[KSpace | Notice]:
        """Hold the lines of the first volume until another volume begins: other counters, or its first line again."""
        held = self._held = self._held or []
        again = held and self._counted(held[0]) == self._counted(message) != self._counted(held[-1])
        if held and (again or self._key(message) != self._key(held[0])):
            yield from self._learn(held)
            if self._grid is not None:
                yield from self._store(message, self._grid)
            return
        self._held_bytes += message.data.nbytes
        if self._held_bytes > self.max_bytes:
            raise DataError(
                f"No volume came to its end within {self.max_bytes / 1e9:.1f} GB of lines (max_bytes), and the header "
                "does not say which lines to expect."
            )
        held.append(message)

    def _learn(self, held: list[Readout]) -> Iterator[KSpace | Notice]:
        """Learn the grid from the lines that were held, and let them go as one volume."""
        self._held, self._learned = None, True
        centers = (limits[2] if limits else None for limits in map(self._limits, (_LINE, self._plane_name)))
        grid = self._grid = learned_grid(*self._matrix(), *centers, map(self._counted, held))
        self._check_size(grid)
        yield Notice(
            f"Learned from the first volume: {grid.planes.count} x {grid.expected} lines, on a grid of "
            f"{grid.lines.size} rows.",
            Level.INFO,
        )
        volume = None
        for message in held:
            line = grid.locate(*self._counted(message))
            if line is not None:
                volume = volume or self._begin(message, line)
                self._add(volume, line, message)
        if volume is not None:
            del self._open[volume.key]
            for index in sorted(volume.planes):
                yield _emit(volume, index, last=len(volume.planes) == 1)

    # Storing lines.

    def _key(self, message: Readout) -> Key:
        counters = message.counters
        key = tuple([counters[i] for i in self._key_counters])  # through a list: quicker, and this runs for every line
        return (*key, message.flags & self._key_flag) if self._key_flag else key

    def _counted(self, message: Readout) -> tuple[int, int, int]:
        counters = message.counters
        return counters[0], counters[self._plane_counter], counters[2] if self._averaged else 0

    def _store(self, message: Readout, grid: Grid) -> Iterator[KSpace | Notice]:
        line = grid.locate(*self._counted(message))
        if line is None:
            yield from self._outside_of(message, grid)
            return
        key = self._key(message)
        volume = self._open.get(key)
        if (
            volume is not None
            and (line[0] in volume.done or line == volume.first)
            and self._repeated(volume, line, grid)
        ):
            if self._told_apart:
                yield from self._count_late(volume)
                return
            yield from self._release(self._open.pop(key))
            self._given_up.pop(key, None)
            volume = None
        if volume is None:
            given_up = self._given_up.get(key)
            if given_up is not None and line[1] not in given_up.seen(line[0]):
                yield from self._count_late(given_up)
                return
            while len(self._open) >= _OPEN:
                yield from self._release(self._open.pop(next(iter(self._open))))
            volume = self._begin(message, line)
        plane = self._add(volume, line, message)
        if plane is None:
            yield from self._count_spoilt(volume)
        elif len(plane.seen) == grid.expected:
            yield from self._complete(volume, line[0], grid)
        elif self._held is not None:
            self._held.append(message)

    @property
    def _told_apart(self) -> bool:
        """Whether the counters tell volumes apart."""
        return self._repeats or len(self._keys) > 1

    def _repeated(self, volume: _Volume, line: Line, grid: Grid) -> bool:
        """Whether a line cannot be of this volume: its plane went out, or the next volume begins with it."""
        if line[0] in volume.done:
            return True
        return not self._told_apart and line[1] in volume.seen(line[0]) and 2 * volume.lines > grid.total

    def _begin(self, message: Readout, line: Line) -> _Volume:
        key, number = self._key(message), self._count
        place = Place(
            number, message.counters, message.time, message.geometry, flags=message.flags, dwell=message.dwell
        )
        volume = _Volume(number, key, place, line, again=key in self._keys)
        self._repeats = self._repeats or any(key[0] != other[0] for other in self._keys)
        self._keys.add(key)
        self._given_up.pop(key, None)
        self._count += 1
        self._open[key] = volume
        return volume

    def _add(self, volume: _Volume, line: Line, message: Readout) -> Plane | None:
        """Put a line into its plane; None where it holds values that are no numbers."""
        index, where = line
        plane = volume.planes.get(index)
        if plane is None:
            plane = self._begin_plane(volume, index, message)
        if not plane.add(message.data, where):
            return None
        return plane

    def _begin_plane(self, volume: _Volume, index: int, message: Readout | None) -> Plane:
        """Make an empty plane; in 2-D its place is that of its own first line, if it has one."""
        coils, columns = self._shape
        place = volume.place
        if not self._three_dimensional:
            if message is None:
                place = replace(place, time=0.0, geometry=self._geometry.get(index, place.geometry))
            else:
                place = Place(
                    volume.number,
                    message.counters,
                    message.time,
                    message.geometry,
                    flags=message.flags,
                    dwell=message.dwell,
                )
                self._geometry[index] = place.geometry
        volume.places[index] = place
        plane = volume.planes[index] = Plane(coils, self._grid.lines.size if self._grid else 0, columns)
        return plane

    def _complete(self, volume: _Volume, index: int, grid: Grid) -> Iterator[KSpace | Notice]:
        """Let a complete plane go, and with the last one the volume."""
        self._held = None
        last = len(volume.done) + 1 == grid.planes.count
        if last:
            earlier = [key for key, other in self._open.items() if other.number < volume.number]
            for key in earlier:  # they cannot become complete any more
                yield from self._release(self._open.pop(key))
            del self._open[volume.key]
        yield _emit(volume, index, last)

    # What goes wrong.

    def _leave_out(self, message: Readout, words: str) -> Iterator[Notice]:
        self._outside += 1
        if self._outside == 1:
            ky, kz, average, number = message.counters[:4]
            yield Notice(
                f"A line (ky {ky}, kz {kz}, slice {number}, average {average}) {words}: it and others like it are "
                "left out."
            )

    def _outside_of(self, message: Readout, grid: Grid) -> Iterator[KSpace | Notice]:
        if self._held is not None and grid.understates(*self._counted(message)):
            self._grid, self._open, self._keys, self._count = None, {}, set(), 0  # the header was wrong: begin again
            yield from self._announce()
            held, self._held = self._held, []
            for line in (*held, message):
                yield from self._hold(line)
            return
        yield from self._leave_out(message, "lies outside of the k-space that is expected")

    def _count_late(self, volume: _Volume) -> Iterator[Notice]:
        self._late += 1
        if self._late == 1:
            yield Notice(f"A line of volume {volume.number} came when its slice or partition had gone out: left out.")

    def _count_spoilt(self, volume: _Volume) -> Iterator[Notice]:
        self._spoilt += 1
        if self._spoilt == 1:
            yield Notice(f"A line of volume {volume.number} holds values that are no numbers: it is missing.")

    def _release(self, volume: _Volume) -> Iterator[KSpace | Notice]:
        """Let a volume go that will not become complete."""
        grid, came = self._grid, volume.lines
        if grid is None:
            return
        self._held = None
        if volume.again and 2 * came < grid.total and self._repeats:
            self._late += came  # copies of lines of a volume that went out long ago; no volume
            return
        self._given_up[volume.key] = volume
        while len(self._given_up) > _REMEMBERED:
            del self._given_up[next(iter(self._given_up))]
        lacking = [index for index in grid.plane_rows if len(volume.seen(index)) < grid.expected]
        name = "partition" if self._three_dimensional else "slice"
        listed = ", ".join(map(str, lacking[:8])) + (", ..." if len(lacking) > 8 else "")
        if lacking:  # none where what is expected changed meanwhile
            yield Notice(
                f"Volume {volume.number} lacks {grid.total - came} of its {grid.total} lines, in {name} {listed}."
            )
        absent = [index for index in lacking if index not in volume.planes]
        if self._three_dimensional and volume.planes:
            absent = []  # in 3-D zeros go out only where nothing else is left to say that the volume is over
        for index in absent[:1] if self._three_dimensional else absent:
            self._begin_plane(volume, index, None)
        never = sum(index not in volume.planes for index in lacking) * grid.expected
        for index in sorted(volume.planes):
            last = len(volume.planes) == 1
            missing = grid.expected - len(volume.planes[index].seen) + (never if last else 0)
            yield _emit(volume, index, last, missing)
        if self._learned and came == self._came_before and came % grid.planes.count == 0:
            self._grid = replace(grid, expected=came // grid.planes.count)  # the first volume was the odd one
        self._came_before = came


def _emit(volume: _Volume, index: int, last: bool, missing: int = 0) -> KSpace:
    """Take a plane out of its volume."""
    plane, place = volume.planes.pop(index), volume.places[index]
    volume.done[index] = plane.seen
    place = replace(place, missing=missing) if missing else place
    return KSpace(plane.averaged()[:, np.newaxis], place, index, last)
