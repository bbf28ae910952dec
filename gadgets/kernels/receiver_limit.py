"""Whether a receiver was at its limit: flat tops."""

import numpy as np
from numba import njit, types
from numpy.typing import NDArray

from .received import LINE

_ENOUGH = 3  # samples of one coil at exactly the same value
_WORTH = 0.25  # of the power of the strongest sample so far; lines below it are not searched
_STRONG = 0.1  # of the strongest coil; weaker ones may show the same small whole number often


class ReceiverLimit:
    """Remembers the largest value of each coil, and finds lines that touch it several times but do not exceed it."""

    def __init__(self, coils: int) -> None:
        self._tops = np.zeros(coils, np.float32)
        self._power = 0.0

    def worth_a_look(self, power: float) -> bool:
        """Tell whether a line may be at the limit, by the power of its strongest sample."""
        return power >= _WORTH * self._power

    def reached(self, line: NDArray[np.complex64], power: float) -> bool:
        """Tell whether a line ``(coils, samples)`` is at the limit; ``power`` is that of its strongest sample."""
        self._power = max(self._power, power) if np.isfinite(power) else self._power
        return flat_top(line, self._tops)


@njit([types.boolean(LINE, types.float32[::1])], cache=True, nogil=True)
def flat_top(line: NDArray[np.complex64], tops: NDArray[np.float32]) -> bool:
    """Tell whether a coil has three real or imaginary parts at its largest value ever; keep the largest values."""
    flat = False
    strongest = np.float32(0)
    for coil in range(tops.shape[0]):
        strongest = max(strongest, tops[coil])
    for coil in range(line.shape[0]):
        row = line[coil].view(np.float32)
        top = np.float32(0)
        for i in range(row.shape[0]):
            top = max(top, abs(row[i]))
        if top < tops[coil] or not top < np.inf:
            continue
        tops[coil] = top
        times = 0
        for i in range(row.shape[0]):
            times += abs(row[i]) == top
        flat = flat or (times >= _ENOUGH and bool(top > np.float32(_STRONG) * strongest))
    return flat
