"""How much one image differs from another, and how much of that is noise."""

import numpy as np
from numba import njit
from numpy.typing import NDArray


@njit(
    ["Tuple((float64, float64))(float32[:,:,::1], float32[:,:,::1], boolean[:,:,::1])"],
    cache=True,
    nogil=True,
)
def change(image: NDArray[np.float32], before: NDArray[np.float32], inside: NDArray[np.bool_]) -> tuple[float, float]:
    """Give the root mean square of ``d = image - before`` in a region, and what white noise of its fine grain gives.

    Arrays are ``(z, y, x)``. The grain is ``(d[x - 1] - 2 d[x] + d[x + 1]) / sqrt(6)``: of white noise it has the same
    root mean square as d, of what changes slowly from voxel to voxel next to nothing. NaN where no voxel can tell.
    """
    slices, height, width = image.shape
    squares, grain = 0.0, 0.0
    voxels, grains = 0, 0
    for z in range(slices):
        for y in range(height):
            for x in range(width):
                if not inside[z, y, x]:
                    continue
                here = float(image[z, y, x]) - before[z, y, x]
                squares += here * here
                voxels += 1
                if 0 < x < width - 1 and inside[z, y, x - 1] and inside[z, y, x + 1]:
                    beside = float(image[z, y, x - 1]) - before[z, y, x - 1] + image[z, y, x + 1] - before[z, y, x + 1]
                    grain += (beside - 2 * here) ** 2
                    grains += 1
    return (
        np.sqrt(squares / voxels) if voxels else np.nan,
        np.sqrt(grain / grains / 6) if grains else np.nan,
    )
