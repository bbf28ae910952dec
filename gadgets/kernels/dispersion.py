"""Blood does not all take the same time: transit times spread by a gamma distribution.

Chappell et al., MRM 69:563 (2013). A part of the blood that needs v longer than the first has the density
``g(v) = s (s v)^(k - 1) exp(-s v) / Gamma(k)`` with ``k = 1 + s p``. ATT is the time of the first.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammainc, gammaln, hyp1f1

_NO_GROWTH = 1e-7  # 1/s; slower than this the closed form loses more digits than its limit is off


class Dispersion(NamedTuple):
    """How unevenly labeled blood travels."""

    sharpness: float
    """s, 1/s: the larger, the less it spreads."""
    shape: float
    """k: 1 plus s times the time to the peak."""

    @classmethod
    def of_peak(cls, sharpness: float, time_to_peak: float) -> "Dispersion":
        """Give the spread with its peak p after the first arrival, s."""
        return cls(sharpness, 1.0 + sharpness * time_to_peak)

    def survival(self, t1: float) -> float:
        """Tell what is left on average of label that decays with ``t1`` for the extra time."""
        return float((self.sharpness / (self.sharpness + 1.0 / t1)) ** self.shape)

    def of_survivors(self, t1: float) -> "Dispersion":
        """Give the spread among what is left: early parts count more, and it is a gamma distribution again."""
        return Dispersion(self.sharpness + 1.0 / t1, self.shape)


def arrived_share(since: NDArray[np.float64], way: Dispersion) -> NDArray[np.float64]:
    """Tell which share of a steady inflow is there, ``since`` s after its first part."""
    return gammainc(way.shape, way.sharpness * np.maximum(since, 0.0))


def dispersed_uptake(since: NDArray[np.float64], growth: NDArray[np.float64], way: Dispersion) -> NDArray[np.float64]:
    """Tell how much there is of an inflow of up to 1 per s, of which the first part came ``since`` s ago.

    ``integral from 0 to since of exp(growth * (since - u)) G(u) du`` with G the distribution function of the spread; by
    parts ``(exp(growth * since) * integral of exp(-growth * v) g(v) dv - G(since)) / growth``.
    """
    time = np.maximum(since, 0.0)
    arrived = arrived_share(time, way)
    steady = np.abs(growth) < _NO_GROWTH
    amount = (_grown(time, growth, way) - arrived) / np.where(steady, 1.0, growth)
    if np.any(steady):
        still = time * arrived - way.shape / way.sharpness * gammainc(way.shape + 1, way.sharpness * time)
        amount = np.where(steady, still, amount)
    return amount


def _grown(time: NDArray[np.float64], growth: NDArray[np.float64], way: Dispersion) -> NDArray[np.float64]:
    """Give ``integral from 0 to time of exp(growth * (time - v)) g(v) dv``.

    An incomplete gamma function of ``s + growth``; where that is not positive, Kummer's function continues it.
    """
    total = way.sharpness + growth
    tame = np.where(total > 0, total, 1.0)
    usual = np.exp(growth * time + way.shape * np.log(way.sharpness / tame)) * gammainc(way.shape, tame * time)
    if np.all(total > 0):
        return usual
    power = np.where(time > 0, way.shape * np.log(way.sharpness * np.where(time > 0, time, 1.0)), -np.inf)
    weight = np.exp(power - way.sharpness * time - gammaln(way.shape + 1))
    return np.where(total > 0, usual, weight * hyp1f1(1.0, way.shape + 1, np.minimum(total, 0.0) * time))
