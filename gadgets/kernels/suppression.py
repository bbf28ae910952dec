"""What background suppression leaves of static tissue, and what that tissue would show without it."""

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .m0 import TissueT1


class Train(NamedTuple):
    """The pulses of background suppression; times in s after one common start."""

    pulses: tuple[float, ...]
    presaturation: float = 0.0
    """When nothing is left of the magnetization."""
    efficiency: float = 1.0
    """What a pulse leaves of the magnetization that it turns over."""


def remaining(
    t1: float | NDArray[np.floating], train: Train, excitation: float | NDArray[np.floating]
) -> NDArray[np.float64]:
    """Give which share of the equilibrium magnetization is there at the excitation; negative where it is turned over.

    ``S = 0`` at the presaturation; between events ``S <- 1 - (1 - S) exp(-dt / T1)``, at each pulse ``S <- -e S``
    (Garcia et al., MRM 54:366 (2005)). T1 in s; it and the excitation as they broadcast. Pulses before the
    presaturation leave no trace, and those after the first excitation do not count.

    >>> [round(float(remaining(t1, Train((1.7, 2.9)), 3.6)), 3) for t1 in (1.33, 0.83, 4.3)]
    [0.231, 0.329, 0.153]
    """
    t1, excitation = np.asarray(t1, np.float64), np.asarray(excitation, np.float64)
    first = float(excitation.min())
    share, since = np.zeros_like(t1), train.presaturation
    for pulse in sorted(time for time in train.pulses if since < time < first):
        share = -train.efficiency * (1 - (1 - share) * np.exp((since - pulse) / t1))
        since = pulse
    return 1 - (1 - share) * np.exp((since - excitation) / t1)


def unsuppressed(
    images: Sequence[tuple[NDArray[np.floating], int]],
    excitations: Sequence[NDArray[np.floating]],
    train: Train,
    t1: TissueT1,
    least: float,
) -> NDArray[np.float64]:
    """Give the M0 that fits mean images ``C`` of n controls best, each excited at another time; shapes ``(z, y, x)``.

    Least squares, ``sum n |S| C / sum n S^2``, with S as ``remaining``; 0 where the root mean square of S is below
    ``least``.
    """
    shares = [t1.signal(partial(remaining, train=train, excitation=excitation)) for excitation in excitations]
    above = sum(n * np.abs(share) * image for (image, n), share in zip(images, shares, strict=True))
    below = sum(n * np.square(share) for (_, n), share in zip(images, shares, strict=True))
    below = np.broadcast_to(below, np.shape(above))
    count = sum(n for _, n in images)
    return np.divide(above, below, out=np.zeros(below.shape), where=below >= count * least**2)
