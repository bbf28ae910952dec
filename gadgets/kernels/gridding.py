"""Spreading samples of a trajectory onto an even grid, for all coils at once.

With coils last every sample goes to its few grid points as whole rows of memory, which runs in vectors. The kernel is
the exponential of a semicircle (Barnett et al., SIAM J Sci Comput 41:C479 (2019)).
"""

from itertools import count

import numpy as np
from numba import njit
from numpy.typing import NDArray

_BLOCK = 16  # samples that are turned from coils first to coils last at a time
_NODES = 64  # of the quadrature
_STEEPNESS = 0.97  # of the kernel for which image and aliases just touch; with a little less the error is least


def finer_size(least: int) -> int:
    """Give the next size without prime factors above 5, which the FFT is quick with."""
    return next(size for size in count(least) if 30**16 % size == 0)


def kernel_width(precision: float, oversampling: float) -> int:
    """Tell how many grid points along each axis a sample must reach for a relative error.

    ``error = exp(-pi w sqrt(1 - 1 / oversampling))``: eq. 3.3 and sec. 4 there.
    """
    return max(3, int(np.ceil(-np.log(precision) / (np.pi * np.sqrt(1 - 1 / oversampling)) + 0.5)))


def steepness(width: int, share: float) -> float:
    """Give the exponent of the kernel where the image takes up a share of the finer grid."""
    return _STEEPNESS * np.pi * width * (1 - share / 2)


def places(
    points: NDArray[np.float32], size: int, width: int, exponent: float
) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """Tell where samples go on a grid along one axis, and with which shares.

    Points are cycles per grid point, shape ``(points,)``. Gives the first grid point of each ``(points,)`` and the
    shares ``(points, width)``. What is no number goes to the middle.
    """
    position = np.where(np.isfinite(points), points, 0).astype(np.float64) * size
    first = np.ceil(position - width / 2)
    distance = (first - position)[:, np.newaxis] + np.arange(width)
    root = np.sqrt(np.maximum(1 - (2 * distance / width) ** 2, 0))
    return (first % size).astype(np.int32), np.exp(exponent * (root - 1)).astype(np.float32)


def kernel_in_the_image(kept: int, size: int, width: int, exponent: float) -> NDArray[np.float64]:
    """Give by what the kernel multiplies the middle ``kept`` voxels of an image of ``size`` along one axis."""
    nodes, weights = np.polynomial.legendre.leggauss(_NODES)
    kernel = weights * np.exp(exponent * (np.sqrt(1 - nodes**2) - 1))
    voxels = np.arange(kept) - kept // 2
    return width / 2 * np.cos(np.pi * width / size * np.outer(voxels, nodes)) @ kernel


@njit(
    ["void(complex64[:,::1], complex64[::1], int32[:,::1], float32[:,:,::1], complex64[:,:,::1])"],
    cache=True,
    nogil=True,
    fastmath={"contract"},
)
def spread(
    samples: NDArray[np.complex64],
    weights: NDArray[np.complex64],
    first: NDArray[np.int32],
    shares: NDArray[np.float32],
    grid: NDArray[np.complex64],
) -> None:
    """Add samples ``(coils, points)`` times their weights ``(points,)`` to a grid ``(y, x, coils)``, round its ends."""
    coils, points = samples.shape
    rows, columns, width, step = grid.shape[0], grid.shape[1], shares.shape[2], 2 * coils
    numbers = grid.reshape(rows * columns * coils).view(np.float32)
    turned = np.empty((_BLOCK, step), np.float32)
    spread_in_x = np.empty((width, step), np.float32)
    line = spread_in_x.reshape(width * step)
    for begin in range(0, points, _BLOCK):
        end = min(begin + _BLOCK, points)
        for coil in range(coils):
            for j in range(begin, end):
                value = samples[coil, j] * weights[j]
                turned[j - begin, 2 * coil] = value.real
                turned[j - begin, 2 * coil + 1] = value.imag
        for j in range(begin, end):
            source = turned[j - begin]
            for column in range(width):
                share, part = shares[1, j, column], spread_in_x[column]
                for i in range(step):
                    part[i] = share * source[i]
            straight = min(width, columns - first[1, j]) * step  # what is left begins the row again
            for row in range(width):
                y = (first[0, j] + row) % rows
                share, start = shares[0, j, row], y * columns * step
                target = numbers[start + first[1, j] * step :][:straight]
                for i in range(straight):
                    target[i] += share * line[i]
                target = numbers[start:][: line.shape[0] - straight]
                for i in range(target.shape[0]):
                    target[i] += share * line[straight + i]
