"""What flows down the chain behind the readouts: from a plane of k-space to an image of the whole brain."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .readouts import Counters, Geometry, Readout
from .scan import Role


class Sampling(NamedTuple):
    """Which part of k-space was acquired.

    Ranges are shares of the half width of the k-space grid: (-1, 1) is all of it, (-0.5, 1) is a partial Fourier of 6/8
    without the lowest quarter. The lattice is that of parallel imaging: of the rows of a partition every ``step_y``-th
    is acquired, of the partitions every ``step_z``-th, and from one acquired partition to the next the rows move by
    ``shift`` (CAIPIRINHA).
    """

    x: tuple[float, float] = (-1.0, 1.0)
    y: tuple[float, float] = (-1.0, 1.0)
    z: tuple[float, float] = (-1.0, 1.0)
    step_y: int = 1
    step_z: int = 1
    shift: int = 0

    @property
    def acceleration(self) -> int:
        """How many voxels fold onto each other."""
        return self.step_y * self.step_z


FULL = Sampling()


@dataclass(frozen=True, slots=True)
class Place:
    """Which volume of the scan something belongs to, and what that volume is."""

    volume: int
    """Number of the volume in order of arrival, from 0."""
    counters: Counters
    """Of the first line."""
    time: float
    """Acquisition time stamp of the first line, s."""
    geometry: Geometry
    """Of the first line of this slice or slab."""
    role: Role = Role.NOT_APPLICABLE
    missing: int = 0
    """Lines that never came; their k-space is zero."""
    flags: int = 0
    """MRD acquisition flags of the first line."""
    dwell: float = 0.0
    """Time of one sample of the first line, s; 0 where the scanner sends none."""
    sampling: Sampling = FULL
    """Which part of its k-space was to be acquired."""
    number: int = -1
    """Number of the volume in ``aslcontext``, or else in the scan; -1 as long as nobody has counted."""

    @classmethod
    def of(cls, readout: Readout, volume: int, sampling: Sampling = FULL) -> "Place":
        """Give the place of what begins with a readout."""
        return cls(
            volume,
            readout.counters,
            readout.time,
            readout.geometry,
            flags=readout.flags,
            dwell=readout.dwell,
            sampling=sampling,
        )


@dataclass(frozen=True, slots=True)
class KSpace:
    """One slice of a 2-D volume, or one partition of a 3-D one, with all its lines."""

    data: NDArray[np.complex64]
    """Shape ``(coils, 1, ky, x)``: hybrid space, x already transformed. On a trajectory ``(coils, 1, interleaves,
    samples)``: nothing transformed."""
    place: Place
    index: int
    """Slice, or partition counted from the lowest kz of the grid."""
    last: bool
    """Whether its volume is complete with it."""
    time: float = 0.0
    """Acquisition time stamp of its own first line, s; 0 where the scanner sends none."""
    trajectory: NDArray[np.float32] | None = None
    """k-space coordinates of the samples as they came, shape ``(interleaves, samples, dimensions)``; none on a grid."""

    def with_data(self, data: NDArray[np.complex64]) -> "KSpace":
        """Give the same plane with other samples."""
        return KSpace(data, self.place, self.index, self.last, self.time, self.trajectory)


@dataclass(frozen=True, slots=True)
class Reference:
    """The lines from which parallel imaging learns: of one slice, or of a whole 3-D volume.

    It goes out just ahead of the first plane, or the last partition, that needs it.
    """

    data: NDArray[np.complex64]
    """Shape ``(coils, kz, ky, x)``: hybrid space; kz and ky hold only the block that was acquired without gaps."""
    place: Place
    """Of its first line."""
    index: int
    """Slice; 0 in 3-D."""
    center: tuple[int, int]
    """Where in (kz, ky) the centre of k-space lies; may be outside of the block."""


@dataclass(frozen=True, slots=True)
class CoilImages:
    """The images of all coils: one slice of a 2-D volume, or the whole of a 3-D one."""

    data: NDArray[np.complex64]
    """Shape ``(coils, z, y, x)``; the rows of an image are contiguous, its slices need not be."""
    place: Place
    index: int
    """First slice."""
    last: bool


@dataclass(frozen=True, slots=True)
class Slab:
    """The combined image of one slice, or of a whole 3-D volume."""

    data: NDArray[np.complex64]
    """Shape ``(z, y, x)``; the imaginary part is 0 after root-sum-of-squares."""
    place: Place
    index: int
    """First slice."""
    last: bool


@dataclass(frozen=True, slots=True)
class Volume:
    """One control, label, m0scan or other image of the whole brain."""

    data: NDArray[np.complex64]
    """Shape ``(z, y, x)``."""
    place: Place
    """Its geometry is that of slice ``n // 2``, the middle of a 3-D volume; its time that of the first line."""
    slice_times: tuple[float, ...] = ()
    """First time stamp of each slice, s, by z; empty in 3-D."""
    spacing: float = 0.0
    """From slice to slice, gaps included, m; 0 in 3-D, and where all slices are said to lie in one place."""

    @property
    def complete(self) -> bool:
        """Whether every line of it came."""
        return self.place.missing == 0


@dataclass(frozen=True, slots=True)
class Mask:
    """Where the brain is."""

    data: NDArray[np.bool_]
    """Shape ``(z, y, x)``."""
