"""The numbers that limits can be set for, read from what flows down the chain."""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from math import isnan, nan, sqrt

import numpy as np
from numpy.typing import NDArray

from ...streaming.flow import Place, Volume
from ...streaming.notices import Measure, Measurement
from ...streaming.quality import Motion, Verdict
from ...streaming.scan import Role
from ..kernels.rigid import RADIUS

_FEWEST_VERDICTS = 6
_CHANGES = 8
_FEWEST_REGIONS = 4

DISPLACEMENT = "displacement"
"""Framewise displacement, m."""
WITHIN_PAIR = "within_pair"
"""Displacement between control and label, m."""
DRIFT = "drift"
"""What small movements add up to since the begin, m."""
DISAGREEMENT = "disagreement"
"""How much worse an aligned volume resembles its reference than both its neighbors of the same role: by what factor
its correlation lacks more. Steps, drifts and pulses spoil several volumes; movement while one is read, that one."""
UNREST = "unrest"
"""Median of ``dvars`` over the latest 8 volumes: a fluctuation that keeps step with TR shows in some volumes only."""
LATENESS = "lateness"
"""How much later blood reaches a region than the median of all of them, s."""
LOST_LINES = "lost_lines"
"""Lines of a volume that never came."""
MISSING_VOLUMES = "missing_volumes"
"""Volumes that were announced and never came."""
REJECTED_SHARE = "rejected_share"
"""Share of the pairs that are left out."""

QUANTITIES = (
    *(DISPLACEMENT, WITHIN_PAIR, DRIFT, DISAGREEMENT, UNREST, LATENESS),
    *(LOST_LINES, MISSING_VOLUMES, REJECTED_SHARE),
    *(str(measure) for measure in Measure),
)
"""All names, those of measurements included."""


@dataclass(frozen=True, slots=True)
class Reading:
    """One number to compare with a limit."""

    quantity: str
    value: float
    place: Place | None = None
    stderr: float = nan
    region: str = ""
    pairs: int | None = None
    """Pairs it was measured on; none where it is not one of the maps."""


class Readings:
    """Reads quantities from messages, and remembers what needs a history."""

    def __init__(self, volumes: int, jump: float) -> None:
        """Expect a number of volumes, 0 if nobody said it; larger displacements than ``jump`` (m) are no drift."""
        self._volumes, self._jump = volumes, jump
        self._pose: NDArray[np.float64] | None = None
        self._drift = np.zeros(6)
        self._lacks: dict[Role, list[tuple[float, Place]]] = {}
        self._changes: deque[float] = deque(maxlen=_CHANGES)
        self._transit_times: dict[str, float] = {}
        self._accepted: dict[int, bool] = {}
        self._latest: Volume | None = None

    def of(self, message: object) -> Iterator[Reading]:
        """Give the readings of one message."""
        match message:
            case Measurement():
                yield from self._measured(message)
            case Motion():
                yield from self._moved(message)
            case Verdict():
                self._accepted[message.pair] = message.accepted
                if len(self._accepted) >= _FEWEST_VERDICTS:
                    share = 1 - sum(self._accepted.values()) / len(self._accepted)
                    yield Reading(REJECTED_SHARE, share, message.place)
            case Volume():
                yield from self._lost()
                self._latest = message

    def end(self) -> Iterator[Reading]:
        """Give what only the end of the scan tells."""
        missing = self._missing()
        if not missing:
            yield from self._lost()  # a scan that breaks off lacks lines of its last volume: that is one fault, not two
        yield Reading(MISSING_VOLUMES, missing, self._latest.place if self._latest else None)

    def _measured(self, message: Measurement) -> Iterator[Reading]:
        pairs = message.pairs if message.pairs > 0 else None
        yield Reading(str(message.name), message.value, message.place, message.stderr, message.region, pairs)
        if message.name is Measure.REGION_ATT and not isnan(message.value):
            self._transit_times[message.region] = message.value
            if len(self._transit_times) >= _FEWEST_REGIONS:
                late = message.value - float(np.median(list(self._transit_times.values())))
                yield Reading(LATENESS, late, message.place, message.stderr, message.region, pairs)
        if message.name is Measure.DVARS and not isnan(message.value):
            self._changes.append(message.value)
            if len(self._changes) == _CHANGES:
                yield Reading(UNREST, float(np.median(self._changes)), message.place)

    def _lost(self) -> Iterator[Reading]:
        if self._latest is not None:
            yield Reading(LOST_LINES, self._latest.place.missing, self._latest.place)

    def _missing(self) -> int:
        """Count the volumes that were to come; one that was broken off is among them."""
        if self._latest is None:
            return 0
        came = max(self._latest.place.number, self._latest.place.volume) + 1
        missing = max(0, self._volumes - came)
        return missing + (missing > 0 and not self._latest.complete)

    def _moved(self, motion: Motion) -> Iterator[Reading]:
        place = motion.place
        if place.missing:  # where lines are lost, the head seems to lie elsewhere
            return
        noise = sqrt(2) * motion.stderr  # of both poses
        yield Reading(DISPLACEMENT, motion.displacement, place, noise)
        yield Reading(WITHIN_PAIR, motion.within_pair, place, noise)
        pose = np.array([*motion.translation, *motion.rotation])
        if np.isnan(pose).any():
            return
        if self._pose is not None:
            change = pose - self._pose
            if distance(change) <= self._jump:
                self._drift += change
            yield Reading(DRIFT, distance(self._drift), place)
        self._pose = pose
        yield from self._resembles(motion)

    def _resembles(self, motion: Motion) -> Iterator[Reading]:
        """Compare a volume with the one before it and the one after it, as soon as that has come."""
        if isnan(motion.agreement):
            return
        lacks = self._lacks.setdefault(motion.place.role, [])
        lacks.append((1 - motion.agreement, motion.place))
        if len(lacks) < 3 or (len(lacks) == 3 and isnan(motion.displacement)):
            return
        (before, _), (here, place), (after, _) = lacks[-3:]
        usual = max(before, after)
        yield Reading(DISAGREEMENT, here / usual if usual > 0 else nan, place, self._unrest([one for one, _ in lacks]))

    @staticmethod
    def _unrest(lacks: list[float]) -> float:
        """Tell by what factor, about, what correlation lacks changes from volume to volume anyway, less 1."""
        changes = np.abs(np.diff(np.log([max(one, 1e-9) for one in lacks])))
        return float(np.expm1(1.4826 * np.median(changes)))


def distance(pose: NDArray[np.float64]) -> float:
    """Give how far the brain lies from where it lay, root of the sum of squares, rotations on a sphere, m.

    >>> f"{distance(np.array([3e-3, 0, 0, 0, 0.08, 0])):.4f}"
    '0.0050'
    """
    return sqrt(float(np.sum(pose[:3] ** 2) + np.sum((RADIUS * pose[3:]) ** 2)))
