"""What each pair says of one number, taken back from the number as it follows all pairs so far."""

from collections.abc import Collection
from dataclasses import dataclass, field

import numpy as np


@dataclass(slots=True)
class PairValues:
    """Finds what each pair alone would say, though only estimates from all pairs together are known.

    The value of pair n is ``n estimate_n - (n - 1) estimate_(n-1)`` (Tukey's pseudo-value, as in the jackknife). For a
    mean that is the pair's own value; for a fit of several delays it is what the pair contributes, with the same mean.
    The mean of all values is the latest estimate at any time, also after pairs were taken out, put back or weighed
    anew: what was left out is remembered.
    """

    estimate: float = float("nan")
    _used: dict[int, float] = field(default_factory=dict)
    _left_out: dict[int, float] = field(default_factory=dict)
    _named: bool = False

    @property
    def values(self) -> list[float]:
        """Of the pairs in the estimate, in the order in which they came in."""
        return list(self._used.values())

    def follow(self, pairs: int, estimate: float, names: Collection[int] = (), grown: bool = False) -> None:
        """Take the estimate from so many pairs.

        ``names`` says which they are; where there are not as many names, a pair more is a new one, and a pair less is
        the one whose value fits. ``grown``: the latest of them holds more than it did.
        """
        if not np.isfinite(estimate) or pairs < 1:
            return
        total = pairs * estimate
        if len(names) == pairs:
            self._call(names)
            fresh = sorted(set(names) - self._used.keys())
        else:
            self._forget(len(self._used) - pairs, total)
            first = 1 + max(self._used.keys() | self._left_out.keys(), default=-1)
            fresh = list(range(first, first + pairs - len(self._used)))
        before = sum(self._used.values())
        if fresh:  # of several at once only their mean is known
            self._used |= dict.fromkeys(fresh, (total - before) / len(fresh))
        elif grown:
            self._used[next(reversed(self._used))] += total - before
        elif before:  # the same pairs on another scale, or of other weights
            for kept in (self._used, self._left_out):
                kept.update({name: value * total / before for name, value in kept.items()})
        self.estimate = estimate

    def _call(self, names: Collection[int]) -> None:
        """Put back and leave out by name; values that came without are those of the first names."""
        if not self._named:
            self._named = True
            self._used = dict(zip(sorted(names), self._used.values(), strict=False))
        for name in self._left_out.keys() & set(names):
            self._used[name] = self._left_out.pop(name)
        for name in self._used.keys() - set(names):
            self._left_out[name] = self._used.pop(name)

    def _forget(self, gone: int, total: float) -> None:
        """Drop one pair by its value, which the estimate betrays; of several those far off, as they were left out."""
        lost = sum(self._used.values()) - total
        for _ in range(gone):
            middle = float(np.median(self.values))
            odd = lost if gone == 1 else max(self.values, key=lambda value, middle=middle: abs(value - middle))
            del self._used[min(self._used, key=lambda name, odd=odd: abs(self._used[name] - odd))]

    def variance(self, first: int = 0) -> float:
        """Give the variance of one value, from the values after the first ones; NaN where there are too few.

        About the estimate where first ones are left out: they went into it, and tell nothing of the spread.
        """
        kept, fewest = self.values[first:], 1 if first else 2
        if len(kept) < fewest:
            return float("nan")
        about = self.estimate if first else float(np.mean(kept))
        return float(np.square(np.subtract(kept, about)).sum() / (len(kept) + 1 - fewest))
