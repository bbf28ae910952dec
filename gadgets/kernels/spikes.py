"""Spikes in k-space: one or few samples far above what their place shows otherwise.

A spike of amplitude A in every coil adds stripes of A / sqrt(N) to an image of N samples. It is looked for in the power
of all coils together, which hardly changes when the head moves: a sample is odd if it exceeds ``2.5 D + floor``, D
being the largest power that its place and the two beside it along the line showed in earlier volumes of the same sort.
Where there are none it is odd if it exceeds ``20 B + floor``, B the largest power two to four samples away, or of the
weaker of the two samples beside it: the middle of k-space may be narrow, but is never one sample wide.
"""

from collections.abc import Hashable

import numpy as np
from numba import njit, types
from numpy.typing import NDArray

from .received import LINES

_MOST_BYTES = 48 << 20  # of what is remembered
_FACTOR = 2.5  # a head that turns by 5 degrees makes 1.1
_FACTOR_WITHIN = 20.0  # the middle of k-space of a real phantom makes 4
_NEAREST, _FARTHEST = 2, 4
_REMEMBERED = 3  # volumes in the mean
_BREADTH = 16  # samples of a line, of which one may be odd; a change of all of them is no spike
_USUAL = 0.9
_BLOCK = 16  # samples, whose mean power tells how quiet a line gets


