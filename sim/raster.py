"""Which line of a scan reads which part of k-space, for images that know no coils."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt

from .protocol import Protocol, ReadoutType
from .sequence import shots

_FAR = 1e6
"""One slice has nothing to do with the next."""


@dataclass(frozen=True, slots=True)
class Raster:
    """Of each line of an image's k-space, ``(kz, ky)``, or ``(z, ky)`` in 2-D, when it is read.

    A line that is not acquired goes with the nearest one that is; of a spiral each arm stands for every n-th line.
    """

    number: NDArray[np.int64]
    """How many imaging lines of the volume are read before it."""
    excitation: NDArray[np.int64]
    """Which of the volume's excitations reads it."""

    @classmethod
    def of(cls, protocol: Protocol) -> "Raster":
        """Lay out the lines of a protocol."""
        _, rows, planes = protocol.matrix
        number = np.full((planes, rows), -1)
        excitation = np.full((planes, rows), -1)
        before = 0
        for place, shot in enumerate(shots(protocol)):
            lines = shot.lines
            for ky, kz in zip(lines.ky[lines.imaging], lines.kz[lines.imaging], strict=True):
                plane = kz + planes // 2 if protocol.three_dimensional else shot.plane
                arms = protocol.spiral.interleaves
                found = np.arange(ky, rows, arms) if protocol.readout is ReadoutType.SPIRAL else ky + rows // 2
                if 0 <= plane < planes and np.all((0 <= found) & (found < rows)):
                    number[plane, found], excitation[plane, found] = before, place
                before += 1
        spacing = (1.0, 1.0) if protocol.three_dimensional else (_FAR, 1.0)
        _, nearest = distance_transform_edt(number < 0, spacing, return_indices=True)  # type: ignore[misc]  # a pair
        plane, row = np.asarray(nearest)
        return cls(number[plane, row], excitation[plane, row])
