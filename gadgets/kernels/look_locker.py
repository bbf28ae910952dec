"""What is left when all delays are read after one labeling, by small flip angles (Look-Locker)."""

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from .kinetics import Boluses


def seen_by_small_flips(
    response: NDArray[np.float64], boluses: Boluses, t1_apparent: NDArray[np.float64], flip_angle: float
) -> NDArray[np.float64]:
    """Tell what the readouts of one labeling show of tissue, each of which costs the next ones signal.

    ``response``, shape ``(T, B, A)``, is what each readout would show if it were the only one. An excitation by the
    flip angle (rad) leaves its cosine of what is there; what arrives later is untouched. So from readout i to the
    next, D later,

        M_{i+1} = G_{i+1} - G_i exp(-D / T1') + cos(flip angle) M_i exp(-D / T1')

    with G the response and M what is there, exactly (Guenther et al., MRM 46:974 (2001)). Boluses of one duration are
    readouts of one labeling. Arterial blood is renewed between readouts, and needs none of this.
    """
    seen = response.copy()
    rates = 1.0 / t1_apparent[:, np.newaxis]
    for duration in np.unique(boluses.duration):
        train = np.flatnonzero(boluses.duration == duration)
        train = train[np.argsort(boluses.readout[train], kind="stable")]
        for before, after in pairwise(train):
            fading = np.exp(-(boluses.readout[after] - boluses.readout[before]) * rates)
            lost = response[:, before] - np.cos(flip_angle) * seen[:, before]
            seen[:, after] = response[:, after] - fading * lost
    return seen
