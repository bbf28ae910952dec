"""The stripes that a spike in k-space draws over an image."""

import numpy as np
from numpy.typing import NDArray
from scipy.fft import fftn

_CENTER = 1 / 6  # of the half width of k-space; the brain itself is in there
_FAR = 30.0  # times the usual power; noise exceeds it once in 1e13 points


def gratings(difference: NDArray[np.float32], by_slice: bool) -> NDArray[np.float64]:
    """Tell how strong the stripes in a difference are: their root mean square over the standard deviation of noise.

    Noise has the same power everywhere in k-space, ``|F|^2`` with a median of ``log(2) N sigma^2``; single points far
    above it, and away from the center, are stripes. ``difference`` has shape ``(z, y, x)``. One number for each slice,
    or one for the whole volume.
    """
    axes = (1, 2) if by_slice else (0, 1, 2)
    power = np.square(np.abs(np.asarray(fftn(difference, axes=axes))))
    away = np.zeros(power.shape, np.bool_)
    for axis in axes[-2:]:
        shape = [1, 1, 1]
        shape[axis] = -1
        away |= np.abs(np.fft.fftfreq(power.shape[axis]).reshape(shape)) > _CENTER / 2
    outside = np.where(away, power, np.nan)
    level = np.nanmedian(outside, axis=axes, keepdims=True) / np.log(2)
    excess = np.where(away & (power > _FAR * level), power, 0.0).sum(axis=axes)
    points = np.prod([power.shape[axis] for axis in axes])
    level = level.reshape(excess.shape)
    share = np.divide(excess, level * points, out=np.zeros(np.shape(excess)), where=level > 0)
    return np.atleast_1d(np.sqrt(share))
