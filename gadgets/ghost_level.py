"""How much of the N/2 ghost is left in the images of an EPI."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from ..streaming.flow import Volume
from ..streaming.gadget import Gadget
from ..streaming.notices import Measure, Measurement
from ..streaming.scan import Scan
from .kernels.ghost_level import ghost_level


@dataclass
class MeasureGhostLevel(Gadget):
    """Measures, volume by volume, how bright the ghost of an EPI still is.

    The mean signal half a field of view away from the object, and not in it, over that in the object; what exceeds a
    quarter of the 99th percentile is object. Where every R-th row is acquired, ghosts lie N/(2R) away too. Noise is
    part of it: a ghost-free volume gives its noise over its signal.
    """

    _rows: int = field(default=0, init=False, repr=False)
    """Rows of the whole field of view, that the image may show a part of."""

    def needed(self, scan: Scan) -> bool:
        """Tell whether lines are read to and fro."""
        return scan.encoding is not None and scan.encoding.echo_planar

    def start(self, scan: Scan) -> None:
        """Look up how many rows the field of view has."""
        self._rows = scan.encoding.encoded_matrix[1] if scan.encoding else 0

    def process(self, message: Volume) -> Iterator[Volume | Measurement]:
        """Measure a volume, and pass it on."""
        rows = max(self._rows, message.data.shape[1])
        step = max(1, message.place.sampling.step_y)
        level = ghost_level(np.ascontiguousarray(message.data), _shifts(rows, step), rows)
        yield Measurement(Measure.GHOST_LEVEL, level, message.place)
        yield message


def _shifts(rows: int, step: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Tell how far along y the ghosts lie: half a field of view, and half of each that it is folded to."""
    shifts = {round(rows / 2), round(rows / (2 * step)), round(-rows / (2 * step))}
    return np.array(sorted(shifts), np.int64)
