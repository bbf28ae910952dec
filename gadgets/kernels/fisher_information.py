"""How much one more pair of each bolus would tell about flow."""

import numpy as np
from numba import njit
from numpy.typing import NDArray

_REACH = 1.7320508075688772  # standard deviations from the middle to the outer two of three nodes (Gauss-Hermite)
_OUTER, _MIDDLE = 1 / 6, 2 / 3  # their weights


@njit(
    [
        "void(float64[::1], float64[::1], float64[::1], float64[::1], int64[::1], float64[:,:,::1], float64[:,:,::1], "
        "float64, float64, float64[::1], float64, float64, float64[::1])"
    ],
    cache=True,
    nogil=True,
    error_model="numpy",
)
def add_variances(
    flow: NDArray[np.float64],
    att: NDArray[np.float64],
    deviation: NDArray[np.float64],
    noise: NDArray[np.float64],
    table_of: NDArray[np.int64],
    response: NDArray[np.float64],
    slope: NDArray[np.float64],
    first: float,
    step: float,
    pairs: NDArray[np.float64],
    flow_variance: float,
    att_variance: float,
    totals: NDArray[np.float64],
) -> None:
    """Add up over voxels the variance of flow as it is now, and as it would be after one more pair of each bolus.

    With J_b = (K_b, f K_b') the change of ``deltam / M0`` with flow and transit time, the information of n_b pairs is
    ``sum n_b J_b J_b^T / noise`` and that of the prior; the variance of flow is that element of its inverse (Kay,
    Fundamentals of Statistical Signal Processing I (1993), eqs. 3.21 and 10.28). Where no blood has arrived J is 0,
    and a point would be blind: so the variances are averaged over transit times as they are spread, by three nodes.

    ``flow``, ``att``, its ``deviation`` and the ``noise`` of one pair (a variance, in shares of M0) have shape
    ``(voxels,)``, ``response`` and its ``slope`` along ATT ``(tables, boluses, ATT)``; ATT begins at ``first`` in
    steps of ``step``. ``totals`` has shape ``(1 + boluses,)``: now, then after one more of each.
    """
    boluses, last = response.shape[1], response.shape[2] - 1
    by_flow, by_att = np.empty(boluses), np.empty(boluses)
    for v in range(flow.shape[0]):
        for node in range(-1, 2):
            weight = _MIDDLE if node == 0 else _OUTER
            place = (att[v] + node * _REACH * deviation[v] - first) / step
            place = min(max(place, 0.0), float(last))
            i = min(int(place), last - 1)
            share = place - i
            ff, fa, aa = 1 / flow_variance, 0.0, 1 / att_variance
            for b in range(boluses):
                below, above = response[table_of[v], b, i], response[table_of[v], b, i + 1]
                by_flow[b] = below + share * (above - below)
                below, above = slope[table_of[v], b, i], slope[table_of[v], b, i + 1]
                by_att[b] = flow[v] * (below + share * (above - below))
                known = pairs[b] / noise[v]
                ff += known * by_flow[b] * by_flow[b]
                fa += known * by_flow[b] * by_att[b]
                aa += known * by_att[b] * by_att[b]
            totals[0] += weight * aa / (ff * aa - fa * fa)
            for b in range(boluses):
                more_ff = ff + by_flow[b] * by_flow[b] / noise[v]
                more_fa = fa + by_flow[b] * by_att[b] / noise[v]
                more_aa = aa + by_att[b] * by_att[b] / noise[v]
                totals[1 + b] += weight * more_aa / (more_ff * more_aa - more_fa * more_fa)
