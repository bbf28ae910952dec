"""A site's own gadget: tells the mean blood flow in the brain while the scan runs."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from aslive.streaming.gadget import Gadget
from aslive.streaming.notices import Level, Notice
from aslive.streaming.perfusion import Map, MapName
from aslive.streaming.scan import Scan


@dataclass
class ReportFlow(Gadget):
    """Tells the mean blood flow in the brain after every pair.

    The mean of the finite voxels of ``cbf`` inside the brain mask, mL/100 g/min. All maps pass on unchanged.
    """

    every: int = 1
    """Report when the number of pairs is a multiple of this."""

    _brain: NDArray[np.bool_] | None = field(default=None, init=False, repr=False)

    def start(self, scan: Scan) -> None:
        """Forget the brain of the scan before."""
        self._brain = None

    def process(self, message: Map) -> Iterator[Map | Notice]:
        """Pass the map on, and report if it is the one."""
        yield message
        if message.name is MapName.MASK:
            self._brain = message.data > 0
        elif message.name is MapName.CBF and self._brain is not None and message.pairs % self.every == 0:
            flow = message.data[self._brain & np.isfinite(message.data)]
            if flow.size:
                yield Notice(f"After {message.pairs} pairs: {flow.mean():.1f} mL/100 g/min in the brain.", Level.INFO)
