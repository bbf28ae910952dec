"""What flows through gray and what through white matter, though most voxels hold some of both."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ..streaming.errors import ConfigError
from ..streaming.flow import Mask
from ..streaming.gadget import Gadget
from ..streaming.notices import Level, Measure, Measurement, Notice
from ..streaming.perfusion import M0, Constant, Map, MapName, TissueMaps
from ..streaming.scan import Scan, Source
from .kernels.tissue_regression import TissueFlow, local_flow, shares_of_m0, whole_brain

_EQUATION = "cbf = q_gm CBF_gm + q_wm CBF_wm over {0} x {0} voxels of the slice; Asllani et al., MRM 60:1362 (2008)"

_MEASURES = (
    Measure.GRAY_MATTER_CBF,
    Measure.GRAY_MATTER_CBF_STDERR,
    Measure.WHITE_MATTER_CBF,
    Measure.WHITE_MATTER_CBF_STDERR,
)
"""In the order of ``TissueFlow``."""


@dataclass
class SeparateTissues(Gadget):
    """Tells how much blood reaches gray and how much white matter, once there are maps of both.

    Flow mixes linearly, ``cbf = q_gm CBF_gm + q_wm CBF_wm``: for the whole brain one flow of each by weighted
    regression, and maps of each by regression over the neighbors in the slice (Asllani et al., MRM 60:1362 (2008)),
    with every new ``cbf`` and ``cbf_stderr``. Flow is relative to the M0 of the whole voxel, so q are the shares of
    the tissues in that; where M0 is one number for all, q are those of the tissue maps. Transit times do not mix
    so: that of a mixed voxel is weighted by flow, and so close to that of its gray matter.
    """

    kernel: int = 5
    """Voxels along x and y whose flow is taken as that of the voxel in their middle; odd."""
    least_share: float = 0.1
    """Share of a tissue below which its map has no answer."""

    _tissues: TissueMaps | None = field(default=None, init=False, repr=False)
    _uniform: bool = field(default=False, init=False, repr=False)
    """Whether M0 is one number for the whole brain."""
    _brain: NDArray[np.bool_] | None = field(default=None, init=False, repr=False)
    _maps: dict[MapName, Map] = field(default_factory=dict, init=False, repr=False)
    _latest: tuple[TissueFlow, int] | None = field(default=None, init=False, repr=False)
    _told: bool = field(default=False, init=False, repr=False)

    def start(self, scan: Scan) -> None:
        """Forget the scan before."""
        if self.kernel < 1 or self.kernel % 2 == 0:
            raise ConfigError(f"partial_volume.kernel is {self.kernel}; it should be an odd number of voxels, as 5")
        self._tissues, self._brain, self._maps = None, None, {}
        self._uniform, self._latest, self._told = False, None, False

    def process(
        self, message: Map | TissueMaps | Mask | M0
    ) -> Iterator[Map | TissueMaps | Mask | M0 | Measurement | Notice]:
        """Pass everything on; separate the tissues where flow or tissue maps are new."""
        yield message
        if isinstance(message, Mask):
            self._brain = message.data
        elif isinstance(message, M0):
            tissue = message.data[message.data > 0]
            self._uniform = tissue.size > 1 and bool(tissue.min() == tissue.max())
        elif isinstance(message, TissueMaps):
            self._tissues = message
            yield from self._separate()
        elif message.name in (MapName.CBF, MapName.CBF_STDERR):
            other = {} if self._whole else self._maps
            alike = {name: made for name, made in other.items() if made.pairs == message.pairs}
            self._maps = {**alike, message.name: message}
            yield from self._separate()

    def finish(self) -> Iterator[Notice]:
        """Tell the latest numbers."""
        if self._latest is not None:
            flow, pairs = self._latest
            gray = _number(flow.gray_matter, flow.gray_matter_stderr)
            white = _number(flow.white_matter, flow.white_matter_stderr)
            yield Notice(
                f"By regression against the tissue maps, gray matter {gray}, white matter {white} mL/100 g/min (with "
                f"standard errors, {pairs} pairs).",
                Level.INFO,
            )

    @property
    def _whole(self) -> bool:
        """Whether both maps of one estimate are there."""
        return len(self._maps) == 2

    def _separate(self) -> Iterator[Map | Measurement | Notice]:
        tissues = self._tissues
        if tissues is None or not self._whole:
            return
        cbf, stderr = self._maps[MapName.CBF], self._maps[MapName.CBF_STDERR]
        if tissues.gray_matter.shape != cbf.data.shape:
            if not self._told:
                self._told = True
                yield Notice("The tissue maps have another matrix than the flow: they are not used.")
            return
        brain = np.ones(cbf.data.shape, np.bool_)
        if self._brain is not None and self._brain.shape == brain.shape:
            brain = self._brain
        gray, white = tissues.gray_matter, tissues.white_matter
        if not self._uniform:
            gray, white = shares_of_m0(gray, white, tissues.fluid)
        flow = whole_brain(cbf.data[brain], stderr.data[brain], gray[brain], white[brain])
        self._latest = flow, cbf.pairs
        for name, value in zip(_MEASURES, flow, strict=True):
            yield Measurement(name, value, cbf.place)
        constants = {**cbf.constants, "partial_volume_kernel": self._kernel()}
        maps = local_flow(cbf.data, gray, white, brain, self.kernel, self.least_share)
        for name, data in zip((MapName.CBF_GRAY_MATTER, MapName.CBF_WHITE_MATTER), maps, strict=True):
            yield Map(name, data, cbf.place, cbf.units, cbf.pairs, constants, _EQUATION.format(self.kernel))

    def _kernel(self) -> Constant:
        source = Source.DEFAULT if self.kernel == type(self).kernel else Source.CONFIG
        return Constant(self.kernel, "voxels", source)


def _number(value: float, stderr: float) -> str:
    return "not known" if np.isnan(value) else f"{value:.1f} +- {stderr:.1f}"
