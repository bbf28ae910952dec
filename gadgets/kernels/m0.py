"""The equilibrium magnetization that CBF is relative to."""

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Share = Callable[[float | NDArray[np.floating]], NDArray[np.float64]]
"""What tissue of a T1, s, has of its magnetization."""

_LEAST_TISSUE = 0.01  # share of a voxel; less tells nothing of its T1
_BRIGHT = 98.0  # percentile; eyes, vessels and fat may be brighter


def recovery(repetition_time: float, t1: float | NDArray[np.floating]) -> NDArray[np.float64]:
    """Give the share of the magnetization that is back after a repetition time: ``1 - exp(-TR / T1)``; s."""
    return -np.expm1(-repetition_time / np.asarray(t1, np.float64))


class TissueT1(NamedTuple):
    """What is known of the T1 of the tissue in each voxel; s, maps ``(z, y, x)``."""

    usual: float
    """Where nothing else is known."""
    mixture: tuple[tuple[NDArray[np.floating], float], ...] = ()
    """Share of each voxel that is a tissue, and the T1 of that; empty where no shares are known."""
    measured: NDArray[np.floating] | None = None
    """T1 of each voxel, NaN where it is not known; counts more than the mixture."""

    def signal(self, share: Share) -> NDArray[np.float64]:
        """Give what each voxel has of its magnetization, where tissue of one T1 has ``share(T1)``.

        A mixture has the sum of its parts, divided by the sum of their shares: at the edge of the brain the rest is
        air, which has no signal to recover. Of the shape that ``share`` and the maps make together.
        """
        result = share(self.usual)
        if self.mixture:
            whole = np.sum([part for part, _ in self.mixture], axis=0, dtype=np.float64)
            mixed = np.sum([part * share(t1) for part, t1 in self.mixture], axis=0)
            plain = np.broadcast_to(result, np.broadcast_shapes(mixed.shape, result.shape)).copy()
            result = np.divide(mixed, whole, out=plain, where=whole > _LEAST_TISSUE)
        if self.measured is not None:
            told = np.isfinite(self.measured) & (self.measured > 0)
            result = np.where(told, share(np.where(told, self.measured, self.usual)), result)
        return result


def tissue_above(image: NDArray[np.floating], floor: float) -> NDArray[np.bool_]:
    """Mark where an image is above a share of its 98th percentile: there is tissue, elsewhere only noise."""
    return (image > 0) & (image >= floor * np.percentile(image, _BRIGHT))


def brightness(m0: NDArray[np.floating], image: NDArray[np.floating], brain: NDArray[np.bool_] | None = None) -> float:
    """Give how bright M0 is against another image, by their medians over the brain, else over where M0 is.

    NaN where one of them has no signal there.
    """
    where = m0 > 0 if brain is None else brain & (m0 > 0)
    if not where.any():
        return math.nan
    against = float(np.median(image[where]))
    return float(np.median(m0[where])) / against if against > 0 else math.nan


class MeanImage:
    """The mean of images that come one by one."""

    def __init__(self) -> None:
        self.count = 0
        self._sum = np.zeros(())

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the images; none before the first."""
        return self._sum.shape

    def add(self, magnitude: NDArray[np.floating]) -> bool:
        """Take one more image, ``(z, y, x)``; tell whether it has the shape of the others."""
        if self.count == 0:
            self._sum = np.zeros(magnitude.shape)
        if magnitude.shape != self._sum.shape:
            return False
        self._sum += magnitude
        self.count += 1
        return True

    @property
    def data(self) -> NDArray[np.float64]:
        """The mean; only after the first image."""
        return self._sum / self.count
