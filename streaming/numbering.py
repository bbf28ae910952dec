"""How the counters of a scan number its lines, planes and volumes."""

from .readouts import Counters, Readout
from .scan import Scan

_KEY = ("repetition", "set", "contrast", "phase")
_LINE, _PARTITION, _SLICE, _AVERAGE, _SEGMENT = (
    "kspace_encode_step_1",
    "kspace_encode_step_2",
    "slice",
    "average",
    "segment",
)

_MOST_ECHOES = 16

Range = tuple[int, int, int]
"""Minimum, maximum and center of a counter, as the header states them."""


class Numbering:
    """What the encoding counters mean in one scan, as its header states it."""

    def __init__(self, scan: Scan) -> None:
        self._scan = scan
        encoding, rule = scan.encoding, scan.labeling.rule
        self.three_dimensional = scan.three_dimensional
        """Whether planes are partitions, and not slices."""
        self.on_a_grid = encoding is None or encoding.on_a_grid
        """Whether rows are lines of k-space, and not interleaves."""
        steps = encoding.acceleration if encoding is not None and self.on_a_grid else (1, 1)
        self.acceleration = steps[0], steps[1] if self.three_dimensional else 1
        """Every how many-th row and partition is acquired."""
        carrier = rule.counter if rule else ""
        told = carrier in Counters._fields and carrier not in (_LINE, _PARTITION, _SLICE)
        names = dict.fromkeys((*_KEY, carrier) if told else _KEY)
        row, plane = self._row_name(), _PARTITION if self.three_dimensional else _SLICE
        self._key = tuple(Counters._fields.index(name) for name in names)
        self._flag = 1 << (int(carrier.removeprefix("flag_")) - 1) if carrier.startswith("flag_") else 0
        self._row, self._plane = Counters._fields.index(row), Counters._fields.index(plane)
        self._averaged = carrier != _AVERAGE
        self.row = self._row
        """Which counter numbers the rows; interleaves may be counted as segments."""
        self.plain = self._flag == 0
        """Whether counters alone tell volumes apart, and no flag has to be asked."""
        self.turning = tuple({self._plane, Counters._fields.index(_AVERAGE), *self._key} - {self._row})
        """The counters besides the row's that matter."""
        self.lines, self.planes = self.limits(row), self.limits(plane)
        self.averages = self.limits(_AVERAGE) if self._averaged else None
        segments = self.limits(_SEGMENT)
        self.segments = segments[1] - segments[0] + 1 if segments and row != _SEGMENT else 1
        """Segments of a volume."""
        contrast = self.limits("contrast")
        self.together = 2 * min(contrast[1] - contrast[0] + 1 if contrast else 1, _MOST_ECHOES)
        """Volumes that may be in work at once: control and label of an interleaved scan, each with all its echoes."""
        repetition = self.limits("repetition")
        self.repeats = repetition is not None and repetition[1] > repetition[0]
        """Whether the header says that a counter tells repetitions apart."""

    @property
    def matrix(self) -> tuple[int | None, int | None]:
        """Rows and partitions, 0 where the header does not tell; None for what is only counted."""
        encoding = self._scan.encoding
        _, rows, partitions = encoding.encoded_matrix if encoding else (0, 0, 0)
        return rows if self.on_a_grid else None, partitions if self.three_dimensional else None

    def center_by(self, line: Readout) -> bool:
        """Take the centers of k-space from an imaging line, where the scanner writes them; tell whether any differed.

        Siemens: ``idx.user[5]`` and ``user[6]`` are the central line and partition. With partial Fourier the limits in
        the header may name the middle of the whole matrix instead.
        """
        before = self.lines, self.planes
        if self._scan.vendor == "SIEMENS" and self.on_a_grid:
            self.lines = _centered(self.lines, line.counters.user_5)
            if self.three_dimensional:
                self.planes = _centered(self.planes, line.counters.user_6)
        return (self.lines, self.planes) != before

    def limits(self, name: str) -> Range | None:
        """Give the limits of a counter of the imaging encoding, if the header has them."""
        limits = self._scan.encoding.limits.get(name) if self._scan.encoding else None
        return (limits.minimum, limits.maximum, limits.center) if limits else None

    def volume(self, readout: Readout) -> tuple[int, ...]:
        """Give what the readouts of one volume have in common."""
        counters = readout.counters
        key = tuple([counters[i] for i in self._key])  # through a list: quicker, and this runs for every line
        return (*key, readout.flags & self._flag) if self._flag else key

    def line(self, readout: Readout) -> tuple[int, int, int]:
        """Give the counters of row, plane and average."""
        counters = readout.counters
        return counters[self._row], counters[self._plane], counters[2] if self._averaged else 0

    def reference(self, readout: Readout) -> tuple[int, tuple[int, int]]:
        """Give slice (0 in 3-D) and distance from the centre, along kz and ky, of a reference line.

        It may belong to an encoding space of its own, with another centre.
        """
        spaces, space = self._scan.encodings, readout.encoding_space
        limits = spaces[space if space < len(spaces) else 0].limits if spaces else {}
        ky, kz = (
            counter - (limits[name].center if name in limits else 0)
            for name, counter in zip((_LINE, _PARTITION), readout.counters, strict=False)
        )
        return (0, (kz, ky)) if self.three_dimensional else (readout.counters.slice, (0, ky))

    def _row_name(self) -> str:
        line, segment = self.limits(_LINE), self.limits(_SEGMENT)
        by_segment = line is None or line[0] == line[1]
        return _SEGMENT if not self.on_a_grid and by_segment and segment and segment[1] > segment[0] else _LINE


def _centered(limits: Range | None, center: int) -> Range | None:
    return (*limits[:2], center) if limits and 0 < center and limits[0] <= center <= limits[1] else limits
