"""Collecting lines until a slice, a partition, a volume is complete."""

from collections import Counter
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, field, replace

from ..streaming.errors import DataError
from ..streaming.flow import FULL, KSpace, Place, Reference, Sampling
from ..streaming.gadget import Gadget
from ..streaming.notices import Level, Notice, Progress
from ..streaming.numbering import Numbering
from ..streaming.readouts import Geometry, Kind, Readout, Train
from ..streaming.scan import Scan
from .kernels.filling import Filling, Line, Volumes
from .kernels.grid import Grid, learned_grid, share, stated_grid, thinned
from .kernels.lines import Plane
from .kernels.references import ReferenceLines
from .kernels.segments import Segments
from .kernels.trajectories import Trajectories

_GATHERED = (Kind.IMAGING, Kind.REFERENCE_AND_IMAGING)
_REFERENCES = (Kind.REFERENCE, Kind.REFERENCE_AND_IMAGING)
_LINES_UNKNOWN = (
    "The header does not say which lines to expect: the first volume ends where another begins, and teaches it."
)
_SKIPPED = "Lines are skipped, and the header states no such acceleration: parallel imaging needs accelerationFactor."
_OUTSIDE = "did not fit into the k-space and were left out"
_LATE = "came too late for their volume and were left out"
_SPOILT = "held values that are no numbers, and count as missing"
_BETWEEN = "lay between those of the stated acceleration, and were taken as reference lines"
_NEARLY_ALL = 0.9  # of the lines of a plane: then the header's acceleration is wrong, and all of them are images
_MOST_LINES = 4096  # along any axis; where the header says nothing, a stray counter must not be believed
_Made = KSpace | Reference | Progress | Notice


