"""What flows down the chain: from one readout to a map of cerebral blood flow."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import pairwise
from struct import Struct
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .scan import Role, Source

_GEOMETRY = Struct("<12f")
_AFTER_DWELL = 182
_ENCODING_SPACE = slice(174, 176)
_SAMPLES, _DISCARDED = Struct("<H"), Struct("<2H")
_ASYMMETRY = 0.02
"""Share of the samples by which the centre may miss the middle of a symmetric echo."""
_REVERSED = 1 << 21  # MRD flag 22
_LINE = Struct("<2x Q 8x I 150x H 4x f 60x 17H 64x")  # flags, time stamp, center_sample, sample time, counters


class Kind(StrEnum):
    """What a readout is for."""

    IMAGING = "imaging"
    NOISE = "noise"
    NAVIGATOR = "navigator"
    REFERENCE = "reference"
    REFERENCE_AND_IMAGING = "reference and imaging"
    SKIPPED = "skipped"


class Counters(NamedTuple):
    """Where a readout belongs: MRD's encoding counters."""

    kspace_encode_step_1: int = 0
    kspace_encode_step_2: int = 0
    average: int = 0
    slice: int = 0
    contrast: int = 0
    phase: int = 0
    repetition: int = 0
    set: int = 0
    segment: int = 0
    user_0: int = 0
    user_1: int = 0
    user_2: int = 0
    user_3: int = 0
    user_4: int = 0
    user_5: int = 0
    user_6: int = 0
    user_7: int = 0


class Geometry(NamedTuple):
    """Where a slice, slab or volume lies: patient coordinates (left, posterior, superior), m and unit vectors."""

    position: tuple[float, float, float] = (0.0, 0.0, 0.0)
    read_direction: tuple[float, float, float] = (1.0, 0.0, 0.0)
    phase_direction: tuple[float, float, float] = (0.0, 1.0, 0.0)
    slice_direction: tuple[float, float, float] = (0.0, 0.0, 1.0)
    field_of_view: tuple[float, float, float] = (0.0, 0.0, 0.0)
    """Of the volume, m; zeros where only the header's is known."""


@dataclass(frozen=True, slots=True)
class Readout:
    """One line of k-space from all coils."""

    data: NDArray[np.complex64]
    """Shape ``(coils, samples)``; after the readout transform ``(coils, x)``."""
    kind: Kind
    counters: Counters
    flags: int
    """MRD acquisition flags as they came."""
    center_sample: int
    time: float
    """Acquisition time stamp, s; 0 where the scanner sends none."""
    dwell: float
    """Time of one sample, s; 0 where the scanner sends none."""
    header: bytes
    """The MRD header as it came, for what is needed rarely."""
    trajectory: NDArray[np.float32] | None = None
    """k-space coordinates, shape ``(samples, dimensions)``, or none."""

    def with_data(self, data: NDArray[np.complex64]) -> "Readout":
        """Give the same readout with other samples."""
        return Readout(
            data,
            self.kind,
            self.counters,
            self.flags,
            self.center_sample,
            self.time,
            self.dwell,
            self.header,
            self.trajectory,
        )

    @property
    def encoding_space(self) -> int:
        """Which encoding of the header it belongs to; 0 is the imaging one."""
        return int.from_bytes(self.header[_ENCODING_SPACE], "little")

    @property
    def backwards(self) -> bool:
        """Whether it was read backwards."""
        return self.flags & _REVERSED != 0

    @property
    def sampled(self) -> tuple[float, float]:
        """The range of kx that was acquired, as shares of the half width: an asymmetric echo lacks one end."""
        (samples,) = _SAMPLES.unpack_from(self.header, 34)
        before, after = _DISCARDED.unpack_from(self.header, 168)
        samples -= before + after
        center = samples - 1 - self.center_sample if self.flags & _REVERSED else self.center_sample
        if not 0 < center < samples or abs(center - samples / 2) <= max(1.0, _ASYMMETRY * samples):
            return -1.0, 1.0
        half = max(center, samples - center)
        return -center / half, (samples - center) / half

    @property
    def geometry(self) -> Geometry:
        """Where the readout lies."""
        numbers = _GEOMETRY.unpack_from(self.header, _AFTER_DWELL)
        x, y, z = numbers[:3]
        return Geometry((x * 1e-3, y * 1e-3, z * 1e-3), numbers[3:6], numbers[6:9], numbers[9:12])


