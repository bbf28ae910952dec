"""What the operator would set at the console: matrix, timing, labeling."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from ..streaming.errors import ConfigError
from ..streaming.scan import LabelingType, Role
from .grid import BRAIN_CENTER, Grid

_EFFICIENCY = {LabelingType.CASL: 0.68, LabelingType.PCASL: 0.85, LabelingType.PASL: 0.98}
"""Alsop et al., MRM 73:102 (2015)."""
_MOST_SAMPLES = 65535
_ROUNDING = 1e-9
"""Sums of times may miss by this much, s."""


class Order(StrEnum):
    """In which order lines, partitions or slices are acquired."""

    LINEAR = "linear"
    INTERLEAVED = "interleaved"
    CENTRIC = "centric"


@dataclass(frozen=True, slots=True, kw_only=True)
class Protocol:
    """One ASL protocol; all lengths in m, all times in s."""

    matrix: tuple[int, int, int] = (64, 64, 24)
    """Voxels of the image along x, y, z."""
    field_of_view: tuple[float, float, float] = (0.22, 0.22, 0.144)
    """Of the image along x, y, z."""
    center: tuple[float, float, float] = BRAIN_CENTER
    """Where voxel n // 2 lies along each axis: left, posterior, superior."""
    three_dimensional: bool = False
    """Whether z is phase-encoded; else slices are excited one after the other."""
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
    line_order: Order = Order.LINEAR
    partition_order: Order = Order.LINEAR
    slice_order: Order = Order.LINEAR
    """``linear`` (ascending) or ``interleaved``."""
    shots: int = 1
    """Excitations, and so TRs, over which the partitions of one 3-D volume are spread."""
    averages: int = 1
    """How often each volume is acquired before the next."""
    dwell: float = 2.5e-6
    """Time of one sample."""
    echo_spacing: float = 0.5e-3
    """From line to line within an echo train."""
    excitation_time: float = 10e-3
    """From the excitation of a slice or slab to its first line, fat saturation included."""
    echo_time: float = 0.013
    repetition_time: float = 5.0
    """From label to label."""
    labeling_type: LabelingType = LabelingType.PCASL
    labeling_duration: float = 1.8
    """Without meaning in PASL."""
    post_labeling_delay: tuple[float, ...] = (1.8,)
    """To the first slice; several are played in turn, one per pair. In PASL the inversion time."""
    bolus_cut_off_delay_time: float = 0.8
    """PASL only: QUIPSS II."""
    labeling_efficiency: float | None = None
    """With the loss by background suppression; by default the white paper's for the labeling type."""
    background_suppression: float = 1.0
    """What is left of the static signal in control and label; 1 is no suppression."""
    background_suppression_number_pulses: int = 2
    """Without meaning when nothing is suppressed."""
    pairs: int = 30
    label_first: bool = False
    m0scan: bool = True
    """Whether an M0 volume comes first."""
    m0_repetition_time: float = 10.0
    noise_readouts: int = 32
    """Readouts with the transmitter off, before everything."""

    def __post_init__(self) -> None:
        """Refuse what no scanner could play."""
        for broken, message in self._refusals():
            if broken:
                raise ConfigError(message)

    def _refusals(self) -> Iterator[tuple[bool, str]]:
        """Tell what is wrong, one after the other: each check may rely on those before it."""
        counts = (*self.matrix, self.coils, self.pairs, self.averages, self.shots, self.readout_oversampling)
        yield min(counts) < 1, "matrix, coils, pairs, averages, shots and oversampling must each be at least 1"
        yield self.noise_readouts < 0, "there cannot be fewer than 0 noise readouts"
        yield min(self.field_of_view) <= 0, "the field of view must be longer than 0 along each axis"
        yield from self._sampling_refusals()
        yield from self._labeling_refusals()
        needed = self.preparation_time(max(self.post_labeling_delay)) + self.readout_time
        yield (
            needed > self.repetition_time + _ROUNDING,
            f"labeling, delay and readout take {needed:.3f} s, more than the repetition time of "
            f"{self.repetition_time:g} s",
        )
        yield (
            self.m0scan and self.readout_time > self.m0_repetition_time + _ROUNDING,
            f"the readout takes {self.readout_time:.3f} s, more than the M0 repetition time of "
            f"{self.m0_repetition_time:g} s",
        )

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
            not self.three_dimensional and self.slice_order is Order.CENTRIC,
            "slices are acquired linear or interleaved, not centric",
        )
        yield (
            self.shots > self.partition_count,
            f"{self.shots} shots are more than the {self.partition_count} partitions",
        )
        readout = samples * self.dwell
        yield (
            readout > self.echo_spacing + _ROUNDING,
            f"a readout takes {readout * 1e3:g} ms, more than the echo spacing of {self.echo_spacing * 1e3:g} ms",
        )

    def _labeling_refusals(self) -> Iterator[tuple[bool, str]]:
        yield not self.post_labeling_delay, "at least one post-labeling delay is needed"
        yield min(self.post_labeling_delay) < 0, "a post-labeling delay cannot be negative"
        pulsed = self.labeling_type is LabelingType.PASL
        yield not pulsed and self.labeling_duration <= 0, "the labeling duration must be longer than 0"
        yield (
            pulsed and not 0 < self.bolus_cut_off_delay_time <= min(self.post_labeling_delay),
            "in PASL the bolus must be cut off after the labeling pulse and before the inversion time",
        )
        yield not 0 < self.background_suppression <= 1, "background suppression must leave more than 0 and at most 1"
        yield not 0 < self.efficiency <= 1, "labeling efficiency must be above 0 and at most 1"

    @property
    def grid(self) -> Grid:
        """Where the voxels of the image lie."""
        return Grid(self.matrix, self.field_of_view, self.center)

    @property
    def efficiency(self) -> float:
        """Share of the blood that is inverted, 0 to 1."""
        return _EFFICIENCY[self.labeling_type] if self.labeling_efficiency is None else self.labeling_efficiency

    @property
    def encoded_matrix(self) -> tuple[int, int, int]:
        """Samples of full k-space along x, y, z; z is the image's own in 2-D."""
        return (
            self.matrix[0] * self.readout_oversampling,
            self.matrix[1] if self.phase_lines is None else self.phase_lines,
            self.matrix[2] if self.partitions is None else self.partitions,
        )

    @property
    def line_count(self) -> int:
        """Lines acquired along y, after partial Fourier."""
        return _acquired(self.encoded_matrix[1], self.partial_fourier)

    @property
    def partition_count(self) -> int:
        """Partitions acquired along z, after partial Fourier; 1 in 2-D."""
        return _acquired(self.encoded_matrix[2], self.partial_fourier_slice) if self.three_dimensional else 1

    @property
    def readouts(self) -> int:
        """Imaging readouts of the whole scan."""
        trains = self.partition_count if self.three_dimensional else self.matrix[2]
        return len(self.context) * self.averages * trains * self.line_count

    @property
    def context(self) -> tuple[Role, ...]:
        """Role of every volume, as in BIDS ``aslcontext``."""
        pair = (Role.LABEL, Role.CONTROL) if self.label_first else (Role.CONTROL, Role.LABEL)
        return (Role.M0SCAN,) * self.m0scan + pair * self.pairs

    def delay(self, volume: int) -> float:
        """Give the post-labeling delay of a volume to its first slice, s; 0 for the m0scan, as BIDS has it."""
        pair = (volume - self.m0scan) // 2
        return self.post_labeling_delay[pair % len(self.post_labeling_delay)] if pair >= 0 else 0.0

    def preparation_time(self, delay: float) -> float:
        """Tell how long labeling and delay take before the readout, s."""
        return delay if self.labeling_type is LabelingType.PASL else self.labeling_duration + delay

    @property
    def slice_duration(self) -> float:
        """From one slice to the next, s."""
        return self.excitation_time + self.line_count * self.echo_spacing

    @property
    def readout_time(self) -> float:
        """From the first excitation to the last line of one TR, s."""
        if not self.three_dimensional:
            return self.matrix[2] * self.slice_duration
        return self.excitation_time + math.ceil(self.partition_count / self.shots) * self.line_count * self.echo_spacing


def _acquired(count: int, fraction: float) -> int:
    """Count the lines that partial Fourier leaves; the center is always among them."""
    return max(math.ceil(count * fraction - 1e-9), count // 2 + 1) if count > 1 else count
