"""Moving an image back to where the head lay before, by cubic B-splines."""

import numpy as np
from numba import njit
from numpy.typing import NDArray

from .rigid import Pose
from .splines import Spline, locate, weights

_FAST = {"contract", "nsz"}  # fused multiplications


class Mover:
    """Moves complex images of one shape, once each."""

    def __init__(self, region: NDArray[np.bool_], voxel: tuple[float, float, float]) -> None:
        """Prepare for images of which a region is moved, and the rest is not; voxels along z, y, x, m."""
        self._spline = Spline(region.shape, 2)
        self._region = np.flatnonzero(region)
        self._size = np.array(voxel[::-1])
        self._middle = np.array(region.shape[::-1]) // 2

    def back(self, image: NDArray[np.complex64], pose: Pose) -> tuple[NDArray[np.complex64], float]:
        """Give the image as it would be had the head not moved, and the share of the region that was not imaged.

        That share lies more than half a voxel beyond the outermost voxels; it shows what these do.
        """
        matrix = np.empty((3, 4))
        matrix[:, :3] = pose.rotation / self._size[:, np.newaxis] * self._size
        matrix[:, 3] = self._middle + pose.translation / self._size - matrix[:, :3] @ self._middle
        moved = np.array(image, np.complex64, order="C")
        outside = resample(self._spline.fit(image), self._region, matrix, moved)
        return moved, outside / max(len(self._region), 1)


@njit(
    ["int64(float32[:,:,::1], int64[::1], float64[:,::1], complex64[:,:,::1])"],
    cache=True,
    nogil=True,
    error_model="numpy",
    fastmath=_FAST,
)
def resample(
    coefficients: NDArray[np.float32],
    region: NDArray[np.int64],
    matrix: NDArray[np.float64],
    result: NDArray[np.complex64],
) -> int:
    """Write the voxels of a region, each from the place that a matrix ``(3, 4)`` takes its number (x, y, z, 1) to.

    Gives how many of these places lie more than half a voxel outside.
    """
    c, out = coefficients.ravel(), result.ravel()
    step_z, step_y = np.uint64(coefficients.shape[1] * coefficients.shape[2]), np.uint64(coefficients.shape[2])
    slices, rows, width = result.shape
    m, half = matrix.astype(np.float32), np.float32(0.5)
    outside = 0
    for voxel in region:
        plane = voxel // width
        x, y, z = np.float32(voxel % width), np.float32(plane % rows), np.float32(plane // rows)
        vx = m[0, 0] * x + m[0, 1] * y + m[0, 2] * z + m[0, 3]
        vy = m[1, 0] * x + m[1, 1] * y + m[1, 2] * z + m[1, 3]
        vz = m[2, 0] * x + m[2, 1] * y + m[2, 2] * z + m[2, 3]
        at_x, tx = locate(vx, width)
        at_y, ty = locate(vy, rows)
        at_z, tz = locate(vz, slices)
        far = max(abs(vx - (np.float32(at_x) + tx)), abs(vy - (np.float32(at_y) + ty)))
        outside += max(far, abs(vz - (np.float32(at_z) + tz))) > half
        wx, wy, wz = weights(tx), weights(ty), weights(tz)
        at = np.uint64(at_z) * step_z + np.uint64(at_y) * step_y + np.uint64(2 * at_x)
        r0, r1, r2, r3 = np.float32(0), np.float32(0), np.float32(0), np.float32(0)
        i0, i1, i2, i3 = np.float32(0), np.float32(0), np.float32(0), np.float32(0)
        for kz in range(4):
            row = at
            for ky in range(4):
                w = wz[kz] * wy[ky]
                r0 += w * c[row]
                i0 += w * c[row + np.uint64(1)]
                r1 += w * c[row + np.uint64(2)]
                i1 += w * c[row + np.uint64(3)]
                r2 += w * c[row + np.uint64(4)]
                i2 += w * c[row + np.uint64(5)]
                r3 += w * c[row + np.uint64(6)]
                i3 += w * c[row + np.uint64(7)]
                row += step_y
            at += step_z
        real = wx[0] * r0 + wx[1] * r1 + wx[2] * r2 + wx[3] * r3
        imaginary = wx[0] * i0 + wx[1] * i1 + wx[2] * i2 + wx[3] * i3
        out[voxel] = np.complex64(complex(real, imaginary))
    return outside
