"""Watches one limit, with hysteresis: an alarm neither flickers at its limit nor goes by what is only noise."""

from math import isfinite

from .profile import Limit


class Watch:
    """Counts the values beyond a limit, and those that are within again.

    >>> limit = Limit("displacement", bound=0.5, above=True, clears=0.3, clear_after=2)
    >>> watch = Watch(limit, certainty=3)
    >>> [watch.see(value) for value in (0.2, 0.6, 0.4, 0.2, 0.1)]
    [False, True, True, True, False]
    """

    def __init__(self, limit: Limit, certainty: float) -> None:
        self.limit = limit
        self.raised = False
        self._certainty = certainty
        self._bad = self._good = 0

    def see(self, value: float, stderr: float = float("nan")) -> bool:
        """Take a value with its standard error, if it has one; tells whether the limit counts as broken."""
        if not isfinite(value):
            return self.raised
        limit, sign = self.limit, 1 if self.limit.above else -1
        margin = self._certainty * stderr if isfinite(stderr) else 0.0
        self._bad = self._bad + 1 if sign * (value - limit.bound) > margin else 0
        self._good = self._good + 1 if sign * (value - limit.clears) <= 0 else 0
        if self._bad >= limit.after:
            self.raised = True
        elif self._good >= limit.clear_after:
            self.raised = False
        return self.raised

    def forget(self) -> None:
        """Begin to count anew; what is raised stays raised."""
        self._bad = 0
