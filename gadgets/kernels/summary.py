"""From the mixture of one voxel to the bounds of flow and of transit time."""

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from .flow_given_transit import MIXTURES
from .quantiles import bound_of_flow, merge_neighbors, place_of_share, standardize

OUTSIDE = 0.025
"""Probability on either side of an interval."""
_AMPLE = 5.0  # steps of transit time in a standard deviation, with which four of them may be one
_ROUNDING = 1e-9


@njit(
    [f"UniTuple(float64, 2)({MIXTURES}, int64, UniTuple(float64, 6))"], cache=True, nogil=True, error_model="numpy"
)
def bounds_of_flow(
    mixtures: NDArray[np.float32], number: int, sums: tuple[float, float, float, float, float, float]
) -> tuple[float, float]:
    """Give the bounds of flow in the first mixture, of ``number`` parts and with the moments ``sums``.

    Two or four neighbors within a small part of a standard deviation are merged, which changes the bounds by less than
    1e-3 of one.
    """
    total, _, width, mean, square, skewness = sums
    which, kept = 1, merge_neighbors(mixtures, 0, 1, number)
    if width >= _AMPLE**2:
        which, kept = 2, merge_neighbors(mixtures, 1, 2, kept)
    kept = standardize(mixtures, which, kept)
    deviation = math.sqrt(square)
    return (
        bound_of_flow(mixtures, which, kept, total, mean, deviation, skewness, -1.0),
        bound_of_flow(mixtures, which, kept, total, mean, deviation, skewness, 1.0),
    )


@njit(
    [f"UniTuple(float64, 3)({MIXTURES}, int64, float64, float64, float64, float64)"],
    cache=True,
    nogil=True,
    error_model="numpy",
)
def places_of_transit(
    mixtures: NDArray[np.float32], number: int, total: float, begin: float, pace: float, final: float
) -> tuple[float, float, float]:
    """Give the bounds and the likeliest of the transit times of a mixture, in steps of the grid that ends at ``final``.

    The first is at ``begin``, each next one ``pace`` later. Sums count the ends of the grid half: here they get all of
    their weight.
    """
    mixtures[0, 2, 0] *= np.float32(2 if begin <= 0 else 1)
    mixtures[0, 2, number - 1] *= np.float32(2 if begin + pace * (number - 1) >= final - _ROUNDING else 1)
    likeliest, largest = 0, np.float32(0)
    for i in range(number):
        higher = mixtures[0, 2, i] > largest
        likeliest = i if higher else likeliest
        largest = max(largest, mixtures[0, 2, i])
    return (
        begin + pace * place_of_share(mixtures, number, 0, 1, OUTSIDE * total),
        begin + pace * place_of_share(mixtures, number, number - 1, -1, OUTSIDE * total),
        begin + pace * likeliest,
    )
