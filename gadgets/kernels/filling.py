"""Volumes of k-space on the way to being complete."""

from dataclasses import dataclass, field
from itertools import pairwise
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from .grid import Grid
from .lines import Plane
from .segments import Segments

P = TypeVar("P")
"""What the caller wants to remember of where a volume or plane lies."""

Key = tuple[int, ...]
Line = tuple[int, tuple[int, int]]
"""Plane, and (row, average) in it."""

_REMEMBERED = 4
"""Volumes that were given up, whose late lines are told from a new volume."""


@dataclass(slots=True)
class Filling(Generic[P]):
    """One volume, filling up plane by plane."""

    number: int
    key: Key
    """Counters that its lines have in common."""
    place: P
    first: Line
    """Its first line."""
    again: bool
    """Whether its counters are those of an earlier volume."""
    planes: dict[int, Plane] = field(default_factory=dict)
    places: dict[int, P] = field(default_factory=dict)
    """Of the planes."""
    times: dict[int, float] = field(default_factory=dict)
    """Time stamps of the first lines of the planes."""
    origins: dict[int, int] = field(default_factory=dict)
    """Row of the first line of each plane: where its lattice lies."""
    done: dict[int, set[tuple[int, int]]] = field(default_factory=dict)
    """Planes that went out, with the lines they had."""
    waiting: list[int] = field(default_factory=list)
    """Planes that are complete, and wait until more is known."""
    segment: int = 0
    """Segments complete."""

    def seen(self, index: int) -> set[tuple[int, int]]:
        """Tell which lines of a plane came."""
        plane = self.planes.get(index)
        return plane.seen if plane is not None else self.done.get(index, set())

    def off_lattice(self, grid: Grid, line: Line) -> bool:
        """Tell whether a line lies between the rows that parallel imaging acquires."""
        index, (row, _) = line
        return grid.step_y > 1 and (row - self.origins.get(index, row)) % grid.step_y != 0

    def shift(self, grid: Grid) -> int | None:
        """Tell by how many rows the lattice moves from one acquired partition to the next; None while that is open."""
        for index, row in self.origins.items():
            beyond = self.origins.get(index + grid.step_z)
            if beyond is not None:
                return (beyond - row) % grid.step_y
        return None

    def acquired(self, grid: Grid) -> list[int]:
        """Tell which planes are expected."""
        return list(grid.plane_rows(self.first[0]))

    def expected(self, grid: Grid, index: int) -> int:
        """Tell how many lines of a plane are expected."""
        return grid.expected(index, self.origins.get(index, self.first[1][0]))

    def expect(self, grid: Grid) -> None:
        """Expect something else of the planes in work."""
        for index, plane in self.planes.items():
            plane.expected = self.expected(grid, index)

    def total(self, grid: Grid) -> int:
        """Tell how many lines are expected."""
        return sum(self.expected(grid, index) for index in self.acquired(grid))

    def lacking(self, grid: Grid) -> list[int]:
        """Tell which planes are not complete."""
        return [index for index in self.acquired(grid) if len(self.seen(index)) < self.expected(grid, index)]

    def lack(self, grid: Grid, what: str) -> str:
        """Say how many lines are lacking, and in which planes; empty where none are."""
        lacking = self.lacking(grid)
        total = self.total(grid)
        where = ", ".join(map(str, lacking[:8])) + ", ..." * (len(lacking) > 8)
        return (
            f"Volume {self.number} lacks {total - self.lines} of its {total} lines, in {what} {where}." if where else ""
        )

    def by_place(self, grid: Grid, only: int | None) -> dict[tuple[int, int], NDArray[np.complex64]]:
        """Give the lines that are there by their distance from the centre along (kz, ky); of one slice, or of all."""
        return {
            ((index - grid.planes.size // 2) if only is None else 0, row - grid.lines.size // 2): line
            for index, plane in self.planes.items()
            if only in (None, index)
            for row, line in plane.rows()
        }

    def take(self, index: int) -> NDArray[np.complex64]:
        """Give a plane ``(coils, 1, ky, x)`` away."""
        plane = self.planes.pop(index)
        self.done[index] = plane.seen
        return plane.averaged()[:, np.newaxis]

    @property
    def lines(self) -> int:
        """How many distinct lines came."""
        return sum(len(plane.seen) for plane in self.planes.values()) + sum(map(len, self.done.values()))

    @property
    def rows(self) -> dict[int, set[int]]:
        """Which rows of each plane came."""
        return {index: {row for row, _ in self.seen(index)} for index in (*self.done, *self.planes)}

    def advanced(self, segments: Segments, grid: Grid) -> int:
        """Tell that further segments are complete: how many are by now; 0 where nothing changed."""
        if segments.count < 2:
            return 0
        complete = segments.complete(self.lines, self.total(grid))
        if complete <= self.segment:
            return 0
        self.segment = complete
        return complete

    def skips(self, grid: Grid) -> bool:
        """Tell whether the rows of every plane lie evenly, but farther apart than expected."""
        distances = {b - a for rows in self.rows.values() for a, b in pairwise(sorted(rows))}
        return len(distances) == 1 and distances.pop() > grid.step_y


class Volumes(Generic[P]):
    """The volumes in work, and those that were: tells to which one a line belongs."""

    def __init__(self, repeats: bool) -> None:
        self.repeats = repeats
        """Whether a counter is known to tell repetitions apart."""
        self.open: dict[Key, Filling[P]] = {}
        self._given_up: dict[Key, Filling[P]] = {}
        self._keys: set[Key] = set()
        self._count = 0

    @property
    def told_apart(self) -> bool:
        """Whether the counters tell volumes apart."""
        return self.repeats or len(self._keys) > 1

    def begin(self, key: Key, place: P, line: Line) -> Filling[P]:
        """Open a volume with its first line."""
        volume = Filling(self._count, key, place, line, again=key in self._keys)
        self.repeats = self.repeats or any(key[0] != other[0] for other in self._keys)
        self._keys.add(key)
        self._given_up.pop(key, None)
        self._count += 1
        self.open[key] = volume
        return volume

    @property
    def next_number(self) -> int:
        """The number that the next volume will get."""
        return self._count

    def make_room(self, key: Key, line: Line, grid: Grid, most: int) -> tuple[Filling[P] | None, list[Filling[P]]]:
        """Tell where a line belongs: the volume that it is too late for, if so; and the volumes that end before it.

        Those are not open any more. ``most`` volumes are open at a time, that of the line included.
        """
        volume, over = self.open.get(key), []
        if volume is None:
            given_up = self._given_up.get(key)
            if given_up is not None and line[1] not in given_up.seen(line[0]):
                return given_up, over
        elif self._repeated(volume, line, grid):
            if self.told_apart:
                return volume, over
            over.append(self.open.pop(key))
            volume = None
        while volume is None and len(self.open) >= most:
            over.append(self.open.pop(next(iter(self.open))))
        return None, over

    def _repeated(self, volume: Filling[P], line: Line, grid: Grid) -> bool:
        """Whether a line cannot be of this volume: its plane went out, or the next volume begins with it."""
        if line[0] in volume.done:
            return True
        again = line == volume.first and line[1] in volume.seen(line[0])
        return again and not self.told_apart and 2 * volume.lines > volume.total(grid)

    def expect(self, grid: Grid) -> None:
        """Expect something else of the volumes in work."""
        for volume in self.open.values():
            volume.expect(grid)

    def close(self, volume: Filling[P]) -> list[Filling[P]]:
        """End a volume that is complete; give those that began before it, which are not open any more."""
        del self.open[volume.key]
        return [self.open.pop(key) for key, other in list(self.open.items()) if other.number < volume.number]

    def give_up(self, volume: Filling[P]) -> None:
        """Remember a volume that went out incomplete."""
        self._given_up[volume.key] = volume
        while len(self._given_up) > _REMEMBERED:
            del self._given_up[next(iter(self._given_up))]
