"""The single-delay formulas of perfusion, in plain numbers; times in s, CBF in mL/100 g/min."""

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

_UNIT = 6000.0  # mL/g/s to mL/100 g/min


def pcasl_factor(
    post_labeling_delay: float,
    labeling_duration: float,
    t1_blood: float,
    partition_coefficient: float,
    labeling_efficiency: float,
) -> float:
    """Give K in ``CBF = K * deltam / M0`` for (P)CASL (Alsop et al., MRM 73:102 (2015), eq. 1).

    >>> round(pcasl_factor(1.8, 1.8, 1.65, 0.9, 0.85), 1)
    8630.0
    """
    decay = math.exp(post_labeling_delay / t1_blood)
    bolus = t1_blood * (1 - math.exp(-labeling_duration / t1_blood))
    return _UNIT * partition_coefficient * decay / (2 * labeling_efficiency * bolus)


def pasl_factor(
    inversion_time: float,
    bolus_duration: float,
    t1_blood: float,
    partition_coefficient: float,
    labeling_efficiency: float,
) -> float:
    """Give K in ``CBF = K * deltam / M0`` for PASL with a known bolus (Alsop et al., MRM 73:102 (2015), eq. 3).

    The bolus duration is TI1 of QUIPSS II, the first saturation of Q2TIPS (Luh et al., MRM 41:1246 (1999)), and TI
    minus the saturation time of QUIPSS (Wong et al., MRM 39:702 (1998)).

    >>> round(pasl_factor(1.8, 0.8, 1.65, 0.9, 0.98), 1)
    10252.4
    """
    decay = math.exp(inversion_time / t1_blood)
    return _UNIT * partition_coefficient * decay / (2 * labeling_efficiency * bolus_duration)


_MAP = "float32[:,::1]"


@njit([f"int64({_MAP}, {_MAP}, {_MAP}, float64[::1], {_MAP}, {_MAP})"], cache=True, nogil=True)
def quantify(
    mean: NDArray[np.float32],
    stderr: NDArray[np.float32],
    m0: NDArray[np.float32],
    factors: NDArray[np.float64],
    cbf: NDArray[np.float32],
    cbf_stderr: NDArray[np.float32],
) -> int:
    """Write ``K_z * mean / M0`` and its standard error, NaN where M0 is not positive; shapes ``(z, voxels)``.

    Tell how many voxels got a finite CBF that is not zero.
    """
    useful = 0
    for z in range(mean.shape[0]):
        for i in range(mean.shape[1]):
            if m0[z, i] > 0:
                factor = factors[z] / m0[z, i]
                cbf[z, i] = factor * mean[z, i]
                cbf_stderr[z, i] = factor * stderr[z, i]
                if np.isfinite(cbf[z, i]) and cbf[z, i] != 0:
                    useful += 1
            else:
                cbf[z, i] = np.nan
                cbf_stderr[z, i] = np.nan
    return useful
