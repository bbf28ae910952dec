"""Rigid motions of the head: three turns and a translation, there and back, one after the other.

A motion takes a point r to ``R r + t``, with ``R = Rz Ry Rx``; axes are x, y, z, lengths m, angles rad.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

RADIUS = 0.05
"""Of the head, m: on a sphere of 50 mm an angle is a way (Power et al., NeuroImage 59:2142 (2012))."""


class Pose(NamedTuple):
    """Where a rigid body has gone: a point r of it lies at ``R r + t``."""

    rotation: NDArray[np.float64]
    """R, shape ``(3, 3)``."""
    translation: NDArray[np.float64]
    """t along x, y, z, m."""

    @property
    def angles(self) -> NDArray[np.float64]:
        """Turns about x, y, z, rad.

        >>> turned = pose([0, 0, 0], [0.1, -0.2, 0.3]).angles
        >>> [round(float(angle), 6) for angle in turned]
        [0.1, -0.2, 0.3]
        """
        r = self.rotation
        return np.array(
            [np.arctan2(r[2, 1], r[2, 2]), -np.arcsin(np.clip(r[2, 0], -1, 1)), np.arctan2(r[1, 0], r[0, 0])]
        )

    def after(self, earlier: "Pose") -> "Pose":
        """Give the motion that is this one after an earlier one."""
        return Pose(self.rotation @ earlier.rotation, self.rotation @ earlier.translation + self.translation)

    @property
    def inverse(self) -> "Pose":
        """Give the way back."""
        return Pose(self.rotation.T, -self.rotation.T @ self.translation)

    def displacement(self, other: "Pose") -> float:
        """Give the framewise displacement from another pose, m: the changes of t and, on a sphere of 50 mm, of angles.

        >>> round(pose([1e-3, 0, 0], [0, 0, 0.02]).displacement(still()), 6)
        0.002
        """
        turned = np.abs(self.angles - other.angles).sum()
        return float(np.abs(self.translation - other.translation).sum() + RADIUS * turned)


def still() -> Pose:
    """Give no motion at all."""
    return Pose(np.eye(3), np.zeros(3))


def pose(translation: NDArray[np.float64] | list[float], angles: NDArray[np.float64] | list[float]) -> Pose:
    """Make a motion of its translation, m, and its turns about x, y, z, rad."""
    (cx, cy, cz), (sx, sy, sz) = np.cos(angles), np.sin(angles)
    about_x = np.array([[1, 0, 0], [0, cx, -sx], [0, sx, cx]])
    about_y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    about_z = np.array([[cz, -sz, 0], [sz, cz, 0], [0, 0, 1]])
    return Pose(about_z @ about_y @ about_x, np.array(translation, float))


def turned_by(vector: NDArray[np.float64], translation: NDArray[np.float64]) -> Pose:
    """Make a motion of one turn about an axis, whose angle is the length of the vector, rad (Rodrigues), and a way."""
    angle = float(np.linalg.norm(vector))
    cross = np.array([[0, -vector[2], vector[1]], [vector[2], 0, -vector[0]], [-vector[1], vector[0], 0]])
    half = np.sinc(angle / 2 / np.pi)  # sin(angle / 2) over angle / 2
    return Pose(np.eye(3) + np.sinc(angle / np.pi) * cross + half**2 / 2 * cross @ cross, translation)
