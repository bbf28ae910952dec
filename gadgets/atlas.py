"""Knowing which part of the brain each voxel shows, without a scan of the anatomy."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import cache

import numpy as np
from numpy.typing import NDArray

from ..streaming.flow import Mask, Volume
from ..streaming.gadget import Gadget
from ..streaming.notices import Level, Measure, Measurement, Notice
from ..streaming.perfusion import TissueMaps
from ..streaming.quality import Regions
from ..streaming.readouts import Geometry
from ..streaming.scan import Role, Scan
from .kernels.atlas_fit import Level as Fineness
from .kernels.atlas_fit import lay_average_brain, levels
from .kernels.atlas_result import Laid, lay_regions
from .kernels.average_brain import AverageBrain, load_average_brain
from .kernels.territories import NAMES

_ROUNDING = 1e-3  # of directions, which came as float32


_FEWEST_PLANES, _FEWEST_VOXELS = 5, 600  # of the brain, below which 12 numbers fit anything


@cache
def _prepared() -> tuple[AverageBrain, tuple[Fineness, ...]]:
    """Read the average brain, and blur it for coarse images: once for all scans of a process."""
    brain = load_average_brain()
    return brain, levels(brain)


class AtlasMode(StrEnum):
    """When the average brain is laid over the images."""

    AUTO = "auto"
    OFF = "off"


@dataclass
class LayAtlas(Gadget):
    """Lays an average brain over the images, so that numbers can be given for each tissue and each artery's region.

    The average of 152 brains (ICBM 2009a, Fonov et al., NeuroImage 54:313 (2011)) is moved, turned, stretched and
    sheared until its gray matter, white matter and fluid, of any brightness, look like the first m0scan or control:
    12 numbers, found by robust least squares from several starts, once. The image passes on before. Where they do not
    agree, the first volume of the other role is tried as well, then there are no numbers by region. Maps of tissue that
    come with the scan replace the shares.
    """

    enabled: AtlasMode = AtlasMode.AUTO
    """``auto``: in each scan that states its labeling; ``off``."""
    least_agreement: float = 0.2
    """Agreement, 0 to 1, below which the average brain is not used: overlap with the mask, times the part of the image
    that its tissues explain."""

    _scan: Scan = field(default_factory=Scan, init=False, repr=False)
    _brain: AverageBrain | None = field(default=None, init=False, repr=False)
    _levels: tuple[Fineness, ...] = field(default=(), init=False, repr=False)
    _mask: NDArray[np.bool_] | None = field(default=None, init=False, repr=False)
    _tried: set[Role] = field(default_factory=set, init=False, repr=False)
    _laid: Regions | None = field(default=None, init=False, repr=False)
    _sent: TissueMaps | None = field(default=None, init=False, repr=False)
    _told: bool = field(default=False, init=False, repr=False)

    def needed(self, scan: Scan) -> bool:
        """Tell whether this is a scan of labeled blood, whose numbers are told by region."""
        return self.enabled == AtlasMode.AUTO and scan.labeling.stated

    def start(self, scan: Scan) -> None:
        """Read the average brain, and forget the head before."""
        self._scan, self._mask, self._laid, self._sent = scan, None, None, None
        self._tried, self._told = set(), False
        self._brain, self._levels = _prepared()

    def process(
        self, message: Volume | Mask | TissueMaps
    ) -> Iterator[Volume | Mask | TissueMaps | Regions | Measurement | Notice]:
        """Lay the brain over the first volume that can be used; what came passes on before."""
        yield message
        if isinstance(message, Mask):
            self._mask = message.data
        elif isinstance(message, TissueMaps):
            self._sent = message
            if self._laid is not None or self._tried:
                yield self._with_shares(message)
        elif self._laid is None and self._mask is not None and self._usable(message, self._mask):
            yield from self._lay(message, self._mask)

    def _usable(self, volume: Volume, mask: NDArray[np.bool_]) -> bool:
        role = volume.place.role
        fresh = role in (Role.M0SCAN, Role.CONTROL) and role not in self._tried
        return fresh and volume.complete and volume.data.shape == mask.shape and bool(np.isfinite(volume.data).all())

    def _lay(self, volume: Volume, mask: NDArray[np.bool_]) -> Iterator[Regions | Measurement | Notice]:
        self._tried.add(volume.place.role)
        axes = self._axes(volume.place.geometry, volume.data.shape)
        if min(mask.shape) < _FEWEST_PLANES or np.count_nonzero(mask) < _FEWEST_VOXELS:
            yield from self._refuse("the images show too little of the brain")
        elif axes is None or self._brain is None:
            yield from self._refuse("the header does not tell how large the voxels are and how they lie")
        else:
            image = np.abs(volume.data).astype(np.float32)
            found = lay_average_brain(self._levels, image, mask, axes)
            laid = None if found is None else lay_regions(self._brain, *found, mask, axes)
            agreement = 0.0 if laid is None else laid.agreement
            yield Measurement(Measure.ATLAS_AGREEMENT, agreement, volume.place)
            if laid is None or not agreement >= self.least_agreement:
                limit = f"{agreement:.2f}; it should be {self.least_agreement:g} or more"
                yield from self._refuse(
                    f"the average brain does not look like the {volume.place.role} (agreement {limit})"
                )
            else:
                self._laid = _regions(laid)
        if self._sent is not None:
            yield self._with_shares(self._sent)
        elif self._laid is not None:
            yield self._laid

    def _refuse(self, why: str) -> Iterator[Notice]:
        if not self._told:
            self._told = True
            yield Notice(f"There are no numbers by region: {why}.", Level.INFO)

    def _axes(self, geometry: Geometry, shape: tuple[int, ...]) -> NDArray[np.float64] | None:
        """Give the way from one voxel to the next along x, y, z, one in each row, m; none if it is not known."""
        directions = np.array([geometry.read_direction, geometry.phase_direction, geometry.slice_direction])
        size = np.array(geometry.field_of_view) / shape[::-1]
        encoding = self._scan.encoding
        if not np.all(size > 0) and encoding is not None:
            x, y, z = encoding.recon_field_of_view
            size = np.array([x / shape[2], y / shape[1], z / shape[0] if self._scan.three_dimensional else z])
        if not np.all(size > 0) or not np.allclose(directions @ directions.T, np.eye(3), atol=_ROUNDING):
            return None
        return directions * size[:, None]

    def _with_shares(self, sent: TissueMaps) -> Regions:
        """Give the regions with the shares that came with the scan; without labels where the atlas does not fit."""
        tissues = sent.gray_matter, sent.white_matter, sent.fluid
        if self._laid is None or self._laid.labels.shape != sent.gray_matter.shape:
            return Regions(*tissues, np.zeros(sent.gray_matter.shape, np.uint8), (), "sent")
        gray, white, fluid = tissues
        return replace(
            self._laid, gray_matter=gray, white_matter=white, fluid=fluid, source="sent", agreement=float("nan")
        )


def _regions(laid: Laid) -> Regions:
    gray, white, fluid = laid.shares
    return Regions(gray, white, fluid, laid.labels, NAMES, "atlas", laid.agreement)
