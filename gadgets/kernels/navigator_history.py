"""What the navigators of one slice have told so far in a scan, smoothed."""

from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .navigator import Comparison, phase, slope, steps
from .odd_even import half_turns

_SHARED = 8  # pairs whose estimate is remembered; their volumes lie side by side
_MOST_SHOTS = 1024

Shot = tuple[int, int]
"""Which of the shots of a volume: the (ky, kz) of its first line, the same in every volume."""


class Estimate(NamedTuple):
    """How the lines of a shot are to be corrected."""

    turns: NDArray[np.complex64]
    """What forward and backward lines are multiplied by, ``(2, x)``."""
    drift: float
    """Phase from one echo to the next against the first volume, rad."""
    phase_step: float
    """Phase from one echo to the next, rad."""


@dataclass(slots=True)
class _Mean:
    """The running mean of what one shot's navigators tell."""

    comparison: Comparison
    first_turn: complex
    count: float = field(init=False)
    """Of what was taken in, each by its weight."""

    def __post_init__(self) -> None:
        self.count = self.comparison.weight

    def add(self, comparison: Comparison, smoothing: float) -> None:
        if not self.first_turn:
            self.first_turn = comparison.turn
        self.count += comparison.weight
        share = comparison.weight * max(1 / self.count, 1 / smoothing) if self.count > 0 else 1.0
        profile, turn, lines, weight = self.comparison
        self.comparison = Comparison(
            profile + share * (comparison.profile - profile), turn + share * (comparison.turn - turn), lines, weight
        )


@dataclass(slots=True)
class NavigatorHistory:
    """The running mean over the volumes of what the navigators of one slice tell.

    The slope is shared by all shots of a volume; each has its own constant and its own drift. An estimate that was
    given for one volume of a pair is given for the other one again.
    """

    smoothing: float
    """Volumes over which is averaged."""
    order: int
    """Of the polynomial that the phase is fitted with."""
    _means: dict[Shot, _Mean] = field(default_factory=dict)
    _first_volume: Hashable = None
    _shared: dict[tuple[int, Shot], Estimate] = field(default_factory=dict)

    @property
    def empty(self) -> bool:
        """Whether no navigator has told anything yet."""
        return not self._means

    @property
    def lines(self) -> int:
        """As many lines as a whole group of navigators has; 0 for unknown."""
        return max((mean.comparison.lines for mean in self._means.values()), default=0)

    def add(self, comparison: Comparison, shot: Shot, volume: Hashable) -> None:
        """Take in what the navigators of one shot tell."""
        if not self._means:
            self._first_volume = volume
        elif volume != self._first_volume or len(self._means) >= _MOST_SHOTS:
            shot = self._known(shot)  # its first line may have been lost; shots are learned from one volume only
        mean = self._means.get(shot)
        if mean is None or mean.comparison.profile.shape != comparison.profile.shape:
            self._means[shot] = _Mean(comparison, comparison.turn)
        else:
            mean.add(comparison, self.smoothing)

    def estimate(self, shot: Shot, pair: int | None) -> Estimate | None:
        """Give the correction for one shot of a volume of a pair; None where nothing is known."""
        if not self._means:
            return None
        shot = self._known(shot)
        key = (-1 if pair is None else pair, shot)
        found = self._shared.get(key) if pair is not None else None
        if found is None:
            found = self._made(self._means[shot])
            if pair is not None:
                self._shared = {old: kept for old, kept in self._shared.items() if pair - old[0] < _SHARED}
                self._shared[key] = found
        return found

    def drift(self, comparison: Comparison, shot: Shot) -> float:
        """Give the phase per echo, rad, by which one group of navigators differs from the first; NaN for unknown."""
        mean = self._means.get(self._known(shot)) if self._means else None
        if mean is None or not mean.first_turn or not comparison.turn:
            return float("nan")
        return _per_echo(comparison.turn * mean.first_turn.conjugate())

    def _known(self, shot: Shot) -> Shot:
        if shot in self._means:
            return shot
        return min(self._means, key=lambda known: abs(known[0] - shot[0]) + abs(known[1] - shot[1]))

    def _made(self, mean: _Mean) -> Estimate:
        columns = mean.comparison.profile.shape
        profiles = [other.comparison.profile for other in self._means.values()]
        inclination = slope(sum(steps(profile) for profile in profiles if profile.shape == columns))
        turns = half_turns(phase(mean.comparison.profile, inclination, self.order)[0])
        turn, first = mean.comparison.turn, mean.first_turn
        return Estimate(turns, _per_echo(turn * first.conjugate()), _per_echo(turn))


def _per_echo(turn: complex) -> float:
    """Give the phase from one echo to the next, rad; the turn is that over two."""
    return float(np.angle(turn)) / 2 if turn else 0.0
