"""Collecting lines until a slice, a partition, a volume is complete."""

from collections import Counter
from collections.abc import Generator, Iterator
from dataclasses import dataclass, field, replace
from itertools import pairwise

import numpy as np

from ..streaming.errors import DataError
from ..streaming.flow import Counters, Geometry, Kind, KSpace, Level, Notice, Place, Readout, Train
from ..streaming.gadget import Gadget
from ..streaming.scan import Encoding, Scan
from .kernels.filling import Filling
from .kernels.grid import Grid, learned_grid, stated_grid
from .kernels.lines import Plane

_GATHERED = (Kind.IMAGING, Kind.REFERENCE_AND_IMAGING)
_KEY = ("repetition", "set", "contrast", "phase")
_LINE = "kspace_encode_step_1"
_NEVER_IN_THE_KEY = (_LINE, "kspace_encode_step_2", "slice")
_LINES_UNKNOWN = (
    "The header does not say which lines to expect: the first volume ends when the counters change, and the others are "
    "expected to be like it."
)
_OUTSIDE = "did not fit into the k-space and were left out"
_LATE = "came too late for their volume and were left out"
_SPOILT = "held values that are no numbers, and count as missing"
_MOST_LINES = 4096  # along any axis; where the header says nothing, a stray counter must not be believed
_OPEN = 2  # volumes in work: control and label of an interleaved segmented scan
_REMEMBERED = 4  # volumes that were given up, whose late lines are told from a new volume

