"""Flow that cannot be negative: normal distributions of which only the part above 0 is left."""

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from .flow_given_transit import MIXTURES
from .normal import hazard_above, log_cumulative

_FAR = -12.0
_LEAST_LOG = -18.0  # of a weight against the largest; what weighs less is left out
_MOST_STEPS = 60
_PRECISION = 1e-4  # of the standard deviation
_HALF = 0.5
_ROOT = 1 / math.sqrt(2 * math.pi)


@njit([f"void({MIXTURES}, int64, float64, float64[:,::1])"], cache=True, nogil=True, error_model="numpy")
def truncate(mixtures: NDArray[np.float32], count: int, expanded: float, whole: NDArray[np.float64]) -> None:
    """Cut off what is below flow 0 of each part of the first mixture, and weigh each by what is left of it.

    Means are counted from ``expanded``. With z = mean / deviation and r = phi/Phi(z),
    mean -> mean + deviation r, variance -> variance (1 - z r - r^2), weight -> weight Phi(z). Into ``whole``,
    ``(4, parts)``, go z, 1/deviation, the logarithm of the new weight, and ln Phi(z).
    """
    largest = -math.inf
    for i in range(count):
        deviation = math.sqrt(mixtures[0, 1, i])
        z = (expanded + mixtures[0, 0, i]) / deviation
        whole[0, i], whole[1, i], whole[2, i], whole[3, i] = z, 1 / deviation, -math.inf, 0.0
        if mixtures[0, 2, i] > 0:
            whole[3, i] = log_cumulative(z)
            whole[2, i] = math.log(mixtures[0, 2, i]) + whole[3, i]
            largest = max(largest, whole[2, i])
    for i in range(count):
        whole[2, i] -= largest
        mixtures[0, 2, i] = 0
        if whole[2, i] > _LEAST_LOG:
            z, deviation = whole[0, i], 1 / whole[1, i]
            mixtures[0, 2, i] = math.exp(whole[2, i])
            hazard = hazard_above(z)
            square = 1 / (z * z) if z < _FAR else 0.0
            share = 1 - hazard * (z + hazard)
            if z < _FAR:  # the differences vanish in rounding
                share = square * (1 - square * (6 - square * (50 - square * 518)))
            mixtures[0, 0, i] = max(deviation * (z + hazard), 0.0) - expanded
            mixtures[0, 1, i] = deviation * deviation * max(share, 0.0)


@njit(["UniTuple(float64, 2)(float64[:,::1], int64, float64)"], cache=True, nogil=True, error_model="numpy")
def _above(whole: NDArray[np.float64], count: int, flow: float) -> tuple[float, float]:
    """Give the share above a flow, ``Phi(z - flow/deviation) / Phi(z)`` of each part, and its density."""
    mass, density, total = 0.0, 0.0, 0.0
    for i in range(count):
        if whole[2, i] > _LEAST_LOG:
            log_weight = whole[2, i] - whole[3, i]
            z = whole[0, i] - flow * whole[1, i]
            total += math.exp(whole[2, i])
            mass += math.exp(log_weight + log_cumulative(z))
            density += math.exp(log_weight - 0.5 * z * z) * whole[1, i]
    return mass / total, density * _ROOT / total


@njit(["float64(float64[:,::1], int64, float64, float64, float64)"], cache=True, nogil=True, error_model="numpy")
def positive_flow_of_share(
    whole: NDArray[np.float64], count: int, mean: float, deviation: float, above: float
) -> float:
    """Find the flow exceeded with a probability ``above``: by Newton's steps, by halves where they lead outside.

    It lies between 0 and the bound that any distribution of this mean and standard deviation keeps (Cantelli).
    """
    low, high = 0.0, mean + deviation * math.sqrt((1 - above) / above)
    here = max(mean + deviation * (2.0 if above < _HALF else -2.0), 0.0)
    attempt, searching = 0, True
    while searching:
        mass, density = _above(whole, count, here)
        low, high = (here, high) if mass > above else (low, here)
        last = here
        if density > 0:
            here += (mass - above) / density
        if not low <= here <= high or density <= 0:
            here = (low + high) / 2
        attempt += 1
        searching = abs(here - last) > _PRECISION * deviation and attempt < _MOST_STEPS
    return here
