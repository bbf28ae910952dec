"""The running mean and spread per voxel, one image at a time, forwards and backwards.

Welford's update with weights (West, Commun ACM 22:532 (1979)), where ``w`` is the information in an image, so that its
variance is that of one of weight 1 over ``w``: ``W += w; d = x - m; m += d w / W; s += w d (x - m)``. With ``-w`` it is
its own inverse. Sums are float64, so that the running result equals the batch result to rounding.
"""

from collections.abc import Sequence
from math import nan, sqrt

import numpy as np
from numba import njit
from numpy.typing import NDArray


class RunningMean:
    """The weighted mean of some images, and their sum of squares around it."""

    def __init__(self, size: int) -> None:
        self.count = 0
        """Images in the mean."""
        self.weight = 0.0
        """Sum of their weights."""
        self.mean = np.zeros(size)
        self.squares = np.zeros(size)

    def add(self, values: NDArray[np.float32], weight: float = 1.0) -> None:
        """Take one more image in."""
        self.count += 1
        self.weight += weight
        update(self.mean, self.squares, values, weight, self.weight)

    def remove(self, values: NDArray[np.float32], weight: float = 1.0) -> None:
        """Take one image out again, with the weight it came with."""
        self.count -= 1
        if self.count == 0:
            self.weight = 0.0
            self.mean[:] = 0
        else:
            self.weight -= weight
            update(self.mean, self.squares, values, -weight, self.weight)
        if self.count < 2:  # one image has no spread: what is left of the sum of squares is rounding
            self.squares[:] = 0


def summarize(
    means: Sequence[RunningMean],
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32] | None, int]:
    """Give the means, their standard errors, the pooled variance of one image of weight 1, and its degrees of freedom.

    Means and errors have shape ``(means, voxels)``; an error is ``sqrt(s / (n - 1) / W)``, by the spread of its own
    images, and NaN where there is one image only. The variance ``sum of s / sum of (n - 1)`` is None with 0 degrees of
    freedom.
    """
    shape = len(means), means[0].mean.size
    mean, stderr = np.empty(shape, np.float32), np.empty(shape, np.float32)
    freedom = sum(running.count - 1 for running in means)
    variance = np.zeros(shape[1], np.float32) if freedom else None
    for number, running in enumerate(means):
        variance_of_mean = 1 / (running.count - 1) / running.weight if running.count > 1 else nan
        write(running.mean, running.squares, sqrt(variance_of_mean), mean[number], stderr[number])
        if variance is not None and running.count > 1:
            accumulate(running.squares, 1 / freedom, variance)
    return mean, stderr, variance, freedom


@njit(["void(float64[::1], float64[::1], float32[::1], float64, float64)"], cache=True, nogil=True)
def update(
    mean: NDArray[np.float64],
    squares: NDArray[np.float64],
    values: NDArray[np.float32],
    weight: float,
    total: float,
) -> None:
    """Take one image in, or with a negative weight out; ``total`` is the sum of weights after it, above 0."""
    share = weight / total
    for i in range(mean.shape[0]):
        value = np.float64(values[i])
        change = value - mean[i]
        mean[i] += change * share
        squares[i] += weight * change * (value - mean[i])


@njit(["void(float64[::1], float64[::1], float64, float32[::1], float32[::1])"], cache=True, nogil=True)
def write(
    mean: NDArray[np.float64],
    squares: NDArray[np.float64],
    scale: float,
    mean_out: NDArray[np.float32],
    stderr_out: NDArray[np.float32],
) -> None:
    """Write the mean, and ``scale`` times the root of the sum of squares."""
    for i in range(mean.shape[0]):
        mean_out[i] = mean[i]
        stderr_out[i] = scale * np.sqrt(max(squares[i], 0.0))


@njit(["void(float64[::1], float64, float32[::1])"], cache=True, nogil=True)
def accumulate(squares: NDArray[np.float64], share: float, variance: NDArray[np.float32]) -> None:
    """Add a share of sums of squares to a variance."""
    for i in range(squares.shape[0]):
        variance[i] += share * max(squares[i], 0.0)