Key = tuple[int, ...]
Line = tuple[int, tuple[int, int]]
"""Plane, and (row, average) in it."""


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
    _open: dict[Key, Filling[Place]] = field(default_factory=dict, init=False, repr=False)
    _given_up: dict[Key, Filling[Place]] = field(default_factory=dict, init=False, repr=False)
    _keys: set[Key] = field(default_factory=set, init=False, repr=False)
    _repeats: bool = field(default=False, init=False, repr=False)
    _geometry: dict[int, Geometry] = field(default_factory=dict, init=False, repr=False)
    _count: int = field(default=0, init=False, repr=False)
    _came_before: int = field(default=-1, init=False, repr=False)
    _faults: Counter[str] = field(default_factory=Counter, init=False, repr=False)

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
        self._count, self._faults = 0, Counter()
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
        """Take lines as ``process`` does, but together where they plainly go on with the plane of the line before."""
        counters = train.counters
        turns = np.flatnonzero((counters[1:, 1:] != counters[:-1, 1:]).any(axis=1)) + 1  # where more than ky changes
        for begin, end in pairwise((0, *turns.tolist(), len(counters))):
            first, following = train.readout(begin), range(begin + 1, end)
            yield from self.process(first)
            together = yield from self._go_on(train, first, following, counters[begin + 1 : end, 0].tolist())
            for number in () if together else following:
                yield from self.process(train.readout(number))

    def _go_on(
        self, train: Train, before: Readout, following: range, steps: list[int]
    ) -> Generator[KSpace | Readout | Notice, None, bool]:
        """Store lines that go on with an open plane, each the first of its row; tell whether they are such lines."""
        grid = self._grid
        volume = self._open.get(self._key(before))
        if grid is None or volume is None or self._held is not None or self._key_flag or not steps:
            return False
        line = grid.locate(*self._counted(before))
        plane = volume.planes.get(line[0]) if line is not None else None
        if line is None or plane is None or train.data.shape[1:] != self._shape:
            return False
        rows = [grid.lines.row(step) for step in steps]
        index, average = line[0], line[1][1]
        if len(plane.seen) + len(rows) > grid.expected:
            return False
        if not plane.add_first(train.data[following.start : following.stop], rows, average):
            return False
        if len(plane.seen) == grid.expected:
            yield from self._complete(volume, index, grid)
        return True

    def finish(self) -> Iterator[KSpace | Notice]:
        """Release what is open, and say what was left out."""
        if self._grid is None and self._held:
            yield from self._learn(self._held)
        for key in list(self._open):
            yield from self._release(self._open.pop(key))
        for fault, count in self._faults.items():
            yield Notice(f"{count} lines {fault}.")

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
            factors = " x ".join(map(str, self._encoding.acceleration))
            text = (
                f"The scan skips lines (acceleration {factors}); no gadget here fills them in: its images are folded."
            )
            yield Notice(text, Level.ERROR)
        if self._grid is None:
            yield Notice(_LINES_UNKNOWN, Level.INFO)
        else:
            self._check_size(self._grid)

    def _check_size(self, grid: Grid) -> None:
        coils, columns = self._shape
        needed = _OPEN * 8 * coils * columns * grid.lines.size * grid.planes.size
        if needed > self.max_bytes:
            size = f"{coils} coils x {grid.planes.size} x {grid.lines.size} x {columns} samples"
            limit = f"max_bytes allows {self.max_bytes / 1e9:.1f} GB"
            raise DataError(f"Volumes of {size} need {needed / 1e9:.1f} GB; {limit}. Is the header right?")

    def _hold(self, message: Readout) -> Iterator[KSpace | Notice]:
        """Hold the lines of the first volume until another volume begins: other counters, or its first line again."""
        if max(self._counted(message)) >= _MOST_LINES:
            yield from self._leave_out(message, f"has a counter of {_MOST_LINES} or more")
            return
        held = self._held = self._held or []
        again = held and self._counted(held[0]) == self._counted(message) != self._counted(held[-1])
        if held and (again or self._key(message) != self._key(held[0])):
            yield from self._learn(held)
            if self._grid is not None:
                yield from self._store(message, self._grid)
            return
        self._held_bytes += message.data.nbytes
        if self._held_bytes > self.max_bytes:
            limit = f"{self.max_bytes / 1e9:.1f} GB of lines (max_bytes)"
            raise DataError(f"No volume came to its end within {limit}, and the header does not say where it ends.")
        held.append(message)

    def _learn(self, held: list[Readout]) -> Iterator[KSpace | Notice]:
        """Learn the grid from the lines that were held, and let them go as one volume."""
        self._held, self._learned = None, True
        lines, planes = self._limits(_LINE), self._limits(self._plane_name)
        centers = lines[2] if lines else None, planes[2] if planes else None
        grid = self._grid = learned_grid(*self._matrix(), *centers, map(self._counted, held))
        self._check_size(grid)
        learned = f"{grid.planes.count} x {grid.expected} lines, on a grid of {grid.lines.size} rows"
        yield Notice(f"Learned from the first volume: {learned}.", Level.INFO)
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
                yield from self._tell(
                    _LATE, f"Volume {volume.number}: a line came when its slice or partition had gone out."
                )
                return
            yield from self._release(self._open.pop(key))
            self._given_up.pop(key, None)
            volume = None
        if volume is None:
            given_up = self._given_up.get(key)
            if given_up is not None and line[1] not in given_up.seen(line[0]):
                yield from self._tell(
                    _LATE, f"Volume {given_up.number}: a line came when its slice or partition had gone out."
                )
                return
            while len(self._open) >= _OPEN:
                yield from self._release(self._open.pop(next(iter(self._open))))
            volume = self._begin(message, line)
        plane = self._add(volume, line, message)
        if plane is None:
            yield from self._tell(_SPOILT, f"A line of volume {volume.number} holds values that are no numbers.")
        elif len(plane.seen) == grid.expected:
            yield from self._complete(volume, line[0], grid)
        elif self._held is not None:
            self._held.append(message)

    @property
    def _told_apart(self) -> bool:
        """Whether the counters tell volumes apart."""
        return self._repeats or len(self._keys) > 1

    def _repeated(self, volume: Filling[Place], line: Line, grid: Grid) -> bool:
        """Whether a line cannot be of this volume: its plane went out, or the next volume begins with it."""
        if line[0] in volume.done:
            return True
        return not self._told_apart and line[1] in volume.seen(line[0]) and 2 * volume.lines > grid.total

    def _begin(self, message: Readout, line: Line) -> Filling[Place]:
        key, number = self._key(message), self._count
        place = Place(
            number, message.counters, message.time, message.geometry, flags=message.flags, dwell=message.dwell
        )
        volume = Filling(number, key, place, line, again=key in self._keys)
        self._repeats = self._repeats or any(key[0] != other[0] for other in self._keys)
        self._keys.add(key)
        self._given_up.pop(key, None)
        self._count += 1
        self._open[key] = volume
        return volume

    def _add(self, volume: Filling[Place], line: Line, message: Readout) -> Plane | None:
        """Put a line into its plane; None where it holds values that are no numbers."""
        index, where = line
        plane = volume.planes.get(index)
        if plane is None:
            plane = self._begin_plane(volume, index, message)
        if not plane.add(message.data, where):
            return None
        return plane

    def _begin_plane(self, volume: Filling[Place], index: int, message: Readout | None) -> Plane:
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

    def _complete(self, volume: Filling[Place], index: int, grid: Grid) -> Iterator[KSpace | Notice]:
        """Let a complete plane go, and with the last one the volume."""
        self._held = None
        last = len(volume.done) + 1 == grid.planes.count
        if last:
            for key, other in list(self._open.items()):
                if other.number < volume.number:  # it cannot become complete any more
                    yield from self._release(self._open.pop(key))
            del self._open[volume.key]
        yield _emit(volume, index, last)

    def _tell(self, fault: str, text: str) -> Iterator[Notice]:
        """Say something the first time, and count it always."""
        self._faults[fault] += 1
        if self._faults[fault] == 1:
            yield Notice(text)

    def _leave_out(self, message: Readout, words: str) -> Iterator[Notice]:
        ky, kz, average, number = message.counters[:4]
        line = f"A line (ky {ky}, kz {kz}, slice {number}, average {average})"
        yield from self._tell(_OUTSIDE, f"{line} {words}: it and others like it are left out.")

    def _outside_of(self, message: Readout, grid: Grid) -> Iterator[KSpace | Notice]:
        if self._held is not None and grid.understates(*self._counted(message)):
            self._grid, self._open, self._keys, self._count = None, {}, set(), 0  # the header was wrong: begin again
            yield from self._announce()
            held, self._held = self._held, []
            for line in (*held, message):
                yield from self._hold(line)
            return
        yield from self._leave_out(message, "lies outside of the k-space that is expected")

    def _release(self, volume: Filling[Place]) -> Iterator[KSpace | Notice]:
        """Let a volume go that will not become complete."""
        grid, came = self._grid, volume.lines
        if grid is None:
            return
        self._held = None
        if volume.again and 2 * came < grid.total and self._repeats:
            self._faults[_LATE] += came  # copies of lines of a volume that went out long ago; no volume
            return
        self._given_up[volume.key] = volume
        while len(self._given_up) > _REMEMBERED:
            del self._given_up[next(iter(self._given_up))]
        lacking = volume.lacking(grid)
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


def _emit(volume: Filling[Place], index: int, last: bool, missing: int = 0) -> KSpace:
    """Take a plane out of its volume."""
    place = volume.places[index]
    return KSpace(volume.take(index), replace(place, missing=missing) if missing else place, index, last)
