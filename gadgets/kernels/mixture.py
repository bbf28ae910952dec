"""Where the transit times of one voxel are looked at: everywhere first, then where they count."""

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from .flow_given_transit import MIXTURES
from .paces import FINEST, PACES

RESOLVED = 2.5
"""Steps of transit time in a standard deviation with which sums are integrals."""
_FAST = {"reassoc", "contract", "arcp", "nsz", "nnan", "ninf"}  # all weights are finite
_AMPLE = 16.0  # steps with which kinks of the model, where a bolus begins or ends, do not show either
_LEAST = 64  # transit times where the table is too coarse
_NEGLIGIBLE = np.float32(1e-8)  # of the largest weight
_BLOCK = 8  # as the tables are filled up

View = tuple[int, int, int, float, float]
"""First place in the tables, number of places, how many of them count, and in steps of the table where the first of
them is and how far the next."""


@njit([f"UniTuple(int64, 2)({MIXTURES}, int64)"], cache=True, nogil=True, fastmath=_FAST, error_model="numpy")
def support(mixtures: NDArray[np.float32], number: int) -> tuple[int, int]:
    """Tell the first and the last of the parts of the first mixture whose weight counts."""
    largest = np.float32(0)
    for i in range(number):
        largest = max(largest, mixtures[0, 2, i])
    least = _NEGLIGIBLE * largest
    first, last = 0, number - 1
    while first < last and mixtures[0, 2, first] < least:
        first += 1
    while last > first and mixtures[0, 2, last] < least:
        last -= 1
    return first, last


@njit(
    ["Tuple((int64, int64, int64, float64, float64))(int64[:,::1], float64, float64, float64)"],
    cache=True,
    nogil=True,
    error_model="numpy",
)
def look_closer(layout: NDArray[np.int64], begin: float, until: float, deviation: float) -> View:
    """Choose the widest pace that has ample steps in a standard deviation, and its places from begin to until.

    All in steps of the table; only paces that end where the table ends.
    """
    exponent = 0
    for wider in range(1, PACES):
        fits = (layout[0, 1] - 1) % (1 << wider) == 0 and deviation >= _AMPLE * (1 << wider)
        exponent = wider if fits else exponent
    number = -(-(int(until) - int(begin) + (1 << exponent)) // (_BLOCK << exponent)) * _BLOCK
    number = min(number, layout[exponent, 2])
    start = min(int(begin) >> exponent, layout[exponent, 2] - number)
    within = min(number, layout[exponent, 1] - start)
    return layout[exponent, 0] + start, number, within, float(start << exponent), float(1 << exponent)


@njit(
    ["Tuple((int64, int64, int64, float64, float64))(int64[:,::1], float64, float64, float64)"],
    cache=True,
    nogil=True,
    error_model="numpy",
)
def look_between(layout: NDArray[np.int64], begin: float, until: float, pace: float) -> View:
    """Lay more places from begin to until than the last ``pace`` did, 64 to 256 of them."""
    number = min(FINEST, max(_LEAST, _BLOCK * math.ceil((until - begin) / pace)))
    return layout[PACES, 0], number, number, begin, (until - begin) / (number - 1)