class SpikeSearch:
    """Remembers what the lines of earlier volumes showed, and looks for spikes in each further one."""

    def __init__(self, samples: int) -> None:
        self.floor = 0.0
        """Power, of all coils together, that any sample may have."""
        self.places = 0
        """How many places of k-space there are."""
        self._samples = samples
        self._known: dict[Hashable, tuple[NDArray[np.float32], NDArray[np.int64]]] = {}
        self._quietest = np.inf

    def memory(
        self, sort: Hashable, places: NDArray[np.int64]
    ) -> tuple[NDArray[np.float32], NDArray[np.int64], NDArray[np.int64]]:
        """Give what volumes of a sort showed, how often, and in which rows of it some places of k-space are."""
        known = self._known.get(sort)
        if known is None or self.places > len(known[1]):
            known = self._grow(sort)
        if known[0].size == 0:  # no memory is left for it: each time is its first
            lines = len(places)
            return np.zeros((lines, self._samples), np.float32), np.zeros(lines, np.int64), np.arange(lines)
        return *known, places

    def listen(self, power: NDArray[np.float32]) -> float:
        """Give the smallest mean power of 16 neighbors so far, that of a further line ``(samples,)`` included."""
        blocks = power[: power.size // _BLOCK * _BLOCK].reshape(-1, _BLOCK).mean(axis=1)
        self._quietest = min(self._quietest, float(blocks[blocks > 0].min(initial=np.inf)))
        return self._quietest if np.isfinite(self._quietest) else 0.0

    def _grow(self, sort: Hashable) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Make room for lines, if memory allows."""
        nothing = np.zeros((0, self._samples), np.float32), np.zeros(0, np.int64)
        rows, counts = self._known.get(sort, nothing)
        most = max((len(known) for _, known in self._known.values()), default=0)
        wanted = max(self.places, most, 2 * len(counts))
        held = sum(known.nbytes for known, _ in self._known.values()) - rows.nbytes
        if held + 4 * wanted * self._samples > _MOST_BYTES:
            self._known[sort] = nothing[0], np.zeros(wanted, np.int64)
            return self._known[sort]
        more = wanted - len(rows)
        rows = np.concatenate([rows, np.zeros((more, self._samples), np.float32)])
        self._known[sort] = rows, np.concatenate([counts, np.zeros(more, np.int64)])
        return self._known[sort]

    def settle(
        self, power: NDArray[np.float32], rows: NDArray[np.float32], counts: NDArray[np.int64], row: int
    ) -> bool:
        """Tell whether a line that stands out has a spike, and take the rest of it into its reference."""
        reference, count = rows[row], int(counts[row])
        spiky = self._above(power, reference) if count else power > _FACTOR_WITHIN * _beside(power) + self.floor
        usable = np.isfinite(power) & ~spiky
        reference[usable] += (power[usable] - reference[usable]) / (count + 1)
        if count == 0:  # what is there below the spike nobody knows; its neighbors tell the scale
            reference[spiky] = _beside(power)[spiky]
        counts[row] = min(count + 1, _REMEMBERED)
        return bool(spiky.any())

    def _above(self, power: NDArray[np.float32], reference: NDArray[np.float32]) -> NDArray[np.bool_]:
        """Tell which samples stand out from what their places showed before, and from the changes of their line."""
        ahead, behind = np.append(reference[1:], 0), np.append(0, reference[:-1])
        usually = np.maximum(reference, np.maximum(ahead, behind)) + self.floor / _FACTOR
        ratio = np.divide(power, usually, out=np.zeros_like(power), where=usually > 0)
        odd = ratio > _FACTOR * max(1.0, float(np.quantile(ratio, _USUAL)))
        return odd if odd.sum() <= max(2, odd.size // _BREADTH) else np.zeros_like(odd)


def _beside(power: NDArray[np.float32]) -> NDArray[np.float32]:
    """Give the largest power two to four samples away from each, or of the weaker neighbor."""
    size = power.size
    padded = np.pad(power, _FARTHEST)
    shifts = [_FARTHEST + by for by in range(-_FARTHEST, _FARTHEST + 1) if abs(by) >= _NEAREST]
    edges = np.pad(power, 1, mode="reflect") if size > 1 else np.zeros(size + 2, np.float32)
    weaker = np.minimum(edges[:-2], edges[2:])
    return np.max([weaker, *(padded[shift : shift + size] for shift in shifts)], axis=0)


@njit([types.float32(LINES, types.int64, types.int64, types.float32[::1], types.float32[::1])], cache=True, nogil=True)
def sum_power(
    words: NDArray[np.uint16],
    begin: int,
    coils: int,
    components: NDArray[np.float32],
    power: NDArray[np.float32],
) -> np.float32:
    """Write the power of each sample of a line, all coils together, and give the largest.

    The line begins at a word of ``received.as_words``. ``components`` is room for two numbers of each sample.
    """
    samples = power.size
    components[:] = 0
    for coil in range(coils):
        start = begin + coil * 4 * samples
        row = words[start : start + 4 * samples].view(np.float32)
        for i in range(components.size):  # real and imaginary parts side by side, so that it runs in vectors
            components[i] += row[i] * row[i]
    top = np.float32(0)
    for i in range(samples):
        power[i] = components[2 * i] + components[2 * i + 1]
    for i in range(samples):
        top = max(top, power[i])
    return top


@njit([types.boolean(types.float32[::1], types.float32[::1], types.int64, types.float64)], cache=True, nogil=True)
def stands_out(power: NDArray[np.float32], usual: NDArray[np.float32], count: int, floor: float) -> bool:
    """Tell whether a line may have a spike, by the mean of ``count`` lines from its place."""
    samples = power.size
    limit, within, least = np.float32(_FACTOR), np.float32(_FACTOR_WITHIN), np.float32(floor)
    if count > 0:
        excess = np.float32(0)
        for i in range(1, samples - 1):
            highest = max(max(usual[i - 1], usual[i]), usual[i + 1])
            excess = max(excess, power[i] - limit * highest - least)
        found = excess > 0
        for i in (0, samples - 1):
            highest = max(max(usual[max(i - 1, 0)], usual[i]), usual[min(i + 1, samples - 1)])
            found |= power[i] > limit * highest + least
        return found
    found = False
    for i in range(samples):
        if power[i] > least:
            highest = np.float32(0)
            if samples > 1:
                highest = min(power[i - 1 if i > 0 else 1], power[i + 1 if i + 1 < samples else samples - 2])
            for by in range(_NEAREST, _FARTHEST + 1):
                if i >= by:
                    highest = max(highest, power[i - by])
                if i + by < samples:
                    highest = max(highest, power[i + by])
            found |= power[i] > within * highest + least
    return found


@njit([types.void(types.float32[::1], types.float32[::1], types.int64[::1], types.int64)], cache=True, nogil=True)
def learn(power: NDArray[np.float32], reference: NDArray[np.float32], counts: NDArray[np.int64], row: int) -> None:
    """Take a line into the mean of those from its place."""
    share = np.float32(1 / (counts[row] + 1))
    for i in range(power.size):
        if power[i] < np.inf:
            reference[i] += share * (power[i] - reference[i])
    counts[row] = min(counts[row] + 1, _REMEMBERED)
