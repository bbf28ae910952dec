"""Unfolding and combining the images of all coils by one weight per coil and voxel.

The convolution with a GRAPPA kernel becomes a product in the image: ``sum over d of K[d] exp(-2 pi i d r / N)`` at the
voxel r, counted from the middle of the grid of N. Adding the coils up behind it is linear too; so both together are
one weight for each coil (Breuer et al., MRM 62:739 (2009)), and they tell what becomes of noise.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.signal.windows import tukey

from .grappa import Kernel

Shape = tuple[int, int, int]
"""Sizes along (z, y, x)."""


def to_kspace(rows: NDArray[np.complex64]) -> NDArray[np.complex64]:
    """Transform the last axis from x to kx: centered and orthonormal, the inverse of the readout's transform."""
    shifted = np.fft.fft(np.fft.ifftshift(rows, axes=-1), norm="ortho")
    return np.fft.fftshift(shifted, axes=-1).astype(np.complex64)


def low_resolution(block: NDArray[np.complex64], shape: Shape, grid: Shape) -> NDArray[np.complex64]:
    """Give coil images ``(coils, z, y, x)`` of a block ``(coils, kz, ky, kx)`` of the middle of k-space.

    ``shape`` is the middle part of the image that the whole ``grid`` of k-space would give. As many columns of the
    block as it has rows are used, and its outer quarters are tapered against ringing by a cosine. Where the block lies
    in k-space only changes a phase that all coils share.
    """
    columns = min(block.shape[3], max(block.shape[2], 16))
    start = block.shape[3] // 2 - columns // 2
    images = block[..., start : start + columns]
    for axis in (1, 2, 3):  # kz and ky first, while there are few columns
        count = images.shape[axis]
        waves = _waves(np.arange(count) - count // 2, shape[axis - 1], grid[axis - 1], 1) * tukey(count + 2)[1:-1]
        images = np.moveaxis(np.tensordot(images, waves.astype(np.complex64), (axis, 1)), -1, axis)
    return np.ascontiguousarray(images)


def unmix(kernel: Kernel, weights: NDArray[np.complex64], grid: Shape) -> None:
    """Turn conjugate coil maps ``(coils, z, y, x)`` into the weights that unfold and combine, in place.

    ``weight[source] = sum over targets of conj(map[target]) K(r)[source, target]``, K(r) the kernel in the image. The
    image is ``sum over coils of weight * image`` of zero-filled k-space, at the scale of a fully sampled one. Column
    by column, so that the ``coils^2`` images of K are never held.
    """
    coils, depth, rows, columns = weights.shape
    layers, in_z = np.unique([z for z, _ in kernel.offsets], return_inverse=True)
    lines, in_y = np.unique([y for _, y in kernel.offsets], return_inverse=True)
    dense = np.zeros((kernel.columns, lines.size, layers.size, coils, coils), np.complex64)
    dense[:, in_y, in_z] = kernel.weights.swapaxes(0, 1)
    dense = dense.reshape(kernel.columns, -1)
    along_z = _waves(layers, depth, grid[0], -1)
    along_y = _waves(lines, rows, grid[1], -1)
    along_x = _waves(np.arange(kernel.columns) - kernel.columns // 2, columns, grid[2], -1)
    for x in range(columns):
        hybrid = (along_y @ (along_x[x] @ dense).reshape(lines.size, -1)).reshape(rows, layers.size * coils, coils)
        mixed = hybrid @ weights[..., x].transpose(2, 0, 1)
        mixed = mixed.reshape(rows, layers.size, coils, depth)
        weights[..., x] = np.einsum("ylcz,zl->czy", mixed, along_z)


def g_factor(weights: NDArray[np.complex64], acceleration: int) -> NDArray[np.float32]:
    """Give how much more noise unfolding leaves than the lines left out explain, ``(z, y, x)``: 1 is no more.

    ``sqrt(sum over coils of |weight|^2) / R``, with independent noise of the same variance in all coils (Pruessmann et
    al., MRM 42:952 (1999), for the factor itself).
    """
    power = np.zeros(weights.shape[1:], np.float32)
    for weight in weights:
        power += weight.real**2 + weight.imag**2
    np.sqrt(power, out=power)
    power /= acceleration
    return power


def _waves(offsets: NDArray[np.intp], count: int, size: int, sign: int) -> NDArray[np.complex64]:
    """Give ``exp(sign 2 pi i d r / size)`` at the middle ``count`` voxels r of ``size``, shape ``(voxels, d)``."""
    turns = np.outer(np.arange(count) - count // 2, offsets) % size
    return np.exp(sign * 2j * np.pi * turns / size).astype(np.complex64)
