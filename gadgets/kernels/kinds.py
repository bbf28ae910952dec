"""How much differences of control and label vary that ought to be alike: those of one bolus."""

from collections.abc import Hashable, Sequence

import numpy as np
from numpy.typing import NDArray


def spread_within_kinds(values: NDArray[np.float64], least: NDArray[np.float64], kinds: Sequence[Hashable]) -> float:
    """Give the variance of one value around the mean of its kind, pooled: sum of squares over the degrees of freedom.

    At least the mean of ``least``, what each must vary by for noise alone: two values may be alike by chance. NaN
    where there are no values.

    >>> float(spread_within_kinds(np.array([1.0, 3.0, 10.0]), np.array([0.5, 0.5, 0.5]), ["a", "a", "b"]))
    2.0
    """
    if not len(values):
        return float("nan")
    numbers = numbered(kinds)
    counts = np.bincount(numbers)
    means = np.bincount(numbers, values) / counts
    freedom = len(values) - len(counts)
    between = float(np.sum(np.square(values - means[numbers]))) / freedom if freedom else 0.0
    return max(between, float(np.mean(least)))


def numbered(kinds: Sequence[Hashable]) -> NDArray[np.int64]:
    """Give kinds numbers, from 0, in the order in which they come.

    >>> numbered(["a", "b", "a"]).tolist()
    [0, 1, 0]
    """
    found: dict[Hashable, int] = {}
    return np.array([found.setdefault(kind, len(found)) for kind in kinds], np.int64)
