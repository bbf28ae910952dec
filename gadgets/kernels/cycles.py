"""The images of the latest cycles of a time-encoded scan, and which of them look like no other of their encoding."""

from collections.abc import Mapping, Set

import numpy as np
from numpy.typing import NDArray

_FAR = 3.0  # times the distance to the nearest other cycle that images usually have
_ROUNDING = 1e-4  # of the signal; without noise all distances are rounding, and some are large multiples of others
_FEWEST = 3  # cycles; of two that differ nobody knows which is right


class Cycles:
    """Projected images by cycle and encoding, and how far apart the same encodings of different cycles are."""

    def __init__(self, encodings: int, kept: int) -> None:
        self.encodings = encodings
        """Images of a cycle."""
        self.images: dict[int, dict[int, NDArray[np.float32]]] = {}
        """By cycle, then by encoding; shapes ``(z, y, x)``."""
        self._kept = kept
        self._signal = 0.0
        self._apart: dict[tuple[int, int], NDArray[np.float64]] = {}

    def add(self, cycle: int, encoding: int, image: NDArray[np.float32], inside: NDArray[np.intp]) -> None:
        """Keep an image, and measure how far it is from the same encoding of other cycles; the oldest cycle may go.

        The distance is the root mean square over the voxels ``inside``, places in the flat image.
        """
        values = image.ravel()[inside]
        self._signal = max(self._signal, _size(values))
        for other, images in self.images.items():
            if other != cycle and encoding in images:
                pair = min(cycle, other), max(cycle, other)
                distances = self._apart.setdefault(pair, np.full(self.encodings, np.nan))
                distances[encoding] = _size(values - images[encoding].ravel()[inside])
        self.images.setdefault(cycle, {})[encoding] = image
        if len(self.images) > self._kept:
            oldest = min(self.images)
            del self.images[oldest]
            self._apart = {pair: distance for pair, distance in self._apart.items() if oldest not in pair}

    def outliers(self) -> dict[int, frozenset[int]]:
        """Tell the encodings of each cycle that are far from the same encoding of every other cycle.

        From three cycles on: of images that differ the nearest is looked at, so that one bad image does not make
        others look bad, and a head that has moved and stays there is not taken for bad. Where over a half of a cycle is
        far from all others it is the cycle that is different, and its images fit each other.
        """
        cycles = sorted(self.images)
        nearest = np.full((len(cycles), self.encodings), np.inf)
        known = np.zeros(nearest.shape, int)
        for (first, second), distances in self._apart.items():
            for row in (cycles.index(first), cycles.index(second)):
                nearest[row] = np.fmin(nearest[row], distances)
                known[row] += np.isfinite(distances)
        judged = known >= _FEWEST - 1
        if not judged.any():
            return dict.fromkeys(cycles, frozenset())
        limit = max(_FAR * float(np.median(nearest[judged])), _ROUNDING * self._signal)
        far = judged & (nearest > limit)
        return {
            cycle: frozenset(np.flatnonzero(row).tolist()) if row.sum() * 2 <= self.encodings else frozenset()
            for cycle, row in zip(cycles, far, strict=True)
        }

    def lenders(self, cycle: int, encoding: int, spoiled: Mapping[int, Set[int]]) -> list[int]:
        """Tell which other cycles have a good image of an encoding."""
        return [
            other
            for other, images in self.images.items()
            if other != cycle and encoding in images and encoding not in spoiled.get(other, ())
        ]

    def mean(self, cycles: list[int], encoding: int) -> NDArray[np.float32]:
        """Give the mean image of an encoding over some cycles."""
        images = [self.images[cycle][encoding] for cycle in cycles]
        return np.asarray(np.mean(images, axis=0, dtype=np.float64), np.float32)


def _size(values: NDArray[np.float32]) -> float:
    """Give the root mean square."""
    return float(np.sqrt(np.mean(np.square(values), dtype=np.float64))) if values.size else 0.0
