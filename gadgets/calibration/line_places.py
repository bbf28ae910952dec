"""Numbers for the places in k-space from which lines come."""

import numpy as np
from numpy.typing import NDArray

from ...streaming.numbering import Numbering
from ...streaming.readouts import Readout, Train
from .kspace_parts import parts_of

_MOST = 1 << 16  # places; more come only from a broken stream, and share the last number


class LinePlaces:
    """Numbers the places of k-space in the order in which lines come from them, and remembers their parts.

    A place is a row, plane and average, read forwards or backwards.
    """

    def __init__(self, numbering: Numbering) -> None:
        self.count = 0
        self.parts = np.zeros((0, 4), np.int64)
        """Begin and end of the middle of k-space and of the corner, in samples, by place; equal where it has none."""
        self._numbering = numbering
        self._numbers: dict[tuple[int, int], dict[tuple[int, bool], int]] = {}
        """By plane and average, and therein by row and direction."""
        self._each = np.arange(_MOST)

    def find(self, message: Readout | Train, first: Readout, lines: range) -> NDArray[np.int64]:
        """Give the numbers of the places of some lines of a message that lie in one plane; ``first`` is theirs."""
        row, plane, average = self._numbering.line(first)
        numbers = self._numbers.get((plane, average))
        if numbers is None:
            numbers = {}
            if self.count < _MOST:
                self._numbers[plane, average] = numbers
        if isinstance(message, Readout):
            number = numbers.get((row, message.backwards))
            if number is None:
                number = self._learn(numbers, message)
            return self._each[number : number + 1]
        some = slice(lines.start, lines.stop)
        rows, backward = message.counters[some, self._numbering.row].tolist(), message.reversed[some].tolist()
        found = list(map(numbers.get, zip(rows, backward, strict=True)))
        if None in found:
            found = [self._learn(numbers, message.readout(line)) for line in lines]
        return np.array(found, np.int64)

    def _learn(self, numbers: dict[tuple[int, bool], int], line: Readout) -> int:
        """Give the place of a line a number, if no line has come from it yet."""
        row, _, _ = self._numbering.line(line)
        known = numbers.get((row, line.backwards))
        if known is not None or self.count == _MOST:
            return _MOST - 1 if known is None else known
        number = numbers[row, line.backwards] = self.count
        self.count += 1
        if number >= len(self.parts):
            self.parts = np.concatenate([self.parts, np.zeros((max(256, number), 4), np.int64)])
        middle, corner = parts_of(line, self._numbering)
        self.parts[number] = *(middle or (0, 0)), *(corner or (0, 0))
        return number
