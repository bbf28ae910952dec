"""Filling up k-space that was acquired in part, with a phase that is known: linear in the data.

Images have shape ``(z, y, x)``, weights of k-space are one array for each of some axes. The weights are those that the
images were made with (``taper.edge_weights``): 1 where k-space was acquired, 0 where not, and in between a soft edge.
A real object times a known phase has a k-space whose halves tell each other. Every step here is linear over the real
numbers, so the difference of two results is the result of the difference, whatever its sign.
"""

from collections.abc import Mapping

import numpy as np
import scipy.fft
from numpy.typing import NDArray

Weights = Mapping[int, NDArray[np.float32]]
"""Weights of k-space by axis of the image, centred, shape ``(n,)`` each."""


def smooth_phase(image: NDArray[np.complex64], reach: Mapping[int, float]) -> NDArray[np.complex64]:
    """Give the phase of an image without its detail, as complex numbers of magnitude 1.

    ``reach`` is, by axis, how far k-space was acquired on both sides, as a share of its half width; beyond it half of
    the phase is not known. Under a cos^2 window of that reach; 1 where there is no signal at all.
    """
    spectrum = _to_k_space(image, tuple(reach))
    for axis, share in reach.items():
        n = image.shape[axis]
        distance = np.abs(np.arange(n) - n // 2) / max(share * (n / 2), 1.0)
        window = np.where(distance < 1, np.cos(np.pi / 2 * distance) ** 2, 0).astype(np.float32)
        spectrum *= _along(window, axis, image.ndim)
    smooth = _to_image(spectrum, tuple(reach))
    magnitude = np.abs(smooth)
    return np.divide(smooth, magnitude, out=np.ones_like(smooth), where=magnitude > 0)


def homodyne(image: NDArray[np.complex64], phase: NDArray[np.complex64], weights: Weights) -> NDArray[np.complex64]:
    """Count lines twice whose mirror image was not acquired, and keep what is in phase.

    Noll et al., IEEE TMI 10:154 (1991). With ``w`` in already, ``2 - w(-k)`` makes the weights of k and -k add up to 2.
    """
    axes = tuple(weights)
    mirrored = {axis: np.roll(values[::-1], 1 - len(values) % 2) for axis, values in weights.items()}
    spectrum = _to_k_space(image, axes)
    spectrum *= 2 - _product(mirrored, image.ndim)
    return in_phase(_to_image(spectrum, axes), phase)


def project(
    image: NDArray[np.complex64], phase: NDArray[np.complex64], weights: Weights, iterations: int
) -> NDArray[np.complex64]:
    """Go back and forth between what was acquired and what is in phase.

    Haacke et al., J Magn Reson 92:126 (1991), with the real part along a fixed phase in place of the magnitude:
    ``K <- K0 + (1 - w) F(Re(conj(p) x) p)``, and what is in phase in the end.
    """
    axes = tuple(weights)
    missing = 1 - _product(weights, image.ndim)
    acquired = _to_k_space(image, axes)
    filled = image
    for _ in range(iterations):
        spectrum = _to_k_space(in_phase(filled, phase), axes)
        spectrum *= missing
        spectrum += acquired
        filled = _to_image(spectrum, axes)
    return in_phase(filled, phase)


def in_phase(image: NDArray[np.complex64], phase: NDArray[np.complex64]) -> NDArray[np.complex64]:
    """Give the part of an image that has the phase: ``Re(conj(p) x) p``."""
    return (image.real * phase.real + image.imag * phase.imag) * phase


def _to_k_space(image: NDArray[np.complex64], axes: tuple[int, ...]) -> NDArray[np.complex64]:
    """Transform; the image's center is left where it is, as weights do not feel the linear phase that it makes."""
    return np.asarray(scipy.fft.fftn(image, axes=axes, norm="ortho"))


def _to_image(spectrum: NDArray[np.complex64], axes: tuple[int, ...]) -> NDArray[np.complex64]:
    return np.asarray(scipy.fft.ifftn(spectrum, axes=axes, norm="ortho", overwrite_x=True))


def _along(weights: NDArray[np.float32], axis: int, dimensions: int) -> NDArray[np.float32]:
    """Lay centred weights along an axis, in the order of a plain FFT."""
    shape = [1] * dimensions
    shape[axis] = -1
    return np.fft.ifftshift(weights).reshape(shape)


def _product(weights: Weights, dimensions: int) -> NDArray[np.float32]:
    product = np.ones((1,) * dimensions, np.float32)
    for axis, values in weights.items():
        product = product * _along(values, axis, dimensions)
    return product
