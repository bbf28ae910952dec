"""What the average brain says about each voxel of an image that it lies on."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .atlas_agreement import explained, overlap
from .atlas_fit import Fitting, Guess
from .average_brain import AverageBrain
from .laying import average_into, places_within
from .territories import regions

_BRAIN = 0.5  # share of tissue, from which on a voxel counts as brain where the mask is compared
_LABELED = 0.1  # share of tissue, from which on a voxel belongs to a region


class Laid(NamedTuple):
    """The average brain on the grid of an image."""

    shares: NDArray[np.float32]
    """Of gray matter, white matter and fluid, shape ``(3, z, y, x)``, 0 to 1."""
    labels: NDArray[np.uint8]
    """Region of each voxel, shape ``(z, y, x)``, as in ``territories``; 0 outside."""
    agreement: float
    """With the image and the mask, 0 to 1."""


def lay_regions(
    brain: AverageBrain, guess: Guess, fitting: Fitting, mask: NDArray[np.bool_], axes: NDArray[np.float64]
) -> Laid:
    """Average the brain over each voxel, and tell how well it fits; the mask has shape ``(z, y, x)``."""
    matrix = guess.pose.matrix
    turn = matrix[:, :3] @ axes.T
    by_voxel = np.column_stack([turn, matrix[:, 3] - turn @ (np.array(mask.shape[::-1]) // 2)])
    counts = np.ceil(np.linalg.norm(axes, axis=1) / brain.step).astype(int).tolist()
    laid = np.empty((*mask.shape, 3), np.float32)
    average_into(brain.shares, brain.voxels(by_voxel), places_within((counts[0], counts[1], counts[2])), laid)
    tissue = laid.sum(axis=-1)
    z, y, x = np.nonzero(tissue > _LABELED)
    labels = np.zeros(mask.shape, np.uint8)
    labels[z, y, x] = regions(*(by_voxel[:, :3] @ np.array([x, y, z]) + by_voxel[:, 3:]))
    fitting.spread(guess)  # so that its rows are those of the last guess
    agreement = overlap(tissue > _BRAIN, mask) * explained(fitting.rows, fitting.left, guess.brightness)
    return Laid(np.ascontiguousarray(np.moveaxis(laid, -1, 0)), labels, agreement)
