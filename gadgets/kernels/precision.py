"""How precise a map of flow is after some pairs, now or later, and how sure that is."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

from scipy.special import gammaincinv

from .confidence_sequence import MANY, mean_half_width, variance_inflation

_HALF_WIDTH = 1.96  # of an interval of 95 %, in standard errors
_ALIKE = 4.0  # neighboring voxels that share their noise, as images are filtered and moved
_LOSS = math.pi / 2  # of a median against a mean, in how well it is known
_OF_VOXELS = 0.2  # share of the uncertainty given to the noise of voxels, which is known well
_LIKELY = 0.95
_MOST_PAIRS = 100_000
_STEPS = 3


def own_variance(median: float, common: float, degrees: float) -> float:
    """Tell how much of the pair-to-pair variance of voxels is their own noise, and not that of all together.

    Breathing and pulse move all of gray matter alike, by ``common``. Given that, the sample variance of each voxel is
    noncentral chi^2 with ``degrees``, skewed to the right, so that the median over voxels lies below the variance:
    by ``(1 - 2 (1 + 2 r) / (9 degrees (1 + r)^2))^3`` with r = common / own (Abdel-Aty, Biometrika 41:538 (1954)); by
    half with 1 degree of freedom, by 4 % with 15.
    """
    own = median
    for _ in range(_STEPS):
        r = common / own if own > 0 else 0.0
        share = (1 - 2 * (1 + 2 * r) / (9 * degrees * (1 + r) ** 2)) ** 3
        own = max(median / share - common, 0.0)
    return own


@dataclass(frozen=True, slots=True)
class Precision:
    """What one more pair does to the map, by the noise of the pairs so far."""

    flow: float
    """Mean of gray matter."""
    own: float
    """Variance of one pair in the median voxel that other voxels do not share."""
    common: float
    """Variance of one pair that all of gray matter shares."""
    voxels: int
    """In the median."""
    skipped: int = 1
    """Pairs that tell nothing about the spread of pairs."""
    share: float = 1.0
    """What smoothing leaves of the voxels' own variance."""
    leeway: float = 1.0
    """What may be left of the voxels' own variance as more pairs come, beside what is not known of it."""

    def degrees(self, pairs: int) -> int:
        """Give the degrees of freedom of the common variance."""
        return max(pairs - self.skipped, 0)

    def voxel_error(self, pairs: int) -> float:
        """Give the standard error of the median voxel of gray matter."""
        return math.sqrt((self.share * self.own + self.common) / pairs)

    def voxel_error_bound(self, pairs: int, uncertainty: float = 0.05) -> float:
        """Give what that is at most, at all looks together."""
        degrees = self.degrees(pairs)
        common = variance_inflation(degrees, uncertainty * (1 - _OF_VOXELS))
        if math.isinf(common):
            return math.inf
        own = variance_inflation(self._of_voxels(degrees), uncertainty * _OF_VOXELS, MANY)
        return math.sqrt((self.share * self.own * own + self.common * common) / pairs)

    def mean_half_width(self, pairs: int, uncertainty: float = 0.05) -> float:
        """Give the half width of the interval of the mean of gray matter, which holds at all looks together."""
        return mean_half_width(math.sqrt(self.common), self.degrees(pairs) + 1, uncertainty)

    def half_width(self, pairs: int) -> float:
        """Give the half width of the 95 % interval of the median voxel, as a share of the flow of gray matter."""
        return _HALF_WIDTH * self.voxel_error(pairs) / abs(self.flow) if self.flow else math.inf

    def half_width_bound(self, pairs: int, uncertainty: float = 0.05) -> float:
        """Give what that is at most, at all looks together."""
        least = abs(self.flow) - self.mean_half_width(pairs, uncertainty / 2)
        return _HALF_WIDTH * self.voxel_error_bound(pairs, uncertainty / 2) / least if least > 0 else math.inf

    def at_best(self, pairs: int) -> "Precision":
        """Give the least noise that the pairs so far leave likely."""
        degrees = self.degrees(pairs)
        if degrees < 1:
            return replace(self, own=0.0, common=0.0)
        common = self.common * degrees / _most(degrees)
        of_voxels = self._of_voxels(degrees)
        own = self.own * self.leeway * of_voxels / _most(of_voxels)
        return replace(self, own=own, common=common)

    def _of_voxels(self, degrees: int) -> float:
        return round(max(degrees * self.voxels / _ALIKE / _LOSS, 1.0))


def _most(degrees: float) -> float:
    """Give what chi^2 is at most in 95 %; the same as scipy.stats gives, without its checks, which take 0.3 ms."""
    return 2 * float(gammaincinv(degrees / 2, _LIKELY))


def pairs_until(reached: Callable[[int], bool], first: int) -> float:
    """Find the first number of pairs, from ``first`` on, at which something holds that then stays; maybe infinite."""
    low, high = max(first, 1) - 1, max(first, 1)
    while not reached(high):
        low, high = high, 2 * high
        if high > _MOST_PAIRS:
            return math.inf
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if reached(middle) else (middle, high)
    return float(high)
