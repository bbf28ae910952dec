"""How far the computation is behind the data that have arrived."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass
class Pace:
    """Tells when the data arrived that are being worked on; all times monotonic, s.

    A journal is looked at only when all that was known of it is worked off. What it has grown by since then is taken to
    have arrived evenly.

    >>> times = iter((10.0, 14.0, 14.0))
    >>> pace = Pace(clock=lambda: next(times))
    >>> pace.grew(0), pace.grew(400), pace.take(100)
    (None, None, None)
    >>> pace.arrived, pace.lag
    (11.0, 3.0)
    """

    clock: Callable[[], float] = time.monotonic
    arrived: float = 0.0
    """When what was taken last arrived."""
    lag: float = 0.0
    """How long it then waited."""
    _before: float = field(default=0.0, init=False)
    _now: float = field(default=0.0, init=False)
    _known: int = field(default=0, init=False)
    _grown: int = field(default=0, init=False)
    _taken: int = field(default=0, init=False)

    def grew(self, size: int) -> None:
        """Learn how many bytes there are by now, all of those before having been taken."""
        self._before, self._now = self._now, self.clock()
        self._grown, self._known, self._taken = size - self._known, size, 0

    def take(self, count: int) -> None:
        """Take as many bytes to work on them."""
        self._taken += count
        share = min(1.0, self._taken / self._grown) if self._grown > 0 else 1.0
        self.arrived = self._before + share * (self._now - self._before)
        self.lag = self.clock() - self.arrived

    def take_now(self) -> None:
        """Take what arrived this moment."""
        self.arrived, self.lag = self.clock(), 0.0

    @property
    def since_arrival(self) -> float:
        """How long ago it arrived that which is being worked on, s."""
        return self.clock() - self.arrived
