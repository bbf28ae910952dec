"""The reference lines of parallel imaging: kept until the block that they form is wanted."""

from typing import Generic, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from .lines import finite

P = TypeVar("P")
"""What the caller wants to remember of where the lines of a slice lie."""

At = tuple[int, int]
"""Distance from the centre of k-space along kz and ky, in lines."""


class Block(NamedTuple, Generic[P]):
    """Reference lines without gaps."""

    data: NDArray[np.complex64]
    """Shape ``(coils, kz, ky, x)``."""
    center: At
    """Where in (kz, ky) the centre of k-space lies."""
    place: P
    """Of the first line."""


class ReferenceLines(Generic[P]):
    """Reference lines ``(coils, x)`` of the slices, or of one 3-D volume, by where they lie."""

    def __init__(self) -> None:
        self._lines: dict[int, dict[At, NDArray[np.complex64]]] = {}
        self._places: dict[int, P] = {}
        self._taken: set[int] = set()
        self.bytes = 0
        """Memory they take."""

    def add(self, index: int, at: At, line: NDArray[np.complex64], place: P) -> bool:
        """Keep a line of a slice; tell whether it could be used: the first one there, of the others' shape, finite."""
        if index in self._taken:
            return False
        lines = self._lines.setdefault(index, {})
        line = np.ascontiguousarray(line)
        shape = next(iter(lines.values())).shape if lines else line.shape
        if at in lines or line.shape != shape or not finite(line.copy() if not line.flags.writeable else line):
            return False
        lines[at] = line.copy()
        self._places.setdefault(index, place)
        self.bytes += line.nbytes
        return True

    def waits(self, index: int) -> bool:
        """Tell whether there are lines of a slice that were not taken yet."""
        return bool(self._lines.get(index))

    def take(self, index: int, also: dict[At, NDArray[np.complex64]]) -> Block[P] | None:
        """Give the block that the lines of a slice form.

        The block is the largest one round the centre without gaps; ``also`` are imaging lines that may close them. None
        if there are no lines. They are given away: further ones are not wanted.
        """
        lines = self._lines.pop(index, None)
        self._taken.add(index)
        if not lines:
            return None
        self.bytes -= sum(line.nbytes for line in lines.values())
        shape = next(iter(lines.values())).shape
        low, high = (tuple(map(end, zip(*lines, strict=True))) for end in (min, max))
        inside = {
            at: line
            for at, line in also.items()
            if line.shape == shape and all(a <= b <= c for a, b, c in zip(low, at, high, strict=True))
        }
        rows = _runs({**inside, **lines})
        kz = _run(sorted(rows))
        ky = range(max(rows[z].start for z in kz), min(rows[z].stop for z in kz))
        if not ky:
            kz = range(kz[len(kz) // 2], kz[len(kz) // 2] + 1)
            ky = rows[kz.start]
        block = np.empty((shape[0], len(kz), len(ky), shape[1]), np.complex64)
        for z in kz:
            for y in ky:
                line = lines.get((z, y))
                block[:, z - kz.start, y - ky.start] = inside[z, y] if line is None else line
        return Block(block, (-kz.start, -ky.start), self._places.pop(index))


def _runs(lines: dict[At, NDArray[np.complex64]]) -> dict[int, range]:
    """Give the stretch of ky without gaps round the centre, for each kz."""
    found: dict[int, list[int]] = {}
    for kz, ky in sorted(lines):
        found.setdefault(kz, []).append(ky)
    return {kz: _run(ky) for kz, ky in found.items()}


def _run(values: list[int]) -> range:
    """Give the longest stretch of whole numbers without gaps; of equal ones the one nearest to 0."""
    best, start = range(values[0], values[0] + 1), values[0]
    for before, value in zip([values[0] - 1, *values], values, strict=False):
        if value != before + 1:
            start = value
        run = range(start, value + 1)
        if (len(run), -abs(run.start + run.stop - 1)) > (len(best), -abs(best.start + best.stop - 1)):
            best = run
    return best
