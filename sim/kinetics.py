"""How labeled blood arrives and fades: the general kinetic model of Buxton et al., MRM 40:383 (1998)."""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import exprel

from .tissue import PARTITION_COEFFICIENT, T1_BLOOD

PER_SECOND = 6000.0
"""mL/100 g/min in one mL/g/s."""


def continuous_difference(
    cbf: float,
    att: float,
    t1: float,
    *,
    labeling_duration: float,
    post_labeling_delay: ArrayLike,
    labeling_efficiency: float,
    t1_blood: float = T1_BLOOD,
    partition_coefficient: float = PARTITION_COEFFICIENT,
) -> NDArray[np.float64]:
    """Tell how much darker labeled blood makes a tissue, for (pseudo-)continuous labeling.

    Control minus label over the M0 of the tissue, in the shape of the delays. CBF in mL/100 g/min, times in s. With
    f = CBF/6000, 1/T1' = 1/T1 + f/lambda, and w the part of the bolus that has arrived,

        deltam/M0 = 2 (f/lambda) alpha T1' exp(-ATT/T1b) exp(-(LD + PLD - ATT - w)/T1') (1 - exp(-w/T1'))

    which joins the three cases of Buxton et al., MRM 40:383 (1998), eq. 5.
    """
    rate = cbf / PER_SECOND / partition_coefficient
    decay = 1 / t1 + rate
    since_arrival = np.asarray(post_labeling_delay, float) + labeling_duration - att
    arrived = np.clip(since_arrival, 0, labeling_duration)
    # Before arrival nothing has come, so nothing can have decayed.
    since_end = np.maximum(since_arrival - arrived, 0)
    uptake = -np.expm1(-arrived * decay) / decay
    return 2 * rate * labeling_efficiency * np.exp(-att / t1_blood) * np.exp(-since_end * decay) * uptake


def pulsed_difference(
    cbf: float,
    att: float,
    t1: float,
    *,
    bolus_duration: float,
    inversion_time: ArrayLike,
    labeling_efficiency: float,
    t1_blood: float = T1_BLOOD,
    partition_coefficient: float = PARTITION_COEFFICIENT,
) -> NDArray[np.float64]:
    """Tell how much darker labeled blood makes a tissue, for pulsed labeling with a bolus of known length.

    Control minus label over the M0 of the tissue, in the shape of the inversion times. CBF in mL/100 g/min, times in
    s. With f = CBF/6000, 1/T1' = 1/T1 + f/lambda, k = 1/T1b - 1/T1', and w the part of the bolus that has arrived,

        deltam/M0 = 2 (f/lambda) alpha exp(-TI/T1') exp(-k ATT) (1 - exp(-k w)) / k

    which joins the three cases of Buxton et al., MRM 40:383 (1998), eq. 3, and stays finite at k = 0.
    """
    rate = cbf / PER_SECOND / partition_coefficient
    decay = 1 / t1 + rate
    time = np.asarray(inversion_time, float)
    arrived = np.clip(time - att, 0, bolus_duration)
    k = 1 / t1_blood - decay
    uptake = arrived * exprel(-k * arrived)
    return 2 * rate * labeling_efficiency * np.exp(-time * decay - k * att) * uptake
