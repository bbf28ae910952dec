"""The running mean and spread per voxel, one pair at a time, forwards and backwards.

Welford's update and its inverse: ``d = x - m; m += d/n; s += d (x - m)``, and for a removal ``m -= d/(n - 1);
s -= d (x - m)``. Sums are float64, so that the running result equals the batch result to rounding.
"""

import numpy as np
from numba import njit
from numpy.typing import NDArray

_SIGNATURE = "void(float64[::1], float64[::1], float32[::1], int64, float32[::1], float32[::1])"


@njit([_SIGNATURE], cache=True, nogil=True)
def add(
    mean: NDArray[np.float64],
    squares: NDArray[np.float64],
    values: NDArray[np.float32],
    count: int,
    mean_out: NDArray[np.float32],
    stderr_out: NDArray[np.float32],
) -> None:
    """Take one more image in; ``count`` is the number with it. Writes mean and standard error of the mean as well."""
    for i in range(mean.shape[0]):
        value = np.float64(values[i])
        change = value - mean[i]
        mean[i] += change / count
        squares[i] += change * (value - mean[i])
        mean_out[i] = mean[i]
        stderr_out[i] = np.sqrt(max(squares[i], 0.0) / (count - 1) / count) if count > 1 else np.nan


@njit([_SIGNATURE], cache=True, nogil=True)
def remove(
    mean: NDArray[np.float64],
    squares: NDArray[np.float64],
    values: NDArray[np.float32],
    count: int,
    mean_out: NDArray[np.float32],
    stderr_out: NDArray[np.float32],
) -> None:
    """Take one image out again; ``count`` is the number without it, and may be 0."""
    for i in range(mean.shape[0]):
        value = np.float64(values[i])
        if count == 0:
            mean[i] = 0.0
            squares[i] = 0.0
        else:
            change = value - mean[i]
            mean[i] -= change / count
            squares[i] -= change * (value - mean[i])
        if count < 2:  # one image has no spread: what is left of the sum of squares is rounding
            squares[i] = 0.0
        mean_out[i] = mean[i]
        stderr_out[i] = np.sqrt(max(squares[i], 0.0) / (count - 1) / count) if count > 1 else np.nan
