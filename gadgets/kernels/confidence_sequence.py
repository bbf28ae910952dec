"""How far a mean or a variance can be off, at all looks at growing data together.

An interval of 95 % holds the truth in 95 of 100 scans if it is looked at once. Whoever looks after each pair, and stops
when the interval pleases, is wrong far more often. The bounds here hold at all looks together, however it is decided
when to stop: they are where a martingale that begins at 1 reaches 1 / uncertainty, which it ever does in at most that
share of all scans (Ville's inequality; Robbins, Ann Math Stat 41:1397 (1970)).
"""

import math
from functools import lru_cache

from scipy.optimize import root_scalar
from scipy.special import gammaincc, gammaln

_EFFECT = 1.0  # variance of the mixture over effects, in variances of one value: narrowest from 6 to 30 values
FEW, MANY = 0.2, 10.0
"""Rates of the mixture over variances: the bound is narrowest near 10 degrees of freedom, and above 1000."""
_FARTHEST = 60.0  # e-folds below the degrees of freedom at which the search begins


def mean_half_width(deviation: float, count: int, uncertainty: float = 0.05) -> float:
    """Tell how far the mean of ``count`` values may be off, given their standard deviation; infinite while too few.

    Student's t with a normal mixture over effects mu/sigma of variance 1 (Lai, Ann Stat 4:265 (1976); Wang and Ramdas,
    Seq Anal 44:56 (2025)): with g = 1 + n and K = (g / uncertainty^2)^(1/n) the interval is all means with

        t^2 <= (n - 1) g (K - 1) / (g - K)

    For independent normal values of any variance it is exact. By its nature wider than Student's interval for one look:
    t is 5.4 of 6 values, 3.5 of 20 (instead of 2.6 and 2.1).
    """
    if count < 2:
        return math.inf
    g = 1.0 + count * _EFFECT
    k = (g / uncertainty**2) ** (1.0 / count)
    if k >= g:
        return math.inf
    return deviation * math.sqrt((count - 1) * g * (k - 1) / (g - k) / count)


@lru_cache(maxsize=10_000)
def variance_inflation(degrees: float, uncertainty: float, rate: float = FEW) -> float:
    """Tell by how much the true variance may exceed that of a sample with so many degrees of freedom.

    An upper bound that holds at all looks: with Q = degrees times sample over true variance and r >= 1 the factor by
    which the true one is taken too large, spread as b exp(-b (r - 1)), the martingale is

        M = integral of r^(degrees / 2) exp(-(r - 1) Q / 2) b exp(-b (r - 1)) dr over r > 1

    and the bound is the variance at which M = 1 / uncertainty. Infinite while no variance is that unlikely.
    """
    if degrees <= 0:
        return math.inf
    half = 1 + degrees / 2

    def excess(log_q: float) -> float:
        q = math.exp(log_q) / 2
        grown = gammaln(half) + math.log(max(gammaincc(half, rate + q), 1e-300)) - half * math.log(rate + q)
        return float(q + rate + math.log(rate) + grown + math.log(uncertainty))

    usual = math.log(degrees)
    if excess(usual - _FARTHEST) < 0:
        return math.inf
    return degrees / math.exp(root_scalar(excess, bracket=(usual - _FARTHEST, usual)).root)
