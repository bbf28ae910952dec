"""One look at lines as they were received: for spikes, for receivers at their limit, for the signal of each coil."""

from collections.abc import Hashable

import numpy as np
from numba import njit, types
from numpy.typing import NDArray

from .coil_signal import CoilSignal, add_parts
from .received import LINES, as_words
from .receiver_limit import at_limit
from .spikes import SpikeSearch, learn, stands_out, sum_power


class RawLines:
    """Looks at the lines of a scan, all of one shape, in the order in which they come."""

    def __init__(self, coils: int, samples: int) -> None:
        self.spikes = SpikeSearch(samples)
        self.power = np.zeros(samples, np.float32)
        """Of the samples of the latest line, all coils together."""
        self._tops = np.zeros(coils, np.float32)
        self._strongest = np.zeros(1, np.float32)

    def look(
        self,
        lines: NDArray[np.complex64],
        places: NDArray[np.int64],
        parts: NDArray[np.int64],
        sort: Hashable,
        signal: CoilSignal,
    ) -> tuple[int, int]:
        """Look at lines ``(lines, coils, samples)`` of one volume; tell how many have a spike, and are at the limit.

        ``places`` are their places in k-space, by number, and ``parts`` those of each place as for ``add_parts``;
        ``sort`` tells the volumes that they are compared with. Lines without a spike add to the signal of their volume.
        """
        rows, counts, remembered = self.spikes.memory(sort, places)
        words, step = as_words(lines)
        number, spiky, limited = -1, 0, 0
        while True:
            number, more = look(
                words,
                step,
                number + 1,
                places,
                remembered,
                parts,
                rows,
                counts,
                self.spikes.floor,
                self._tops,
                self._strongest,
                signal.power,
                signal.samples,
                self.power,
            )
            limited += more
            if number == len(places):
                return spiky, limited
            if self.spikes.settle(self.power, rows, counts, int(remembered[number])):
                spiky += 1
            else:
                add_parts(words, number * step, self.power.size, parts[places[number]], signal.power, signal.samples)


@njit(
    [
        types.UniTuple(types.int64, 2)(
            LINES,
            types.int64,
            types.int64,
            types.int64[::1],
            types.int64[::1],
            types.int64[:, ::1],
            types.float32[:, ::1],
            types.int64[::1],
            types.float64,
            types.float32[::1],
            types.float32[::1],
            types.float64[:, ::1],
            types.int64[::1],
            types.float32[::1],
        )
    ],
    cache=True,
    nogil=True,
)
def look(
    words: NDArray[np.uint16],
    step: int,
    first: int,
    places: NDArray[np.int64],
    remembered: NDArray[np.int64],
    parts: NDArray[np.int64],
    references: NDArray[np.float32],
    counts: NDArray[np.int64],
    floor: float,
    tops: NDArray[np.float32],
    strongest: NDArray[np.float32],
    signal: NDArray[np.float64],
    samples: NDArray[np.int64],
    power: NDArray[np.float32],
) -> tuple[int, int]:
    """Look at lines from the first one on until one may have a spike, whose power is left; tell how many are limited.

    Gives the number of that line, or how many lines there are. ``words`` and ``step`` are those of
    ``received.as_words``; the reference of line n is in row ``remembered[n]``.
    """
    components = np.empty(2 * power.size, np.float32)
    limited = 0
    for number in range(first, places.size):
        begin, row = number * step, remembered[number]
        top = sum_power(words, begin, tops.size, components, power)
        limited += at_limit(words, begin, power.size, top, tops, strongest)
        if stands_out(power, references[row], int(counts[row]), floor):
            return number, limited
        learn(power, references[row], counts, row)
        add_parts(words, begin, power.size, parts[places[number]], signal, samples)
    return places.size, limited
