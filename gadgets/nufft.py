"""From spirals and other trajectories to the images of all coils."""

from collections.abc import Generator, Iterator
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from xxhash import xxh3_64_intdigest

from ..streaming.errors import ConfigError, DataError
from ..streaming.flow import FULL, CoilImages, KSpace, Place, Sampling
from ..streaming.gadget import Gadget
from ..streaming.notices import Level, Notice
from ..streaming.remarks import Remarks
from ..streaming.scan import Scan
from .kernels.fft import Backend
from .kernels.grid import central, kept
from .kernels.nonuniform import AVAILABLE, AdjointTransform, density_weights
from .kernels.slab import PartitionTransform
from .kernels.taper import edge_weights
from .kernels.trajectory import (
    Third,
    Unit,
    cycles_per_voxel,
    delayed,
    recognise_unit,
    third_coordinate,
    voxels_per_unit,
)

_KEPT = 64  # trajectories whose weights are kept: those of all partitions, or of a set of rotations
_KEPT_POINTS = 2**24  # of all of them together: 256 MB
_NOT_INSTALLED = "Spirals need finufft, which is not installed: 'pip install finufft' mends it."
_NO_TRAJECTORY = (
    "The header says that this is no Cartesian scan, but its readouts carry no usable trajectory (k-space coordinates, "
    "at least two for each sample): no image can be made of them. Right would be trajectory_dimensions of 2 or 3."
)
_THREE_DIMENSIONAL = (
    "The third coordinate of the trajectory changes along the readout: a trajectory through all three dimensions is "
    "not supported, only stacks of spirals or spokes. No image can be made."
)
_STILL = (
    "The trajectory of a plane never leaves the center of k-space, or holds no numbers: no image can be made of it. "
    "Right would be the k-space coordinates of each sample."
)
_DENSITY = "The third coordinate of the trajectory is taken for density weights, not kz; aslive computes its own."
_MANY = "More different trajectories come than are kept: the density weights of one that comes back are computed again."


class _Sampled(NamedTuple):
    """A trajectory, ready for use."""

    points: NDArray[np.float32]
    """Cycles per voxel, shape ``(2, points)``."""
    weights: NDArray[np.complex64]
    """Density weights, with the phase of an off-center shift; 0 for points that do not count."""


