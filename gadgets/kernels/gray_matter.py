"""Sums over gray matter, region by region."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class GrayMatter(NamedTuple):
    """Which voxels are gray matter, and which region each belongs to; made once, used for every difference."""

    shape: tuple[int, ...]
    """Of the images, ``(z, y, x)``."""
    voxels: NDArray[np.intp]
    """Their places in the flat image."""
    labels: NDArray[np.intp]
    """The region of each; 0 for none."""
    weights: NDArray[np.float64]
    """M0 of each; 1 where it is not known."""
    counts: NDArray[np.int64]
    """Voxels by region, that of none first."""
    reference: NDArray[np.float64]
    """Sum of the weights by region."""

    @classmethod
    def of(
        cls, inside: NDArray[np.bool_], labels: NDArray[np.uint8], m0: NDArray[np.float32] | None, regions: int
    ) -> "GrayMatter":
        """Prepare the sums; arrays ``(z, y, x)``."""
        voxels = np.flatnonzero(inside)
        numbers = labels.ravel()[voxels].astype(np.intp)
        weights = np.ones(len(voxels)) if m0 is None else m0.ravel()[voxels].astype(np.float64)
        length = max(regions, int(numbers.max(initial=0))) + 1
        counts = np.bincount(numbers, minlength=length)
        reference = np.bincount(numbers, weights, length).astype(np.float64)
        return cls(inside.shape, voxels, numbers, weights, counts, reference)

    def sums(self, image: NDArray[np.float32]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Give the sum over each region, and its variance by what the voxels of the region differ.

        A voxel that is no number counts as the others of its region do on average.
        """
        values, length = image.ravel()[self.voxels].astype(np.float64), len(self.counts)
        known = np.isfinite(values)
        if known.all():
            counts, labels = self.counts, self.labels
        else:
            values, labels = values[known], self.labels[known]
            counts = np.bincount(labels, minlength=length)
        sums, squares = np.bincount(labels, values, length), np.bincount(labels, values * values, length)
        filled = np.maximum(counts, 1)
        variance = np.maximum(squares / filled - (sums / filled) ** 2, 0.0)
        scale = self.counts / filled
        return sums * scale, variance * counts * scale**2

    def of_slices(self, by_slice: NDArray[np.float64]) -> float:
        """Give the sum over all gray matter of one number for each slice, weighted by M0."""
        slices = self.voxels // (self.shape[1] * self.shape[2])
        return float(np.sum(self.weights * by_slice[slices]))
