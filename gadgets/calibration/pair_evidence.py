"""What the volumes of a pair tell about it: motion, spikes, ghosts, lines that never came."""

from itertools import pairwise
from typing import NamedTuple

from ...streaming.flow import Place, Volume
from ...streaming.notices import Measure, Measurement
from ...streaming.quality import Motion
from ...streaming.scan import Labeling, Role

_SPHERE = 0.05  # m; on which rotations are seen (Power et al., NeuroImage 59:2142 (2012))
_MEASURES = (Measure.SPIKES, Measure.GAIN, Measure.GHOST_LEVEL, Measure.DVARS)
_NAN = float("nan")


class Evidence(NamedTuple):
    """Of the volumes of one pair or cycle; NaN where nothing came."""

    fd_cl: float = _NAN
    """Displacement from one of its volumes to the next, m; the largest in a cycle."""
    fd_cc: float = _NAN
    """Displacement of its control against the control before, m."""
    fd_ll: float = _NAN
    """Displacement of its label against the label before, m."""
    spikes: float = _NAN
    """Readouts with a spike, of all its volumes."""
    gain: float = _NAN
    """Signal over that at the begin, of the volume in which it differs most."""
    ghost_level: float = _NAN
    """The larger of its volumes."""
    dvars: float = _NAN
    """The larger of its volumes."""
    missing_lines: float = 0.0
    """Of all its volumes."""
    corrected: bool = False
    """Whether a volume of it was moved back to the reference."""

    def named(self) -> dict[str, float]:
        """Give the numbers by name."""
        return {name: float(value) for name, value in self._asdict().items() if name != "corrected"}


class PairEvidence:
    """Gathers what is said of single volumes, and gives it by pair."""

    def __init__(self, labeling: Labeling) -> None:
        self._labeling = labeling
        self._volumes: dict[int, list[int]] = {}
        self._pair: dict[int, int] = {}
        self._motion: dict[int, Motion] = {}
        self._measured: dict[tuple[int, Measure], float] = {}
        self._missing: dict[int, int] = {}

    def take(self, message: Motion | Measurement | Volume) -> int | None:
        """Take what is said of a volume; give the number of its pair, None where nobody knows it, or cares."""
        place = message.place
        if place is None:
            return None
        self._belongs(place)
        if isinstance(message, Motion):
            self._motion[place.volume] = message
        elif isinstance(message, Volume):
            self._missing[place.volume] = place.missing
        elif message.name in _MEASURES and not message.region:
            self._measured[place.volume, message.name] = message.value
        else:
            return None
        return self._pair.get(place.volume)

    def of(self, pair: int, latest: Place) -> Evidence:
        """Give all that is known of a pair, whose latest volume is told."""
        volumes = sorted({*self._volumes.get(pair, ()), latest.volume})
        if self._pair.setdefault(latest.volume, pair) == pair:  # the volume itself comes behind the difference
            self._volumes[pair] = volumes
        motions = [self._motion[volume] for volume in volumes if volume in self._motion]
        steps = [_displacement(first, second) for first, second in pairwise(motions)]
        missing = {volume: self._missing.get(volume, 0) for volume in volumes} | {latest.volume: latest.missing}
        return Evidence(
            _largest(steps),
            _largest([motion.displacement for motion in motions if motion.place.role is Role.CONTROL]),
            _largest([motion.displacement for motion in motions if motion.place.role is Role.LABEL]),
            _total(self._all(volumes, Measure.SPIKES)),
            _farthest_from_one(self._all(volumes, Measure.GAIN)),
            _largest(self._all(volumes, Measure.GHOST_LEVEL)),
            _largest(self._all(volumes, Measure.DVARS)),
            float(sum(missing.values())),
            any(motion.corrected for motion in motions),
        )

    def _belongs(self, place: Place) -> None:
        """Remember which pair a volume belongs to; earlier gadgets do not know it yet."""
        if place.role not in (Role.CONTROL, Role.LABEL) or place.number < 0:
            return
        pair = self._labeling.pair_of(place.number)
        if pair is not None and place.volume not in self._pair:
            self._pair[place.volume] = pair
            self._volumes.setdefault(pair, []).append(place.volume)

    def _all(self, volumes: list[int], measure: Measure) -> list[float]:
        return [self._measured[volume, measure] for volume in volumes if (volume, measure) in self._measured]


def _displacement(first: Motion, second: Motion) -> float:
    """Give the framewise displacement between two poses, m."""
    moved = sum(abs(a - b) for a, b in zip(first.translation, second.translation, strict=True))
    turned = sum(abs(a - b) for a, b in zip(first.rotation, second.rotation, strict=True))
    return moved + _SPHERE * turned


def _largest(values: list[float]) -> float:
    return max((value for value in values if value == value), default=_NAN)


def _farthest_from_one(values: list[float]) -> float:
    return max((value for value in values if value == value), key=lambda value: abs(value - 1), default=_NAN)


def _total(values: list[float]) -> float:
    known = [value for value in values if value == value]
    return float(sum(known)) if known else _NAN
