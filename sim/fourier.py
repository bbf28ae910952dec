"""From images to k-space and back: the centered, orthonormal Fourier transform."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import fft


def to_kspace(image: NDArray[np.complex64], axes: Sequence[int]) -> NDArray[np.complex64]:
    """Transform an image to k-space along some axes; energy is kept, and the middle sample is n // 2."""
    shifted = fft.ifftshift(image, axes)
    return fft.fftshift(fft.fftn(shifted, axes=axes, norm="ortho"), axes)


def to_image(kspace: NDArray[np.complex64], axes: Sequence[int]) -> NDArray[np.complex64]:
    """Transform k-space to an image along some axes: the inverse of ``to_kspace``."""
    shifted = fft.ifftshift(kspace, axes)
    return fft.fftshift(fft.ifftn(shifted, axes=axes, norm="ortho"), axes)


def widen(image: NDArray[np.complex64], shape: Sequence[int]) -> NDArray[np.complex64]:
    """Surround an image with nothing up to a larger shape; voxel n // 2 stays voxel n // 2 along each axis."""
    before = [new // 2 - old // 2 for new, old in zip(shape, image.shape, strict=True)]
    wide = np.zeros(shape, np.complex64)
    wide[tuple(slice(start, start + old) for start, old in zip(before, image.shape, strict=True))] = image
    return wide
