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

from .received import LINES, as_words

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

    def look(
        self, lines: NDArray[np.complex64], places: NDArray[np.int64], sort: Hashable
    ) -> tuple[NDArray[np.float32], NDArray[np.float32], list[int]]:
        """Look at lines ``(lines, coils, samples)`` from given places of k-space, by number.

        Give the power of every sample, all coils together, ``(lines, samples)``, the largest of each line, and which
        lines have a spike. ``sort`` tells the volumes that they are compared with.
        """
        memory = self._known.get(sort)
        if memory is None or self.places > len(memory[1]):
            memory = self._grow(sort)
        rows, counts = memory
        power, tops = np.empty((len(lines), self._samples), np.float32), np.empty(len(lines), np.float32)
        odd = np.empty(len(lines), np.bool_)
        if rows.size == 0:  # no memory is left for it: each time is its first
            rows, counts, places = (
                np.zeros((1, self._samples), np.float32),
                np.zeros(1, np.int64),
                np.zeros_like(places),
            )
        words, step = as_words(lines)
        if not look(words, step, lines.shape[1], places, rows, counts, self.floor, power, tops, odd):
            return power, tops, []
        found = np.flatnonzero(odd).tolist()
        return power, tops, [n for n in found if self._settle(power[n], rows[places[n]], counts, int(places[n]))]

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

    def _settle(
        self, power: NDArray[np.float32], reference: NDArray[np.float32], counts: NDArray[np.int64], place: int
    ) -> bool:
        """Tell whether an odd line has a spike, and take the rest of it into the reference."""
        count = int(counts[place])
        spiky = self._above(power, reference) if count else power > _FACTOR_WITHIN * _beside(power) + self.floor
        usable = np.isfinite(power) & ~spiky
        reference[usable] += (power[usable] - reference[usable]) / (count + 1)
        if count == 0:  # what is there below the spike nobody knows; its neighbors tell the scale
            reference[spiky] = _beside(power)[spiky]
        counts[place] = min(count + 1, _REMEMBERED)
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


@njit(
    [
        types.boolean(
            LINES,
            types.int64,
            types.int64,
            types.int64[::1],
            types.float32[:, ::1],
            types.int64[::1],
            types.float64,
            types.float32[:, ::1],
            types.float32[::1],
            types.boolean[::1],
        )
    ],
    cache=True,
    nogil=True,
)
def look(
    words: NDArray[np.uint16],
    step: int,
    coils: int,
    places: NDArray[np.int64],
    references: NDArray[np.float32],
    counts: NDArray[np.int64],
    floor: float,
    power: NDArray[np.float32],
    tops: NDArray[np.float32],
    odd: NDArray[np.bool_],
) -> bool:
    """Write the power of each sample, the largest of each line, and which may have a spike; tell whether any may.

    Lines that have none go into the reference.

    ``words`` and ``step`` are those of ``received.as_words``. The reference of a place is the mean of ``counts`` lines.
    """
    samples, some = power.shape[1], False
    components = np.empty(2 * samples, np.float32)
    limit, within, least = np.float32(_FACTOR), np.float32(_FACTOR_WITHIN), np.float32(floor)
    for number in range(power.shape[0]):
        components[:] = 0
        for coil in range(coils):
            begin = number * step + coil * 4 * samples
            row = words[begin : begin + 4 * samples].view(np.float32)
            for i in range(components.shape[0]):  # real and imaginary parts side by side, so that it runs in vectors
                components[i] += row[i] * row[i]
        here, usual, count = power[number], references[places[number]], counts[places[number]]
        top = np.float32(0)
        for i in range(samples):
            here[i] = components[2 * i] + components[2 * i + 1]
        for i in range(samples):
            top = max(top, here[i])
        tops[number], found = top, False
        if count > 0:
            excess = np.float32(0)
            for i in range(1, samples - 1):
                highest = max(max(usual[i - 1], usual[i]), usual[i + 1])
                excess = max(excess, here[i] - limit * highest - least)
            found = excess > 0
            for i in (0, samples - 1):
                highest = max(max(usual[max(i - 1, 0)], usual[i]), usual[min(i + 1, samples - 1)])
                found |= here[i] > limit * highest + least
        else:
            for i in range(samples):
                if here[i] > least:
                    highest = np.float32(0)
                    if samples > 1:
                        highest = min(here[i - 1 if i > 0 else 1], here[i + 1 if i + 1 < samples else samples - 2])
                    for by in range(_NEAREST, _FARTHEST + 1):
                        if i >= by:
                            highest = max(highest, here[i - by])
                        if i + by < samples:
                            highest = max(highest, here[i + by])
                    found |= here[i] > within * highest + least
        odd[number] = found
        some |= found
        if not found:
            share = np.float32(1 / (count + 1))
            for i in range(samples):
                if here[i] < np.inf:
                    usual[i] += share * (here[i] - usual[i])
            counts[places[number]] = min(count + 1, _REMEMBERED)
    return some
