"""From the images of all coils to one."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from ..streaming.flow import CoilImages, Slab
from ..streaming.gadget import Gadget
from ..streaming.notices import Level, Notice
from ..streaming.scan import Role, Scan
from .kernels.combination import combine, root_sum_of_squares
from .kernels.walsh import coil_maps

_FOLDED = (
    "Lines are skipped as for parallel imaging, but the header states no acceleration: the images stay folded, and "
    "flow cannot be trusted. Let the header state its accelerationFactor."
)


class Mode(StrEnum):
    """How coils are combined."""

    ADAPTIVE = "adaptive"
    RSS = "rss"


@dataclass
class Combine(Gadget):
    """Adds the images of all coils up to one.

    ``adaptive``: ``sum conj(map) image`` with the coil sensitivities of Walsh (MRM 43:682 (2000)), 5x5 voxels, ``sum
    |map|^2 = 1``, estimated once for each slice from the first complete m0scan, control or label, and fixed for the
    run: so control and label are combined alike, and nothing but blood is left in their difference. ``rss``: the root
    of the sum of squares, without phase.
    """

    mode: Mode = Mode.ADAPTIVE
    """``adaptive`` or ``rss``."""

    _stated: bool = field(default=False, init=False, repr=False)
    _maps: dict[int, NDArray[np.complex64]] = field(default_factory=dict, init=False, repr=False)
    _told: bool = field(default=False, init=False, repr=False)

    def needed(self, scan: Scan) -> bool:
        """Tell whether the images of single coils are whole; folded ones are unmixed instead."""
        return scan.encoding is None or not scan.encoding.undersampled

    def start(self, scan: Scan) -> None:
        """Forget the maps of the scan before."""
        self._stated = scan.labeling.stated
        self._maps, self._told = {}, False

    def process(self, message: CoilImages) -> Iterator[Slab | Notice]:
        """Combine one slice, or one 3-D volume."""
        if message.place.sampling.acceleration > 1 and not self._told:
            self._told = True
            yield Notice(_FOLDED, Level.ERROR)
        if self.mode == Mode.RSS:
            combined = root_sum_of_squares(message.data)
        else:
            combined = combine(message.data, self._conjugate_maps(message))
        yield Slab(combined, message.place, message.index, message.last)

    def _conjugate_maps(self, message: CoilImages) -> NDArray[np.complex64]:
        maps = self._maps.get(message.index)
        if maps is not None and maps.shape == message.data.shape:
            return maps
        maps = coil_maps(message.data)
        np.conjugate(maps, out=maps)  # in place: those of a 3-D volume are large
        wanted = not self._stated or message.place.role in (Role.M0SCAN, Role.CONTROL, Role.LABEL)
        if wanted and message.place.missing == 0:
            self._maps[message.index] = maps
        return maps
