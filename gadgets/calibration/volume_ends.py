"""Which volume the lines of a scan belong to, and when it is over; for gadgets that look at lines, not at planes."""

from collections.abc import Iterator
from typing import NamedTuple

from ...streaming.numbering import Numbering
from ...streaming.readouts import Kind, Readout, Train
from ...streaming.scan import Scan
from ..kernels.grid import stated_grid

IMAGES = (Kind.IMAGING, Kind.REFERENCE_AND_IMAGING)
Key = tuple[int, ...]
_ONE = range(1)


class Stretch(NamedTuple):
    """Some lines of a message that belong to one volume, and to one slice or partition of it."""

    volume: int
    """Number of the volume in order of arrival, from 0."""
    first: Readout
    lines: range
    """Their numbers in the message."""
    late: bool
    """Whether the volume was over before they came."""


class VolumeEnds:
    """Counts the imaging lines of each volume, and says when a volume is over.

    Volumes are numbered in the order of their first lines. One is over when as many lines have come as the header
    states, when a later one is over, or when more volumes begin than can be in work at once. Where the header is wrong
    two volumes of the same length teach what to expect; where it says nothing, the first one does.
    """

    def __init__(self, scan: Scan) -> None:
        self.numbering = Numbering(scan)
        self.stated = 0
        """Imaging lines of a volume by the header; 0 where it does not tell, and before the first line."""
        self._expected = 0
        self._began = False
        self._told_apart = False
        """Whether counters tell volumes apart."""
        self._numbers: dict[Key, int] = {}
        self._first_lines: dict[int, tuple[int, int, int]] = {}
        self._counts: list[int] = []
        self._open: list[int] = []
        self._short = 0
        """Lines of the latest volume that ended before it had all."""
        self.over: list[int] = []
        """Volumes that are over, and not yet asked for."""

    def stretches(self, message: Readout | Train) -> Iterator[Stretch]:
        """Give the imaging lines of a message by volume; to be asked for one after the other."""
        if isinstance(message, Readout):
            if message.kind in IMAGES:
                yield self._enter(message, _ONE)
            return
        numbering = self.numbering
        if numbering.plain and self._told_apart:
            for lines in message.stretches(numbering.turning):
                first = message.readout(lines[0])
                number = self._numbers.get(numbering.volume(first))
                left = self._expected - (self._counts[number] if number is not None else 0)
                if 0 < left < len(lines):  # it would end within
                    yield self._enter(first, lines[:left])
                    lines, first = lines[left:], message.readout(lines[left])
                yield self._enter(first, lines)
        else:
            for number, line in enumerate(message.split()):
                yield self._enter(line, range(number, number + 1))

    def ended(self) -> list[int]:
        """Give the volumes that are over since this was asked last."""
        ended, self.over = self.over, []
        return ended

    def finish(self) -> list[int]:
        """End all volumes, and give them."""
        self.over += self._open
        self._open = []
        return self.ended()

    def _enter(self, first: Readout, lines: range) -> Stretch:
        """Find the volume that some lines belong to, and count them."""
        if not self._began:
            self._began = True
            self.numbering.center_by(first)
            self._expected = self.stated = _stated_lines(self.numbering, first)
        key = self.numbering.volume(first)
        number = self._numbers.get(key)
        if number is None or (not self._told_apart and self._begins_again(number, first)):
            number = self._numbers[key] = len(self._counts)
            self._first_lines[number] = self.numbering.line(first)
            self._counts.append(0)
            self._told_apart = self._told_apart or self.numbering.repeats or len(self._numbers) > 1
            while len(self._open) >= self.numbering.together:
                self._end_short(self._open.pop(0))
            self._open.append(number)
        self._counts[number] += len(lines)
        late = number not in self._open
        if late:
            self._expected = max(self._expected, self._counts[number])  # it ended too early
        elif self._counts[number] >= self._expected > 0:
            while self._open and self._open[0] <= number:
                self.over.append(self._open.pop(0))
        return Stretch(number, first, lines, late)

    def _begins_again(self, number: int, line: Readout) -> bool:
        """Tell whether another volume begins with the counters of this one; so where no counter tells them apart."""
        again = self.numbering.line(line) == self._first_lines[number]
        return again and 2 * self._counts[number] > self._expected

    def _end_short(self, number: int) -> None:
        count = self._counts[number]
        if count == self._short or self._expected == 0:
            self._expected = count
        self._short = count
        self.over.append(number)


def _stated_lines(told: Numbering, first: Readout) -> int:
    """Give the imaging lines of a volume by the header; 0 where it does not tell."""
    grid = stated_grid(told.matrix, told.lines, told.planes, told.averages, told.acceleration)
    place = None if grid is None else grid.locate(*told.line(first))
    if grid is None or place is None:
        return 0
    plane, (row, _) = place
    return sum(grid.expected(index, row) for index in grid.plane_rows(plane))
