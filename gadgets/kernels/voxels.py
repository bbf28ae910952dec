"""What one voxel has to say: its data in shares of M0, and how sure each of them is."""

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

_SHARPEST = 1e5  # signal to noise that is believed: float32 has no more
_LEAST_FLOW = 1.0  # mL/100 g/min whose signal counts as signal where there is none
_MAP = "float32[:,::1]"


@njit(
    [
        f"boolean(float32[:,:,::1], float64[:,::1], {_MAP}, {_MAP}, {_MAP}, float64, int64, int64, float64[::1], "
        "float64[::1])"
    ],
    cache=True,
    nogil=True,
    error_model="numpy",
)
def weigh(
    mean: NDArray[np.float32],
    roots_of_weights: NDArray[np.float64],
    variance: NDArray[np.float32],
    m0: NDArray[np.float32],
    t1_tissue: NDArray[np.float32],
    brightest: float,
    z: int,
    v: int,
    data: NDArray[np.float64],
    roots: NDArray[np.float64],
) -> bool:
    """Write deltam / M0 of each bolus and 1 over its standard deviation; False where the voxel has no answer.

    A mean of weight 0 is not looked at. Noise is taken for at least 1e-5 of the largest signal: data without noise have
    an answer, too. ``brightest`` is the largest signal of 1 mL/100 g/min.
    """
    m0_here, variance_here = np.float64(m0[z, v]), np.float64(variance[z, v])
    t1 = t1_tissue[z, v]
    usable = (m0_here > 0) & (variance_here >= 0) & (t1 > 0)
    usable &= np.isfinite(m0_here) & np.isfinite(variance_here) & np.isfinite(t1)
    largest, share = 0.0, 1.0 / m0_here if usable else 0.0
    for b in range(len(data)):
        root = roots_of_weights[b, z]
        here = mean[b, z, v] * share
        data[b] = here if root > 0 else 0.0
        usable &= np.isfinite(data[b])
        roots[b] = root
        largest = max(largest, root * max(abs(data[b]), _LEAST_FLOW * brightest))
    usable &= largest > 0
    sharpness = _SHARPEST / largest if usable else 0.0
    if variance_here > 0:
        sharpness = min(sharpness, m0_here / math.sqrt(variance_here))
    for b in range(len(data)):
        roots[b] *= sharpness
    return usable
