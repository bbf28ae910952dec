"""What the operator would set at the console: matrix, timing, labeling."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field

from ..streaming.scan import LabelingType, Role
from .choices import NoiseScan, Order, ReadoutType
from .effects import Effects
from .prescription import ROUNDING, Prescription, refuse

__all__ = ["Order", "Protocol", "ReadoutType"]

_EFFICIENCY = {LabelingType.CASL: 0.68, LabelingType.PCASL: 0.85, LabelingType.PASL: 0.98}
"""Alsop et al., MRM 73:102 (2015)."""
_CARTESIAN_ECHO_TIME = 13e-3
_PULSE = 2e-3
"""From the middle of an excitation pulse to the first sample there can be, s."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Protocol(Prescription):
    """One ASL protocol; all lengths in m, all times in s."""

    averages: int = 1
    """How often each volume is acquired before the next."""
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
        Prescription.__post_init__(self)
        if self.echo_time == 0:
            plain = self.readout == ReadoutType.CARTESIAN
            object.__setattr__(self, "echo_time", _CARTESIAN_ECHO_TIME if plain else self.shortest_echo_time)
        refuse(self._labeling_refusals())
        refuse(self._timing_refusals())

    def _labeling_refusals(self) -> Iterator[tuple[bool, str]]:
        yield min(self.pairs, self.averages) < 1, "pairs and averages must each be at least 1"
        yield self.noise_readouts < 0, "there cannot be fewer than 0 noise readouts"
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

    def _timing_refusals(self) -> Iterator[tuple[bool, str]]:
        shortest = self.shortest_echo_time
        yield (
            self.readout != ReadoutType.CARTESIAN and self.echo_time < shortest - ROUNDING,
            f"an echo time of {self.echo_time * 1e3:g} ms is shorter than the {shortest * 1e3:g} ms that the lines "
            "before the middle of k-space take",
        )
        needed = self.preparation_time(max(self.post_labeling_delay)) + self.readout_time
        yield (
            needed > self.repetition_time + ROUNDING,
            f"labeling, delay and readout take {needed:.3f} s, more than the repetition time of "
            f"{self.repetition_time:g} s",
        )
        yield (
            self.m0scan and self.readout_time > self.m0_repetition_time + ROUNDING,
            f"the readout takes {self.readout_time:.3f} s, more than the M0 repetition time of "
            f"{self.m0_repetition_time:g} s",
        )

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
    def efficiency(self) -> float:
        """Share of the blood that is inverted, 0 to 1."""
        return _EFFICIENCY[self.labeling_type] if self.labeling_efficiency is None else self.labeling_efficiency

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
