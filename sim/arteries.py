"""Where the large arteries run: the circle of Willis, and what leaves it toward the brain."""

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from .grid import Grid

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


def arterial_blood_volume(grid: Grid, peak: float = ARTERIAL_BLOOD_VOLUME) -> NDArray[np.float32]:
    """Give the share of each voxel that is blood on its way through, shape ``(z, y, x)``, 0 to 1.

    Each artery is a line of straight pieces with a Gaussian profile of 4 mm, as wide voxels blur it; ``peak`` is the
    share on its axis. The middle one runs into the Sylvian fissure.
    """
    x, y, z = (grid.along(axis) for axis in range(3))
    places = np.stack(np.meshgrid(np.abs(x), y, z, indexing="ij"), axis=-1).transpose(2, 1, 0, 3)
    squared = np.full(grid.shape, np.inf)
    for artery in _SIDE:
        for begin, end in pairwise(artery):
            np.minimum(squared, _squared_distance(places, np.asarray(begin), np.asarray(end)), out=squared)
    # A voxel averages over its width: the variance of an even spread, mean of the axes, widens the profile.
    blood = peak * np.exp(-squared / (2 * _WIDTH**2 + np.square(grid.voxel).sum() / 18))
    return np.where(blood > _LEAST, blood, 0).astype(np.float32)


def _squared_distance(
    places: NDArray[np.float64], begin: NDArray[np.float64], end: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Give the squared distance of places ``(..., 3)`` from a straight piece, m^2."""
    along = end - begin
    share = np.clip((places - begin) @ along / (along @ along), 0, 1)
    return np.square(places - begin - share[..., None] * along).sum(axis=-1)
