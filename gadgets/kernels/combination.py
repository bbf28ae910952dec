"""Adding the images of all coils up to one."""

import numpy as np
from numba import njit
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray


def combine(images: NDArray[np.complex64], conjugate_maps: NDArray[np.complex64]) -> NDArray[np.complex64]:
    """Give ``sum over coils of conj(map) * image``, shapes ``(coils, z, y, x)`` to ``(z, y, x)``."""
    result = np.empty(images.shape[1:], np.complex64)
    flat, coil_step, z_step = _flat(images)
    coils, slices = images.shape[:2]
    _weighted_sum(flat, coil_step, z_step, conjugate_maps.reshape(coils, slices, -1), result.reshape(slices, -1))
    return result


def root_sum_of_squares(images: NDArray[np.complex64]) -> NDArray[np.complex64]:
    """Give ``sqrt(sum over coils of |image|^2)`` as complex numbers, same shapes."""
    result = np.empty(images.shape[1:], np.complex64)
    flat, coil_step, z_step = _flat(images)
    _square_sum(flat, coil_step, z_step, images.shape[0], result.reshape(images.shape[1], -1))
    return result


def _flat(images: NDArray[np.complex64]) -> tuple[NDArray[np.complex64], int, int]:
    """See padded images as the one stretch of memory they lie in, with the steps from coil to coil and z to z."""
    coils, slices, rows, columns = images.shape
    coil_step, z_step, row_step, step = (stride // images.itemsize for stride in images.strides)
    if step != 1 or row_step != columns or min(coil_step, z_step) <= 0 or not images.flags.writeable:
        images = images.copy()
        coil_step, z_step = slices * rows * columns, rows * columns
    span = (coils - 1) * coil_step + (slices - 1) * z_step + rows * columns
    return as_strided(images, (span,), (images.itemsize,)), coil_step, z_step


@njit(
    ["void(complex64[::1], int64, int64, complex64[:,:,::1], complex64[:,::1])"],
    cache=True,
    nogil=True,
    fastmath={"contract"},
)
def _weighted_sum(
    images: NDArray[np.complex64],
    coil_step: int,
    z_step: int,
    weights: NDArray[np.complex64],
    result: NDArray[np.complex64],
) -> None:
    coils, slices, voxels = weights.shape
    for z in range(slices):
        target = result[z]
        target[:] = 0
        for coil in range(coils):
            start = coil * coil_step + z * z_step
            source, weight = images[start : start + voxels], weights[coil, z]
            for i in range(voxels):
                target[i] += weight[i] * source[i]


@njit(["void(complex64[::1], int64, int64, int64, complex64[:,::1])"], cache=True, nogil=True)
def _square_sum(
    images: NDArray[np.complex64], coil_step: int, z_step: int, coils: int, result: NDArray[np.complex64]
) -> None:
    slices, voxels = result.shape
    for z in range(slices):
        target = result[z]
        target[:] = 0
        for coil in range(coils):
            start = coil * coil_step + z * z_step
            source = images[start : start + voxels]
            for i in range(voxels):
                target[i] += np.complex64(source[i].real * source[i].real + source[i].imag * source[i].imag)
        for i in range(voxels):
            target[i] = np.complex64(np.sqrt(target[i].real))
