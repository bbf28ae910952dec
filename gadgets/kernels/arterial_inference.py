"""The maps of flow and transit time where labeled blood may still be in arteries, voxel by voxel."""

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from .arteries import both_at_each, collapse, read_between
from .flow_given_transit import moments
from .inference import MAPS
from .mixture import RESOLVED
from .model_expansion import FASTEST, expand
from .summary import MIXTURES_NEEDED, OUTSIDE, bounds_of_flow, bounds_of_transit
from .truncation import positive_flow_of_share, truncate
from .voxels import weigh

ARTERIAL_MAPS = 3
"""Arterial blood volume, its standard deviation, and mean arrival in the arteries."""
_FIRST, _MOST = 20, 40  # times of transit, and of arrival
_ROOM = 48  # with what fills mixtures up
_DEEPEST = 15
_COARSE, _CLOSER = 10.0, 2.0  # signal to noise that the first look takes for true, and how much more each next one
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
        f"void(float32[:,:,::1], float64[:,::1], {_MAP}, {_MAP}, {_MAP}, float32[:,:,:,::1], float64[::1],"
        f"float64[::1], int64[::1], float64[::1], boolean, float32[:,:,::1], float32[:,:,::1], boolean[:,::1])"
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
    until the transit time is resolved. A look that is too coarse for data so clear takes them for noisier, as its best
    pair would be a chance one, far from the truth. Where a thousandth of the volume hardly shows, data without noise
    still leave flow open by up to 3 % and the transit time by 0.13 s. Given a transit time, flow is taken for normal.
    ``settings`` have the standard deviation of the volume behind the others.
    """
    boluses, slices, voxels = mean.shape
    times, final = len(t1_apparent), len(att) - 1.0
    step = (att[len(att) - 1] - att[0]) / final
    joint = np.empty((6, _MOST, _MOST))
    low, high, blood = np.empty((boluses, _MOST)), np.empty((boluses, _MOST)), np.empty((boluses, _MOST))
    slopes, residuals, volume = np.empty((boluses, _MOST)), np.empty((boluses, _MOST)), np.empty((3, _MOST))
    transit, arrival, share = np.empty(_MOST), np.empty(_MOST), np.empty(_MOST)
    mixtures, whole = np.empty((MIXTURES_NEEDED, 3, _ROOM), np.float32), np.empty((4, _ROOM))
    steps = np.arange(_ROOM).astype(np.float32)
    mixed, data, roots = np.empty((5, boluses), np.float32), np.empty(boluses), np.empty(boluses)
    believed = np.empty(boluses)
    roots_of_weights = np.sqrt(np.maximum(weights, 0.0))
    information, arterial_information = 1 / settings[2] ** 2, 1 / settings[5] ** 2
    for z in range(slices):
        table = tables[group[z]]
        brightest = np.max(np.abs(table[times // 2]))
        for v in range(voxels):
            edge[z, v] = False
            if not weigh(mean, roots_of_weights, variance, m0, t1_tissue, brightest, z, v, data, roots):
                maps[:, z, v] = np.nan
                continue
            flow, sums = _START, (0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
            number = min(_FIRST, len(att))
            arrivals, begin, arrival_begin = number, 0.0, 0.0
            pace = final / (number - 1)
            arrival_pace = pace
            clearest = np.max(np.abs(roots * data))
            for depth in range(_DEEPEST):
                trust = _COARSE * _CLOSER**depth
                trust = trust / clearest if trust < clearest else 1.0
                for b in range(boluses):
                    believed[b] = trust * roots[b]
                lower = expand(flow, t1_tissue[z, v], settings[0], t1_apparent, data, believed, mixed)
                upper = min(lower + 1, times - 1)
                read_between(table[lower], begin, pace, number, low)
                read_between(table[upper], begin, pace, number, high)
                read_between(arterial[group[z]], arrival_begin, arrival_pace, arrivals, blood)
                for b in range(boluses):
                    for j in range(number):
                        residuals[b, j] = mixed[0, b] - mixed[1, b] * low[b, j] - mixed[2, b] * high[b, j]
                        slopes[b, j] = mixed[3, b] * low[b, j] + mixed[4, b] * high[b, j]
                    for k in range(arrivals):
                        blood[b, k] *= believed[b]
                for j in range(number):
                    transit[j] = att[0] + step * (begin + pace * j)
                for k in range(arrivals):
                    arrival[k] = att[0] + step * (arrival_begin + arrival_pace * k)
                largest = both_at_each(
                    slopes, residuals, blood, transit, number, arrival, arrivals, information,
                    (settings[1] - flow) * information, arterial_information, settings[3], settings[4],
                    att[0] - step * arrival_pace, joint,
                )  # fmt: skip
                collapse(joint, number, arrival, arrivals, largest, mixtures, volume)
                if begin <= 0:
                    mixtures[0, 2, 0] *= 0.5
                if begin + pace * (number - 1) >= final - _ROUNDING:
                    mixtures[0, 2, number - 1] *= 0.5
                if nonnegative:
                    truncate(mixtures, number, flow, whole)
                sums = moments(mixtures, number, steps, np.float32(number // 2))
                if (depth > 0 and trust >= 1 and sums[2] >= RESOLVED**2) or depth == _DEEPEST - 1:
                    break
                for k in range(arrivals):
                    share[k] = 0.0
                    for j in range(number):
                        share[k] += math.exp(joint[0, j, k] - largest)
                arrival_begin, until = _window(share, arrivals, arrival_begin, arrival_pace, final)
                arrivals = _MOST
                arrival_pace = (until - arrival_begin) / (arrivals - 1)
                for j in range(number):
                    share[j] = mixtures[0, 2, j]
                begin, until = _window(share, number, begin, pace, final)
                number = _MOST
                pace = (until - begin) / (number - 1)
                flow = min(max(flow + sums[3], 0.0), FASTEST)
            total, first, second, third = 0.0, 0.0, 0.0, 0.0
            for j in range(number):
                total += mixtures[0, 2, j]
                first += mixtures[0, 2, j] * volume[0, j]
                second += mixtures[0, 2, j] * volume[1, j]
                third += mixtures[0, 2, j] * volume[2, j]
            first, second, third = first / total, second / total, third / total
            mean_flow, flow_deviation = flow + sums[3], math.sqrt(sums[4])
            maps[0, z, v], maps[1, z, v] = mean_flow, flow_deviation
            if nonnegative:
                maps[2, z, v] = positive_flow_of_share(whole, number, mean_flow, flow_deviation, 1 - OUTSIDE)
                maps[3, z, v] = positive_flow_of_share(whole, number, mean_flow, flow_deviation, OUTSIDE)
            else:
                lowest, highest = bounds_of_flow(mixtures, number, sums)
                maps[2, z, v], maps[3, z, v] = flow + lowest, flow + highest
            maps[4, z, v] = att[0] + step * (begin + pace * sums[1])
            maps[5, z, v] = step * pace * math.sqrt(sums[2])
            lowest, highest, edge[z, v] = bounds_of_transit(mixtures, number, sums[0], begin, pace, final)
            maps[6, z, v], maps[7, z, v] = att[0] + step * lowest, att[0] + step * highest
            maps[MAPS, z, v], maps[MAPS + 1, z, v] = first, math.sqrt(max(second - first * first, 0.0))
            maps[MAPS + 2, z, v] = third
