"""How far a value is from the others, where some of the others may be wrong too."""

import math

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri, stdtrit

FEWEST = 4
"""Values below which nobody can tell which one is wrong."""
_SPREAD = 1.482602218505602  # standard deviations in a median absolute deviation of normal noise
_FEW = {4: 0.80, 5: 0.95, 6: 1.00}  # by simulation; holds within 10 % for shares between 1 % and 1 in 50,000
_MORE = 1.06


def limit_for(count: int, limit: float) -> float:
    """Tell how many spreads from the median the same share of good values lies that ``limit`` leaves of very many.

    The median absolute deviation of a few values is wild: of 6 good ones one in 2,000 lies 17 spreads away. Both come
    from the same values, so their ratio has a tail like Student's t of ``count // 2`` degrees of freedom: that many
    other values have to lie close together for a small spread. The factor before it was found by simulation.

    >>> [round(limit_for(count, 3.5), 1) for count in (4, 6, 10, 20, 60)]
    [37.1, 16.7, 8.6, 5.4, 4.2]
    """
    quantile = -stdtrit(count // 2, ndtr(-limit))
    return float(_FEW.get(count, _MORE) * quantile)


def shared_limit(limit: float, tests: int) -> float:
    """Give the limit with which as many tests together leave out the share that ``limit`` does by itself."""
    return float(-ndtri(ndtr(-limit) / max(tests, 1)))


def deviations(
    values: NDArray[np.float64], reference: NDArray[np.bool_], floor: NDArray[np.float64] | float, limit: float
) -> NDArray[np.float64]:
    """Tell how far each value is from the median of the reference, as a robust z that means the same for any number.

    ``values`` has shape ``(n,)`` or ``(n, columns)``, ``reference`` ``(n,)`` says which of them are looked at. The
    spread is 1.48 times the median absolute deviation, at least ``floor``; z is such that good values exceed ``limit``
    as often as normal ones do, however few there are. NaN with fewer than 4 of reference, or where one is no number.
    """
    known = values[reference]
    if len(known) < FEWEST:
        return np.full(values.shape, np.nan)
    middle, spread = middle_and_spread(known)
    reach = np.maximum(limit_for(len(known), limit) * spread, limit * np.asarray(floor))
    away = values - middle
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(away == 0, 0.0, limit * away / reach)


def middle_and_spread(values: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Give the median of each column, and 1.48 times the median absolute deviation from it."""
    middle = _median(values)
    return middle, _SPREAD * _median(np.abs(values - middle))


def _median(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give the median of each column; of a few dozen values several times as fast as NumPy's."""
    ordered = np.sort(values, axis=0)
    return (ordered[(len(values) - 1) // 2] + ordered[len(values) // 2]) / 2


def huber_weight(z: float, bend: float) -> float:
    """Give ``min(1, bend / |z|)``, the weight of Huber's estimator (Ann Math Stat 35:73 (1964)); 1 where z is NaN."""
    return 1.0 if math.isnan(z) or abs(z) <= bend else bend / abs(z)