@dataclass(frozen=True, slots=True)
class Train:
    """Ordinary imaging lines that arrived together, so that they can be worked on together.

    They have one number of coils and samples, one center, one dwell and no trajectory; lines of both directions may be
    among them. A gadget that takes readouts but no trains is given the readouts one by one.
    """

    data: NDArray[np.complex64]
    """Shape ``(lines, coils, samples)``; after the readout transform ``(lines, coils, x)``."""
    headers: NDArray[np.void]
    """The MRD headers as they came, shape ``(lines,)``, of ``layouts.ACQUISITION_HEADER``."""
    tick: float
    """Unit of the acquisition time stamps, s."""

    @property
    def counters(self) -> NDArray[np.uint16]:
        """The encoding counters in the order of ``Counters``, shape ``(lines, 17)``."""
        return np.ascontiguousarray(self.headers["idx"]).view("<u2").reshape(len(self.headers), -1)

    @property
    def reversed(self) -> NDArray[np.bool_]:
        """Which lines were read backwards, shape ``(lines,)``."""
        return (self.headers["flags"] & _REVERSED) != 0

    def with_data(self, data: NDArray[np.complex64]) -> "Train":
        """Give the same train with other samples."""
        return Train(data, self.headers, self.tick)

    def readout(self, number: int) -> Readout:
        """Give one of the lines."""
        header = self.headers[number].tobytes()
        flags, stamp, center, dwell_us, *counters = _LINE.unpack(header)
        return Readout(
            self.data[number],
            Kind.IMAGING,
            Counters._make(counters),
            flags,
            center,
            stamp * self.tick,
            dwell_us * 1e-6,
            header,
        )

    def stretches(self, counters: tuple[int, ...]) -> Iterator[range]:
        """Give the stretches of lines in which none of some counters changes."""
        values = self.counters[:, counters]
        turns = np.flatnonzero((values[1:] != values[:-1]).any(axis=1)) + 1
        return (range(begin, end) for begin, end in pairwise((0, *turns.tolist(), len(values))))

    def split(self) -> Iterator[Readout]:
        """Give the lines one by one."""
        return map(self.readout, range(len(self.headers)))


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
class Progress:
    """How far a volume is that comes in several segments."""

    place: Place
    segment: int
    """Segments complete."""
    segments: int
    """Segments of the volume."""


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
    """Its geometry is that of the middle of the volume, its time that of the first line."""
    slice_times: tuple[float, ...] = ()
    """First time stamp of each slice, s, by z; empty in 3-D."""

    @property
    def complete(self) -> bool:
        """Whether every line of it came."""
        return self.place.missing == 0


@dataclass(frozen=True, slots=True)
class Mask:
    """Where the brain is."""

    data: NDArray[np.bool_]
    """Shape ``(z, y, x)``."""


@dataclass(frozen=True, slots=True)
class Difference:
    """Control minus label of one pair."""

    data: NDArray[np.float32]
    """Shape ``(z, y, x)``, in units of the images."""
    place: Place
    """Of the later of the two volumes."""
    pair: int
    """Number of the pair, from 0."""
    complex_subtraction: bool = False


@dataclass(frozen=True, slots=True)
class MeanDifference:
    """The mean control - label over the pairs so far, and how sure it is."""

    data: NDArray[np.float32]
    """Shape ``(z, y, x)``, in units of the images."""
    stderr: NDArray[np.float32]
    """Standard error of the mean, same shape; NaN with fewer than two pairs."""
    place: Place
    """Of the last pair."""
    pairs: int
    """Pairs in the mean."""
    complex_subtraction: bool = False


class MapName(StrEnum):
    """The maps that go out, in the field's words."""

    IMAGE = "image"
    M0SCAN = "m0scan"
    CONTROL = "control"
    LABEL = "label"
    DELTAM = "deltam"
    DELTAM_STDERR = "deltam_stderr"
    CBF = "cbf"
    CBF_STDERR = "cbf_stderr"
    MASK = "mask"
    GFACTOR = "gfactor"


class Constant(NamedTuple):
    """A number that went into a map, and where it came from."""

    value: float | str | tuple[float, ...]
    unit: str
    source: Source


@dataclass(frozen=True, slots=True)
class Map:
    """A result, ready to go out."""

    name: MapName
    data: NDArray[np.float32]
    """Shape ``(z, y, x)``."""
    place: Place
    units: str
    pairs: int = 0
    """Pairs that went into it."""
    constants: Mapping[str, Constant] = field(default_factory=dict)
    """What it was computed with."""


class Measure(StrEnum):
    """What is measured of the data on the way, for quality."""

    GHOST_LEVEL = "ghost_level"
    """Mean signal in the N/2 ghost over that in the object."""
    NAVIGATOR_SLOPE = "navigator_slope"
    """Odd-even phase of the navigators along x, rad per voxel."""
    NAVIGATOR_CONSTANT = "navigator_constant"
    """Odd-even phase of the navigators, rad."""
    FIELD_DRIFT = "field_drift"
    """Mean change of the frequency since the first volume, Hz."""
    PHASE_OFFSET = "phase_offset"
    """Constant phase of a volume against the reference volume, rad."""


@dataclass(frozen=True, slots=True)
class Measurement:
    """One number that tells about the quality of the data."""

    name: Measure
    value: float
    """NaN where there is no answer."""
    place: Place


@dataclass(frozen=True, slots=True)
class Remove:
    """Take a pair out of the running estimate again."""

    pair: int


class Level(StrEnum):
    """How much a notice matters."""

    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Notice:
    """A line for the people at the console."""

    text: str
    level: Level = Level.WARNING
