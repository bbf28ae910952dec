"""Images between their voxels, by cubic B-splines.

An image is ``sum of c_k B(x - k)``. Its coefficients c follow from its voxels by one small matrix along each axis,
which is inverted once (Unser, IEEE Signal Process Mag 16(6):22 (1999)). At its edges an image runs straight on
(a natural spline): a mirror would have no slope there, and spoil the outermost slices of a slab that cuts the head.
Images are ``(z, y, x)``, real or complex; coefficients are float32, with real and imaginary parts side by side along x.
"""

import numpy as np
from numba import njit
from numpy.typing import NDArray

BEFORE, BEHIND = 1, 2
"""Coefficients that are kept around those of the voxels."""
_Four = tuple[np.float32, np.float32, np.float32, np.float32]


class Spline:
    """Turns images of one shape into spline coefficients."""

    def __init__(self, shape: tuple[int, int, int], parts: int = 1) -> None:
        """Prepare for images of this shape; ``parts`` is 2 for complex ones."""
        self._shape, self._parts = shape, parts
        z, y, x = (_inverse(size) for size in shape)
        self._z, self._y, self._x = z, y, np.kron(x, np.eye(parts, dtype=np.float32)).T.copy()
        slices, rows, columns = (size + BEFORE + BEHIND for size in shape)
        self.coefficients = np.zeros((slices, rows, columns * parts), np.float32)
        """Of the latest image; its memory is used again for the next one."""

    def fit(self, image: NDArray[np.float32] | NDArray[np.complex64]) -> NDArray[np.float32]:
        """Give the coefficients of an image, with a margin that carries them on."""
        slices, rows, _ = self._shape
        columns = np.ascontiguousarray(image).view(np.float32).reshape(slices * rows, -1) @ self._x
        planes = self._y @ columns.reshape(slices, rows, -1)
        whole = (self._z @ planes.reshape(slices, -1)).reshape(planes.shape)
        c, parts = self.coefficients, self._parts
        c[BEFORE:-BEHIND, BEFORE:-BEHIND, BEFORE * parts : -BEHIND * parts] = whole
        _extend(c)
        _extend(c.transpose(1, 0, 2))
        _extend(c.reshape(*c.shape[:2], -1, parts).transpose(2, 0, 1, 3))
        return c


def _inverse(size: int) -> NDArray[np.float32]:
    """Give the matrix from voxels to coefficients along one axis."""
    if size == 1:
        return np.ones((1, 1), np.float32)
    matrix = np.eye(size) * 4 / 6 + (np.eye(size, k=1) + np.eye(size, k=-1)) / 6
    matrix[[0, -1]] = np.eye(size)[[0, -1]]  # there the spline is not bent
    return np.linalg.inv(matrix).astype(np.float32)


def _extend(c: NDArray[np.float32]) -> None:
    """Fill the margin along the first axis."""
    inner = c[BEFORE:-BEHIND]
    c[0] = 2 * inner[0] - inner[min(1, len(inner) - 1)]
    c[-2] = 2 * inner[-1] - inner[max(len(inner) - 2, 0)]
    c[-1] = 2 * inner[-1] - inner[max(len(inner) - 3, 0)]


@njit(cache=True, nogil=True, error_model="numpy")
def weights(t: np.float32) -> _Four:
    """Give the four weights at a share t of the way from one voxel to the next."""
    s = np.float32(1) - t
    sixth, third = np.float32(1 / 6), np.float32(2 / 3)
    half, one = np.float32(0.5), np.float32(1)
    return sixth * s * s * s, third - t * t * (one - half * t), third - s * s * (one - half * s), sixth * t * t * t


@njit(cache=True, nogil=True, error_model="numpy")
def slopes(t: np.float32) -> _Four:
    """Give the derivatives of the four weights, per voxel."""
    s = np.float32(1) - t
    half, more, two = np.float32(0.5), np.float32(1.5), np.float32(2)
    return -half * s * s, t * (more * t - two), s * (two - more * s), half * t * t


@njit(cache=True, nogil=True, error_model="numpy")
def locate(at: np.float32, size: int) -> tuple[int, np.float32]:
    """Give the voxel before a place, and the share of the way to the next; what lies outside is moved to the edge."""
    inside = min(max(at, np.float32(0)), np.float32(size - 1))
    voxel = max(min(int(inside), size - 2), 0)
    return voxel, inside - np.float32(voxel)
