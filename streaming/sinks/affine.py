"""Where voxels lie: from the geometry of MRD to that of NIfTI.

MRD tells where the middle of a volume lies. The middle is voxel ``n // 2`` along each axis of ``n`` voxels, for even
and odd ``n`` alike, because a centered Fourier transform puts the origin there. MRD counts left, posterior and
superior, NIfTI right, anterior and superior.
"""

import numpy as np
from numpy.typing import NDArray

from ..readouts import Geometry

_TO_RIGHT_ANTERIOR_SUPERIOR = np.array([-1.0, -1.0, 1.0])
_ROUNDING = 1e-3
"""Of directions, which came as float32 and from who knows where."""


def voxel_size(geometry: Geometry, shape: tuple[int, ...]) -> NDArray[np.float64]:
    """Give the size of a voxel along x, y, z, m; 0 along an axis whose field of view is not known.

    ``shape`` ends with ``(z, y, x)``.
    """
    return np.array(geometry.field_of_view) / np.maximum(shape[:-4:-1], 1)


def affine(geometry: Geometry, shape: tuple[int, ...]) -> NDArray[np.float64] | None:
    """Give the matrix from voxel numbers (x, y, z, 1) to mm right, anterior, superior; none if it is not known.

    ``shape`` ends with ``(z, y, x)``. Source: NIfTI-1 (nifti1.h, method 3), MRD image header.
    """
    directions = np.array([geometry.read_direction, geometry.phase_direction, geometry.slice_direction])
    size = voxel_size(geometry, shape)
    if not np.allclose(directions @ directions.T, np.eye(3), atol=_ROUNDING) or not np.all(size > 0):
        return None
    matrix = np.eye(4)
    matrix[:3, :3] = _TO_RIGHT_ANTERIOR_SUPERIOR[:, None] * directions.T * size
    middle = np.array(shape[:-4:-1]) // 2
    matrix[:3, 3] = _TO_RIGHT_ANTERIOR_SUPERIOR * geometry.position - matrix[:3, :3] @ middle
    matrix[:3] *= 1e3
    return matrix


def stacked(first: Geometry, last: Geometry, count: int) -> Geometry:
    """Tell where a stack of ``count`` slices lies, from its first and last; gaps between them count to the voxels."""
    x, y, thickness = first.field_of_view
    way = np.subtract(last.position, first.position)
    spacing = float(np.linalg.norm(way)) / (count - 1)
    if spacing == 0:  # the sender gave all slices the same place
        return first._replace(field_of_view=(x, y, thickness * count))
    middle = np.array(first.position) + way * (count // 2) / (count - 1)
    direction = way / np.linalg.norm(way)
    return first._replace(
        position=tuple(middle.tolist()),
        slice_direction=tuple(direction.tolist()),
        field_of_view=(x, y, spacing * count),
    )
