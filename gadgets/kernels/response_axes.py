"""Along which values the tables of the kinetic model are made: bounded in number, fine enough to interpolate."""

import math

import numpy as np
from numpy.typing import NDArray

_UNIT = 6000.0  # mL/100 g/min in one mL/g/s
_FASTEST = 200.0  # mL/100 g/min; flow up to which the apparent T1 is covered
_MOST_TIMES = 501
_RELATIVE_STEP = 0.01  # of T1'
_SAME_TIME = 1e-4  # s; slices that differ by less are read together


def transit_times(minimum: float, maximum: float, step: float) -> NDArray[np.float64]:
    """Give evenly spaced transit times from minimum to maximum, s, no farther apart than the step, at most 501."""
    count = min(math.ceil((maximum - minimum) / step - 1e-9) + 1, _MOST_TIMES)
    return np.linspace(minimum, maximum, max(count, 2))


def apparent_t1(shortest: float, longest: float, partition_coefficient: float, most: int = 300) -> NDArray[np.float64]:
    """Give values of ``T1' = 1 / (1/T1t + f/lambda)``, s, for T1t from shortest to longest and flow from 0 to 200.

    In steps of 1 % or less, unless that takes more than ``most`` of them.
    """
    lowest = 1 / (1 / shortest + _FASTEST / _UNIT / partition_coefficient)
    count = min(math.ceil(math.log(longest / lowest) / _RELATIVE_STEP) + 1, most)
    return np.geomspace(lowest, longest, max(count, 2))


def grouped(offsets: tuple[float, ...]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Give the different times of slices, s, ascending, and which of them each slice has, by z."""
    times = np.asarray(offsets, np.float64)
    order = np.argsort(times, kind="stable")
    begins = np.diff(times[order], prepend=-np.inf) > _SAME_TIME
    group = np.empty(len(times), np.int64)
    group[order] = np.cumsum(begins) - 1
    return times[order][begins], group
