"""The running mean and spread per voxel, one image at a time, forwards and backwards, slice by slice.

Welford's update with weights (West, Commun ACM 22:532 (1979)), where ``w`` is the information in an image, so that its
variance is that of one of weight 1 over ``w``: ``W += w; d = x - m; m += d w / W; s += w d (x - m)``. With ``-w`` it is
its own inverse. Sums are float64, so that the running result equals the batch result to rounding. Images have shape
``(z, voxels)``; a slice of an image may be left out, so weights and counts are those of each slice.
"""

from collections.abc import Sequence

import numpy as np
from numba import njit
from numpy.typing import NDArray


class RunningMean:
    """The weighted mean of some images, and their sum of squares around it."""

    def __init__(self, slices: int, voxels: int) -> None:
        self.counts = np.zeros(slices, np.int64)
        """Images in the mean of each slice."""
        self.weights = np.zeros(slices)
        """Sum of their weights."""
        self.mean = np.zeros((slices, voxels))
        self.squares = np.zeros((slices, voxels))

    @property
    def empty(self) -> bool:
        """Whether no slice of any image is left."""
        return not self.counts.any()

    def add(self, values: NDArray[np.float32], weight: float = 1.0, slices: NDArray[np.bool_] | None = None) -> None:
        """Take one more image in, or only some of its slices."""
        used = np.ones(self.counts.shape, np.bool_) if slices is None else slices
        self.counts += used
        self.weights += weight * used
        update(self.mean, self.squares, values, np.where(used, weight, 0.0), self.weights)

    def remove(self, values: NDArray[np.float32], weight: float = 1.0, slices: NDArray[np.bool_] | None = None) -> None:
        """Take one image out again, with the weight and the slices it came with."""
        used = np.ones(self.counts.shape, np.bool_) if slices is None else slices
        self.counts -= used
        left = self.counts > 0
        self.weights = np.where(left, self.weights - weight * used, 0.0)
        update(self.mean, self.squares, values, np.where(used & left, -weight, 0.0), self.weights)
        self.mean[~left] = 0
        self.squares[self.counts < 2] = 0  # one image has no spread: what is left of the sum of squares is rounding


def summarize(
    means: Sequence[RunningMean],
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32] | None, NDArray[np.int64]]:
    """Give the means, their standard errors, the pooled variance of one image of weight 1, and its degrees of freedom.

    Means and errors have shape ``(means, z, voxels)``; an error is ``sqrt(s / (n - 1) / W)``, by the spread of its own
    images. Slices without an image are NaN, and so are the errors of those with one only. The variance of each slice is
    ``sum of s / sum of (n - 1)`` and NaN where nothing was repeated; None where that holds for all. Degrees of freedom
    are those of each slice.
    """
    shape = len(means), *means[0].mean.shape
    mean, stderr = np.empty(shape, np.float32), np.empty(shape, np.float32)
    degrees = np.zeros(shape[1], np.int64)
    for running in means:
        degrees += np.maximum(running.counts - 1, 0)
    variance = np.zeros(shape[1:], np.float32) if degrees.any() else None
    shares = _over(np.ones(shape[1]), degrees)
    for number, running in enumerate(means):
        scales = np.sqrt(_over(_over(np.ones(shape[1]), running.weights), np.maximum(running.counts - 1, 0)))
        write(running.mean, running.squares, running.counts, scales, mean[number], stderr[number])
        if variance is not None:
            accumulate(running.squares, shares, variance)
    return mean, stderr, variance, degrees


def _over(values: NDArray[np.float64], counts: NDArray[np.floating | np.integer]) -> NDArray[np.float64]:
    """Divide, NaN where there is nothing to divide by."""
    return np.divide(values, counts, out=np.full(values.shape, np.nan), where=counts > 0)


@njit(
    ["void(float64[:,::1], float64[:,::1], float32[:,::1], float64[::1], float64[::1])"],
    cache=True,
    nogil=True,
)
def update(
    mean: NDArray[np.float64],
    squares: NDArray[np.float64],
    values: NDArray[np.float32],
    weights: NDArray[np.float64],
    totals: NDArray[np.float64],
) -> None:
    """Take one image in, or with negative weights out; ``totals`` are the sums of weights after it, above 0.

    Slices of weight 0 stay as they are.
    """
    for z in range(mean.shape[0]):
        weight = weights[z]
        if weight == 0:
            continue
        share = weight / totals[z]
        for i in range(mean.shape[1]):
            value = np.float64(values[z, i])
            change = value - mean[z, i]
            mean[z, i] += change * share
            squares[z, i] += weight * change * (value - mean[z, i])


@njit(
    ["void(float64[:,::1], float64[:,::1], int64[::1], float64[::1], float32[:,::1], float32[:,::1])"],
    cache=True,
    nogil=True,
)
def write(
    mean: NDArray[np.float64],
    squares: NDArray[np.float64],
    counts: NDArray[np.int64],
    scales: NDArray[np.float64],
    mean_out: NDArray[np.float32],
    stderr_out: NDArray[np.float32],
) -> None:
    """Write the mean, NaN in slices without an image, and ``scales`` times the root of the sum of squares."""
    for z in range(mean.shape[0]):
        if counts[z] == 0:
            mean_out[z] = np.nan
            stderr_out[z] = np.nan
            continue
        for i in range(mean.shape[1]):
            mean_out[z, i] = mean[z, i]
            stderr_out[z, i] = scales[z] * np.sqrt(max(squares[z, i], 0.0))


@njit(["void(float64[:,::1], float64[::1], float32[:,::1])"], cache=True, nogil=True)
def accumulate(squares: NDArray[np.float64], shares: NDArray[np.float64], variance: NDArray[np.float32]) -> None:
    """Add a share of the sums of squares of each slice to a variance."""
    for z in range(squares.shape[0]):
        for i in range(squares.shape[1]):
            variance[z, i] += shares[z] * max(squares[z, i], 0.0)
