"""How the head lies, and which place of it lies where in the field of view."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from .grid import Grid

Place = tuple[float, float, float]


class Pose(NamedTuple):
    """How the head lies, against how it lay at the begin of the scan.

    A point r of the head, from the middle ``n // 2`` of the volume, lies at ``R r + t``, with ``R = Rz Ry Rx`` in the
    axes x, y, z of the volume: the convention of ``streaming.quality.Motion``.
    """

    translation: Place = (0.0, 0.0, 0.0)
    """t along x (left), y (posterior), z (superior), m."""
    rotation: Place = (0.0, 0.0, 0.0)
    """About x (pitch), y (roll), z (yaw), rad."""

    @property
    def matrix(self) -> NDArray[np.float64]:
        """R, shape ``(3, 3)``."""
        return Rotation.from_euler("xyz", self.rotation).as_matrix()

    def plus(self, other: "Pose") -> "Pose":
        """Add another one, number by number; to a nanometer and a nanoradian, so that equal ones compare equal."""
        return pose_of([*self.translation, *self.rotation], [*other.translation, *other.rotation])

    def times(self, share: float) -> "Pose":
        """Go only a part of the way."""
        return pose_of([share * value for value in (*self.translation, *self.rotation)])

    def after(self, earlier: "Pose") -> "Pose":
        """Give where a head ends up that lay in another pose, and then moves by this one."""
        turned = self.matrix @ earlier.matrix
        translation = self.matrix @ earlier.translation + self.translation
        return pose_of([*translation, *Rotation.from_matrix(turned).as_euler("xyz")])

    def seen_from(self, reference: "Pose") -> "Pose":
        """Give the pose that one finds who takes another volume than the first as reference."""
        back = reference.matrix.T
        return self.after(pose_of([*-(back @ reference.translation), *Rotation.from_matrix(back).as_euler("xyz")]))


STILL = Pose()
"""As at the begin of the scan."""
_DECIMALS = 9


def pose_of(*values: list[float]) -> Pose:
    """Make a pose of six numbers, or of the sum of several times six."""
    x, y, z, pitch, roll, yaw = (round(float(value), _DECIMALS) + 0.0 for value in np.sum(values, axis=0))
    return Pose((x, y, z), (pitch, roll, yaw))


def head_places(grid: Grid, pose: Pose = STILL) -> tuple[NDArray[np.float64], ...]:
    """Tell which place of the head lies in each voxel: left, posterior, superior, m.

    Three arrays that broadcast to ``(z, y, x)``.
    """
    x, y, z = grid.along(0)[None, None, :], grid.along(1)[None, :, None], grid.along(2)[:, None, None]
    if pose == STILL:
        return x, y, z
    center = np.asarray(grid.center)
    moved = center + pose.translation
    here = np.stack(np.broadcast_arrays(x, y, z), axis=-1) - moved
    places = here @ pose.matrix + center  # from the right: R transposed takes a place back to where it was
    return places[..., 0], places[..., 1], places[..., 2]
