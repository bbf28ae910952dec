"""Lines of k-space as they come in: one readout, or a train of them."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from struct import Struct
from typing import NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

_GEOMETRY = Struct("<12f")
_AFTER_DWELL = 182
_ENCODING_SPACE = slice(174, 176)
_SAMPLES, _DISCARDED = Struct("<H"), Struct("<2H")
_ASYMMETRY = 0.02
"""Share of the samples by which the centre may miss the middle of a symmetric echo."""
_REVERSED = 1 << 21  # MRD flag 22
_COUNTERS, _COUNTERS_AT = cast("np.dtype[np.uint16]", np.dtype(("<u2", (17,)))), 242
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
        return self.headers.getfield(_COUNTERS, _COUNTERS_AT)

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
        values = self.counters.take(counters, axis=1)
        if values.tobytes() == values[0].tobytes() * len(values):  # so most often, and quick to see
            return iter((range(len(values)),))
        turns = np.flatnonzero((values[1:] != values[:-1]).any(axis=1)) + 1
        return (range(begin, end) for begin, end in pairwise((0, *turns.tolist(), len(values))))

    def split(self) -> Iterator[Readout]:
        """Give the lines one by one."""
        return map(self.readout, range(len(self.headers)))
