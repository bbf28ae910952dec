"""What the differences of all pairs have in common, in sums that are made once for each pair.

Mean, standard deviation, correlation with the mean of any other pairs, and the variance of any mean over the brain all
follow from ``sum of D_i``, and from ``sum of D_i D_j``, over the voxels of each slice and tissue. So a new pair costs
one pass over the brain for each pair that is kept, and judging all of them anew costs none.
"""

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

TISSUES = 4
"""Rest of the brain, gray matter, white matter, fluid."""
_STRETCH = 512  # voxels


class Layout(NamedTuple):
    """Which voxels are looked at."""

    places: NDArray[np.int64]
    """In the flat volume, sorted by slice, then by tissue."""
    ends: NDArray[np.int64]
    """Where in ``places`` each slice and tissue ends, shape ``(slices * TISSUES,)``."""
    counts: NDArray[np.int64]
    """Voxels, shape ``(slices, TISSUES)``."""

    @classmethod
    def of(cls, tissue: NDArray[np.int8], by_slice: bool) -> "Layout":
        """Lay out a volume of tissue numbers, shape ``(z, y, x)``, -1 where nothing is looked at."""
        slices = len(tissue) if by_slice else 1
        flat = tissue.reshape(slices, -1)
        segment = np.where(flat >= 0, flat + TISSUES * np.arange(slices)[:, np.newaxis], -1).ravel()
        places = np.flatnonzero(segment >= 0)
        places = places[np.argsort(segment[places], kind="stable")]
        counts = np.bincount(segment[places], minlength=slices * TISSUES)
        return cls(places.astype(np.int64), np.cumsum(counts).astype(np.int64), counts.reshape(slices, TISSUES))


class Sums(NamedTuple):
    """The sums of some pairs."""

    products: NDArray[np.float64]
    """Sum of ``D_i D_j`` over each slice, shape ``(slices, pairs, pairs)``."""
    totals: NDArray[np.float64]
    """Sum of ``D_i``, shape ``(slices, TISSUES, pairs)``."""
    counts: NDArray[np.int64]
    """Voxels, shape ``(slices, TISSUES)``."""
    all_products: NDArray[np.float32]
    """Sum of ``D_i D_j`` by slice and tissue of all rows there are, shape ``(slices, TISSUES, rows, rows)``."""
    rows: NDArray[np.intp]
    """Which of them are the pairs."""

    @property
    def by_tissue(self) -> NDArray[np.float64]:
        """Sum of ``D_i D_j``, shape ``(slices, TISSUES, pairs, pairs)``; gathered when asked for, which is seldom."""
        return self.all_products[:, :, self.rows[:, np.newaxis], self.rows].astype(np.float64)


class PairSums:
    """Keeps the sums of all pairs, by a number for each, and their values in the voxels that are looked at."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self._rows: dict[int, int] = {}
        self._values = np.zeros((8, len(layout.places)), np.float32)
        self._by_tissue = np.zeros((*layout.counts.shape, 8, 8), np.float32)
        self._by_slice = np.zeros((len(layout.counts), 8, 8))
        self._totals = np.zeros((*layout.counts.shape, 8))

    def add(self, number: int, values: NDArray[np.float32]) -> bool:
        """Take in a pair, or put another difference in its place; tell whether all of its values are numbers."""
        self.forget(number)
        taken = set(self._rows.values())
        row = next(free for free in range(len(taken) + 1) if free not in taken)
        if row == len(self._values):
            self._grow(row)
        places, ends, counts = self.layout
        np.take(values.ravel(), places, out=self._values[row])
        found = np.empty((len(self._values) + 1, len(ends)))
        multiply(self._values, row, ends, found)
        if not np.isfinite(found[row]).all():
            return False
        self._rows[number] = row
        by_tissue = found.T.reshape(*counts.shape, -1)
        self._totals[:, :, row] = by_tissue[:, :, -1]
        self._by_tissue[:, :, row] = self._by_tissue[:, :, :, row] = by_tissue[:, :, :-1]
        self._by_slice[:, row] = self._by_slice[:, :, row] = by_tissue[:, :, :-1].sum(axis=1)
        return True

    def forget(self, number: int) -> None:
        """Leave out a pair, if it is there."""
        row = self._rows.pop(number, None)
        if row is not None:
            self._values[row] = 0

    def of(self, numbers: list[int]) -> Sums:
        """Give the sums of some pairs, in this order."""
        rows = np.array([self._rows[number] for number in numbers], np.intp)
        count = len(rows)
        if np.array_equal(rows, np.arange(count)):  # as long as no pair is forgotten: nothing has to be gathered
            products, totals = self._by_slice[:, :count, :count], self._totals[:, :, :count]
        else:
            products, totals = self._by_slice[:, rows[:, np.newaxis], rows], self._totals[:, :, rows]
        return Sums(products, totals, self.layout.counts, self._by_tissue, rows)

    def _grow(self, more: int) -> None:
        self._values = np.pad(self._values, ((0, more), (0, 0)))
        self._by_tissue = np.pad(self._by_tissue, ((0, 0), (0, 0), (0, more), (0, more)))
        self._by_slice = np.pad(self._by_slice, ((0, 0), (0, more), (0, more)))
        self._totals = np.pad(self._totals, ((0, 0), (0, 0), (0, more)))


@njit(
    ["void(float32[:,::1], int64, int64[::1], float64[:,::1])"],
    cache=True,
    nogil=True,
    fastmath={"reassoc", "contract"},  # the order of a sum is free, so that it can be made in parallel
)
def multiply(values: NDArray[np.float32], row: int, ends: NDArray[np.int64], out: NDArray[np.float64]) -> None:
    """Add up the products of one row with every row over each segment, and behind them, last, the row itself.

    Short stretches are added in single precision, which is four times as fast, and the stretches in double. They are
    cut out first: counted from 0, no place can be negative, and only then are eight products made at a time.
    """
    for other in range(values.shape[0] + 1):
        begin = 0
        for segment in range(ends.shape[0]):
            end = ends[segment]
            found = 0.0
            for first in range(begin, end, _STRETCH):
                own = values[row, first : min(first + _STRETCH, end)]
                part = np.float32(0)
                if other == values.shape[0]:
                    for n in range(own.size):
                        part += own[n]
                else:
                    its = values[other, first : min(first + _STRETCH, end)]
                    for n in range(own.size):
                        part += own[n] * its[n]
                found += part
            out[other, segment] = found
            begin = end
