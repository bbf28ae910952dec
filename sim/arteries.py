"""Where the large arteries run: the circle of Willis, and what leaves it toward the brain."""

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from ..streaming.errors import ConfigError
from .grid import Grid
from .pose import STILL, Pose, head_places

ARTERIAL_BLOOD_VOLUME = 0.05
"""Share of a voxel on an artery that is labeled blood; a few percent are found at usual resolution."""
_WIDTH = 0.004
"""Standard deviation of an artery's profile, with its fine branches, m."""
_LEAST = 1e-3
"""Less blood than this is none."""

_RING = ((0.000, -0.012, -0.020), (0.010, -0.006, -0.020), (0.012, 0.006, -0.020), (0.000, 0.016, -0.020))
_SIDE = (
    _RING,
    ((0.010, -0.006, -0.020), (0.012, -0.002, -0.045)),  # internal carotid artery
    ((0.010, -0.004, -0.020), (0.030, -0.006, -0.014), (0.042, 0.002, -0.004), (0.044, 0.024, 0.012)),  # middle one
    ((0.002, -0.012, -0.020), (0.003, -0.034, -0.004), (0.003, -0.038, 0.020), (0.003, -0.010, 0.040)),  # anterior one
    ((0.004, 0.015, -0.020), (0.020, 0.030, -0.014), (0.016, 0.062, -0.004)),  # posterior one
    ((0.000, 0.016, -0.020), (0.000, 0.024, -0.050)),  # basilar artery
)
"""Corners of the left arteries from the anterior commissure: left, posterior, superior, m; the right mirror them."""


def arterial_blood_volume(grid: Grid, peak: float = ARTERIAL_BLOOD_VOLUME, pose: Pose = STILL) -> NDArray[np.float32]:
    """Give the share of each voxel that is blood on its way through, shape ``(z, y, x)``, 0 to 1.

    Each artery is a line of straight pieces with a Gaussian profile of 4 mm, as wide voxels blur it; ``peak`` is the
    share on its axis. The middle one runs into the Sylvian fissure. They move with the head.
    """
    left, posterior, superior = np.broadcast_arrays(*head_places(grid, pose))
    axes = (np.abs(left).T, posterior.T, superior.T)
    places = np.stack(axes, axis=-1).transpose(2, 1, 0, 3)
    squared = np.full(grid.shape, np.inf)
    for artery in _SIDE:
        for begin, end in pairwise(artery):
            np.minimum(squared, _squared_distance(places, np.asarray(begin), np.asarray(end)), out=squared)
    # A voxel averages over its width: the variance of an even spread, mean of the axes, widens the profile.
    blood = peak * np.exp(-squared / (2 * _WIDTH**2 + np.square(grid.voxel).sum() / 18))
    return np.where(blood > _LEAST, blood, 0).astype(np.float32)


def moved_arteries(grid: Grid, blood: NDArray[np.float32], at: Pose, pose: Pose) -> NDArray[np.float32]:
    """Give the share of blood when the head moves from one pose to another; only the arteries of this file can move."""
    peak = 1.0 if not blood.any() else blood.max() / arterial_blood_volume(grid, 1.0, at).max()
    if blood.any() and not np.array_equal(blood > 0, arterial_blood_volume(grid, peak, at) > 0):
        raise ConfigError("arteries can move that arterial_blood_volume(grid) gave; these are others")
    return arterial_blood_volume(grid, peak, pose) if blood.any() else blood


def _squared_distance(
    places: NDArray[np.float64], begin: NDArray[np.float64], end: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Give the squared distance of places ``(..., 3)`` from a straight piece, m^2."""
    along = end - begin
    share = np.clip((places - begin) @ along / (along @ along), 0, 1)
    return np.square(places - begin - share[..., None] * along).sum(axis=-1)
