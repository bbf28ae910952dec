"""Averaging what lies in each voxel of an image."""

import numpy as np
from numba import njit
from numpy.typing import NDArray


@njit(["void(float32[:,:,:,::1], float64[:,::1], float64[:,::1], float32[:,:,:,::1])"], cache=True, nogil=True)
def average_into(
    shares: NDArray[np.float32],
    affine: NDArray[np.float64],
    within: NDArray[np.float64],
    out: NDArray[np.float32],
) -> None:
    """Write the mean of ``shares``, shape ``(z, y, x, 3)``, over each voxel of an image, ``out`` of the same axes.

    ``affine``, shape ``(3, 4)``, leads from voxel numbers (x, y, z) of the image to those of ``shares``, which are
    linear in between and 0 outside. ``within``, shape ``(points, 3)``, are the places in a voxel that the mean is taken
    over, in voxels from its middle.
    """
    nz, ny, nx = shares.shape[:3]
    part = 1 / within.shape[0]
    total = np.empty(3)
    for k in range(out.shape[0]):
        for j in range(out.shape[1]):
            for i in range(out.shape[2]):
                total[:] = 0
                for n in range(within.shape[0]):
                    px, py, pz = i + within[n, 0], j + within[n, 1], k + within[n, 2]
                    x = affine[0, 0] * px + affine[0, 1] * py + affine[0, 2] * pz + affine[0, 3]
                    y = affine[1, 0] * px + affine[1, 1] * py + affine[1, 2] * pz + affine[1, 3]
                    z = affine[2, 0] * px + affine[2, 1] * py + affine[2, 2] * pz + affine[2, 3]
                    if not (0 <= x < nx - 1 and 0 <= y < ny - 1 and 0 <= z < nz - 1):
                        continue
                    a, b, c = int(x), int(y), int(z)
                    fx, fy, fz = x - a, y - b, z - c
                    for corner in range(8):
                        dx, dy, dz = corner & 1, corner >> 1 & 1, corner >> 2
                        weight = (fx if dx else 1 - fx) * (fy if dy else 1 - fy) * (fz if dz else 1 - fz)
                        for t in range(3):
                            total[t] += weight * shares[c + dz, b + dy, a + dx, t]
                for t in range(3):
                    out[k, j, i, t] = part * total[t]


def places_within(counts: tuple[int, int, int]) -> NDArray[np.float64]:
    """Give places spread evenly over a voxel, ``counts`` along x, y and z, in voxels from its middle."""
    along = [(np.arange(count) + 0.5) / count - 0.5 for count in counts]
    return np.stack(np.meshgrid(*along, indexing="ij"), axis=-1).reshape(-1, 3)
