"""How noisy a map would be after smoothing it to the size of what is looked for."""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import correlate1d

_REACH = 3.0  # standard deviations, beyond which the Gaussian is cut off
_FWHM = math.sqrt(8 * math.log(2))  # full width at half maximum of a Gaussian, in standard deviations


class Smoothed(NamedTuple):
    """What the Gaussian does to noise that no two voxels share; shape ``(z, y, x)``, NaN where there is no variance."""

    variance: NDArray[np.float64]
    """Mean variance of the voxels that are averaged, each counted as its noise counts."""
    share: NDArray[np.float64]
    """What is left of it after smoothing: ``sum w^2 / (sum w)^2``."""


def smoothed_variance(
    variance: NDArray[np.float64], voxel: tuple[float, float, float], width: float, where: NDArray[np.bool_]
) -> Smoothed:
    """Tell what smoothing by a Gaussian of some full width at half maximum leaves of a variance.

    Weights are normalized inside ``where``; ``voxel`` is the size along z, y, x and ``width`` the full width, m. Voxels
    are taken for independent: where images were filtered or moved, smoothing takes away less.
    """
    known = where & np.isfinite(variance)
    inside = known.astype(np.float64)
    weights = [_gaussian(width / _FWHM / size) for size in voxel]
    squares = [weight**2 for weight in weights]
    total, of_squares = _spread(inside, weights), _spread(inside, squares)
    of_variance = _spread(np.where(known, variance, 0.0), squares)
    empty = np.full(variance.shape, np.nan)
    mean = np.divide(of_variance, of_squares, out=empty.copy(), where=known)
    return Smoothed(mean, np.divide(of_squares, total**2, out=empty, where=known))


def _gaussian(deviation: float) -> NDArray[np.float64]:
    """Give the weights of a Gaussian at whole voxels; of a deviation of 0 only the middle one."""
    reach = math.ceil(_REACH * deviation)
    places = np.arange(-reach, reach + 1, dtype=np.float64)
    return np.exp(-0.5 * np.square(places / deviation)) if deviation > 0 else np.ones(1)


def _spread(volume: NDArray[np.float64], weights: list[NDArray[np.float64]]) -> NDArray[np.float64]:
    for axis, weight in enumerate(weights):
        volume = correlate1d(volume, weight, axis=axis, mode="constant")
    return volume