@dataclass
class Gather(Gadget):
    """Collects the lines of each volume, and passes a slice or partition on as soon as it is complete.

    Complete means: as many distinct lines (average, ky, kz) have come as the header's limits and acceleration say;
    their order does not matter, and lines that came more than once are averaged. A line ``(coils, x)`` goes to row ``ky
    - center + Ny // 2`` of ``(coils, 1, Ny, x)``; what is never acquired (partial Fourier, acceleration) stays zero.
    Where the limits contradict the data, the first volume is held back until the counters change, and teaches what to
    expect. A volume that cannot become complete any more, because a later one has or a third one begins, goes out as it
    is. Reference lines of parallel imaging go out as one block, just ahead of the first plane that needs them. On a
    trajectory the rows are interleaves.
    """

    max_bytes: int = 4 * 2**30
    """Memory that the volumes in work may take; a scan that needs more is refused."""

    _numbering: Numbering = field(default_factory=lambda: Numbering(Scan()), init=False, repr=False)
    _grid: Grid | None = field(default=None, init=False, repr=False)
    _sampling: Sampling = field(default=FULL, init=False, repr=False)
    _shift_known: bool = field(default=True, init=False, repr=False)
    _held: list[Readout] | None = field(default=None, init=False, repr=False)
    _held_bytes: int = field(default=0, init=False, repr=False)
    _shape: tuple[int, ...] = field(default=(), init=False, repr=False)
    _volumes: Volumes[Place] = field(default_factory=lambda: Volumes(repeats=False), init=False, repr=False)
    _segments: Segments = field(default_factory=lambda: Segments(1), init=False, repr=False)
    _references: ReferenceLines[Place] = field(default_factory=ReferenceLines, init=False, repr=False)
    _trajectories: Trajectories = field(default_factory=Trajectories, init=False, repr=False)
    _latest: tuple[Filling[Place], Line, Plane, Grid] | None = field(default=None, init=False, repr=False)
    _geometry: dict[int, Geometry] = field(default_factory=dict, init=False, repr=False)
    _came_before: dict[int, set[int]] = field(default_factory=dict, init=False, repr=False)
    _skipping: bool = field(default=False, init=False, repr=False)
    _faults: Counter[str] = field(default_factory=Counter, init=False, repr=False)

    def start(self, scan: Scan) -> None:
        """Read from the header what k-space to expect."""
        told = self._numbering = Numbering(scan)
        self._grid, self._sampling = _stated(told), FULL
        self._shift_known = not (told.three_dimensional and told.acceleration != (1, 1))
        self._volumes, self._segments = Volumes(told.repeats), Segments(told.segments)
        self._references, self._trajectories = ReferenceLines(), Trajectories()
        self._held, self._held_bytes, self._shape, self._latest = [], 0, (), None
        self._geometry, self._came_before, self._skipping, self._faults = {}, {}, False, Counter()

    def process(self, message: Readout | Train) -> Iterator[KSpace | Reference | Progress | Readout | Notice]:
        """Take one line, or a train; give the planes that it completes. Readouts that are no images pass on."""
        if isinstance(message, Train):
            return (yield from self._take_train(message))
        if message.kind in _REFERENCES:
            self._keep_reference(message)
        if message.kind not in _GATHERED:
            yield from (message,) if message.kind is not Kind.REFERENCE else ()
            return
        self._latest = None
        if self._segments.open:
            self._segments.watch([(message.counters.segment, message.backwards)])
        if message.data.shape != self._shape:
            if self._shape:
                return (yield from self._leave_out(message, "has another number of coils or columns than the first"))
            yield from self._begin_scan(message)
        if self._grid is None:
            yield from self._hold(message)
        else:
            yield from self._store(message, self._grid)

    def _take_train(self, train: Train) -> Iterator[_Made | Readout]:
        """Take lines as ``process`` does, but together where they plainly go on with the plane of the line before."""
        if self._segments.open:
            self._segments.watch(zip(train.headers["idx"]["segment"].tolist(), train.reversed.tolist(), strict=True))
        for lines in train.stretches(self._numbering.turning):
            first, following = train.readout(lines[0]), lines[1:]
            yield from self.process(first)
            together = yield from self._go_on(train, following)
            for number in () if together else following:
                yield from self.process(train.readout(number))

    def _go_on(self, train: Train, following: range) -> Generator[_Made, None, bool]:
        """Store lines that go on with the plane of the latest, each the first of its row; tell whether they do."""
        if self._latest is None or self._held is not None or not (self._numbering.plain and following):
            return False
        volume, (index, (row, average)), plane, grid = self._latest
        steps = train.counters[following.start : following.stop, self._numbering.row]
        rows = [grid.lines.row(step) for step in steps.tolist()]
        if len(plane.seen) + len(rows) > plane.expected:
            return False
        if grid.step_y > 1 and any(other is None or (other - row) % grid.step_y for other in rows):
            return False
        if not plane.add_first(train.data[following.start : following.stop], rows, average):
            return False
        yield from self._advance(volume, index, plane, grid)
        return True

    def finish(self) -> Iterator[_Made]:
        """Release what is open, and say what was left out."""
        if self._grid is None and self._held:
            yield from self._learn(self._held)
        for key in list(self._volumes.open):
            yield from self._release(self._volumes.open.pop(key))
        for fault, count in self._faults.items():
            yield Notice(f"{count} lines {fault}.")

    def _begin_scan(self, first: Readout) -> Iterator[Notice]:
        """Take the shape of lines from the first one."""
        self._shape, self._sampling = first.data.shape, FULL._replace(x=first.sampled)
        told = self._numbering
        if told.center_by(first):
            self._grid = _stated(told)
        if self._grid is None:
            yield Notice(_LINES_UNKNOWN, Level.INFO)
        else:
            self._believe(self._grid)

    def _believe(self, grid: Grid) -> None:
        """Work with a grid from now on, if there is memory for it."""
        coils, columns = self._shape
        planes, rows = grid.planes.size, grid.lines.size
        size = f"Volumes of {coils} coils x {planes} x {rows} x {columns} samples"
        self._bound(self._numbering.together * 8 * coils * columns * rows * planes, size)
        y, z = share(grid.lines, grid.step_y), share(grid.planes, grid.step_z)
        self._grid = grid
        self._sampling = self._sampling._replace(y=y, z=z, step_y=grid.step_y, step_z=grid.step_z)

    def _hold(self, message: Readout) -> Iterator[_Made]:
        """Hold the lines of the first volume until another volume begins: other counters, or its first line again."""
        if max(self._numbering.line(message)) >= _MOST_LINES:
            return (yield from self._leave_out(message, f"has a counter of {_MOST_LINES} or more"))
        held = self._held = self._held or []
        told = self._numbering
        again = held and told.line(held[0]) == told.line(message) != told.line(held[-1])
        if held and (again or told.volume(message) != told.volume(held[0])):
            yield from self._learn(held)
            if self._grid is not None:
                yield from self._store(message, self._grid)
            return
        self._held_bytes += message.data.nbytes
        if self._held_bytes > self.max_bytes:
            raise DataError(
                f"No volume ended within {self.max_bytes / 1e9:.1f} GB (max_bytes), and no header says where."
            )
        held.append(message)

    def _learn(self, held: list[Readout]) -> Iterator[_Made]:
        """Learn the grid from the lines that were held, and let them go as one volume."""
        self._held = None
        told = self._numbering
        centers = told.lines[2] if told.lines else None, told.planes[2] if told.planes else None
        grid = learned_grid(told.matrix, centers, map(told.line, held))
        self._believe(grid)
        counts = sorted({0, *(grid.counts or {}).values()})
        learned = f"{grid.planes.count} x {counts[-1]} lines, on a grid of {grid.lines.size} rows."
        yield Notice(f"Learned from the first volume: {learned}", Level.INFO)
        volume = None
        for message in held:
            line = grid.locate(*self._numbering.line(message))
            if line is not None:
                volume = volume or self._begin(message, line)
                self._add(volume, line, message, grid)
        if volume is not None:
            self._find_shift(self._volumes.open.pop(volume.key), grid)
            for index in sorted(volume.planes):
                yield from self._let_go(volume, index, len(volume.planes) == 1)

    def _store(self, message: Readout, grid: Grid) -> Iterator[_Made]:
        line = grid.locate(*self._numbering.line(message))
        if line is None:
            return (yield from self._outside_of(message, grid))
        key, volumes = self._numbering.volume(message), self._volumes
        volume = volumes.open.get(key)
        if volume is not None and volume.off_lattice(grid, line):  # a reference line, or one without a flag
            return (yield from self._take_between(message))
        late, over = volumes.make_room(key, line, grid, self._numbering.together)
        if late is not None:
            return (yield from self._tell(_LATE, f"Volume {late.number}: a line came when its plane had gone out."))
        for other in over:
            yield from self._release(other)
        grid = self._grid or grid  # a release may have taught something
        volume = volumes.open.get(key) or self._begin(message, line)
        plane = self._add(volume, line, message, grid)
        if plane is None:
            return (
                yield from self._tell(_SPOILT, f"A line of volume {volume.number} holds values that are no numbers.")
            )
        if self._held is not None:
            self._held.append(message)
        self._latest = (volume, line, plane, grid) if len(plane.seen) < plane.expected else None
        yield from self._advance(volume, line[0], plane, grid)

    def _begin(self, message: Readout, line: Line) -> Filling[Place]:
        volumes = self._volumes
        return volumes.begin(self._numbering.volume(message), Place.of(message, volumes.next_number), line)

    def _add(self, volume: Filling[Place], line: Line, message: Readout, grid: Grid) -> Plane | None:
        """Put a line into its plane; None where it holds values that are no numbers."""
        index, where = line
        plane = volume.planes.get(index) or self._begin_plane(volume, index, message, grid, where[0])
        if message.trajectory is not None:
            self._trajectories.add(index, where[0], message.trajectory)
        return plane if plane.add(message.data, where) else None

    def _begin_plane(self, volume: Filling[Place], index: int, message: Readout | None, grid: Grid, row: int) -> Plane:
        """Make an empty plane; in 2-D its place is that of its own first line, if it has one."""
        place = volume.place
        if not self._numbering.three_dimensional:
            if message is None:
                place = replace(place, time=0.0, geometry=self._geometry.get(index, place.geometry))
            else:
                place = Place.of(message, volume.number)
                self._geometry[index] = place.geometry
        volume.places[index], volume.times[index] = place, message.time if message else 0.0
        volume.origins[index] = row
        expected = volume.expected(grid, index)
        plane = volume.planes[index] = Plane(self._shape[0], grid.lines.size, self._shape[1], expected)
        return plane

    def _advance(self, volume: Filling[Place], index: int, plane: Plane, grid: Grid) -> Iterator[_Made]:
        """See how far a volume is: let a complete plane go, and with the last one the volume."""
        if segment := volume.advanced(self._segments, grid):
            yield Progress(volume.place, segment, self._segments.count)
        if len(plane.seen) != plane.expected:
            return
        held, self._held = self._held, None
        if held and grid.step_y > 1:
            located = [grid.locate(*self._numbering.line(message)) for message in held]
            if sum(line is not None and line[0] == index for line in located) > _NEARLY_ALL * grid.lines.count:
                return (yield from self._begin_again(held))
        if not self._shift_known:
            self._find_shift(volume, grid)
        ready = [*volume.waiting, index]
        last = len(volume.done) + len(ready) == len(volume.acquired(grid))
        if not self._shift_known and not last:
            volume.waiting = ready  # nobody knows yet how the lattice moves from partition to partition
            return
        volume.waiting = []
        if last:
            for older in self._volumes.close(volume):  # they cannot become complete any more
                yield from self._release(older)
        for number in ready:
            yield from self._let_go(volume, number, last and number == index)

    def _find_shift(self, volume: Filling[Place], grid: Grid) -> None:
        """Find out by how many rows the lattice moves from one acquired partition to the next."""
        shift = volume.shift(grid) if self._numbering.three_dimensional else None
        if shift is not None:
            self._sampling, self._shift_known = self._sampling._replace(shift=shift), True

    def _let_go(self, volume: Filling[Place], index: int, last: bool, missing: int = 0) -> Iterator[_Made]:
        """Give a plane out, behind the reference lines that it needs."""
        place = replace(volume.places[index], sampling=self._sampling, missing=missing)
        if last or not self._numbering.three_dimensional:
            yield from self._reference(volume, 0 if self._numbering.three_dimensional else index)
        paths = self._trajectories.of_plane(index, self._grid.lines.size if self._grid else 0)
        yield KSpace(volume.take(index), place, index, last, volume.times[index], paths)

    def _keep_reference(self, message: Readout) -> None:
        """Keep a line from which parallel imaging will learn, if the scan has any."""
        if self._numbering.acceleration == (1, 1):
            return
        self._references.add(*self._numbering.reference(message), message.data, Place.of(message, 0))
        self._bound(self._references.bytes, "The reference lines")

    def _reference(self, volume: Filling[Place], index: int) -> Iterator[Reference]:
        grid, deep = self._grid, self._numbering.three_dimensional
        number = 0 if deep or grid is None else index + grid.planes.first  # kept by the number of the slice itself
        if grid is None or not self._references.waits(number):
            return
        block = self._references.take(number, volume.by_place(grid, None if deep else index))
        if block is not None:
            yield Reference(block.data, block.place, index, block.center)

    def _bound(self, needed: int, what: str) -> None:
        if needed > self.max_bytes:
            allowed = f"max_bytes allows {self.max_bytes / 1e9:.1f} GB"
            raise DataError(f"{what} need {needed / 1e9:.1f} GB; {allowed}. Is the header right?")

    def _tell(self, fault: str, text: str) -> Iterator[Notice]:
        """Say something the first time, and count it always."""
        self._faults[fault] += 1
        if self._faults[fault] == 1:
            yield Notice(text)

    def _leave_out(self, message: Readout, words: str) -> Iterator[Notice]:
        line = "A line (ky {}, kz {}, average {}, slice {})".format(*message.counters)
        yield from self._tell(_OUTSIDE, f"{line} {words}: it and others like it are left out.")

    def _outside_of(self, message: Readout, grid: Grid) -> Iterator[_Made]:
        if self._held is not None and grid.understates(*self._numbering.line(message)):
            yield from self._begin_again((*self._held, message))
        else:
            yield from self._leave_out(message, "lies outside of the k-space that is expected")

    def _take_between(self, message: Readout) -> Iterator[_Made]:
        """Take an imaging line between those that the header's acceleration leaves: reference lines without a flag."""
        if message.kind is not Kind.IMAGING:
            return
        yield from self._tell(
            _BETWEEN, "Lines between those of the stated acceleration are no images: reference lines?"
        )
        self._keep_reference(message)
        if self._held is not None:
            self._held.append(message)

    def _begin_again(self, held: Sequence[Readout]) -> Iterator[_Made]:
        """Learn from the first volume what to expect, because the header is wrong."""
        self._held, self._grid, self._volumes = [], None, Volumes(self._volumes.repeats)
        yield Notice(_LINES_UNKNOWN, Level.INFO)
        for line in held:
            yield from self._hold(line)

    def _release(self, volume: Filling[Place]) -> Iterator[_Made]:
        """Let a volume go that will not become complete."""
        grid, came = self._grid, volume.lines
        if grid is None:
            return
        self._held = None
        sparse = thinned(grid, volume.rows, grid.averages.count) if volume.lacking(grid) else None
        if sparse is not None and sparse.step_y == self._numbering.acceleration[0]:
            grid = sparse  # as the header says; a fully sampled volume before it taught otherwise
            self._believe(grid)
            self._volumes.expect(grid)
            volume.expect(grid)
        total = volume.total(grid)
        if volume.again and 2 * came < total and self._volumes.repeats:
            self._faults[_LATE] += came  # copies of lines of a volume that went out long ago; no volume
            return
        self._volumes.give_up(volume)
        self._find_shift(volume, grid)
        deep, lacking = self._numbering.three_dimensional, volume.lacking(grid)
        if lacking:  # none where what is expected changed meanwhile
            yield Notice(volume.lack(grid, "partition" if deep else "slice"))
        absent = [index for index in lacking if index not in volume.planes and index not in volume.done]
        if deep:  # there zeros go out only where nothing else is left to say that the volume is over
            absent = absent[: not volume.planes]
        for index in absent:
            self._begin_plane(volume, index, None, grid, volume.first[1][0])
        never = sum(volume.expected(grid, index) for index in lacking if index not in volume.planes)
        for index in sorted(volume.planes):
            last = len(volume.planes) == 1
            plane = volume.planes[index]
            missing = max(0, plane.expected - len(plane.seen)) + (never if last else 0)
            yield from self._let_go(volume, index, last, missing)
        rows = volume.rows
        if lacking and rows == self._came_before and len(rows) == len(volume.acquired(grid)):  # twice the same
            if volume.skips(grid):
                yield from [Notice(_SKIPPED, Level.ERROR)] * (not self._skipping)
                self._skipping = True
            else:  # the header, or the first volume, was the odd one
                self._grid = replace(grid, counts={index: len(seen) for index, seen in volume.done.items()})
                self._volumes.expect(self._grid)
        self._came_before = rows


def _stated(told: Numbering) -> Grid | None:
    return stated_grid(told.matrix, told.lines, told.planes, told.averages, told.acceleration)
