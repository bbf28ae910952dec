"""Finding the brain."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from ..streaming.flow import Mask, Volume
from ..streaming.gadget import Gadget
from ..streaming.notices import Notice
from ..streaming.perfusion import Map, MapName
from ..streaming.scan import Role, Scan
from .kernels.brain import brain_mask


@dataclass
class MakeMask(Gadget):
    """Marks where the brain is, once, on the first complete m0scan or control.

    The largest bright object, opened and filled in each slice; bright is what lies above Otsu's threshold (IEEE
    Trans. SMC 9:62 (1979)), but at most above ``threshold_share`` of the 98th percentile. Volumes pass on behind it.
    """

    threshold_share: float = 0.3
    """Upper bound of the threshold, as a share of the 98th percentile of the image."""

    _done: bool = field(default=False, init=False, repr=False)

    def start(self, scan: Scan) -> None:
        """Look for the brain anew."""
        self._done = False

    def process(self, message: Volume) -> Iterator[Mask | Map | Volume | Notice]:
        """Make the mask where this volume can give it; pass the volume on."""
        if not self._done and message.complete and message.place.role in (Role.M0SCAN, Role.CONTROL):
            self._done = True
            mask = brain_mask(np.abs(message.data), self.threshold_share)
            if not mask.any():
                yield Notice("No brain was found in the first image: the mask is empty.")
            yield Mask(mask)
            yield Map(MapName.MASK, mask.astype(np.float32), message.place, "1")
        yield message
