"""How long a pair takes, by when the pairs came."""

from dataclasses import dataclass, field
from statistics import median

_PAUSE = 3.0  # usual steps, from which on nobody was measuring


@dataclass(slots=True)
class Pace:
    """Remembers when pairs came."""

    _volume: int = -1
    _latest: float = 0.0
    _steps: list[float] = field(default_factory=list)

    def count(self, volume: int, time: float) -> None:
        """Take the latest volume of a pair and its acquisition time stamp, s; a time of 0 is none.

        A pair that came before is not counted again, and a step over midnight is left out.
        """
        if volume <= self._volume:
            return
        if 0 < self._latest < time:
            self._steps.append(time - self._latest)
        self._volume, self._latest = volume, time

    def step(self, otherwise: float) -> float:
        """Give the mean time from pair to pair, s, pauses left out; what is given where there is none."""
        if not self._steps:
            return otherwise
        longest = _PAUSE * median(self._steps)
        usual = [step for step in self._steps if step <= longest]
        return sum(usual) / len(usual)
