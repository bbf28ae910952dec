"""Which part of a line lies in the middle of k-space, and which in a corner."""

from ...streaming.numbering import Numbering, Range
from ...streaming.readouts import Readout

_MIDDLE = 16  # one part of so many, on either side of the center
_CORNER = 8  # one part of so many
_OUTER = 0.75  # of the way from the center to the last line

Part = tuple[int, int] | None
"""Begin and end of a range of samples; None where a line has none."""

Parts = tuple[Part, Part]
"""The middle and the corner."""


def parts_of(line: Readout, told: Numbering) -> Parts:
    """Give the middle and the corner of a line, by the counters and limits of the header.

    Every arm of a spiral crosses the middle, and so does every line where no limits say which ones do.
    """
    samples = line.data.shape[1]
    row, plane, _ = told.line(line)
    central, outer = True, True
    if told.on_a_grid and told.lines is not None:
        central, outer = _reach(told.lines, row, told.acceleration[0])
        if told.three_dimensional and told.planes is not None:
            central = central and _reach(told.planes, plane, told.acceleration[1])[0]
    on_a_grid = told.on_a_grid and line.trajectory is None
    center = line.center_sample
    if on_a_grid and not 0 < center < samples:  # converters say 0, which no line on a grid means
        center = samples // 2
    half = max(1, samples // _MIDDLE)
    middle = max(0, center - half), min(samples, center + half + 1)
    width = max(1, samples // _CORNER)
    margin = width // 2 if on_a_grid else 0  # the first and last samples may be those of a filter that rings
    begin = samples - width - margin if center < samples - center else margin
    return middle if central else None, (begin, begin + width) if outer else None


def _reach(limits: Range, value: int, step: int) -> tuple[bool, bool]:
    """Tell whether a counter is one of the middle, and whether it is far out."""
    lowest, highest, center = limits
    distance = abs(value - center)
    reach = max(center - lowest, highest - center)
    return distance <= max(step, 2 * reach // _MIDDLE), distance >= _OUTER * reach
