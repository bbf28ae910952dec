"""Which rows of the k-space grid the lines of a scan fill, in plain numbers."""

from collections.abc import Iterable
from dataclasses import dataclass


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


@dataclass(frozen=True, slots=True)
class Grid:
    """The k-space of one volume, as the header states it or the first volume shows it."""

    lines: Axis
    """ky."""
    planes: Axis
    """kz, or slices."""
    averages: Axis
    expected: int
    """Distinct lines (ky, average) in one plane."""

    @property
    def total(self) -> int:
        """Distinct lines in one volume."""
        return self.expected * self.planes.count

    @property
    def plane_rows(self) -> range:
        """The rows along z that are acquired."""
        first = self.planes.first - self.planes.center + self.planes.size // 2
        return range(first, first + self.planes.count)

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
    rows: int, partitions: int | None, lines: Range | None, planes: Range | None, averages: Range | None
) -> Grid | None:
    """Read the grid from the matrix and the limits of the header; None where it does not tell.

    ``partitions`` is None where planes are slices, which are counted and not encoded.
    """
    if lines is None or planes is None:
        return None
    ky = axis_from_limits(rows, *lines)
    kz = axis_from_limits(partitions, *planes) if partitions is not None else counted_axis(*planes[:2])
    if ky is None or kz is None:
        return None
    repeats = counted_axis(*averages[:2]) if averages is not None else counted_axis(0, 0)
    return Grid(ky, kz, repeats, ky.count * repeats.count)


def learned_grid(
    rows: int,
    partitions: int | None,
    line_center: int | None,
    plane_center: int | None,
    came: Iterable[tuple[int, int, int]],
) -> Grid:
    """Learn the grid from the (line, plane, average) counters of a whole volume."""
    distinct = set(came)
    lines, planes, averages = (sorted(set(values)) for values in zip(*distinct, strict=True))
    ky = axis_from_counters(rows, line_center, lines)
    if partitions is None:
        kz = counted_axis(planes[0], planes[-1])
    else:
        kz = axis_from_counters(partitions, plane_center, planes)
    expected = max(1, round(len(distinct) / len(planes)))
    return Grid(ky, kz, counted_axis(averages[0], averages[-1]), expected)
