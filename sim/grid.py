"""Where the voxels of the simulated scan lie in the head."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

BRAIN_CENTER = (0.0, 0.018, 0.005)
"""Middle of the MNI brain, (left, posterior, superior) of the anterior commissure, m."""


@dataclass(frozen=True, slots=True)
class Grid:
    """An axial box of voxels: x runs to the patient's left, y to the back, z to the top.

    Indices rise with MRD's (and DICOM's) patient axes left, posterior, superior. Voxel n // 2 lies at the center, as
    it does after a Fourier transform of k-space that was read about that point: voxel i of n is at
    ``center + (i - n // 2) * size`` along each axis.
    """

    matrix: tuple[int, int, int]
    """Voxels along x, y, z."""
    field_of_view: tuple[float, float, float]
    """Along x, y, z, m."""
    center: tuple[float, float, float] = BRAIN_CENTER
    """Left, posterior, superior, m."""

    @property
    def shape(self) -> tuple[int, int, int]:
        """Shape of an image of it, ``(z, y, x)``."""
        return self.matrix[2], self.matrix[1], self.matrix[0]

    @property
    def voxel(self) -> tuple[float, float, float]:
        """Size of a voxel along x, y, z, m."""
        x, y, z = (length / count for length, count in zip(self.field_of_view, self.matrix, strict=True))
        return x, y, z

    def along(self, axis: int) -> NDArray[np.float64]:
        """Give the voxel centers along x (0), y (1) or z (2): left, posterior, superior, m."""
        count = self.matrix[axis]
        steps = np.arange(count, dtype=np.float64) - count // 2
        return self.center[axis] + steps * self.voxel[axis]

    def slice_center(self, index: int) -> tuple[float, float, float]:
        """Give the middle of one slice: left, posterior, superior, m."""
        return self.center[0], self.center[1], float(self.along(2)[index])

    @property
    def affine(self) -> NDArray[np.float64]:
        """Give the NIfTI affine of ``image.transpose()``: indices (x, y, z) to right, anterior, superior in mm."""
        to_nifti = np.array([-1e3, -1e3, 1e3])
        affine = np.eye(4)
        affine[:3, :3] = np.diag(to_nifti * self.voxel)
        affine[:3, 3] = to_nifti * [self.along(axis)[0] for axis in range(3)]
        return affine
