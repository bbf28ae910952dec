"""Complex subtraction of label from control, and when it is better than that of magnitudes."""

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter

_PATCH = 3  # voxels along x and y
_MEDIAN_OF_NOISE = np.sqrt(2 * np.log(2))  # of the magnitude of complex noise with unit variance in each part
_ENOUGH = 100  # voxels of background


def unit_phase(image: NDArray[np.complex64]) -> NDArray[np.complex64]:
    """Give the phase of an image, smoothed over 3x3 voxels of each slice, as numbers of size 1; 0 where it has none."""
    size = (1, _PATCH, _PATCH)
    smooth = np.empty(image.shape, np.complex64)
    # SciPy's inferred types want one size for all axes; its documentation allows one for each
    smooth.real = uniform_filter(image.real, size)  # pyright: ignore[reportArgumentType]
    smooth.imag = uniform_filter(image.imag, size)  # pyright: ignore[reportArgumentType]
    magnitude = np.abs(smooth)
    return np.divide(smooth, magnitude, out=np.zeros_like(smooth), where=magnitude > 0)


@njit(["void(complex64[::1], complex64[::1], complex64[::1], float32, float32[::1])"], cache=True, nogil=True)
def subtract(
    phase: NDArray[np.complex64],
    first: NDArray[np.complex64],
    second: NDArray[np.complex64],
    sign: float,
    result: NDArray[np.float32],
) -> None:
    """Write ``sign Re(conj(phase) (first - second))``."""
    for i in range(phase.shape[0]):
        change = first[i] - second[i]
        result[i] = sign * (phase[i].real * change.real + phase[i].imag * change.imag)


def project(phase: NDArray[np.complex64], image: NDArray[np.complex64]) -> NDArray[np.float32]:
    """Give ``Re(conj(phase) image)``, the part of an image along some unit phase."""
    return np.asarray(phase.real * image.real + phase.imag * image.imag, np.float32)


class Suppression(NamedTuple):
    """How much of the static signal background suppression has left."""

    ratio: float
    """Median signal of the brain over the noise of each part; NaN where the noise is not known."""
    negative: float
    """Share of the brain whose signal is turned over against the m0scan."""


def suppression(
    first: NDArray[np.complex64], second: NDArray[np.complex64], phase: NDArray[np.complex64], brain: NDArray[np.bool_]
) -> Suppression:
    """Measure a pair of volumes against the phase of the m0scan.

    The noise is that of their difference outside of the brain, median ``|first - second|`` over ``sqrt(2) sqrt(2 ln
    2)``. A voxel counts as turned over where it is negative by more than twice the noise.
    """
    outside = np.abs((first - second)[~brain])
    outside = outside[outside > 0]
    noise = float(np.median(outside)) / (np.sqrt(2) * _MEDIAN_OF_NOISE) if outside.size >= _ENOUGH else float("nan")
    inside = first[brain]
    real = (phase[brain].conj() * inside).real
    limit = -2 * noise if np.isfinite(noise) else 0.0
    negative = float(np.count_nonzero(real < limit)) / real.size if real.size else 0.0
    ratio = float(np.median(np.abs(inside))) / noise if inside.size and noise > 0 else float("nan")
    return Suppression(ratio, negative)
