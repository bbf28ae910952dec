"""Decoding cycles of time-encoded images: whole ones, parts of them, and those that need the help of others."""

from collections.abc import Mapping, Sequence, Set
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .cycles import Cycles
from .hadamard import Run, combine, decoding, determined, information

_REMEMBERED = 64  # choices of images for which it is known what they tell


class Signal(NamedTuple):
    """The blood of one sub-bolus, or of neighboring ones together."""

    first: int
    last: int
    data: NDArray[np.float32]
    """Shape ``(z, y, x)``."""
    weight: float
    """Information in it, where that of a sub-bolus from a whole orthogonal cycle is 1."""


class CycleDecoder:
    """Keeps the images of the latest cycles, and takes them apart into sub-boluses."""

    def __init__(self, labeled: NDArray[np.int64], kept: int) -> None:
        self.cycles = Cycles(labeled.shape[1], kept)
        """The images."""
        self._labeled = labeled
        self._weights = decoding(labeled)
        self._runs: dict[tuple[int, ...], list[Run]] = {}

    @property
    def encodings(self) -> int:
        """Images of a cycle."""
        return self.cycles.encodings

    def told(self, seen: Sequence[int]) -> list[Run]:
        """Tell which sub-boluses some images of a cycle determine, taken together with their neighbors."""
        key = tuple(seen)
        if key not in self._runs:
            if len(self._runs) >= _REMEMBERED:
                self._runs.clear()
            self._runs[key] = determined(self._labeled, key)
        return self._runs[key]

    def part(self, cycle: int, seen: Sequence[int]) -> list[Signal]:
        """Decode what some images of a cycle tell; empty where that is nothing."""
        runs = self.told(seen)
        if not runs:
            return []
        images = [self.cycles.images[cycle][encoding] for encoding in seen]
        signals = combine(np.stack([run.weights for run in runs]), images)
        usual = 4 / self.encodings
        return [
            Signal(run.first, run.last, data, usual / run.variance) for run, data in zip(runs, signals, strict=True)
        ]

    def lenders(self, cycle: int, bad: Set[int], spoiled: Mapping[int, Set[int]]) -> dict[int, list[int]] | None:
        """Tell which other cycles can stand in for each bad image of a cycle; None if that is too little to go by."""
        found = {encoding: self.cycles.lenders(cycle, encoding, spoiled) for encoding in bad}
        return found if all(found.values()) and 2 * len(bad) <= self.encodings else None

    def whole(self, cycle: int, lenders: Mapping[int, list[int]]) -> list[Signal]:
        """Decode all sub-boluses of a cycle, its bad images replaced by their means over the lenders."""
        own = self.cycles.images[cycle]
        lent = [encoding in lenders for encoding in range(self.encodings)]
        images = [
            self.cycles.mean(lenders[encoding], encoding) if strange else own[encoding]
            for encoding, strange in enumerate(lent)
        ]
        others = min(map(len, lenders.values()), default=0)
        return [
            Signal(row, row, data, information(weights, lent, others))
            for row, (weights, data) in enumerate(zip(self._weights, combine(self._weights, images), strict=True))
        ]
