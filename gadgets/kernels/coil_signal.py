"""What each coil receives: in the middle of k-space, where the signal is, and in a corner, where there is least."""

from dataclasses import dataclass

import numpy as np
from numba import njit, types
from numpy.typing import NDArray

from .received import LINES

_NOTHING = 2.0  # power in the middle over that in the corner; coils with signal have thousands
_SIGNAL = 10.0  # the same of the median coil; below it there is nothing to miss
_NOISY = 5.0  # times the median coil
_FIRST = 4  # volumes that later ones are compared with
_ALIKE = 0.03  # a head that turns, and noise, change less


class CoilSignal:
    """The power of each coil, summed up over the lines of one volume; ``add_parts`` adds a line."""

    def __init__(self, coils: int) -> None:
        self.power = np.zeros((2, coils))
        """In the middle of k-space, and in its corners."""
        self.samples = np.zeros(2, np.int64)
        """That were summed up, of each coil."""

    @property
    def dead(self) -> NDArray[np.bool_]:
        """Which coils show nothing above noise while others do; none where that cannot be told.

        The signal adds up in the middle of k-space, so that a coil far from the head is not taken for dead.
        """
        above = self._above
        return (above < _NOTHING) & (np.median(above) > _SIGNAL)

    @property
    def noisy(self) -> NDArray[np.bool_]:
        """Which coils have far more power in the corners than others, also against their signal.

        Where the corners show signal a coil close to the head has more in both.
        """
        if not self.samples[1]:
            return np.zeros(self.power.shape[1], np.bool_)
        loud = self.power[1] > _NOISY * np.median(self.power[1])
        if not self.samples[0]:
            return loud
        return loud & (self._above < np.median(self._above) / _NOISY)

    @property
    def _above(self) -> NDArray[np.float64]:
        """Power of a sample in the middle over that of one in a corner; 0 where a coil gives nothing, or no numbers."""
        if not self.samples.all():
            return np.full(self.power.shape[1], np.nan)
        middle, corner = self.power / self.samples[:, np.newaxis]
        above = np.divide(middle, corner, out=np.full(len(middle), np.inf), where=corner > 0)
        return np.where((middle > 0) & np.isfinite(middle), above, 0.0)


@dataclass(slots=True)
class _Steady:
    """The first volumes of one sort whose signal was the same."""

    roots: list[NDArray[np.float64]]
    """Root of the power in the middle of k-space, of each coil."""
    replaceable: bool
    """Whether two weaker ones may show that the first was not steady yet."""
    weaker: NDArray[np.float64] | None = None
    """The latest one that was weaker than the first."""


class GainHistory:
    """Remembers the signal of the coils in the first volumes of one sort, and compares all others with it.

    Those that are like the first, up to four, are its reference: what the signal becomes later, by a jump or bit by
    bit, stays visible to the end.
    """

    def __init__(self) -> None:
        self._steady: dict[int, _Steady] = {}
        """By the samples of the middle that came; such with fewer lines cannot be compared."""

    def compare(self, signal: CoilSignal, first: bool = False) -> float | None:
        """Give the signal over that of the first volumes; None where there was none before.

        It is the weighted median over the coils, so that one which fails does not count; NaN where lines are missing.
        ``first`` says that the scan began with this volume. Its magnetization may not have been steady yet, and larger,
        so that it is dropped when the next two are weaker, and alike.
        """
        now, samples = np.sqrt(signal.power[0]), int(signal.samples[0])
        unknown = float("nan") if self._steady else None
        if not samples or not np.isfinite(now).all():
            return unknown
        steady = self._steady.get(samples)
        if steady is None:
            self._steady[samples] = _Steady([now], first)
            return unknown
        ratio = _ratio(now, np.median(steady.roots, axis=0))
        if abs(ratio - 1) < _ALIKE:
            steady.replaceable = False
            if len(steady.roots) < _FIRST:
                steady.roots.append(now)
        elif steady.replaceable and ratio < 1:
            weaker, steady.weaker = steady.weaker, now
            if weaker is not None and abs(_ratio(now, weaker) - 1) < _ALIKE:
                steady.roots, steady.replaceable = [weaker, now], False
                return _ratio(now, weaker)
        return ratio


def _ratio(now: NDArray[np.float64], before: NDArray[np.float64]) -> float:
    """Give the median of the coils' ratios, weighted by what they had before; NaN where they had nothing."""
    known = (before > 0) & np.isfinite(now)
    if not known.any():
        return float("nan")
    ratios, weights = now[known] / before[known], before[known]
    order = np.argsort(ratios)
    shares = np.cumsum(weights[order]) / weights.sum()
    return float(ratios[order][np.searchsorted(shares, 0.5)])


@njit(
    [types.void(LINES, types.int64, types.int64, types.int64[::1], types.float64[:, ::1], types.int64[::1])],
    cache=True,
    nogil=True,
)
def add_parts(
    words: NDArray[np.uint16],
    begin: int,
    samples: int,
    parts: NDArray[np.int64],
    power: NDArray[np.float64],
    counts: NDArray[np.int64],
) -> None:
    """Add the power of each coil in the middle and in the corner of a line, and how many samples these have.

    ``parts`` is begin and end of the middle, begin and end of the corner: samples, equal where a line has none. The
    line begins at a word of ``received.as_words``.
    """
    for part in range(2):
        first, last = parts[2 * part], parts[2 * part + 1]
        if first == last:
            continue
        counts[part] += last - first
        for coil in range(power.shape[1]):
            start = begin + 4 * (coil * samples + first)
            row = words[start : start + 4 * (last - first)].view(np.float32)
            total = 0.0
            for i in range(0, row.size, 2):
                real, imaginary = np.float64(row[i]), np.float64(row[i + 1])
                total += real * real + imaginary * imaginary
            power[part, coil] += total
