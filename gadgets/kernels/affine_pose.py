"""How a head lies and how large it is, against the average brain: twelve numbers that can be changed step by step."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

_AXES = np.eye(3)
_TURNS = np.array([[np.cross(axis, other) for other in _AXES] for axis in _AXES]).transpose(0, 2, 1)
"""``_TURNS[a] @ r`` is the cross product of axis a with r."""
_STRETCHES = np.array(
    [np.outer(_AXES[a], _AXES[b]) if a == b else np.outer(_AXES[a], _AXES[b]) + np.outer(_AXES[b], _AXES[a])
     for a, b in ((0, 0), (1, 1), (2, 2), (0, 1), (0, 2), (1, 2))]
)  # fmt: skip
USUAL_STRETCH = 1.06
"""The average brain over usual heads, along each axis."""
_COMMON, _OWN, _SHEAR = 0.10, 0.05, 0.03
"""Standard deviations of the stretch: of all axes together, of each by itself, of the shears."""


class Pose(NamedTuple):
    """An affine map from places in the image to places in the average brain: ``stretch rotation place + shift``."""

    shift: NDArray[np.float64]
    """Left, posterior, superior, m."""
    rotation: NDArray[np.float64]
    stretch: NDArray[np.float64]
    """Symmetric: lengths and shears along the axes of the average brain."""

    @property
    def matrix(self) -> NDArray[np.float64]:
        """Give the map, shape ``(3, 4)``."""
        return np.column_stack([self.stretch @ self.rotation, self.shift])

    def moved(self, step: NDArray[np.float64]) -> "Pose":
        """Change it by a step: three of the shift, three of a turn (rad), six of the stretch."""
        stretch = self.stretch + np.tensordot(step[6:], _STRETCHES, axes=1)
        return Pose(self.shift + step[:3], rotated(step[3:6]) @ self.rotation, stretch)

    def derivatives(self) -> NDArray[np.float64]:
        """Tell how ``matrix`` changes with a step, shape ``(3, 4, 12)``."""
        return np.moveaxis(np.array(list(self._changes())), 0, -1)

    def oddity(self) -> NDArray[np.float64]:
        """Tell how far it is from a usual head, in the numbers of a step."""
        odd = np.zeros(12)
        odd[6:9] = np.diag(self.stretch) - USUAL_STRETCH
        odd[9:] = self.stretch[0, 1], self.stretch[0, 2], self.stretch[1, 2]
        return odd

    def _changes(self) -> Iterator[NDArray[np.float64]]:
        nothing = np.zeros(3)
        for axis in _AXES:
            yield np.column_stack([np.zeros((3, 3)), axis])
        for turn in _TURNS:
            yield np.column_stack([self.stretch @ turn @ self.rotation, nothing])
        for stretch in _STRETCHES:
            yield np.column_stack([stretch @ self.rotation, nothing])


def rotated(turn: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give the matrix of a turn about an axis by its length, rad (Rodrigues' formula)."""
    angle = float(np.linalg.norm(turn))
    if angle == 0:
        return np.eye(3)
    about = np.tensordot(turn / angle, _TURNS, axes=1)
    return np.eye(3) + np.sin(angle) * about + (1 - np.cos(angle)) * about @ about


def usual_heads() -> NDArray[np.float64]:
    """Give the inverse covariance of ``Pose.oddity`` over heads, as in Ashburner et al., NeuroImage 6:344 (1997).

    Nothing is known of shift and rotation. It counts where the image says little, as of height in a few slices.
    """
    inverse = np.zeros((12, 12))
    inverse[6:9, 6:9] = np.linalg.inv(np.full((3, 3), _COMMON**2) + _OWN**2 * np.eye(3))
    inverse[9:, 9:] = np.eye(3) / _SHEAR**2
    return inverse
