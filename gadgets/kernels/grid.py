"""Which rows of the k-space grid the lines of a scan fill, in plain numbers."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

_FEW = 0.1
"""Share of the lines of a volume that may be lost before its pattern is no lattice."""


@dataclass(frozen=True, slots=True)
class Axis:
    """One phase-encoded axis: how counters become rows of the grid."""

    size: int
    """Rows of the grid."""
    center: int
    """Counter value of the centre of k-space, which lands in row ``size // 2``."""
    first: int
    """Lowest counter value that is acquired."""
    last: int
    """Highest counter value that is acquired."""

    def row(self, counter: int) -> int | None:
        """Give the row of a counter value, or None where it was not to be expected."""
        if not self.first <= counter <= self.last:
            return None
        return counter - self.center + self.size // 2

    @property
    def count(self) -> int:
        """How many counter values there are."""
        return self.last - self.first + 1


def _fits(size: int, center: int, first: int, last: int) -> bool:
    return first - center + size // 2 >= 0 and last - center + size // 2 < size


def axis_from_limits(matrix: int, minimum: int, maximum: int, center: int) -> Axis | None:
    """Read an axis from the header's matrix size and limits; None where they contradict each other.

    A limit of one value with a larger matrix, a centre outside of the limits, or lines outside of the matrix say that
    the header was written without knowing the scan.
    """
    if maximum < minimum or not minimum <= center <= maximum:
        return None
    if maximum == minimum:
        return Axis(1, center, minimum, maximum) if matrix <= 1 else None
    size = matrix if matrix > 0 else 2 * max(center - minimum, maximum - center + 1)
    return Axis(size, center, minimum, maximum) if _fits(size, center, minimum, maximum) else None


