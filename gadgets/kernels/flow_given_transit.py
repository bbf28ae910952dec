"""The flow of one voxel at each transit time, and how probable each transit time is."""

import numpy as np
from numba import njit
from numpy.typing import NDArray

from .normal import exponential

MIXTURES = "float32[:,:,::1]"
"""Type of ``(mixtures, 3, parts)``: mean, variance and weight of each normal distribution in them."""
_LINE = "float32[::1]"
_FAST = {"reassoc", "contract", "arcp", "nsz", "nnan", "ninf"}  # all that comes in here is finite
_ZERO, _HALF, _ONE, _THREE = np.float32(0), np.float32(0.5), np.float32(1), np.float32(3)
_LARGEST = np.int32(2**31 - 1)


@njit(
    [f"void(float32[:,:,::1], int64, int64, int64, int64, float32[:,::1], {_LINE}, float32, float32, {MIXTURES})"],
    cache=True,
    nogil=True,
    fastmath=_FAST,
    error_model="numpy",
)
def flow_at_each(
    tables: NDArray[np.float32],
    low: int,
    high: int,
    start: int,
    count: int,
    mixed: NDArray[np.float32],
    log_prior: NDArray[np.float32],
    information: np.float32,
    pull: np.float32,
    mixtures: NDArray[np.float32],
) -> None:
    """Integrate flow out at ``count`` transit times from ``start`` on: a normal distribution at each of them.

    The data of bolus b, in standard deviations, are ``e_b + flow * K_b`` with flow counted from where the model was
    expanded. ``mixed`` has five rows of ``(boluses,)``: ``e_b = row 0 - row 1 * low_b - row 2 * high_b`` and
    ``K_b = row 3 * low_b + row 4 * high_b``, of the tables ``(T, boluses, A)`` those of two values of T1'.
    ``information`` and ``pull`` are 1/variance and mean/variance of the prior of flow. Writes into the first of
    the ``mixtures`` the mean of flow, its variance, and the weight of the transit time, against the largest:

        variance = 1 / (sum K_b^2 + information)             mean = variance * (sum K_b e_b + pull)
        weight = exp((mean^2 / variance - sum e_b^2) / 2 + log_prior) * sqrt(variance)

    Residuals and not data are squared, so that float32 does for data of 100,000 times their noise.
    """
    mean, variance, weight = mixtures[0, 0, :count], mixtures[0, 1, :count], mixtures[0, 2, :count]
    prior = log_prior[start : start + count]
    for b in range(mixed.shape[1]):
        lower, upper = tables[low, b, start : start + count], tables[high, b, start : start + count]
        constant, f_low, f_high, k_low, k_high = mixed[0, b], mixed[1, b], mixed[2, b], mixed[3, b], mixed[4, b]
        if b == 0:
            for i in range(count):
                residual = constant - f_low * lower[i] - f_high * upper[i]
                slope = k_low * lower[i] + k_high * upper[i]
                mean[i] = pull + slope * residual
                variance[i] = information + slope * slope
                weight[i] = residual * residual
        else:
            for i in range(count):
                residual = constant - f_low * lower[i] - f_high * upper[i]
                slope = k_low * lower[i] + k_high * upper[i]
                mean[i] += slope * residual
                variance[i] += slope * slope
                weight[i] += residual * residual
    lowest = _HALF * pull * pull / information
    for i in range(count):
        variance[i] = _ONE / variance[i]
        drawn = mean[i]
        mean[i] = drawn * variance[i]
        weight[i] = max(_HALF * (weight[i] - drawn * mean[i]) + lowest - prior[i], _ZERO)
    least = _LARGEST
    for i in range(count):  # numbers that are not negative are in the order of their bits, which compare in vectors
        least = min(least, np.float32(weight[i]).view(np.int32))
    best = np.int32(least).view(np.float32)
    for i in range(count):
        weight[i] = exponential(best - weight[i]) * np.sqrt(variance[i])


@njit(
    [f"UniTuple(float64, 6)({MIXTURES}, int64, {_LINE}, float32)"],
    cache=True,
    nogil=True,
    fastmath=_FAST,
    error_model="numpy",
)
def moments(
    mixtures: NDArray[np.float32], count: int, steps: NDArray[np.float32], near: np.float32
) -> tuple[float, float, float, float, float, float]:
    """Sum up the first mixture, whose transit times are ``count`` equal steps, and most probable ``near`` one of them.

    ``steps`` holds 0, 1, 2, ... as no vector can turn a counter into them.
    Gives the sum of the weights, mean and variance of the transit time in steps, and mean, variance and skewness of
    flow.
    """
    mean, variance, weight = mixtures[0, 0, :count], mixtures[0, 1, :count], mixtures[0, 2, :count]
    numbers = steps[:count]
    total, first, second = np.float32(0), np.float32(0), np.float32(0)
    flow, square, cube = np.float32(0), np.float32(0), np.float32(0)
    for i in range(count):
        off = numbers[i] - near
        total += weight[i]
        first += weight[i] * off
        second += weight[i] * off * off
        flow += weight[i] * mean[i]
        square += weight[i] * (variance[i] + mean[i] * mean[i])
        cube += weight[i] * mean[i] * (_THREE * variance[i] + mean[i] * mean[i])
    off, flow = first / total, flow / total
    square /= total
    spread = max(square - flow * flow, np.float32(0))
    third = cube / total - _THREE * flow * square + (flow + flow) * flow * flow
    skewness = third / (spread * np.sqrt(spread)) if spread > 0 else np.float32(0)
    return (
        float(total),
        float(near + off),
        float(max(second / total - off * off, np.float32(0))),
        float(flow),
        float(spread),
        float(skewness),
    )
