"""A volume of k-space on the way to being complete."""

from dataclasses import dataclass, field
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from .grid import Grid
from .lines import Plane

P = TypeVar("P")
"""What the caller wants to remember of where a volume or plane lies."""


@dataclass(slots=True)
class Filling(Generic[P]):
    """One volume, filling up plane by plane."""

    number: int
    key: tuple[int, ...]
    """Counters that its lines have in common."""
    place: P
    first: tuple[int, tuple[int, int]]
    """Its first line: plane, and (row, average) in it."""
    again: bool
    """Whether its counters are those of an earlier volume."""
    planes: dict[int, Plane] = field(default_factory=dict)
    places: dict[int, P] = field(default_factory=dict)
    """Of the planes."""
    done: dict[int, set[tuple[int, int]]] = field(default_factory=dict)
    """Planes that went out, with the lines they had."""

    def seen(self, index: int) -> set[tuple[int, int]]:
        """Which lines of a plane came."""
        plane = self.planes.get(index)
        return plane.seen if plane is not None else self.done.get(index, set())

    def lacking(self, grid: Grid) -> list[int]:
        """Which planes are not complete."""
        return [index for index in grid.plane_rows if len(self.seen(index)) < grid.expected]

    def take(self, index: int) -> NDArray[np.complex64]:
        """Give a plane ``(coils, 1, ky, x)`` away."""
        plane = self.planes.pop(index)
        self.done[index] = plane.seen
        return plane.averaged()[:, np.newaxis]

    @property
    def lines(self) -> int:
        """How many distinct lines came."""
        return sum(len(plane.seen) for plane in self.planes.values()) + sum(map(len, self.done.values()))