@dataclass
class TransformTrajectory(Gadget):
    """Turns samples on spirals, spokes or any other plane trajectory into images, one for each coil.

    Adjoint non-uniform FFT in the plane as each slice or partition arrives, with the density of the samples compensated
    (Pipe and Menon, MRM 41:179 (1999)), then the FFT along z when all partitions of a 3-D volume have come. Linear and
    the same for every volume with that trajectory. The scale is that of ``fourier``. The memory of a 3-D volume is used
    again for the next one: who keeps its images longer takes a copy.
    """

    precision: float = 1e-4
    """Relative error of the non-uniform FFT, 1e-6 to 0.1."""
    threads: int = 2
    """Among which the coils of a plane are shared out; the server has little to do while a plane is worked on."""
    trajectory_delay: float = 0.0
    """Time by which the gradients lag behind the samples, s."""
    off_center_x: float = 0.0
    """Where the middle of the image is to lie along x, m, from the middle that was encoded."""
    off_center_y: float = 0.0
    """The same along y, m."""
    taper: float = 0.1
    """Width of the fading edge where partitions were cut off, share of the half width of kz; 0 for a hard edge."""

    _matrix: tuple[int, int] = field(default=(1, 1), init=False, repr=False)
    _field_of_view: tuple[float, float] = field(default=(0.0, 0.0), init=False, repr=False)
    _kept: tuple[int, int, int] = field(default=(1, 1, 1), init=False, repr=False)
    _partitions: int = field(default=1, init=False, repr=False)
    _three_dimensional: bool = field(default=False, init=False, repr=False)
    _coils: int = field(default=0, init=False, repr=False)
    _in_plane: AdjointTransform | None = field(default=None, init=False, repr=False)
    _plane: NDArray[np.complex64] | None = field(default=None, init=False, repr=False)
    _along_z: PartitionTransform | None = field(default=None, init=False, repr=False)
    _sampling: Sampling = field(default=FULL, init=False, repr=False)
    _unit: Unit | None = field(default=None, init=False, repr=False)
    _known: dict[int, _Sampled | None] = field(default_factory=dict, init=False, repr=False)
    _remarks: Remarks = field(default_factory=Remarks, init=False, repr=False)
    _open: dict[int, Place] = field(default_factory=dict, init=False, repr=False)

    def needed(self, scan: Scan) -> bool:
        """Tell whether the scan is read on a trajectory and not line by line."""
        return scan.encoding is not None and not scan.encoding.on_a_grid

    def start(self, scan: Scan) -> None:
        """Read the geometry and plan for it."""
        if not AVAILABLE:
            raise ConfigError(_NOT_INSTALLED)
        if not 1e-6 <= self.precision <= 0.1:
            raise ConfigError(f"precision of nufft cannot be {self.precision:g}: it is 1e-6 to 0.1.")
        encoding = scan.encoding
        if encoding is None:
            raise ConfigError("nufft needs a header with an encoding: it tells the field of view and the matrix.")
        sizes = [
            encoded or recon for encoded, recon in zip(encoding.encoded_matrix, encoding.recon_matrix, strict=True)
        ]
        if min(sizes[:2]) < 1:
            raise DataError("The header states no matrix: for a trajectory encodedSpace.matrixSize is needed.")
        lengths = encoding.encoded_field_of_view
        self._matrix, self._field_of_view = (sizes[0], sizes[1]), lengths[:2]
        self._partitions, self._three_dimensional = max(1, sizes[2]), scan.three_dimensional
        wanted = zip(sizes, sizes, lengths, encoding.recon_field_of_view, encoding.recon_matrix, strict=True)
        x, y, z = (kept(*axis) for axis in wanted)
        self._kept = x, y, z
        self._unit, self._known, self._remarks, self._open, self._sampling = None, {}, Remarks(), {}, FULL
        self._coils, self._in_plane, self._along_z = 0, None, None
        if scan.coils > 0:
            self._prepare(scan.coils)

    def process(self, message: KSpace) -> Iterator[CoilImages | Notice]:
        """Transform one slice, or add one partition to its volume."""
        coils, _, interleaves, _ = message.data.shape
        if coils != self._coils:
            self._prepare(coils)
        sampled = yield from self._sampled(message)
        place = message.place
        if sampled is not None and self._in_plane is not None:
            images = self._in_plane(message.data.reshape(coils, -1), *sampled, self._plane)[:, np.newaxis]
        else:
            images = np.zeros((coils, 1, self._kept[1], self._kept[0]), np.complex64)
            place = replace(place, missing=max(place.missing, interleaves))
        if self._along_z is None:
            yield CoilImages(images, place, message.index, message.last)
            return
        if not 0 <= message.index < self._partitions:
            raise DataError(f"Partition {message.index} lies outside of the {self._partitions} that the header states.")
        if place.sampling != self._sampling:
            self._sampling = place.sampling
            self._along_z.weigh(edge_weights(self._partitions, place.sampling.z, self.taper))
        begun = self._open.get(place.volume)
        self._open[place.volume] = replace(begun or place, missing=place.missing + (begun.missing if begun else 0))
        self._along_z.add(place.volume, message.index, images)
        if message.last:
            whole = self._along_z.finish(place.volume)[:, central(self._partitions, self._kept[2])]
            yield CoilImages(whole, self._open.pop(place.volume), 0, last=True)

    def _prepare(self, coils: int) -> None:
        x, y, _ = self._kept
        self._coils, self._along_z, self._open, self._sampling = coils, None, {}, FULL
        self._in_plane = AdjointTransform(coils, (y, x), self.precision, threads=max(1, self.threads))
        self._plane = None
        if self._three_dimensional:
            self._plane = np.empty((coils, y, x), np.complex64)
            self._along_z = PartitionTransform((coils, self._partitions, y, x), Backend.FFTW)

    def _sampled(self, message: KSpace) -> Generator[Notice, None, _Sampled | None]:
        """Give the trajectory of a plane with its weights, known or new; none where there is no usable one."""
        trajectory = message.trajectory
        if trajectory is None or trajectory.shape[:2] != message.data.shape[2:] or trajectory.shape[2] < 2:
            if message.data.any():  # zeros stand for a plane that never came
                yield from self._remarks.say(_NO_TRAJECTORY, Level.ERROR)
            return None
        delay = self.trajectory_delay / message.place.dwell if message.place.dwell > 0 else 0.0
        if self.trajectory_delay and not delay:
            yield from self._remarks.say("The readouts do not tell their dwell time: trajectory_delay is not applied.")
        key = xxh3_64_intdigest(np.ascontiguousarray(trajectory).tobytes() + np.float64(delay).tobytes())
        if key not in self._known:
            if len(self._known) >= max(1, min(_KEPT, _KEPT_POINTS // max(1, trajectory[..., 0].size))):
                del self._known[next(iter(self._known))]
                yield from self._remarks.say(_MANY, Level.INFO)
            self._known[key] = yield from self._read(trajectory, delay)
        return self._known[key]

    def _read(self, trajectory: NDArray[np.float32], delay: float) -> Generator[Notice, None, _Sampled | None]:
        """Read a trajectory that was not seen before."""
        third = third_coordinate(trajectory)
        if third is Third.UNKNOWN:
            yield from self._remarks.say(_THREE_DIMENSIONAL, Level.ERROR, subject="third")
            return None
        if third is Third.DENSITY:
            yield from self._remarks.say(_DENSITY, Level.INFO, subject="third")
        if not np.any(trajectory[..., :2], where=np.isfinite(trajectory[..., :2])):
            yield from self._remarks.say(_STILL, Level.ERROR)
            return None
        if self._unit is None:
            self._unit = recognise_unit(trajectory, self._matrix, self._field_of_view)
            if self._unit is None:
                reach = f"{np.max(np.abs(trajectory[..., :2]), initial=0, where=np.isfinite(trajectory[..., :2])):g}"
                units = ", ".join(Unit)
                yield from self._remarks.say(
                    f"The trajectory reaches {reach}, too far for the matrix in any of: {units}. No image can be made.",
                    Level.ERROR,
                    subject="unit",
                )
                return None
            yield Notice(f"The coordinates of the trajectory are taken for {self._unit}.", Level.INFO)
        shifted = delayed(trajectory, delay) if delay else trajectory
        factors = voxels_per_unit(self._unit, self._matrix, self._field_of_view)
        points, counts, outside = cycles_per_voxel(shifted, factors)
        if outside:
            share = f"{outside} of {counts.size} samples"
            yield from self._remarks.say(
                f"In a plane {share} lie outside of the k-space of the matrix and are not used.", subject="outside"
            )
        if not counts.any():
            return None
        weights = np.zeros(counts.size, np.complex64)
        x, y = self._matrix
        weights[counts] = density_weights(points[:, counts], (y, x))
        return _Sampled(points, weights * self._off_center(points))

    def _off_center(self, points: NDArray[np.float32]) -> NDArray[np.complex64]:
        """Give the phase that moves a point off the center to the middle of the image."""
        shift = (self.off_center_x, self.off_center_y)
        voxels = [
            move * size / length if length > 0 else 0.0
            for move, size, length in zip(shift, self._matrix, self._field_of_view, strict=True)
        ]
        return np.exp(2j * np.pi * (np.asarray(voxels) @ points)).astype(np.complex64)