def axis_from_counters(matrix: int, center: int | None, counters: Iterable[int]) -> Axis:
    """Learn an axis from the counter values that came, using what the header says as far as it fits them."""
    values = sorted(set(counters))
    first, last = values[0], values[-1]
    size = matrix if matrix > 0 and last - first < matrix else last - min(first, 0) + 1
    if last - first == 0:
        return Axis(1, first, first, last)
    choices = [value for value in (center, size // 2, first + size // 2) if value is not None]
    chosen = next((value for value in choices if _fits(size, value, first, last)), None)
    if chosen is None:
        return Axis(last - first + 1, first + (last - first + 1) // 2, first, last)
    return Axis(size, chosen, first, last)


def kept(size: int, matrix: int, encoded_length: float, recon_length: float, recon_matrix: int) -> int:
    """Tell how many central voxels of a grid the wanted field of view covers.

    ``size * recon_length / encoded_length`` where the grid is the one the header describes; all of them where it is not
    or where the header gives no field of view or no matrix to reconstruct.
    """
    if size != matrix or recon_matrix <= 0 or encoded_length <= 0 or recon_length <= 0:
        return size
    return max(1, min(size, round(size * recon_length / encoded_length)))


def central(size: int, count: int) -> slice:
    """Give the central ``count`` of ``size`` voxels, so that the centre stays the centre: N // 2 becomes n // 2."""
    start = size // 2 - count // 2
    return slice(start, start + count)


def counted_axis(first: int, last: int) -> Axis:
    """Give an axis that is only counted, not Fourier-encoded, as slices are: row 0 is the first value."""
    return Axis(last - first + 1, first + (last - first + 1) // 2, first, last)


def share(axis: Axis, step: int = 1) -> tuple[float, float]:
    """Give the range of k-space that an axis covers, as shares of its half width: (-1, 1) is all of it.

    >>> share(Axis(size=64, center=16, first=0, last=47))  # partial Fourier of 6/8
    (-0.5, 1.0)
    """
    middle = axis.size // 2
    first, last = axis.first - axis.center + middle, axis.last - axis.center + middle
    low = -1.0 if first < step else (first - middle) / middle
    return low, 1.0 if last >= axis.size - step else (last + 1 - middle) / (axis.size - middle)


@dataclass(frozen=True, slots=True)
class Grid:
    """The k-space of one volume, as the header states it or the first volume shows it."""

    lines: Axis
    """ky, or interleaves."""
    planes: Axis
    """kz, or slices."""
    averages: Axis
    step_y: int = 1
    """Every how many-th row is acquired."""
    step_z: int = 1
    """Every how many-th partition is acquired."""
    counts: Mapping[int, int] | None = None
    """Distinct lines (ky, average) of each plane, by its row along z, where a volume taught them."""

    def plane_rows(self, like: int) -> Sequence[int]:
        """Give the rows along z that are acquired, one of them being known."""
        if self.counts is not None:
            return sorted(self.counts)
        first = self.planes.first - self.planes.center + self.planes.size // 2
        return range(first + (like - first) % self.step_z, first + self.planes.count, self.step_z)

    def expected(self, plane: int, like: int) -> int:
        """Give the number of distinct lines (ky, average) of a plane, one of whose rows is known."""
        if self.counts is not None:
            return self.counts.get(plane, 0)
        first = self.lines.first - self.lines.center + self.lines.size // 2
        rows = range(first + (like - first) % self.step_y, first + self.lines.count, self.step_y)
        return len(rows) * self.averages.count

    def locate(self, line: int, plane: int, average: int) -> tuple[int, tuple[int, int]] | None:
        """Give plane and (row, average) of a line by its counters; None outside of the k-space."""
        row, index, repeat = self.lines.row(line), self.planes.row(plane), self.averages.row(average)
        return None if row is None or index is None or repeat is None else (index, (row, repeat))

    def understates(self, line: int, plane: int, average: int) -> bool:
        """Whether a line lies outside because an axis was stated as one value only, as careless headers do."""
        pairs = ((self.lines, line), (self.planes, plane), (self.averages, average))
        return any(axis.count == 1 and value != axis.first for axis, value in pairs)


Range = tuple[int, int, int]
"""Minimum, maximum and center of a counter, as the header states them."""


def stated_grid(
    matrix: tuple[int | None, int | None],
    lines: Range | None,
    planes: Range | None,
    averages: Range | None,
    steps: tuple[int, int] = (1, 1),
) -> Grid | None:
    """Read the grid from the matrix and the limits of the header; None where it does not tell.

    ``matrix`` is rows and partitions; None for what is counted and not encoded: interleaves, slices. ``steps`` is the
    acceleration along both.
    """
    if lines is None or planes is None:
        return None
    rows, partitions = matrix
    ky = axis_from_limits(rows, *lines) if rows is not None else counted_axis(*lines[:2])
    kz = axis_from_limits(partitions, *planes) if partitions is not None else counted_axis(*planes[:2])
    if ky is None or kz is None:
        return None
    repeats = counted_axis(*averages[:2]) if averages is not None else counted_axis(0, 0)
    return Grid(ky, kz, repeats, *steps)


def learned_grid(
    matrix: tuple[int | None, int | None],
    centers: tuple[int | None, int | None],
    came: Iterable[tuple[int, int, int]],
) -> Grid:
    """Learn the grid from the (line, plane, average) counters of a whole volume.

    Lines that lie on a lattice but for a few which were lost are expected to be complete in the next volume; any other
    pattern (elliptical, random) is expected to come again as it was.
    """
    distinct = set(came)
    lines, planes, averages = (sorted(set(values)) for values in zip(*distinct, strict=True))
    ky = (
        axis_from_counters(matrix[0], centers[0], lines) if matrix[0] is not None else counted_axis(lines[0], lines[-1])
    )
    if matrix[1] is None:
        kz = counted_axis(planes[0], planes[-1])
    else:
        kz = axis_from_counters(matrix[1], centers[1], planes)
    step_z = _common_step(planes) if matrix[1] is not None else 1
    grid = Grid(ky, kz, counted_axis(averages[0], averages[-1]), step_z=step_z)
    rows: dict[int, set[int]] = {}
    came_of: Counter[int] = Counter()
    for line in distinct:
        located = grid.locate(*line)
        if located is not None:
            rows.setdefault(located[0], set()).add(located[1][0])
            came_of[located[0]] += 1
    step_y = Counter(_common_step(sorted(found)) for found in rows.values()).most_common(1)[0][0]
    regular = replace(grid, step_y=step_y)
    wanted = {plane: regular.expected(plane, _common_row(found, step_y)) for plane, found in rows.items()}
    lost = sum(wanted.values()) - len(distinct)
    return replace(regular, counts=wanted if 0 <= lost <= _FEW * len(distinct) else dict(came_of))


def thinned(grid: Grid, rows: Mapping[int, set[int]], averages: int) -> Grid | None:
    """Give the grid of a volume of which every plane lacks the same share of the rows, evenly; None for all others.

    ``rows`` are those that came, by plane.
    """
    steps = {_common_step(sorted(found)) for found in rows.values()}
    step = steps.pop() if len(steps) == 1 else 1
    if step <= grid.step_y:
        return None
    sparse = replace(grid, step_y=step, counts=None)
    lines = {plane: sparse.expected(plane, min(found)) for plane, found in rows.items()}
    whole = all(
        len(found) * averages == lines[plane] and len({row % step for row in found}) == 1
        for plane, found in rows.items()
    )
    return replace(sparse, counts=lines) if whole else None


def _common_step(values: Sequence[int]) -> int:
    """Give the usual distance between neighbours."""
    distances = Counter(after - before for before, after in pairwise(values))
    return distances.most_common(1)[0][0] if distances else 1


def _common_row(rows: set[int], step: int) -> int:
    """Give a row of the lattice on which most rows lie."""
    offset = Counter(row % step for row in rows).most_common(1)[0][0]
    return next(row for row in rows if row % step == offset)
