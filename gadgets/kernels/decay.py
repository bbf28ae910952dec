"""How much signal each partition of a fast spin-echo train has left, and what to do about it."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

_GAP = 3.0  # a pause this many times the usual spacing is the pause between two shots
_LONGEST = 0.5  # s from one partition of a train to the next; longer than any T2 allows
_FARTHEST = 100.0  # times T2: no signal is left, and numbers stay finite


def times_in_shot(times: Sequence[float] | NDArray[np.floating]) -> NDArray[np.float64]:
    """Tell how long after the first partition of its shot each one was read, s, shape ``(partitions,)``.

    Time stamps in any order; a pause of more than three times the usual spacing, or half a second, ends a shot.
    """
    stamps = np.asarray(times, np.float64)
    order = np.argsort(stamps, kind="stable")
    spacing = np.diff(stamps[order])
    positive = spacing[spacing > 0]
    begins = np.ones(len(stamps), np.bool_)
    usual = np.quantile(positive, 0.25) if positive.size else 0.0  # low: with short shots every other one is a pause
    begins[1:] = spacing > min(_GAP * usual, _LONGEST)
    ordered = stamps[order]
    begin_of = ordered[np.maximum.accumulate(np.where(begins, np.arange(len(stamps)), 0))]
    since = np.empty_like(stamps)
    since[order] = ordered - begin_of
    return since


def compensation(
    since: NDArray[np.floating], center: float, t2: float, noise_gain: float
) -> tuple[NDArray[np.float32], float]:
    """Weigh partitions so that their decay is undone as far as the noise allows.

    ``w = E / (E^2 + mu)`` with ``E = exp(-(t - t_center) / T2)``, scaled to 1 for the partition at the center of
    k-space (Wiener's filter). ``mu`` is the smallest one with which the noise gain ``sqrt(mean w^2)`` stays within
    ``noise_gain``; the one of least gain where none does. Gives the weights ``(partitions,)`` and their gain.
    """
    signal = np.exp(np.clip((center - since) / t2, -_FARTHEST, _FARTHEST))
    grid = np.concatenate([[0.0], np.geomspace(1e-6, 1e6, 241) * np.max(signal) ** 2])
    choices = signal * (1 + grid[:, np.newaxis]) / (signal**2 + grid[:, np.newaxis])
    gains = np.sqrt(np.mean(choices**2, axis=1))
    within = np.flatnonzero(gains <= noise_gain)
    chosen = within[0] if within.size else np.argmin(gains)
    return choices[chosen].astype(np.float32), float(gains[chosen])
