"""Whether control minus label is positive in the brain, as blood makes it."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_TURNED_OVER = -5.0  # Student's t


@dataclass
class Polarity:
    """Gathers the sign of the mean difference in the brain over pairs or cycles."""

    count: int = 0
    """Differences so far."""
    total: float = 0.0
    """Sum of their t."""
    told: bool = False
    """Whether it was said that they are turned over."""

    @property
    def t(self) -> float:
        """Student's t of all of them together."""
        return self.total / self.count**0.5 if self.count else 0.0

    def add(self, difference: NDArray[np.float32], mask: NDArray[np.bool_] | None) -> float:
        """Take in a difference, shape ``(z, y, x)``; give t of its mean over the mask, or over all where none fits."""
        fits = mask is not None and mask.shape == difference.shape
        t = _score(difference[mask] if fits else difference)
        self.count, self.total = self.count + 1, self.total + t
        return t

    def turned_over(self, fewest: int) -> bool:
        """Tell, once, whether they are plainly negative; not before there are a few."""
        found = not self.told and self.count >= fewest and self.t < _TURNED_OVER
        self.told = self.told or found
        return found


def _score(values: NDArray[np.float32]) -> float:
    """Give Student's t of the mean over voxels; 0 where nothing varies."""
    spread = float(values.std(dtype=np.float64)) if values.size else 0.0
    return float(values.mean(dtype=np.float64)) / spread * values.size**0.5 if spread > 0 else 0.0
