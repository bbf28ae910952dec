"""What the operator would set at the console: matrix, timing, labeling."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field

from ..streaming.errors import ConfigError
from ..streaming.scan import LabelingType, Role
from .choices import NoiseScan, Order, ReadoutType, ReferenceType
from .effects import Effects
from .epi import EchoPlanar
from .grid import BRAIN_CENTER, Grid
from .lattice import Lattice, acquired, arranged
from .spiral import Spiral

_EFFICIENCY = {LabelingType.CASL: 0.68, LabelingType.PCASL: 0.85, LabelingType.PASL: 0.98}
"""Alsop et al., MRM 73:102 (2015)."""
_MOST_SAMPLES = 65535
_CARTESIAN_ECHO_TIME = 13e-3
_PULSE = 2e-3
"""From the middle of an excitation pulse to the first sample there can be, s."""
_ROUNDING = 1e-9
"""Sums of times may miss by this much, s."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Protocol:
    """One ASL protocol; all lengths in m, all times in s."""

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
    averages: int = 1
    """How often each volume is acquired before the next."""
    dwell: float = 2.5e-6
    """Time of one sample of a Cartesian line."""
    echo_spacing: float = 0.5e-3
    """From line to line within an echo train."""
    excitation_time: float = 10e-3
    """From the excitation of a slice or slab to its first line, fat saturation included."""
    echo_time: float = 0.0
    """From the excitation to the middle of k-space; 0 is 13 ms if Cartesian, else the shortest that can be played."""
    refocusing_time: float = 3e-3
    """Of one refocusing pulse with its crushers: between the echo trains of GRASE and of 3-D spirals."""
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
    background_suppression: float | tuple[float, float, float] = 1.0
    """What is left of the static signal in control and label, -1 to 1, of all or of gray matter, white matter and
    fluid; 1 is no suppression, below 0 the tissue is still inverted."""
    background_suppression_number_pulses: int = 2
    """Without meaning when nothing is suppressed."""
    pairs: int = 30
    label_first: bool = False
    m0scan: bool = True
    """Whether an M0 volume comes first."""
    m0_repetition_time: float = 10.0
    noise_readouts: int = 32
    """Readouts with the transmitter off, before everything."""
    noise_scan: NoiseScan = NoiseScan.INLINE
    effects: Effects = field(default_factory=Effects)

    def __post_init__(self) -> None:
        """Fill in what follows from the readout, and refuse what no scanner could play."""
        if self.readout == ReadoutType.GRASE:
            object.__setattr__(self, "three_dimensional", True)
        _refuse(self._count_refusals())
        _refuse(self._sampling_refusals())
        _refuse(self._readout_refusals())
        if self.echo_time == 0:
            plain = self.readout == ReadoutType.CARTESIAN
            object.__setattr__(self, "echo_time", _CARTESIAN_ECHO_TIME if plain else self.shortest_echo_time)
        _refuse(self._labeling_refusals())
        _refuse(self._timing_refusals())

    def _count_refusals(self) -> Iterator[tuple[bool, str]]:
        """Tell what is wrong, one after the other: each check may rely on those before it."""
        counts = (*self.matrix, self.coils, self.pairs, self.averages, self.shots, self.readout_oversampling)
        yield min(counts) < 1, "matrix, coils, pairs, averages, shots and oversampling must each be at least 1"
        yield min(*self.acceleration, self.segments) < 1, "acceleration and segments must each be at least 1"
        yield self.noise_readouts < 0, "there cannot be fewer than 0 noise readouts"
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
            not spiral and length > self.echo_spacing + _ROUNDING,
            f"a readout takes {length * 1e3:g} ms, more than the echo spacing of {self.echo_spacing * 1e3:g} ms",
        )

    def _timing_refusals(self) -> Iterator[tuple[bool, str]]:
        shortest = self.shortest_echo_time
        yield (
            self.readout != ReadoutType.CARTESIAN and self.echo_time < shortest - _ROUNDING,
            f"an echo time of {self.echo_time * 1e3:g} ms is shorter than the {shortest * 1e3:g} ms that the lines "
            "before the middle of k-space take",
        )
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

    def _labeling_refusals(self) -> Iterator[tuple[bool, str]]:
        yield not self.post_labeling_delay, "at least one post-labeling delay is needed"
        yield min(self.post_labeling_delay) < 0, "a post-labeling delay cannot be negative"
        pulsed = self.labeling_type is LabelingType.PASL
        yield not pulsed and self.labeling_duration <= 0, "the labeling duration must be longer than 0"
        yield (
            pulsed and not 0 < self.bolus_cut_off_delay_time <= min(self.post_labeling_delay),
            "in PASL the bolus must be cut off after the labeling pulse and before the inversion time",
        )
        yield max(map(abs, self.suppression)) > 1, "background suppression must leave between -1 and 1 of the signal"
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
    def readouts(self) -> int:
        """Imaging readouts of the whole scan, embedded reference lines included."""
        lattice = self.lattice
        lines = sum(len(lattice.rows(kz)) for kz in lattice.planes())
        arms = self.spiral.interleaves if self.readout == ReadoutType.SPIRAL else 1
        slices = 1 if self.three_dimensional else self.matrix[2]
        return len(self.context) * self.averages * slices * lines * arms

    @property
    def suppression(self) -> tuple[float, float, float]:
        """What is left of the static signal of gray matter, white matter and fluid."""
        left = self.background_suppression
        return left if isinstance(left, tuple) else (left, left, left)

    @property
    def suppressed(self) -> bool:
        """Whether the background is suppressed at all."""
        return min(self.suppression) < 1

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
    def echo_train_length(self) -> int:
        """Lines of the longest echo train, navigators apart."""
        lattice = self.lattice
        return max(math.ceil(len(lattice.rows(kz)) / self.segments) for kz in lattice.planes())

    @property
    def center_echo(self) -> int:
        """Which line of its train is the middle of k-space."""
        return self.lattice.rows(0).index(0) // self.segments

    @property
    def readout_duration(self) -> float:
        """From the middle of k-space to the end of a train of echoes, or of a spiral, s."""
        if self.readout == ReadoutType.SPIRAL:
            return self.samples * self.sample_time
        return (self.echo_train_length - self.center_echo - 0.5) * self.echo_spacing

    @property
    def refocusing_place(self) -> int:
        """Which refocusing of its train reads the middle partition, from 0."""
        return self.played_partitions.index(0) // self.shots

    @property
    def played_partitions(self) -> tuple[int, ...]:
        """Partitions in the order of acquisition, counted from the middle of k-space; the shots take turns."""
        return arranged(self.lattice.planes(), self.partition_order)

    @property
    def shortest_echo_time(self) -> float:
        """Shortest time from the excitation to the middle of k-space, s; not for a Cartesian readout."""
        before = 0.0
        navigators = 0.0
        if self.echo_train:
            before = (self.center_echo + 0.5) * self.echo_spacing
            navigators = self.echo_planar.navigator_lines * self.echo_spacing
        if not self.refocused:
            return _PULSE + navigators + before
        spacing = max(
            self.refocusing_time + 2 * max(before, self.readout_duration),
            self.refocusing_time + 2 * (_PULSE + navigators),
        )
        return (self.refocusing_place + 1) * spacing

    @property
    def refocusing_spacing(self) -> float:
        """From spin echo to spin echo, s."""
        return self.echo_time / (self.refocusing_place + 1)

    @property
    def slice_duration(self) -> float:
        """From one slice to the next, or one partition if each is excited by itself, s."""
        if self.readout == ReadoutType.CARTESIAN:
            return self.excitation_time + self.echo_train_length * self.echo_spacing
        return self.excitation_time + self.echo_time + self.readout_duration

    @property
    def readout_time(self) -> float:
        """From the first excitation to the last line of one TR, s."""
        if not self.three_dimensional:
            return self.matrix[2] * self.slice_duration
        partitions = math.ceil(len(self.lattice.planes()) / self.shots)
        if self.readout == ReadoutType.CARTESIAN:
            return self.excitation_time + partitions * self.echo_train_length * self.echo_spacing
        if self.refocused:
            return self.excitation_time + (partitions + 0.5) * self.refocusing_spacing
        return partitions * self.slice_duration


def _refuse(refusals: Iterator[tuple[bool, str]]) -> None:
    for broken, message in refusals:
        if broken:
            raise ConfigError(message)
