"""A scale where M0 is not known: transit times do not depend on it, but priors of flow do."""

import numpy as np
from numpy.typing import NDArray

from .response import Response

_USUAL_FLOW = 50.0  # mL/100 g/min


def relative_scale(
    mean: NDArray[np.float32],
    weights: NDArray[np.float64],
    response: Response,
    group: NDArray[np.int64],
    att: float,
    where: NDArray[np.bool_],
) -> float:
    """Give the M0 with which the brain would have usual flow, if all of its blood took ``att`` (s) to arrive.

    Least squares over the boluses of ``mean``, ``(boluses, z, y, x)``, with ``weights``, ``(boluses, z)``; the median
    over ``where``, or the root of the mean square where that is not positive. NaN where the model sees nothing.
    """
    nearest = int(np.argmin(np.abs(response.att - att)))
    seen = response.tissue[group, len(response.t1_apparent) // 2, :, nearest].T.astype(np.float64)  # (boluses, z)
    weighted = weights * seen
    information = (weighted * seen).sum(axis=0)
    scale = np.divide(weighted, information, out=np.zeros_like(weighted), where=information > 0)
    flow = np.einsum("bz,bzyx->zyx", scale, mean)[where & (information > 0)[:, np.newaxis, np.newaxis]]
    flow = flow[np.isfinite(flow)]
    if flow.size == 0:
        return float("nan")
    typical = float(np.median(flow))
    typical = typical if typical > 0 else float(np.sqrt(np.mean(flow**2)))
    return typical / _USUAL_FLOW if typical > 0 else float("nan")
