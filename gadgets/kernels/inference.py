"""The maps of flow and transit time, voxel by voxel.

One loop, and the functions that it calls have few arrays: Numba counts the references to each array that goes into a
function which may leave early, and twenty atomic operations take longer than a mixture.
"""

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from .flow_given_transit import flow_at_each, moments
from .mixture import RESOLVED, look_between, look_closer, support
from .model_expansion import FASTEST, expand
from .paces import FINEST, PACES, interpolate, lay_out, prior_between, prior_of_transit, spread_out
from .summary import MIXTURES_NEEDED, OUTSIDE, bounds_of_flow, bounds_of_transit
from .truncation import positive_flow_of_share, truncate
from .voxels import weigh

MAPS = 8
"""Mean, standard deviation, lower and upper bound: of flow, then of transit time."""
_START = 50.0  # mL/100 g/min, where the model is expanded first
_DEEPEST = 5  # looks after the first; the fifth lies 1e8 times closer
_MAP = "float32[:,::1]"


@njit(
    [
        f"void(float32[:,:,::1], float64[:,::1], {_MAP}, {_MAP}, {_MAP}, float32[:,:,:,::1], float64[::1], "
        f"float64[::1], int64[::1], float64[::1], boolean, float32[:,:,::1], boolean[:,::1])"
    ],
    cache=True,
    nogil=True,
    error_model="numpy",
)
def infer(
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
    maps: NDArray[np.float32],
    edge: NDArray[np.bool_],
) -> None:
    """Write the posterior of all voxels into ``maps`` ``(8, z, voxels)`` and ``edge`` ``(z, voxels)``.

    ``settings`` are lambda, and mean and standard deviation of the priors of flow and of transit time. The rest is as
    in ``posterior``, with the voxels of a slice in one axis.
    """
    boluses, slices, voxels = mean.shape
    count, times = len(att), len(t1_apparent)
    final = count - 1.0
    step = (att[count - 1] - att[0]) / final
    layout = lay_out(count)
    log_prior = prior_of_transit(att, settings[3], settings[4], layout)
    spread, ready = np.zeros((times, boluses, layout[PACES + 1, 0]), np.float32), np.zeros(times, np.bool_)
    mixtures = np.empty((MIXTURES_NEEDED, 3, max(layout[0, 2], FINEST)), np.float32)
    whole, steps = np.empty((4, mixtures.shape[2])), np.arange(mixtures.shape[2]).astype(np.float32)
    mixed, data, roots = np.empty((5, boluses), np.float32), np.empty(boluses), np.empty(boluses)
    information = np.float32(1 / settings[2] ** 2)
    roots_of_weights = np.sqrt(np.maximum(weights, 0.0))
    for z in range(slices):
        table = tables[group[z]]
        ready[:] &= z > 0 and group[z] == group[max(z - 1, 0)]
        brightest = np.max(np.abs(table[times // 2]))
        for v in range(voxels):
            edge[z, v] = False
            if not weigh(mean, roots_of_weights, variance, m0, t1_tissue, brightest, z, v, data, roots):
                maps[:, z, v] = np.nan
                continue
            flow, pace, depth = _START, float(1 << (PACES - 1)), 0
            at, number, within, begin = layout[PACES - 1, 0], layout[PACES - 1, 2], layout[PACES - 1, 1], 0.0
            while True:
                lower = expand(flow, t1_tissue[z, v], settings[0], t1_apparent, data, roots, mixed)
                upper = min(lower + 1, times - 1)
                for t in range(lower, upper + 1):
                    if not ready[t]:
                        spread_out(table, t, layout, spread)
                        ready[t] = True
                    if depth > 1:
                        interpolate(spread, t, begin, pace, number, layout)
                if depth > 1:
                    prior_between(log_prior, att, settings[3], settings[4], begin, pace, number, layout)
                pull = np.float32((settings[1] - flow) * information)
                flow_at_each(spread, lower, upper, at, number, mixed, log_prior, information, pull, mixtures)
                if nonnegative:
                    truncate(mixtures, number, flow, whole)
                sums = moments(mixtures, number, steps, np.float32(number // 2))
                deviation = math.sqrt(sums[2])
                if (depth > 0 and deviation >= RESOLVED) or depth == _DEEPEST:
                    break
                first, last = support(mixtures, within)
                until = min(begin + (last + 1) * pace, final)
                until = final if depth == 0 and last == within - 1 else until
                begin = max(begin + (first - 1) * pace, 0.0)
                if depth == 0:
                    at, number, within, begin, pace = look_closer(layout, begin, until, deviation * pace)
                else:
                    at, number, within, begin, pace = look_between(layout, begin, until, pace)
                flow = min(max(flow + sums[3], 0.0), FASTEST)
                depth += 1
            mean_flow, flow_deviation = flow + sums[3], math.sqrt(sums[4])
            maps[0, z, v], maps[1, z, v] = mean_flow, flow_deviation
            if nonnegative:
                maps[2, z, v] = positive_flow_of_share(whole, within, mean_flow, flow_deviation, 1 - OUTSIDE)
                maps[3, z, v] = positive_flow_of_share(whole, within, mean_flow, flow_deviation, OUTSIDE)
            else:
                low, high = bounds_of_flow(mixtures, within, sums)
                maps[2, z, v], maps[3, z, v] = flow + low, flow + high
            maps[4, z, v], maps[5, z, v] = att[0] + step * (begin + pace * sums[1]), step * pace * deviation
            low, high, edge[z, v] = bounds_of_transit(mixtures, within, sums[0], begin, pace, final)
            maps[6, z, v], maps[7, z, v] = att[0] + step * low, att[0] + step * high
