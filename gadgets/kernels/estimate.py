"""Numbers with their standard errors."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np


class Estimate(NamedTuple):
    """A number with its standard error; NaN where there is none."""

    value: float
    stderr: float = math.nan

    def widened(self, share: float) -> "Estimate":
        """Give the same with an error more, independent of the first, a share of the number."""
        return Estimate(self.value, math.hypot(self.stderr, share * self.value))


UNKNOWN = Estimate(math.nan)


def quotient(above: Estimate, below: Estimate) -> Estimate:
    """Divide two independent numbers; no answer where the second is not above 0."""
    if not below.value > 0:
        return UNKNOWN
    ratio = above.value / below.value
    return Estimate(ratio, math.hypot(above.stderr, ratio * below.stderr) / below.value)


def asymmetry(left: Estimate, right: Estimate) -> Estimate:
    """Give ``200 (right - left) / (right + left)``, %, of two independent numbers; no answer without a sum above 0.

    >>> asymmetry(Estimate(45.0, 0.0), Estimate(55.0, 0.0)).value
    20.0
    """
    total = left.value + right.value
    if not total > 0:
        return UNKNOWN
    value = 200 * (right.value - left.value) / total
    return Estimate(value, 400 / total**2 * math.hypot(left.value * right.stderr, right.value * left.stderr))


def shared_error(mean: Estimate, repeated: Sequence[float]) -> float:
    """Give by which share of themselves all voxels are wrong together, beyond what is theirs alone.

    ``mean`` is that of many voxels, with the error of independent ones; ``repeated`` the same mean, pair by pair, in
    any unit. What their spread says more, ``sd / (sqrt(n) mean)`` squared, breathing and pulse did to all voxels at
    once. 0 where fewer than 3 repetitions tell nothing of it.
    """
    if len(repeated) < 3 or mean.value == 0 or not np.mean(repeated):
        return 0.0
    seen = float(np.std(repeated, ddof=1) / np.mean(repeated)) ** 2 / len(repeated)
    alone = (mean.stderr / mean.value) ** 2
    return math.sqrt(max(0.0, seen - alone)) if math.isfinite(alone) else 0.0
