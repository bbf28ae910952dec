"""The equilibrium magnetisation that CBF is relative to."""

import math

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

_BRIGHT = 98.0  # percentile; eyes, vessels and fat may be brighter
_WIDTH = math.sqrt(8 * math.log(2))  # full width at half maximum, in standard deviations


def recovery(repetition_time: float, t1: float) -> float:
    """Give the share of the magnetisation that is back after a repetition time: ``1 - exp(-TR / T1)``; s."""
    return -math.expm1(-repetition_time / t1)


class RunningM0:
    """The mean of the images that serve as M0."""

    def __init__(self, smoothing: float = 0.0, floor: float = 0.0) -> None:
        self.count = 0
        self._floor = floor
        self._sum: NDArray[np.float64] | None = None
        self._smoothing = smoothing
        self._ready: tuple[int, float, NDArray[np.float32]] | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the images; none before the first."""
        return () if self._sum is None else self._sum.shape

    def add(self, magnitude: NDArray[np.float32]) -> None:
        """Take one more image, ``(z, y, x)``; one of another shape is ignored."""
        if self._sum is None:
            self._sum = np.zeros(magnitude.shape)
        if magnitude.shape == self._sum.shape:
            self._sum += magnitude
            self.count += 1

    def recovered(self, share: float) -> NDArray[np.float32]:
        """Give mean / share, smoothed in the slice planes, 0 below ``floor`` times its 98th percentile.

        Kept until the next image comes, as every pair asks for it.
        """
        if self._sum is None:
            raise ValueError("there is no image yet")
        if self._ready is None or self._ready[:2] != (self.count, share):
            mean = self._sum / (self.count * share)
            if self._smoothing > 0:
                sigma = self._smoothing / _WIDTH
                mean = gaussian_filter(mean, (0, sigma, sigma))
            mean[mean < self._floor * np.percentile(mean, _BRIGHT)] = 0
            self._ready = self.count, share, mean.astype(np.float32)
        return self._ready[2]
