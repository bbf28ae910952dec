"""A head that moves: once, slowly, in the middle of a volume, or nodding."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from .faults import Refusals, at_volume, outside, volumes_from
from .pose import STILL, Pose, pose_of
from .protocol import Protocol

_RADIUS = 0.05
"""Of the sphere on which rotations are lengths, m; Power et al., NeuroImage 59:2142 (2012)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Displacement:
    """How far the head moves: by six numbers, or by a size in a direction that is drawn from the patient's seed."""

    x: float = 0.0
    """To the patient's left, m."""
    y: float = 0.0
    """To the back, m."""
    z: float = 0.0
    """To the top, m."""
    pitch: float = 0.0
    """About x, as in nodding, rad."""
    roll: float = 0.0
    """About y, ear to shoulder, rad."""
    yaw: float = 0.0
    """About z, as in shaking the head, rad."""
    size: float | None = None
    """Root of the sum of squares of translations and of rotations on a sphere of 50 mm, m. Where neither it nor any of
    the six numbers is given, it is what is usual for the fault; it adds to them where both are."""

    usual: ClassVar[float] = 2e-3

    def pose(self, generator: np.random.Generator) -> Pose:
        """Give where the head goes."""
        given = [self.x, self.y, self.z, self.pitch, self.roll, self.yaw]
        drawn = generator.standard_normal(6)
        size = (0.0 if any(given) else self.usual) if self.size is None else self.size
        drawn *= size / np.linalg.norm(drawn)
        drawn[3:] /= _RADIUS
        return pose_of(given, drawn.tolist())


@dataclass(frozen=True, slots=True, kw_only=True)
class MotionStep(Displacement):
    """The head moves between two volumes, and stays there."""

    volume: int | None = None
    """First one that is moved, counted from 0; by default in the middle of the scan."""

    def refusals(self, protocol: Protocol) -> Refusals:
        """Tell what the scan cannot show."""
        yield outside("volume", self.volume, len(protocol.volumes))

    def begin(self, protocol: Protocol) -> int:
        """Give the first volume it spoils."""
        return at_volume(self.volume, protocol)

    def affected(self, protocol: Protocol) -> tuple[int, ...]:
        """Give the volumes that lie elsewhere than the first one."""
        return volumes_from(self.begin(protocol), protocol)

    def poses(self, protocol: Protocol, times: Sequence[float], generator: np.random.Generator) -> list[Pose]:
        """Give the pose of each volume."""
        first, moved = self.begin(protocol), self.pose(generator)
        return [moved if volume >= first else STILL for volume in range(len(times))]


@dataclass(frozen=True, slots=True, kw_only=True)
class MotionDrift(Displacement):
    """The head sinks into the pillow, evenly from the first volume to the last, where it is displaced in full."""

    usual: ClassVar[float] = 3e-3

    def refusals(self, protocol: Protocol) -> Refusals:
        """Tell what the scan cannot show."""
        yield len(protocol.volumes) < 2, "a drift needs more than one volume"

    def affected(self, protocol: Protocol) -> tuple[int, ...]:
        """Give the volumes that lie elsewhere than the first one."""
        return volumes_from(1, protocol)

    def poses(self, protocol: Protocol, times: Sequence[float], generator: np.random.Generator) -> list[Pose]:
        """Give the pose of each volume: it stands still within one."""
        moved = self.pose(generator)
        return [moved.times((time - times[0]) / (times[-1] - times[0])) for time in times]


@dataclass(frozen=True, slots=True, kw_only=True)
class MotionWithinVolume(Displacement):
    """The head moves while a volume is read: the lines after that moment see it elsewhere."""

    volume: int | None = None
    """Counted from 0; by default in the middle of the scan."""
    moment: float = 0.5
    """Share of the volume's lines before it moves, 0 to 1."""
    returns: bool = True
    """Whether it is back before the next volume."""

    usual: ClassVar[float] = 4e-3

    def refusals(self, protocol: Protocol) -> Refusals:
        """Tell what the scan cannot show."""
        yield outside("volume", self.volume, len(protocol.volumes))
        yield (
            not 0 < self.moment < 1,
            f"the moment is a share of the volume's lines, above 0 and below 1, not {self.moment:g}",
        )

    def begin(self, protocol: Protocol) -> int:
        """Give the first volume it spoils."""
        return at_volume(self.volume, protocol)

    def affected(self, protocol: Protocol) -> tuple[int, ...]:
        """Give the volumes in which the head does not lie as in the first one throughout."""
        return volumes_from(self.begin(protocol), protocol, 1 if self.returns else None)

    def poses(self, protocol: Protocol, times: Sequence[float], generator: np.random.Generator) -> list[Pose]:
        """Give the pose in which each volume begins."""
        at, moved = self.begin(protocol), self.pose(generator)
        return [STILL if self.returns or volume <= at else moved for volume in range(len(times))]


@dataclass(frozen=True, slots=True, kw_only=True)
class Nodding:
    """The patient nods to and fro, slowly enough that the head lies still within a volume."""

    pitch: float = np.radians(1.5).item()
    """Largest angle to either side, rad."""
    period: float = 37.0
    """s; a whole number of volumes would show control and label in the same few poses over and over."""

    def refusals(self, protocol: Protocol) -> Refusals:
        """Tell what the scan cannot show."""
        yield self.period <= 0, f"the period must be longer than 0 s, not {self.period:g}"

    def affected(self, protocol: Protocol) -> tuple[int, ...]:
        """Give the volumes that may lie elsewhere than the first one."""
        return volumes_from(1, protocol)

    def poses(self, protocol: Protocol, times: Sequence[float], generator: np.random.Generator) -> list[Pose]:
        """Give the pose of each volume: sin(2 pi t / period) of the angle, t from the first one."""
        turns = [np.sin(2 * np.pi * (time - times[0]) / self.period) for time in times]
        return [pose_of([0.0, 0.0, 0.0, self.pitch * turn, 0.0, 0.0]) for turn in turns]
