"""Time-encoded labeling: each image of a cycle labels another set of sub-boluses (Hadamard, Walsh)."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy.linalg import hadamard

from ..streaming.scan import Bolus
from ..streaming.time_encoding import MatrixType

_NAMED = {
    (MatrixType.WALSH, 4): "+-+- +--+ ++--",
    (MatrixType.WALSH, 8): "+-+-+-+- +-+--+-+ +--+-++- +--++--+ ++--++-- ++----++ ++++----",
    (MatrixType.HADAMARD, 4): "+-+- ++-- +--+",
    (MatrixType.HADAMARD, 8): "+--+-++- ++----++ +-+--+-+ ++++---- +--++--+ ++--++-- +-+-+-+-",
}
"""Rows are sub-boluses, columns images; as in ExploreASL's xASL_quant_HadamardDecoding, where -1 is label."""
_PRIME = 11
"""Order 12 comes from the squares modulo this; Paley, J. Math. Phys. 12:311 (1933)."""

Matrix = tuple[tuple[int, ...], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeEncoded:
    """How the sub-boluses of a time-encoded scan are labeled, image by image of a cycle."""

    kind: MatrixType = MatrixType.HADAMARD
    size: int = 8
    """Images of a cycle: 4 or 8, of Hadamard also 12."""
    own_matrix: Matrix = ()
    """In its place: rows are sub-boluses in playing order, columns images of a cycle, entries 1 and -1."""
    label_sign: int = -1
    """Entry that means label: -1 as in ExploreASL, 1 as in oxasl."""
    durations: tuple[float, ...] = ()
    """Of the sub-boluses in playing order, or one of all, s; by default they share the labeling duration evenly."""

    @property
    def matrix(self) -> Matrix:
        """Shape ``(sub-boluses, images)``, entries 1 and -1."""
        if self.own_matrix:
            return self.own_matrix
        if (self.kind, self.size) == (MatrixType.HADAMARD, _PRIME + 1):
            return _paley()
        if self.kind is MatrixType.HADAMARD and self.label_sign == 1 and self.size in (4, 8):
            return tuple(tuple(map(int, row)) for row in hadamard(self.size)[1:])  # the natural order, as in oxasl
        rows = _NAMED.get((self.kind, self.size), "").split()
        return tuple(tuple(1 if sign == "+" else -1 for sign in row) for row in rows)

    @property
    def images(self) -> int:
        """Images of a cycle."""
        return len(self.matrix[0])

    def refusals(self) -> Iterator[tuple[bool, str]]:
        """Tell what cannot be played, or not be decoded."""
        yield not self.matrix, f"there is no {self.kind} matrix of size {self.size}; there are 4, 8, and Hadamard 12"
        widths, entries = {len(row) for row in self.matrix}, {entry for row in self.matrix for entry in row}
        yield len(widths) != 1 or entries != {1, -1}, "a time-encoding matrix has rows of one length, of 1 and -1"
        yield self.label_sign not in (1, -1), f"the label sign is 1 or -1, not {self.label_sign}"
        rows = len(self.matrix)
        yield (
            len(self.durations) not in (0, 1, rows),
            f"there are {rows} sub-boluses; give one duration, or {rows}, not {len(self.durations)}",
        )
        yield min(self.durations, default=1.0) <= 0, "a sub-bolus must be longer than 0"
        images = max(widths)
        yield images != rows + 1, f"{rows} sub-boluses need a cycle of {rows + 1} images, not {images}"
        rank = np.linalg.matrix_rank(np.vstack([np.ones(images), self.matrix]))
        yield bool(rank < images), "by this matrix the sub-boluses cannot be told apart"

    def boluses(self, delay: float, total: float) -> tuple[Bolus, ...]:
        """Give the sub-boluses in playing order; ``delay`` counts from the end of the last one.

        Each waits for all that are played after it. ``total`` is their duration together, unless they have their own.
        """
        rows = len(self.matrix)
        durations = self.durations or (total / rows,)
        durations = durations * rows if len(durations) == 1 else durations
        return tuple(Bolus(delay + sum(durations[row + 1 :]), durations[row]) for row in range(rows))

    def labeled(self, image: int) -> tuple[int, ...]:
        """Tell which sub-boluses an image of the cycle labels."""
        return tuple(row for row, signs in enumerate(self.matrix) if signs[image] == self.label_sign)


def _paley() -> Matrix:
    squares = {number * number % _PRIME for number in range(1, _PRIME)}
    steps = range(_PRIME)
    return tuple((1, *(1 if (column - row) % _PRIME in squares else -1 for column in steps)) for row in steps)
