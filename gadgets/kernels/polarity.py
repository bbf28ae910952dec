"""Whether control minus label is positive in the brain, as blood makes it."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from .kinds import spread_within_kinds

_TURNED_OVER = -5.0  # Student's t


@dataclass
class Polarity:
    """Gathers the sign of the mean difference in the brain over pairs or cycles."""

    told: bool = False
    """Whether it was said that they are turned over."""
    _means: list[float] = field(default_factory=list, repr=False)
    _variances: list[float] = field(default_factory=list, repr=False)
    _kinds: list[Hashable] = field(default_factory=list, repr=False)

    @property
    def count(self) -> int:
        """Differences so far."""
        return len(self._means)

    @property
    def t(self) -> float:
        """Student's t of all of them together."""
        return t_over_pairs(self._means, self._variances, self._kinds)

    def add(self, difference: NDArray[np.float32], mask: NDArray[np.bool_] | None, kind: Hashable = None) -> float:
        """Take in a difference, shape ``(z, y, x)``; give t of its mean over the mask, or over all where none fits.

        Differences of one ``kind`` show blood of the same delay, and should be alike.
        """
        fits = mask is not None and mask.shape == difference.shape
        values = difference[mask] if fits else difference
        mean = float(values.mean(dtype=np.float64)) if values.size else 0.0
        variance = float(values.var(dtype=np.float64)) / values.size if values.size else 0.0
        self._means.append(mean)
        self._variances.append(variance)
        self._kinds.append(kind)
        return t_over_pairs([mean], [variance], [kind])

    def turned_over(self, fewest: int) -> bool:
        """Tell, once, whether they are plainly negative; not before there are a few."""
        found = not self.told and self.count >= fewest and self.t < _TURNED_OVER
        self.told = self.told or found
        return found


def t_over_pairs(
    means: Sequence[float] | NDArray[np.float64],
    variances: Sequence[float] | NDArray[np.float64],
    kinds: Sequence[Hashable],
) -> float:
    """Give Student's t of the mean over pairs; 0 where nothing varies.

    The variance of one mean is that from pair to pair, among those of one kind, and at least what the voxels tell: the
    head breathes and beats as a whole, and then all voxels are wrong together. Few pairs tell little of that, and by
    chance may look more alike than they are.

    >>> round(t_over_pairs([1.0, 1.2, 0.8], [0.01] * 3, [None] * 3), 3)
    8.66
    """
    spread = spread_within_kinds(np.asarray(means), np.asarray(variances), kinds)
    return float(np.sum(means)) / (spread * len(means)) ** 0.5 if spread > 0 else 0.0
