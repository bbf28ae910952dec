"""How labeled blood arrives and fades: the general kinetic model of Buxton et al., MRM 40:383 (1998)."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import exprel
from scipy.stats import gamma

from .tissue import PARTITION_COEFFICIENT, T1_BLOOD

PER_SECOND = 6000.0
"""mL/100 g/min in one mL/g/s."""


class Dispersion(NamedTuple):
    """How unevenly blood travels: after the first of it, by a gamma distribution."""

    sharpness: float
    """1/s: the larger, the less it spreads."""
    time_to_peak: float
    """After the first of it, s."""

    def delays(self, count: int = 400) -> NDArray[np.float64]:
        """Give so many times by which blood is later than the first of it, all equally likely, s.

        Their density is s (s v)^(s p) exp(-s v) / Gamma(1 + s p); Chappell et al., MRM 69:563 (2013).
        """
        shares = (np.arange(count) + 0.5) / count
        return gamma.ppf(shares, 1 + self.sharpness * self.time_to_peak, scale=1 / self.sharpness)


def continuous_difference(
    cbf: float,
    att: ArrayLike,
    t1: float,
    *,
    labeling_duration: float,
    post_labeling_delay: ArrayLike,
    labeling_efficiency: float,
    t1_blood: float = T1_BLOOD,
    partition_coefficient: float = PARTITION_COEFFICIENT,
) -> NDArray[np.float64]:
    """Tell how much darker labeled blood makes a tissue, for (pseudo-)continuous labeling.

    Control minus label over the M0 of the tissue, in the shape of delays and ATT. CBF in mL/100 g/min, times in s. With
    f = CBF/6000, 1/T1' = 1/T1 + f/lambda, and w the part of the bolus that has arrived,

        deltam/M0 = 2 (f/lambda) alpha T1' exp(-ATT/T1b) exp(-(LD + PLD - ATT - w)/T1') (1 - exp(-w/T1'))

    which joins the three cases of Buxton et al., MRM 40:383 (1998), eq. 5.
    """
    rate = cbf / PER_SECOND / partition_coefficient
    decay = 1 / t1 + rate
    att = np.asarray(att, float)
    since_arrival = np.asarray(post_labeling_delay, float) + labeling_duration - att
    arrived = np.clip(since_arrival, 0, labeling_duration)
    # Before arrival nothing has come, so nothing can have decayed.
    since_end = np.maximum(since_arrival - arrived, 0)
    uptake = -np.expm1(-arrived * decay) / decay
    return 2 * rate * labeling_efficiency * np.exp(-att / t1_blood) * np.exp(-since_end * decay) * uptake


def pulsed_difference(
    cbf: float,
    att: ArrayLike,
    t1: float,
    *,
    bolus_duration: float,
    inversion_time: ArrayLike,
    labeling_efficiency: float,
    t1_blood: float = T1_BLOOD,
    partition_coefficient: float = PARTITION_COEFFICIENT,
) -> NDArray[np.float64]:
    """Tell how much darker labeled blood makes a tissue, for pulsed labeling with a bolus of known length.

    Control minus label over the M0 of the tissue, in the shape of inversion times and ATT. CBF in mL/100 g/min, times
    in s. With f = CBF/6000, 1/T1' = 1/T1 + f/lambda, k = 1/T1b - 1/T1', and w the part of the bolus that has arrived,

        deltam/M0 = 2 (f/lambda) alpha exp(-TI/T1') exp(-k ATT) (1 - exp(-k w)) / k

    which joins the three cases of Buxton et al., MRM 40:383 (1998), eq. 3, and stays finite at k = 0.
    """
    rate = cbf / PER_SECOND / partition_coefficient
    decay = 1 / t1 + rate
    att = np.asarray(att, float)
    time = np.asarray(inversion_time, float)
    arrived = np.clip(time - att, 0, bolus_duration)
    k = 1 / t1_blood - decay
    uptake = arrived * exprel(-k * arrived)
    return 2 * rate * labeling_efficiency * np.exp(-time * decay - k * att) * uptake


def continuous_artery(
    arrival: ArrayLike,
    *,
    labeling_duration: float,
    post_labeling_delay: ArrayLike,
    labeling_efficiency: float,
    t1_blood: float = T1_BLOOD,
    partition_coefficient: float = PARTITION_COEFFICIENT,
) -> NDArray[np.float64]:
    """Tell how much darker a voxel is per share of it that is an artery, for (pseudo-)continuous labeling.

    Control minus label over the M0 of tissue, that of blood being M0/lambda: 2 alpha / lambda exp(-arrival/T1b) while
    the bolus passes; Chappell et al., MRM 63:1357 (2010). Times in s.
    """
    arrival = np.asarray(arrival, float)
    since = np.asarray(post_labeling_delay, float) + labeling_duration - arrival
    passing = (since >= 0) & (since < labeling_duration)
    return np.where(passing, 2 * labeling_efficiency / partition_coefficient * np.exp(-arrival / t1_blood), 0.0)


def pulsed_artery(
    arrival: ArrayLike,
    *,
    bolus_duration: float,
    inversion_time: ArrayLike,
    labeling_efficiency: float,
    t1_blood: float = T1_BLOOD,
    partition_coefficient: float = PARTITION_COEFFICIENT,
) -> NDArray[np.float64]:
    """Tell the same for pulsed labeling: 2 alpha / lambda exp(-TI/T1b) while the bolus passes. Times in s."""
    time = np.asarray(inversion_time, float)
    since = time - np.asarray(arrival, float)
    passing = (since >= 0) & (since < bolus_duration)
    return np.where(passing, 2 * labeling_efficiency / partition_coefficient * np.exp(-time / t1_blood), 0.0)


def after_small_flips(
    fresh: NDArray[np.float64], times: NDArray[np.float64], rate: float, flip_angle: float
) -> NDArray[np.float64]:
    """Tell what readings of one labeling see that each leave only the cosine of the flip angle of what is there.

    ``fresh`` is what each reading would see if it were the only one, ``times`` when it is, s; both of shape
    ``(readings, ...)``. ``rate`` is that at which label fades, 1/s, the angle in degrees. What the reading before
    took away, has faded since, and is missing:

        seen_n = fresh_n - (fresh_{n-1} - cos(angle) seen_{n-1}) exp(-rate (t_n - t_{n-1}))

    Günther et al., MRM 46:974 (2001). Blood in arteries is renewed between readings, and knows nothing of it.
    """
    seen = fresh.copy()
    left = np.cos(np.radians(flip_angle))
    for n in range(1, len(seen)):
        seen[n] -= (fresh[n - 1] - left * seen[n - 1]) * np.exp(-rate * (times[n] - times[n - 1]))
    return seen
