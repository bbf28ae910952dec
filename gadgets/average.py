"""The running mean of all pairs."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ..streaming.flow import Place
from ..streaming.gadget import Gadget
from ..streaming.notices import Level, Notice
from ..streaming.perfusion import Difference, MeanDifference, Remove
from ..streaming.scan import Scan
from .kernels.running import add, remove


@dataclass
class Average(Gadget):
    """Averages the pairs so far, and tells how sure the mean is; a pair can be taken out again.

    Welford's running mean and sum of squares in float64; ``stderr = sqrt(s / (n - 1) / n)``, NaN below two pairs. The
    result equals the batch mean and standard error to rounding, also after removals.
    """

    kept_pairs: int = 256
    """Latest pairs that can still be taken out; each one kept costs 4 bytes per voxel."""

    _mean: NDArray[np.float64] | None = field(default=None, init=False, repr=False)
    _squares: NDArray[np.float64] | None = field(default=None, init=False, repr=False)
    _pairs: int = field(default=0, init=False, repr=False)
    _kept: dict[int, NDArray[np.float32]] = field(default_factory=dict, init=False, repr=False)
    _place: Place | None = field(default=None, init=False, repr=False)
    _shape: tuple[int, ...] = field(default=(), init=False, repr=False)
    _complex: bool = field(default=False, init=False, repr=False)

    def start(self, scan: Scan) -> None:
        """Begin with no pairs."""
        self._mean, self._squares, self._pairs, self._kept, self._place, self._shape = None, None, 0, {}, None, ()

    def process(self, message: Difference | Remove) -> Iterator[MeanDifference | Notice]:
        """Add a pair to the mean, or take one out of it."""
        if isinstance(message, Difference):
            yield from self._add(message)
        else:
            yield from self._remove(message.pair)

    def _add(self, message: Difference) -> Iterator[MeanDifference | Notice]:
        if self._mean is None or self._squares is None:
            self._shape, self._complex = message.data.shape, message.complex_subtraction
            self._mean, self._squares = np.zeros(message.data.size), np.zeros(message.data.size)
        if message.data.shape != self._shape or message.pair in self._kept:
            yield Notice(f"Pair {message.pair} of shape {message.data.shape} does not fit the mean, and is left out.")
            return
        values = np.ascontiguousarray(message.data).ravel()
        self._kept[message.pair] = values
        if len(self._kept) > self.kept_pairs:
            del self._kept[next(iter(self._kept))]
        self._place = message.place
        self._pairs += 1
        mean, stderr = self._outputs()
        add(self._mean, self._squares, values, self._pairs, mean.reshape(-1), stderr.reshape(-1))
        yield MeanDifference(mean, stderr, message.place, self._pairs, self._complex)

    def _remove(self, pair: int) -> Iterator[MeanDifference | Notice]:
        values = self._kept.pop(pair, None)
        if values is None or self._mean is None or self._squares is None or self._place is None:
            yield Notice(f"Pair {pair} is not in the mean any more, or never was: nothing was taken out.")
            return
        self._pairs -= 1
        mean, stderr = self._outputs()
        remove(self._mean, self._squares, values, self._pairs, mean.reshape(-1), stderr.reshape(-1))
        if self._pairs == 0:
            yield Notice("The last pair was taken out: there is no perfusion map until another pair comes.", Level.INFO)
            return
        yield MeanDifference(mean, stderr, self._place, self._pairs, self._complex)

    def _outputs(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        return np.empty(self._shape, np.float32), np.empty(self._shape, np.float32)
