"""What each coil receives: in the middle of k-space, where the signal is, and in a corner, where there is least."""

from collections import deque

import numpy as np
from numba import njit, types
from numpy.typing import NDArray

from .received import LINE

_NOTHING = 2.0  # power in the middle over that in the corner; coils with signal have thousands
_SIGNAL = 10.0  # the same of the median coil; below it there is nothing to miss
_NOISY = 5.0  # times the median coil
_REMEMBERED = 32  # volumes


class CoilSignal:
    """Sums up the power of each coil over the lines of one volume."""

    def __init__(self, coils: int) -> None:
        self.middle = np.zeros(coils)
        """Power in the middle of k-space."""
        self.corner = np.zeros(coils)
        """Power in the corners."""
        self.middle_samples = 0
        self.corner_samples = 0

    def add(self, line: NDArray[np.complex64], middle: tuple[int, int] | None, corner: tuple[int, int] | None) -> None:
        """Take a line ``(coils, samples)``: which range of it is the middle of k-space, and which a corner, if any."""
        if middle is not None:
            add_power(line, *middle, self.middle)
            self.middle_samples += middle[1] - middle[0]
        if corner is not None:
            add_power(line, *corner, self.corner)
            self.corner_samples += corner[1] - corner[0]

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
        if not self.corner_samples:
            return np.zeros(len(self.corner), np.bool_)
        loud = self.corner > _NOISY * np.median(self.corner)
        if not self.middle_samples:
            return loud
        return loud & (self._above < np.median(self._above) / _NOISY)

    @property
    def _above(self) -> NDArray[np.float64]:
        """Power of a sample in the middle over that of one in a corner; 0 where a coil gives nothing, or no numbers."""
        if not (self.middle_samples and self.corner_samples):
            return np.full(len(self.middle), np.nan)
        middle, corner = self.middle / self.middle_samples, self.corner / self.corner_samples
        above = np.divide(middle, corner, out=np.full(len(middle), np.inf), where=corner > 0)
        return np.where((middle > 0) & np.isfinite(middle), above, 0.0)


class GainHistory:
    """Remembers the signal of the coils in volumes of one sort, and compares a further one with it."""

    def __init__(self) -> None:
        self._earlier: deque[tuple[int, NDArray[np.float64]]] = deque(maxlen=_REMEMBERED)

    def compare(self, signal: CoilSignal) -> float | None:
        """Give the signal over the median of the volumes before; None for the first one.

        It is the weighted median over the coils, so that one which fails does not count; NaN where lines are missing.
        """
        now = np.sqrt(signal.middle)
        before = [root for samples, root in self._earlier if samples == signal.middle_samples]
        first = not self._earlier
        if signal.middle_samples and np.isfinite(now).all():
            self._earlier.append((signal.middle_samples, now))
        if first:
            return None
        return _ratio(now, np.median(before, axis=0)) if before else float("nan")


def _ratio(now: NDArray[np.float64], before: NDArray[np.float64]) -> float:
    """Give the median of the coils' ratios, weighted by what they had before; NaN where they had nothing."""
    known = (before > 0) & np.isfinite(now)
    if not known.any():
        return float("nan")
    ratios, weights = now[known] / before[known], before[known]
    order = np.argsort(ratios)
    shares = np.cumsum(weights[order]) / weights.sum()
    return float(ratios[order][np.searchsorted(shares, 0.5)])


@njit([types.void(LINE, types.int64, types.int64, types.float64[::1])], cache=True, nogil=True)
def add_power(line: NDArray[np.complex64], begin: int, end: int, power: NDArray[np.float64]) -> None:
    """Add the power of each coil in a range of the samples of a line ``(coils, samples)``."""
    for coil in range(line.shape[0]):
        total = 0.0
        for i in range(begin, end):
            real, imaginary = np.float64(line[coil, i].real), np.float64(line[coil, i].imag)
            total += real * real + imaginary * imaginary
        power[coil] += total
