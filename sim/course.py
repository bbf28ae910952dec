"""The course of one scan: what a patient's faults do to each volume, excitation and line of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .patient import Patient
from .pose import Pose
from .preparation import Preparation
from .protocol import Protocol
from .sampler import Sight
from .sequence import Train, lead_of, shots, trains


class Twitch(NamedTuple):
    """The head moves within a volume."""

    line: int
    """First imaging line of the volume, averages included, that sees it in the new pose, counted from 0."""
    pose: Pose


class Spike(NamedTuple):
    """One sample that is far too large."""

    line: int
    """Imaging line of the volume, averages included, counted from 0."""
    place: float
    """Where in the line, 0 to 1."""
    phases: NDArray[np.float64]
    """Of it in each coil, rad."""


@dataclass
class Course:
    """A patient who is scanned by a protocol."""

    patient: Patient
    protocol: Protocol
    begin: float = 0.0
    """When the first volume's turn comes, since the start of the scan, s: what comes ahead of it takes so long."""

    def __post_init__(self) -> None:
        """Refuse what the scan cannot show, and lay down what is the same each time it is played."""
        self.patient.check(self.protocol)
        self.preparations: tuple[Preparation, ...] = self.patient.played(self.protocol)
        """What is done before each volume."""
        self.poses: tuple[Pose, ...] = self.patient.poses(self.protocol)
        """How the head lies at its begin."""
        self._counts = np.cumsum([0] + [int(shot.lines.imaging.sum()) for shot in shots(self.protocol)])

    @property
    def lines(self) -> int:
        """Imaging lines of a volume, averages included."""
        return int(self._counts[-1]) * self.protocol.averages

    def lines_before(self, average: int, place: int) -> int:
        """Count the imaging lines of a volume ahead of one of its excitations."""
        return average * int(self._counts[-1]) + int(self._counts[place])

    @property
    def end(self) -> int:
        """How many volumes are read."""
        stop = self.patient.early_stop
        return len(self.preparations) if stop is None else stop.last(self.protocol) + 1

    def sight(self, volume: int) -> Sight:
        """Give what is seen of the head when a volume begins."""
        return Sight(self.preparations[volume], self.poses[volume])

    @cached_property
    def twitches(self) -> Mapping[int, Twitch]:
        """In which volumes the head moves."""
        fault = self.patient.motion_within_volume
        if fault is None:
            return {}
        moved = fault.pose(self.patient.generator("motion-within-volume"))
        volume = fault.begin(self.protocol)
        return {volume: Twitch(round(fault.moment * self.lines), self.poses[volume].plus(moved))}

    @cached_property
    def spikes(self) -> Mapping[int, tuple[Spike, ...]]:
        """The spikes of each volume that has any."""
        fault, draw = self.patient.spikes, self.patient.generator("spikes")
        if fault is None:
            return {}
        found = {}
        for volume in fault.affected(self.protocol):
            lines = np.sort(draw.choice(self.lines, fault.readouts, replace=False))
            places = draw.uniform(size=fault.readouts)
            phases = draw.uniform(0, 2 * np.pi, (fault.readouts, self.protocol.coils))
            found[volume] = tuple(map(Spike, lines.tolist(), places.tolist(), phases))
        return found

    @cached_property
    def lost(self) -> Mapping[int, range]:
        """The imaging lines of each volume that never come."""
        fault, draw = self.patient.lost_lines, self.patient.generator("lost-lines")
        if fault is None:
            return {}
        found = {}
        for volume in fault.affected(self.protocol):
            first = int(draw.integers(self.lines - fault.readouts + 1))
            found[volume] = range(first, first + fault.readouts)
        return found

    def gain(self, volume: int) -> float:
        """Give by how much everything that is received is amplified, against the begin."""
        jump = self.patient.gain_jump
        return 1.0 if jump is None or volume < jump.begin(self.protocol) else jump.factor

    def pulse(self, volume: int, average: int, place: int) -> float:
        """Give where the pulse stands at an excitation, -1 to 1."""
        return float(self._waves["cardiac"][self._excitation(volume, average, place)])

    def breath(self, volume: int, average: int, place: int) -> complex:
        """Give by what breathing multiplies the signal of an excitation."""
        fault = self.patient.respiratory
        wave = self._waves["respiratory"][self._excitation(volume, average, place)]
        return 1 + 0j if fault is None else complex(fault.factors(wave))

    def _excitation(self, volume: int, average: int, place: int) -> int:
        each = len(self._excitations) // len(self.preparations) // self.protocol.averages
        return (volume * self.protocol.averages + average) * each + place

    @cached_property
    def _excitations(self) -> NDArray[np.float64]:
        """Time of every excitation of the scan, s."""
        return np.array([excited(self.protocol, train) for train in trains(self.protocol, self.begin)])

    @cached_property
    def _waves(self) -> Mapping[str, NDArray[np.float64]]:
        rhythms = {"cardiac": self.patient.cardiac, "respiratory": self.patient.respiratory}
        return {
            name: np.zeros(0) if fault is None else fault.wave(self._excitations, self.patient.generator(name))
            for name, fault in rhythms.items()
        }


def excited(protocol: Protocol, train: Train) -> float:
    """Tell when the excitation of a train is, since the start of the scan, s."""
    return train.time - lead_of(protocol, train.played.lines)
