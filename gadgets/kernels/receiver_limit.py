"""Whether a receiver was at its limit: flat tops."""

import numpy as np
from numba import njit, types
from numpy.typing import NDArray

from .received import LINES

_ENOUGH = 3  # samples of one coil at exactly the same value
_WORTH = 0.25  # of the power of the strongest sample so far; lines below it are not searched
_STRONG = 0.1  # of the strongest coil; weaker ones may show the same small whole number often


@njit(
    [types.boolean(LINES, types.int64, types.int64, types.float32, types.float32[::1], types.float32[::1])],
    cache=True,
    nogil=True,
)
def at_limit(
    words: NDArray[np.uint16],
    begin: int,
    samples: int,
    power: np.float32,
    tops: NDArray[np.float32],
    strongest: NDArray[np.float32],
) -> bool:
    """Tell whether a coil has three real or imaginary parts of a line at its largest value ever.

    ``power`` is that of the strongest sample of the line. The largest value of each coil is kept in ``tops``, the power
    of the strongest sample of all lines in ``strongest``; both begin as zero. The line begins at a word of
    ``received.as_words``.
    """
    if not power >= np.float32(_WORTH) * strongest[0]:
        return False
    if power < np.inf:
        strongest[0] = max(strongest[0], power)
    loudest = np.float32(0)
    for coil in range(tops.shape[0]):
        loudest = max(loudest, tops[coil])
    flat = False
    for coil in range(tops.shape[0]):
        start = begin + coil * 4 * samples
        row = words[start : start + 4 * samples].view(np.float32)
        top = np.float32(0)
        for i in range(row.shape[0]):
            top = max(top, abs(row[i]))
        if top < tops[coil] or not top < np.inf:
            continue
        tops[coil] = top
        times = 0
        for i in range(row.shape[0]):
            times += abs(row[i]) == top
        flat = flat or (times >= _ENOUGH and bool(top > np.float32(_STRONG) * loudest))
    return flat
