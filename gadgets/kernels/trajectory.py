"""What the coordinates of a trajectory mean: MRD does not say, so their size tells."""

from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

_TOLERANCE = 1.15  # gradients overshoot, and a trajectory may reach a little beyond the matrix
_ROUNDING = 1e-4
_STILL = 1e-3  # share of the in-plane reach below which the third coordinate stands still


class Unit(StrEnum):
    """What coordinates of k-space are measured in."""

    CYCLES_PER_VOXEL = "cycles per voxel"
    RADIANS_PER_VOXEL = "radians per voxel"
    CYCLES_PER_FIELD_OF_VIEW = "cycles per field of view"
    CYCLES_PER_METER = "cycles per m"


class Third(StrEnum):
    """What the third coordinate of a trajectory is."""

    NONE = "none"
    PARTITION = "kz"
    DENSITY = "density"
    UNKNOWN = "unknown"


Pair = tuple[float, float]
"""Along x and y."""


def voxels_per_unit(unit: Unit, matrix: tuple[int, int], field_of_view: Pair) -> Pair:
    """Give the factors along x and y that turn coordinates into cycles per voxel."""
    match unit:
        case Unit.CYCLES_PER_VOXEL:
            return 1.0, 1.0
        case Unit.RADIANS_PER_VOXEL:
            return 0.5 / np.pi, 0.5 / np.pi
        case Unit.CYCLES_PER_FIELD_OF_VIEW:
            return 1 / matrix[0], 1 / matrix[1]
        case Unit.CYCLES_PER_METER:
            return field_of_view[0] / matrix[0], field_of_view[1] / matrix[1]


def recognise_unit(trajectory: NDArray[np.float32], matrix: tuple[int, int], field_of_view: Pair) -> Unit | None:
    """Tell the unit of coordinates ``(..., dimensions)`` from the largest of them.

    Each unit reaches half a cycle per voxel at another number: 0.5, pi, N / 2 or N / (2 field of view). The first one
    that is not exceeded is taken; none where all are.
    """
    size = np.abs(trajectory[..., :2])
    largest = size.max(axis=tuple(range(trajectory.ndim - 1)), initial=0, where=np.isfinite(size))
    for unit in Unit:
        factors = voxels_per_unit(unit, matrix, field_of_view)
        if min(factors) > 0 and np.max(largest * factors) <= 0.5 * _TOLERANCE:
            return unit
    return None


def third_coordinate(trajectory: NDArray[np.float32]) -> Third:
    """Tell what the third coordinate of ``(interleaves, samples, dimensions)`` is: kz stands still in a partition.

    Some converters put weights of the density there: 0 to 1, and changing on the way.
    """
    if trajectory.shape[-1] < 3:
        return Third.NONE
    values = trajectory[..., 2][np.isfinite(trajectory[..., 2])]
    size = np.abs(trajectory[..., :2])
    if values.size == 0 or np.ptp(values) <= _STILL * size.max(initial=0, where=np.isfinite(size)):
        return Third.PARTITION
    return Third.DENSITY if values.min() >= 0 and values.max() <= 1 else Third.UNKNOWN


def delayed(trajectory: NDArray[np.float32], samples: float) -> NDArray[np.float32]:
    """Shift coordinates ``(interleaves, samples, dimensions)`` along the readout: gradients lag behind by ``samples``.

    Linear between samples; the ends stand still.
    """
    count = trajectory.shape[1]
    position = np.clip(np.arange(count) - samples, 0, count - 1)
    before = np.minimum(position.astype(int), max(count - 2, 0))
    share = (position - before).astype(np.float32)[:, np.newaxis]
    after = np.minimum(before + 1, count - 1)
    return trajectory[:, before] * (1 - share) + trajectory[:, after] * share


def cycles_per_voxel(
    trajectory: NDArray[np.float32], factors: Pair
) -> tuple[NDArray[np.float32], NDArray[np.bool_], int]:
    """Give the points of a trajectory in cycles per voxel, which of them count, and how many lie outside of the grid.

    Shapes ``(2, points)`` and ``(points,)``. Points outside of -0.5 to 0.5 and points that are no numbers do not count,
    nor do interleaves that are zero throughout: they never came.
    """
    points = (trajectory[..., :2] * np.asarray(factors, np.float32)).astype(np.float32)
    came = np.isfinite(points).all(axis=-1) & (points != 0).any(axis=(1, 2))[:, np.newaxis]
    inside = (np.abs(np.where(came[..., np.newaxis], points, 0)) <= 0.5 + _ROUNDING).all(axis=-1)
    counts = (came & inside).ravel()
    flat = np.ascontiguousarray(points.reshape(-1, 2).T)
    return np.where(counts, flat, np.float32(0)), counts, int(np.sum(came & ~inside))
