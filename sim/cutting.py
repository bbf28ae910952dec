"""How the voxels of any field of view are cut out of a head that lies as it likes."""

from math import ceil

import numpy as np
from numba import njit
from numpy.typing import NDArray

from .grid import Grid
from .pose import Pose

_LARGEST_PART = 1.75e-3
"""Voxels are parted until no edge is longer than this, m."""
TO_NIFTI = np.array([-1e3, -1e3, 1e3])
"""From left, posterior, superior in m to right, anterior, superior in mm."""


def cut_moved(
    shares: NDArray[np.float32], filled: NDArray[np.bool_], affine: NDArray[np.float64], grid: Grid, pose: Pose
) -> NDArray[np.float32]:
    """Average a moved template over the voxels of a grid.

    ``shares`` has shape ``(x, y, z, 3)`` and lies where ``affine`` (NIfTI's, diagonal) leads; ``filled`` tells where
    any are within three voxels, and at its edges nothing is. The result has shape ``(3, z, y, x)``. The voxels stay
    where they are, and the head moves below them: each voxel is parted into boxes that are all but cubes, whose middles
    are taken back to the place in the head that lies there; over a box, turned with the head, the average is exact.
    Without motion the result is that of ``anatomy.brain`` to rounding.
    """
    size = np.asarray(grid.voxel)
    parts = np.array([ceil(length / _LARGEST_PART) for length in size])
    step, first = np.diag(affine)[:3], affine[:3, 3]
    center = np.asarray(grid.center)
    middle = np.asarray(grid.matrix) // 2
    # A voxel with index i lies at center + (i - middle) size, and shows the place of the head that was moved there.
    back = pose.matrix.T
    to_template = (TO_NIFTI / step)[:, None] * back * size
    offset = (TO_NIFTI * (center - back @ np.asarray(pose.translation)) - first) / step - to_template @ middle
    found = np.zeros((3, *grid.shape), np.float32)
    cut_boxes(shares, filled, to_template, offset, parts, np.abs(TO_NIFTI / step) * size / parts, found)
    return found


@njit(
    "void(float32[:, :, :, ::1], boolean[:, :, ::1], float64[:, :], float64[:], int64[:], float64[:],"
    " float32[:, :, :, ::1])",
    cache=True,
    nogil=True,
)
def cut_boxes(
    shares: NDArray[np.float32],
    filled: NDArray[np.bool_],
    to_template: NDArray[np.float64],
    offset: NDArray[np.float64],
    parts: NDArray[np.int64],
    width: NDArray[np.float64],
    found: NDArray[np.float32],
) -> None:
    """Average, for each voxel (x, y, z), the boxes it is parted into, whose middles are at ``to_template v + offset``.

    ``width`` is that of a box in voxels of the template, each of which is even within; where nothing is ``filled``
    about the middle of a box, all of it is empty.
    """
    shape = shares.shape
    begin, taps = np.empty(3, np.int64), np.empty(3, np.int64)
    weights = np.empty((3, int(width.max()) + 3))
    place = np.empty(3)
    count = parts[0] * parts[1] * parts[2]
    for z in range(found.shape[1]):
        for y in range(found.shape[2]):
            for x in range(found.shape[3]):
                gray, white, fluid = 0.0, 0.0, 0.0
                for part in range(count):
                    px = x + (part % parts[0] + 0.5) / parts[0] - 0.5
                    py = y + (part // parts[0] % parts[1] + 0.5) / parts[1] - 0.5
                    pz = z + (part // (parts[0] * parts[1]) + 0.5) / parts[2] - 0.5
                    inside = True
                    for axis in range(3):
                        row = to_template[axis]
                        place[axis] = row[0] * px + row[1] * py + row[2] * pz + offset[axis]
                        inside &= -0.5 <= place[axis] < shape[axis] - 0.5
                    if not inside or not filled[int(place[0] + 0.5), int(place[1] + 0.5), int(place[2] + 0.5)]:
                        continue
                    for axis in range(3):
                        low, high = place[axis] - width[axis] / 2, place[axis] + width[axis] / 2
                        start = max(int(np.floor(low + 0.5)), 0)
                        stop = min(int(np.ceil(high - 0.5)) + 1, shape[axis])
                        begin[axis], taps[axis] = start, stop - start
                        for tap in range(stop - start):
                            covered = min(high, start + tap + 0.5) - max(low, start + tap - 0.5)
                            weights[axis, tap] = max(covered, 0.0) / width[axis]
                    for i in range(taps[0]):
                        for j in range(taps[1]):
                            both = weights[0, i] * weights[1, j]
                            line = shares[begin[0] + i, begin[1] + j, begin[2] : begin[2] + taps[2]]
                            for k in range(taps[2]):
                                weight = both * weights[2, k]
                                gray += weight * line[k, 0]
                                white += weight * line[k, 1]
                                fluid += weight * line[k, 2]
                found[0, z, y, x], found[1, z, y, x], found[2, z, y, x] = gray / count, white / count, fluid / count
