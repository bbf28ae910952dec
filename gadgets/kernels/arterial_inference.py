"""The maps of flow and transit time where labeled blood may still be in arteries, voxel by voxel."""

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from .arteries import both_at_each, collapse, read_between
from .flow_given_transit import moments
from .model_expansion import FASTEST, expand
from .summary import summarize
from .truncation import truncate
from .voxels import weigh

ARTERIAL_MAPS = 3
"""Arterial blood volume, its standard deviation, and mean arrival in the arteries."""
_FIRST, _MOST = 20, 40  # times of transit, and of arrival
_RESOLVED = 3.0  # steps in a standard deviation of the transit time
_DEEPEST = 6
_NEGLIGIBLE = 1e-7  # of the largest weight
_START = 50.0  # mL/100 g/min, where the model is expanded first
_ROUNDING = 1e-9
_LOG_HALF = math.log(0.5)
_MAP, _TABLE = "float32[:,::1]", "float64[:,::1]"


@njit(["UniTuple(float64, 2)(float64[::1], int64, float64, float64, float64)"], cache=True, nogil=True)
def _window(weight: NDArray[np.float64], number: int, begin: float, pace: float, final: float) -> tuple[float, float]:
    """Tell between which places the weights count, one further on either side."""
    least = _NEGLIGIBLE * np.max(weight[:number])
    first, last = 0, number - 1
    while first < last and weight[first] < least:
        first += 1
    while last > first and weight[last] < least:
        last -= 1
    return max(begin + (first - 1) * pace, 0.0), min(begin + (last + 1) * pace, final)


@njit(
    [
        f"void(float32[:,:,::1], float64[:,::1], {_MAP}, {_MAP}, {_MAP}, float32[:,:,:,::1], float64[::1], float64[::1],"
        f"int64[::1], float64[::1], boolean, float32[:,:,::1], float32[:,:,::1], boolean[:,::1])"
    ],
    cache=True,
    nogil=True,
    error_model="numpy",
)
def infer_with_arteries(
    mean: NDArray[np.float32],
    weights: NDArray[np.float64],
    variance: NDArray[np.float32],
    m0: NDArray[np.float32],
    t1_tissue: NDArray[np.float32],
    tables: NDArray[np.float32],
    t1_apparent: NDArray[np.float64],
    att: NDArray[np.float64],
    group: NDArray[np.int64],
    settings: NDArray[np.float64],
    nonnegative: bool,
    arterial: NDArray[np.float32],
    maps: NDArray[np.float32],
    edge: NDArray[np.bool_],
) -> None:
    """Write the posterior of all voxels into ``maps`` ``(11, z, voxels)`` and ``edge`` ``(z, voxels)``.

    As ``infer``, with arterial blood volume beside flow: both together are normal at each pair of a transit time and an
    arrival in the arteries, which is not later. The grid of pairs is coarse, and is laid more closely over what counts
    until the transit time is resolved. Given a transit time, flow is taken for normal. ``settings`` have the standard
    deviation of the volume behind the others.
    """
    boluses, slices, voxels = mean.shape
    times, final = len(t1_apparent), len(att) - 1.0
    step = (att[len(att) - 1] - att[0]) / final
    joint = np.empty((6, _MOST, _MOST))
    low, high, blood = np.empty((boluses, _MOST)), np.empty((boluses, _MOST)), np.empty((boluses, _MOST))
    slopes, residuals, volume = np.empty((boluses, _MOST)), np.empty((boluses, _MOST)), np.empty((3, _MOST))
    transit, arrival, share = np.empty(_MOST), np.empty(_MOST), np.empty(_MOST)
    found, whole = np.empty((3, _MOST), np.float32), np.empty((3, _MOST))
    one, other = np.empty_like(found), np.empty_like(found)
    mixed, data, roots = np.empty((5, boluses), np.float32), np.empty(boluses), np.empty(boluses)
    sharpness = np.sqrt(np.maximum(weights, 0.0))
    information, arterial_information = 1 / settings[2] ** 2, 1 / settings[5] ** 2
    for z in range(slices):
        table = tables[group[z]]
        brightest = np.max(np.abs(table[times // 2]))
        for v in range(voxels):
            edge[z, v] = False
            if not weigh(mean, sharpness, variance, m0, t1_tissue, brightest, z, v, data, roots):
                maps[:, z, v] = np.nan
                continue
            flow, sums = _START, (0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
            number = min(_FIRST, len(att))
            arrivals, begin, arrival_begin = number, 0.0, 0.0
            pace = final / (number - 1)
            arrival_pace = pace
            for depth in range(_DEEPEST):
                lower = expand(flow, t1_tissue[z, v], settings[0], t1_apparent, data, roots, mixed)
                upper = min(lower + 1, times - 1)
                read_between(table[lower], begin, pace, number, low)
                read_between(table[upper], begin, pace, number, high)
                read_between(arterial[group[z]], arrival_begin, arrival_pace, arrivals, blood)
                for b in range(boluses):
                    for j in range(number):
                        residuals[b, j] = mixed[0, b] - mixed[1, b] * low[b, j] - mixed[2, b] * high[b, j]
                        slopes[b, j] = mixed[3, b] * low[b, j] + mixed[4, b] * high[b, j]
                    for k in range(arrivals):
                        blood[b, k] *= roots[b]
                for j in range(number):
                    transit[j] = att[0] + step * (begin + pace * j)
                for k in range(arrivals):
                    arrival[k] = att[0] + step * (arrival_begin + arrival_pace * k)
                largest = both_at_each(
                    slopes, residuals, blood, transit, number, arrival, arrivals, information,
                    (settings[1] - flow) * information, arterial_information, settings[3], settings[4],
                    att[0] - step, joint,
                )  # fmt: skip
                collapse(joint, number, arrival, arrivals, largest, found, volume)
                if begin <= 0:
                    found[2, 0] *= 0.5
                if begin + pace * (number - 1) >= final - _ROUNDING:
                    found[2, number - 1] *= 0.5
                if nonnegative:
                    truncate(found, number, flow, whole)
                sums = moments(found, number, np.float32(number // 2))
                if (depth > 0 and sums[2] >= _RESOLVED**2) or depth == _DEEPEST - 1:
                    break
                for k in range(arrivals):
                    share[k] = 0.0
                    for j in range(number):
                        share[k] += math.exp(joint[0, j, k] - largest)
                arrival_begin, until = _window(share, arrivals, arrival_begin, arrival_pace, final)
                arrivals = _MOST
                arrival_pace = (until - arrival_begin) / (arrivals - 1)
                for j in range(number):
                    share[j] = found[2, j]
                begin, until = _window(share, number, begin, pace, final)
                number = _MOST
                pace = (until - begin) / (number - 1)
                flow = min(max(flow + sums[3], 0.0), FASTEST)
            total, first, second, third = 0.0, 0.0, 0.0, 0.0
            for j in range(number):
                total += found[2, j]
                first += found[2, j] * volume[0, j]
                second += found[2, j] * volume[1, j]
                third += found[2, j] * volume[2, j]
            first, second, third = first / total, second / total, third / total
            edge[z, v] = summarize(
                found, whole, one, other, number, sums, flow, (begin, pace), att, nonnegative, maps, z, v
            )
            maps[8, z, v], maps[9, z, v] = first, math.sqrt(max(second - first * first, 0.0))
            maps[10, z, v] = third
