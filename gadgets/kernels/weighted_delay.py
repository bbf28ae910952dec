"""The transit time by the center of mass of the delays: a fast cross-check without priors.

Where blood arrives late, more of the difference is seen at late delays: the weighted delay
``WD = sum of w_i deltam_i / sum of deltam_i`` grows with ATT (Dai et al., MRM 67:1252 (2012)).
"""

import numpy as np
from numba import njit
from numpy.typing import NDArray

from .response import Response


def weighted_delay_att(
    mean: NDArray[np.float32],
    delays: NDArray[np.float64],
    t1_tissue: NDArray[np.float32],
    response: Response,
    group: NDArray[np.int64],
) -> NDArray[np.float32]:
    """Estimate the transit time, s, shape ``(z, y, x)``, where the weighted delay of the model is that of the data.

    ``mean`` is the difference of each bolus, ``(boluses, z, y, x)``, ``delays`` its post-labeling delay in each table
    of the response, ``(Z, boluses)``, ``group`` the table of each slice. The model takes the T1 of tissue, flow left
    out. NaN where there is no answer: where the differences do not add up to a positive number, and where their
    weighted delay is none that the model has for transit times between the first and the last delay. Outside of them
    it hardly depends on the transit time.
    """
    predicted, first, last = _predicted(delays, response)
    shape = mean.shape[1:]
    att = np.empty(shape, np.float32)
    rows = _nearest(response.t1_apparent, t1_tissue)
    _invert(
        np.ascontiguousarray(mean, np.float32).reshape(*mean.shape[:2], -1),
        np.ascontiguousarray(delays[group]),
        np.ascontiguousarray(rows).reshape(shape[0], -1),
        np.ascontiguousarray(group, np.int64),
        predicted,
        first,
        last,
        response.att,
        att.reshape(shape[0], -1),
    )
    return att


def _predicted(
    delays: NDArray[np.float64], response: Response
) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.int64]]:
    """Give the weighted delay of the model, ``(Z, T, A)``, and from where to where along ATT it grows."""
    total = response.tissue.sum(axis=2, dtype=np.float64)
    moment = np.einsum("zb,ztba->zta", delays, response.tissue.astype(np.float64))
    predicted = np.divide(moment, total, out=np.full(total.shape, np.nan), where=total > 0)
    first, last = np.zeros(total.shape[:2], np.int64), np.zeros(total.shape[:2], np.int64)
    for z, of_slice in enumerate(delays):
        inside = np.flatnonzero((response.att >= of_slice.min()) & (response.att <= of_slice.max()))
        if inside.size == 0:
            continue
        grows = predicted[z, :, inside[1:]] > predicted[z, :, inside[:-1]]  # (steps, T)
        steps = np.where(grows.all(axis=0), len(grows), np.argmin(grows, axis=0)) if len(grows) else 0
        first[z], last[z] = inside[0], inside[0] + steps
    return predicted, first, last


def _nearest(axis: NDArray[np.float64], values: NDArray[np.floating]) -> NDArray[np.int64]:
    """Give the index of the nearest entry of an ascending axis; -1 for what is not a number."""
    middles = (axis[1:] + axis[:-1]) / 2
    return np.where(np.isfinite(values), np.searchsorted(middles, values), -1)


_SIGNATURE = (
    "void(float32[:,:,::1], float64[:,::1], int64[:,::1], int64[::1], float64[:,:,::1], int64[:,::1], int64[:,::1],"
    " float64[::1], float32[:,::1])"
)


@njit([_SIGNATURE], cache=True, nogil=True)
def _invert(
    mean: NDArray[np.float32],
    delays: NDArray[np.float64],
    rows: NDArray[np.int64],
    group: NDArray[np.int64],
    predicted: NDArray[np.float64],
    first: NDArray[np.int64],
    last: NDArray[np.int64],
    att: NDArray[np.float64],
    out: NDArray[np.float32],
) -> None:
    boluses, slices, voxels = mean.shape
    for z in range(slices):
        for i in range(voxels):
            out[z, i] = np.nan
            row = rows[z, i]
            total = moment = 0.0
            for bolus in range(boluses):
                total += mean[bolus, z, i]
                moment += delays[z, bolus] * mean[bolus, z, i]
            if row < 0 or not total > 0:
                continue
            observed = moment / total
            curve = predicted[group[z], row]
            low, high = first[group[z], row], last[group[z], row]
            if low == high or not curve[low] <= observed <= curve[high]:
                continue
            while high - low > 1:
                middle = (low + high) // 2
                if curve[middle] <= observed:
                    low = middle
                else:
                    high = middle
            share = (observed - curve[low]) / (curve[high] - curve[low])
            out[z, i] = att[low] + share * (att[high] - att[low])
