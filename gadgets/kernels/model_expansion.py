"""The kinetic model of one voxel as a straight line in flow, around the flow that is expected there."""

import numpy as np
from numba import njit
from numpy.typing import NDArray

_UNIT = 6000.0  # mL/100 g/min in one mL/g/s
FASTEST = 200.0
"""Flow up to which the model is expanded, mL/100 g/min; beyond it the line goes on."""


@njit(
    ["int64(float64, float64, float64, float64[::1], float64[::1], float64[::1], float32[:,::1])"],
    cache=True,
    nogil=True,
    error_model="numpy",
)
def expand(
    flow: float,
    t1_tissue: float,
    partition_coefficient: float,
    t1_apparent: NDArray[np.float64],
    data: NDArray[np.float64],
    roots: NDArray[np.float64],
    mixed: NDArray[np.float32],
) -> int:
    """Mix the tables of two neighboring T1' into the model around ``flow``; gives the number of the lower one.

    Blood that flows carries labeled water away, so that the signal is not proportional to flow:
    ``s(f) = f K(T1')`` with ``1/T1' = 1/T1t + f/lambda``. Its tangent is ``s(f0) + (f - f0) (K + f0 dK/df)`` with
    ``dK/df = -T1'^2 / lambda * dK/dT1'``, and K a straight line between two T1' of the table. ``data`` (deltam / M0)
    and ``roots`` (1/standard deviation) have shape ``(boluses,)``; the rows of ``mixed`` are those of ``flow_at_each``.
    """
    flow = min(max(flow, 0.0), FASTEST)
    rate = flow / (_UNIT * partition_coefficient)
    t1 = 1.0 / (1.0 / t1_tissue + rate)
    lower, upper = 0, len(t1_apparent) - 1
    while upper - lower > 1:
        middle = (lower + upper) // 2
        upper, lower = (middle, lower) if t1_apparent[middle] > t1 else (upper, middle)
    gap = t1_apparent[upper] - t1_apparent[lower]
    share = (t1 - t1_apparent[lower]) / gap if gap > 0 else 0.0
    slope_share = share
    if gap > 0 and 0.0 <= share <= 1.0:
        slope_share -= t1 * t1 * rate / gap
    else:  # outside the table T1' is held at its end, and flow does not change it
        share = min(max(share, 0.0), 1.0)
        slope_share = share
    for b in range(len(data)):
        mixed[0, b] = roots[b] * data[b]
        mixed[1, b] = roots[b] * flow * (1 - share)
        mixed[2, b] = roots[b] * flow * share
        mixed[3, b] = roots[b] * (1 - slope_share)
        mixed[4, b] = roots[b] * slope_share
    return lower
