"""What part of the head is imaged, and how k-space is walked through."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field

from ..streaming.errors import ConfigError
from .choices import Order, ReadoutType, ReferenceType
from .epi import EchoPlanar
from .grid import BRAIN_CENTER, Grid
from .lattice import Lattice, acquired, arranged
from .spiral import Spiral

_MOST_SAMPLES = 65535
ROUNDING = 1e-9
"""Sums of times may miss by this much, s."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prescription:
    """Field of view, matrix and readout of a scan; all lengths in m, all times in s."""

    matrix: tuple[int, int, int] = (64, 64, 24)
    """Voxels of the image along x, y, z."""
    field_of_view: tuple[float, float, float] = (0.22, 0.22, 0.144)
    """Of the image along x, y, z."""
    center: tuple[float, float, float] = BRAIN_CENTER
    """Where voxel n // 2 lies along each axis: left, posterior, superior."""
    readout: ReadoutType = ReadoutType.CARTESIAN
    echo_planar: EchoPlanar = field(default_factory=EchoPlanar)
    """The readout gradient of EPI and GRASE."""
    spiral: Spiral = field(default_factory=Spiral)
    three_dimensional: bool = False
    """Whether z is phase-encoded; else slices are excited one after the other. GRASE always is."""
    coils: int = 32
    readout_oversampling: int = 2
    """Samples per voxel along x."""
    phase_lines: int | None = None
    """Lines of full k-space along y; more than ``matrix[1]`` is phase oversampling. By default ``matrix[1]``."""
    partitions: int | None = None
    """The same along z, in 3-D. By default ``matrix[2]``."""
    partial_fourier: float = 1.0
    """Share of the lines along y that is acquired, above one half."""
    partial_fourier_slice: float = 1.0
    """The same along z, in 3-D."""
    acceleration: tuple[int, int] = (1, 1)
    """Every how many lines and partitions one is acquired: parallel imaging."""
    caipi_shift: int = 0
    """By how many lines each acquired partition is shifted against the one below."""
    reference: ReferenceType | None = None
    """What parallel imaging learns from; by default lines embedded in every volume, or none without acceleration."""
    reference_lines: int = 24
    """Lines about the middle of k-space that are acquired without gaps; no more than there are."""
    reference_partitions: int = 12
    """The same along z, in 3-D."""
    line_order: Order = Order.LINEAR
    """Cartesian only; else lines are read from the lowest to the highest."""
    partition_order: Order = Order.LINEAR
    slice_order: Order = Order.LINEAR
    """``linear`` (ascending) or ``interleaved``."""
    segments: int = 1
    """TRs over which the lines are spread, interleaved; spirals have their interleaves instead."""
    shots: int = 1
    """TRs over which the partitions of one 3-D volume are spread, each time for each segment."""
    dwell: float = 2.5e-6
    """Time of one sample of a Cartesian line."""
    echo_spacing: float = 0.5e-3
    """From line to line within an echo train."""

    def __post_init__(self) -> None:
        """Refuse what cannot be sampled."""
        if self.readout == ReadoutType.GRASE:
            object.__setattr__(self, "three_dimensional", True)
        refuse(self._count_refusals())
        refuse(self._sampling_refusals())
        refuse(self._readout_refusals())

    def _count_refusals(self) -> Iterator[tuple[bool, str]]:
        """Tell what is wrong, one after the other: each check may rely on those before it."""
        counts = (*self.matrix, self.coils, self.segments, self.shots, *self.acceleration, self.readout_oversampling)
        yield (
            min(counts) < 1,
            "matrix, coils, segments, shots, acceleration and oversampling must each be at least 1",
        )
        yield min(self.field_of_view) <= 0, "the field of view must be longer than 0 along each axis"
        yield from self.echo_planar.refusals()
        yield from self.spiral.refusals()

    def _sampling_refusals(self) -> Iterator[tuple[bool, str]]:
        samples, lines, partitions = self.encoded_matrix
        yield samples > _MOST_SAMPLES, f"{samples} samples in a readout; MRD counts at most {_MOST_SAMPLES}"
        yield lines < self.matrix[1], f"phase_lines {lines} cannot be fewer than the {self.matrix[1]} voxels along y"
        yield partitions < self.matrix[2], f"partitions {partitions} cannot be fewer than the {self.matrix[2]} slices"
        yield (
            not (0.5 < self.partial_fourier <= 1 and 0.5 < self.partial_fourier_slice <= 1),
            "partial Fourier must be above 0.5 and at most 1",
        )
        yield (
            not self.three_dimensional
            and (self.shots > 1 or self.partial_fourier_slice < 1 or self.partitions is not None),
            "several shots, partitions and partial Fourier along z need a 3-D readout",
        )
        yield (
            not self.three_dimensional and (self.acceleration[1] > 1 or self.caipi_shift != 0),
            "acceleration along z and a CAIPI shift need a 3-D readout",
        )
        yield (
            not self.three_dimensional and self.slice_order is Order.CENTRIC,
            "slices are acquired linear or interleaved, not centric",
        )
        planes = len(self.lattice.planes())
        yield self.shots > planes, f"{self.shots} shots are more than the {planes} partitions"
        rows = min(len(self.lattice.rows(kz)) for kz in self.lattice.planes())
        yield (
            self.segments > rows,
            f"{self.segments} segments are more than the {rows} lines",
        )
        yield min(self.reference_lines, self.reference_partitions) < 1, "there cannot be fewer than 1 reference line"

    def _readout_refusals(self) -> Iterator[tuple[bool, str]]:
        spiral = self.readout == ReadoutType.SPIRAL
        yield (
            (spiral and (max(self.acceleration) > 1 or self.segments > 1 or self.reference is not None))
            or (spiral and self.phase_lines is not None),
            "a spiral has interleaves, and no acceleration, segments, reference lines or phase_lines",
        )
        yield spiral and self.partial_fourier < 1, "a spiral has no partial Fourier along y"
        yield (
            self.readout != ReadoutType.CARTESIAN and self.line_order is not Order.LINEAR,
            "only Cartesian lines can be acquired in another order than linear",
        )
        length = self.echo_planar.duration if self.echo_train else self.samples * self.sample_time
        yield (
            not spiral and length > self.echo_spacing + ROUNDING,
            f"a readout takes {length * 1e3:g} ms, more than the echo spacing of {self.echo_spacing * 1e3:g} ms",
        )

    @property
    def grid(self) -> Grid:
        """Where the voxels of the image lie."""
        return Grid(self.matrix, self.field_of_view, self.center)

    @property
    def encoded_matrix(self) -> tuple[int, int, int]:
        """Samples of a readout, and lines of full k-space along y and z; z is the image's own in 2-D."""
        return (
            self.samples,
            self.matrix[1] if self.phase_lines is None else self.phase_lines,
            self.matrix[2] if self.partitions is None else self.partitions,
        )

    @property
    def samples(self) -> int:
        """Samples of one imaging readout."""
        match self.readout:
            case ReadoutType.CARTESIAN:
                return self.matrix[0] * self.readout_oversampling
            case ReadoutType.SPIRAL:
                return len(self.spiral.arm(self.matrix[:2], min(self.grid.voxel[:2])))
            case _:
                return self.echo_planar.samples

    @property
    def redundancy(self) -> float:
        """How many samples there are for each voxel that a fully sampled readout must tell apart."""
        columns, rows, _ = self.matrix
        match self.readout:
            case ReadoutType.CARTESIAN:
                return 1.0  # samples beyond the field of view are cut off, and their noise with them
            case ReadoutType.SPIRAL:
                return self.samples * self.spiral.interleaves / (columns * rows)
            case _:
                return self.samples / columns

    @property
    def sample_time(self) -> float:
        """Time of one sample of an imaging readout, s."""
        if self.readout == ReadoutType.SPIRAL:
            return self.spiral.dwell
        return self.echo_planar.dwell if self.echo_train else self.dwell

    @property
    def echo_train(self) -> bool:
        """Whether lines are read to and fro, as in EPI and GRASE."""
        return self.readout in (ReadoutType.EPI, ReadoutType.GRASE)

    @property
    def refocused(self) -> bool:
        """Whether refocusing pulses follow the excitation, one per partition: GRASE, and spirals in 3-D."""
        return self.three_dimensional and self.readout in (ReadoutType.GRASE, ReadoutType.SPIRAL)

    @property
    def lattice(self) -> Lattice:
        """Which lines and partitions of one volume are acquired; of spirals only the partitions."""
        _, lines, partitions = self.encoded_matrix
        if self.readout == ReadoutType.SPIRAL:
            lines = 1
        return Lattice(
            lines=lines,
            partitions=partitions if self.three_dimensional else 1,
            line_count=acquired(lines, self.partial_fourier),
            partition_count=acquired(partitions, self.partial_fourier_slice) if self.three_dimensional else 1,
            step_y=self.acceleration[0],
            step_z=self.acceleration[1],
            shift=self.caipi_shift,
            block=self.reference_block if self.reference_type is ReferenceType.EMBEDDED else (0, 0),
        )

    @property
    def reference_type(self) -> ReferenceType | None:
        """Where reference lines come from; none without acceleration, unless they are asked for."""
        if self.reference is None and max(self.acceleration) > 1:
            return ReferenceType.EMBEDDED
        return self.reference

    @property
    def reference_block(self) -> tuple[int, int]:
        """Lines and partitions of the reference."""
        _, lines, partitions = self.encoded_matrix
        planes = min(self.reference_partitions, partitions) if self.three_dimensional else 1
        return min(self.reference_lines, lines), planes

    @property
    def line_count(self) -> int:
        """Extent of the lines along y, after partial Fourier; acceleration leaves out some of them."""
        return self.lattice.line_count

    @property
    def partition_count(self) -> int:
        """The same along z; 1 in 2-D."""
        return self.lattice.partition_count

    @property
    def excitations(self) -> int:
        """TRs of one volume, without averages."""
        return self.shots * (self.spiral.interleaves if self.readout == ReadoutType.SPIRAL else self.segments)

    @property
    def played_partitions(self) -> tuple[int, ...]:
        """Partitions in the order of acquisition, counted from the middle of k-space; the shots take turns."""
        return arranged(self.lattice.planes(), self.partition_order)

    @property
    def echo_train_length(self) -> int:
        """Lines of the longest echo train, navigators apart."""
        lattice = self.lattice
        return max(math.ceil(len(lattice.rows(kz)) / self.segments) for kz in lattice.planes())

    @property
    def center_echo(self) -> int:
        """Which line of its train is the middle of k-space."""
        return self.lattice.rows(0).index(0) // self.segments


def refuse(refusals: Iterator[tuple[bool, str]]) -> None:
    """Raise the first of the refusals that holds."""
    for broken, message in refusals:
        if broken:
            raise ConfigError(message)
