"""What the operator would set at the console: matrix, timing, labeling."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise

from .choices import NoiseScan, Order, ReadoutType
from .effects import Effects
from .prescription import ROUNDING, refuse
from .schedule import Schedule

__all__ = ["Order", "Protocol", "ReadoutType"]

_CARTESIAN_ECHO_TIME = 13e-3
_PULSE = 2e-3
"""From the middle of an excitation pulse to the first sample there can be, s."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Protocol(Schedule):
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
    m0_repetition_time: float = 10.0
    noise_readouts: int = 32
    """Readouts with the transmitter off, before everything."""
    noise_scan: NoiseScan = NoiseScan.INLINE
    effects: Effects = field(default_factory=Effects)

    def __post_init__(self) -> None:
        """Fill in what follows from the readout, and refuse what no scanner could play."""
        Schedule.__post_init__(self)
        if self.echo_time == 0:
            plain = self.readout == ReadoutType.CARTESIAN
            object.__setattr__(self, "echo_time", _CARTESIAN_ECHO_TIME if plain else self.shortest_echo_time)
        refuse(self._timing_refusals())

    def _timing_refusals(self) -> Iterator[tuple[bool, str]]:
        yield self.averages < 1, "averages must be at least 1"
        yield self.noise_readouts < 0, "there cannot be fewer than 0 noise readouts"
        shortest = self.shortest_echo_time
        yield (
            self.readout != ReadoutType.CARTESIAN and self.echo_time < shortest - ROUNDING,
            f"an echo time of {self.echo_time * 1e3:g} ms is shorter than the {shortest * 1e3:g} ms that the lines "
            "before the middle of k-space take",
        )
        needed = max(volume.lead for volume in self.volumes) + self.readout_time
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
        if self.look_locker:
            yield (
                max(self.excitations, self.averages) > 1,
                "Look-Locker reads each volume in one TR: no segments, shots, interleaves or averages",
            )
            shortest = min((later - earlier for earlier, later in pairwise(self.post_labeling_delay)), default=math.inf)
            yield (
                self.readout_time > shortest + ROUNDING,
                f"the readout takes {self.readout_time:.3f} s, more than the {shortest:g} s between two delays",
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
