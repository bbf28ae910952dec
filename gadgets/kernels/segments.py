"""The segments in which the lines of a volume come."""

from collections.abc import Iterable


class Segments:
    """How many segments of a volume are complete.

    Some converters of EPI write the direction of a line where its segment should stand, and count two: then there are
    none.
    """

    def __init__(self, count: int) -> None:
        self._count = count
        self._directions: set[tuple[int, bool]] = set()

    @property
    def open(self) -> bool:
        """Whether lines are still to be watched, because nobody knows yet what the counter means."""
        return self._count == 2 and len(self._directions) < 3

    def watch(self, lines: Iterable[tuple[int, bool]]) -> None:
        """Take note of the segment of lines, and whether they were read backwards."""
        self._directions.update(lines)

    def complete(self, lines: int, total: int) -> int:
        """Give how many segments are complete when so many lines of all came; 0 also where that means nothing."""
        directions = self._directions
        mixed = len({segment for segment, _ in directions}) == len(directions) == 2
        if self._count == 2 and mixed and len({backwards for _, backwards in directions}) == 2:
            return 0
        return lines * self._count // total if total and lines < total else 0

    @property
    def count(self) -> int:
        """Segments of a volume."""
        return self._count
