"""Where a given share of the probability lies: of the transit time, and of flow."""

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from .flow_given_transit import MIXTURES
from .normal import cumulative

_FAST = {"reassoc", "contract", "arcp", "nsz", "nnan", "ninf"}
_ONE, _LEAST_WEIGHT = np.float32(1), np.float32(1e-37)
_BLOCK = 16  # numbers that loops take at once
_TWENTY_FOURTH = 1 / 24
_NOTHING = 1e-5  # of the mass that is looked for
_OUTSIDE = 0.025  # on either side
_LOG_OUTSIDE = math.log(_OUTSIDE)
_NORMAL = 1.959964  # standard deviations that a normal distribution keeps within
_SLOPE = 2.338  # of ln Phi(z) there
_LEAST = 1e-6  # float32 has no smaller difference from 1
_PRECISION = 3e-4  # of the standard deviation
_PRECISE = 2e-3  # product of two steps, a fifth of which is what secants of this curve are off
_MOST_STEPS = 20


@njit([f"float64({MIXTURES}, int64, int64, int64, float64)"], cache=True, nogil=True, error_model="numpy")
def place_of_share(mixtures: NDArray[np.float32], count: int, first: int, step: int, below: float) -> float:
    """Find the place with a weight of ``below`` behind it, from ``first`` in steps of 1 or -1 of ``count`` times.

    The weights of the first mixture are densities: the mass between two is that of the cubic through four of them, and
    within it the density is a straight line.
    """
    mass = 0.0
    here, end = first, count - 1 - first
    least = np.float32(_NOTHING * below / count)
    while here != end - step and mixtures[0, 2, here + 2 * step] < least:
        here += step
    while here != end:
        there = here + step
        a, b = float(mixtures[0, 2, here]), float(mixtures[0, 2, there])
        if here != first and there != end:
            cell = (13 * (a + b) - mixtures[0, 2, here - step] - mixtures[0, 2, there + step]) * _TWENTY_FOURTH
        elif there != end:
            cell = (10 * a + 16 * b - 2 * mixtures[0, 2, there + step]) * _TWENTY_FOURTH
        elif here != first:
            cell = (16 * a + 10 * b - 2 * mixtures[0, 2, here - step]) * _TWENTY_FOURTH
        else:
            cell = (a + b) / 2
        cell = max(cell, 0.0)
        if mass + cell >= below:
            share = (below - mass) / cell
            root = math.sqrt(max(a * a + share * (b * b - a * a), 0.0))
            return here + step * share * (a + b) / (a + root) if a + root > 0 else float(here)
        mass += cell
        here = there
    return float(here)


@njit([f"int64({MIXTURES}, int64, int64, int64)"], cache=True, nogil=True, fastmath=_FAST, error_model="numpy")
def merge_neighbors(mixtures: NDArray[np.float32], source: int, target: int, count: int) -> int:
    """Write one mixture into another, each two neighbors merged into one part of their mean and variance.

    Gives the number of parts; the source is filled up with parts of weight 0.
    """
    filled = min(-(-count // _BLOCK) * _BLOCK, mixtures.shape[2])
    for i in range(count, filled):
        mixtures[source, 0, i], mixtures[source, 1, i] = mixtures[source, 0, 0], mixtures[source, 1, 0]
        mixtures[source, 2, i] = 0
    count = filled // 2
    for i in range(count):  # a row at a time: short loops over many rows are not run in vectors
        one, other = mixtures[source, 2, 2 * i], mixtures[source, 2, 2 * i + 1]
        mixtures[target, 2, i] = one + other
        mixtures[target, 1, i] = other / max(one + other, _LEAST_WEIGHT)
    for i in range(count):
        one, other = mixtures[source, 0, 2 * i], mixtures[source, 0, 2 * i + 1]
        mixtures[target, 0, i] = one + mixtures[target, 1, i] * (other - one)
    for i in range(count):
        apart = mixtures[source, 0, 2 * i + 1] - mixtures[source, 0, 2 * i]
        one, other = mixtures[source, 1, 2 * i], mixtures[source, 1, 2 * i + 1]
        share = mixtures[target, 1, i]
        mixtures[target, 1, i] = one + share * (other - one) + share * (_ONE - share) * apart * apart
    return count


@njit([f"int64({MIXTURES}, int64, int64)"], cache=True, nogil=True, fastmath=_FAST, error_model="numpy")
def standardize(mixtures: NDArray[np.float32], which: int, count: int) -> int:
    """Turn mean and variance into mean/deviation and 1/deviation; gives the number, with parts of weight 0 added."""
    filled = min(-(-count // _BLOCK) * _BLOCK, mixtures.shape[2])
    for i in range(count, filled):
        mixtures[which, 0, i], mixtures[which, 1, i], mixtures[which, 2, i] = 0, 1, 0
    mean, variance = mixtures[which, 0, :filled], mixtures[which, 1, :filled]
    for i in range(filled):
        inverse = _ONE / np.sqrt(variance[i])
        variance[i] = inverse
        mean[i] *= inverse
    return filled


@njit([f"float32({MIXTURES}, int64, int64, float32)"], cache=True, nogil=True, fastmath=_FAST, error_model="numpy")
def _mass_below(mixtures: NDArray[np.float32], which: int, count: int, x: float) -> float:
    shift, inverse, share = mixtures[which, 0, :count], mixtures[which, 1, :count], mixtures[which, 2, :count]
    mass = np.float32(0)
    for i in range(count):
        mass += share[i] * cumulative(x * inverse[i] - shift[i])
    return mass  # pyright: ignore[reportReturnType]  (numba computes in float32)


@njit(
    [f"float64({MIXTURES}, int64, int64, float64, float64, float64, float64, float64)"],
    cache=True,
    nogil=True,
    error_model="numpy",
)
def bound_of_flow(
    mixtures: NDArray[np.float32],
    which: int,
    count: int,
    total: float,
    mean: float,
    deviation: float,
    skewness: float,
    side: float,
) -> float:
    """Find the flow that a mixture exceeds (``side`` -1) or stays below (1) with a probability of 97.5 %.

    By secants of the logarithm of the mass outside, from where the skewness lets expect it (Cornish and Fisher, Rev
    Inst Int Stat 5:307 (1938)), within the bounds that any distribution of this mean and standard deviation keeps
    (Cantelli).
    """
    near, far = -math.sqrt(_OUTSIDE / (1 - _OUTSIDE)), math.sqrt((1 - _OUTSIDE) / _OUTSIDE)
    here = _NORMAL + side * min(max(skewness, -1.0), 1.0) * (_NORMAL * _NORMAL - 1) / 6
    slope, last, last_height, last_step = -_SLOPE, 0.0, 0.0, 1.0
    searching = True
    for attempt in range(_MOST_STEPS):
        if not searching:
            continue
        mass = _mass_below(mixtures, which, count, np.float32(mean + side * here * deviation)) / total
        outside = mass if side < 0 else 1 - mass
        height = math.log(max(outside, _LEAST)) - _LOG_OUTSIDE
        near, far = (here, far) if height > 0 else (near, here)
        if attempt > 0 and height != last_height:
            slope = (height - last_height) / (here - last)
        last, last_height = here, height
        here -= height / slope
        if slope >= 0 or not near <= here <= far:
            here, slope = (near + far) / 2, -_SLOPE
        step = abs(here - last)
        searching = step > _PRECISION and (attempt < 1 or step * last_step > _PRECISE)
        last_step = step
    return mean + side * here * deviation
