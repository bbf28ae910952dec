"""From the mixture of one voxel to the bounds of flow and of transit time."""

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from .flow_given_transit import MIXTURES
from .quantiles import bound_of_flow, merge_neighbors, place_of_share, standardize

OUTSIDE = 0.025
"""Probability on either side of an interval."""
MIXTURES_NEEDED = 4
"""The first, and what becomes of it when neighbors are merged once, twice, three times."""
_APART = 4  # parts of a mixture left in a standard deviation of the transit time, when it is merged once more
_ROUNDING = 1e-9


@njit([f"UniTuple(float64, 2)({MIXTURES}, int64, UniTuple(float64, 6))"], cache=True, nogil=True, error_model="numpy")
def bounds_of_flow(
    mixtures: NDArray[np.float32], number: int, sums: tuple[float, float, float, float, float, float]
) -> tuple[float, float]:
    """Give the bounds of flow in the first mixture, of ``number`` parts and with the moments ``sums``.

    Two, four or eight neighbors within a quarter of a standard deviation of the transit time are merged. That and the
    steps of the grid move the bounds of flow by up to 0.01 of its standard deviation at usual noise.
    """
    total, _, width, mean, square, skewness = sums
    which, kept = 0, number
    for target in range(1, MIXTURES_NEEDED):
        if target == 1 or width >= (_APART << target) ** 2:
            kept = merge_neighbors(mixtures, which, target, kept)
            which = target
    kept = standardize(mixtures, which, kept)
    deviation = math.sqrt(square)
    return (
        bound_of_flow(mixtures, which, kept, total, mean, deviation, skewness, -1.0),
        bound_of_flow(mixtures, which, kept, total, mean, deviation, skewness, 1.0),
    )


@njit(
    [f"Tuple((float64, float64, boolean))({MIXTURES}, int64, float64, float64, float64, float64)"],
    cache=True,
    nogil=True,
    error_model="numpy",
)
def bounds_of_transit(
    mixtures: NDArray[np.float32], number: int, total: float, begin: float, pace: float, final: float
) -> tuple[float, float, bool]:
    """Give the bounds of the transit time, and whether the likeliest one is an end of the grid.

    All in steps of the grid, which ends at ``final``: the first of the ``number`` transit times is at ``begin``, each
    next one ``pace`` later. Sums count the ends of the grid half: here they get all of their weight.
    """
    early, late = begin <= 0, begin + pace * (number - 1) >= final - _ROUNDING
    mixtures[0, 2, 0] *= np.float32(2 if early else 1)
    mixtures[0, 2, number - 1] *= np.float32(2 if late else 1)
    end = np.float32(0)
    if early:
        end = mixtures[0, 2, 0]
    if late:
        end = max(end, mixtures[0, 2, number - 1])
    likeliest = end > mixtures[0, 2, number // 2]
    if likeliest:
        for i in range(number):
            likeliest &= mixtures[0, 2, i] <= end
    return (
        begin + pace * place_of_share(mixtures, number, 0, 1, OUTSIDE * total),
        begin + pace * place_of_share(mixtures, number, number - 1, -1, OUTSIDE * total),
        likeliest,
    )
