"""Finding the equilibrium magnetization that flow is relative to."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from ..streaming.errors import ConfigError
from ..streaming.flow import Mask, Volume
from ..streaming.gadget import Gadget
from ..streaming.notices import Level, Notice
from ..streaming.perfusion import M0, Constant, Map, MapName, Physiology, RelaxationMap, SliceTimes, TissueMaps
from ..streaming.remarks import Remarks
from ..streaming.scan import Role, Scan, Source
from .calibration import m0_remarks as words
from .calibration.ingredients import Ingredients
from .calibration.m0_expectation import INVERSION_EFFICIENCY, PRESATURATION_TIME, share_in_controls
from .calibration.m0_images import M0Images
from .calibration.m0_sources import Finding, Found, M0Sources
from .calibration.m0_statements import shows_all, voxel_size
from .calibration.parameters import of_parameter
from .kernels.m0 import brightness, tissue_above
from .kernels.m0_surface import extrapolated, smoothed

_DARKER, _BRIGHTER = 0.9, 1.5  # of the controls; between them lies what the T1 of tissue leaves uncertain


class M0Source(StrEnum):
    """What M0 is taken from."""

    AUTO = "auto"
    M0SCAN = "m0scan"
    CONTROL = "control"
    ESTIMATE = "estimate"
    FLUID = "fluid"
    WHITE_MATTER = "white_matter"


class Edge(StrEnum):
    """What to do with the edge of the brain, where M0 is dark because a voxel is only partly brain."""

    NONE = "none"
    EXTRAPOLATE = "extrapolate"


@dataclass
class FindM0(Gadget):
    """Finds how bright fully magnetized tissue is, which turns differences into blood flow.

    ``M0 = S / (1 - exp(-TR / T1))`` of the mean m0scan or the mean unsuppressed control, corrected where TR < 5 s
    (Alsop et al., MRM 73:102 (2015)); with tissue maps T1 is that of the mixture in each voxel, with a map of T1 its
    own. Or one number for the whole brain: the stated M0 of blood, or that of fluid or white matter, times the
    partition coefficient. M0 goes out ahead of the first control or label that shows that it can be right, and again
    when it becomes better; what it was made of goes with it.
    """

    source: M0Source = M0Source.AUTO
    """``auto``: the m0scans, else ``M0Estimate``, else the controls if background suppression is stated to be off.
    ``control`` under background suppression is estimated from the times of its pulses. ``fluid``, ``white_matter``:
    voxels that are over 90 % of it, by the tissue maps."""
    smoothing: float = 0.0
    """Full width at half maximum of the smoothing of M0, m: within the brain, in 2-D within the slices; 0 for none
    (0.005 in ASLPrep, 0.016 in ExploreASL)."""
    edge: Edge = Edge.NONE
    """``extrapolate``: give the outermost voxels of the brain the M0 of their neighbors inside, as oxasl does."""
    floor: float = 0.05
    """Share of the 98th percentile of M0 below which there is no tissue, and M0 is 0; 0 for none."""
    gain: float | None = None
    """What the m0scan is multiplied by to have the scale of the controls; by default the header's ``M0GainRatio``."""
    presaturation_time: float = PRESATURATION_TIME
    """When the slices are saturated, s after the beginning of labeling; for suppressed controls."""
    inversion_efficiency: float = INVERSION_EFFICIENCY
    """What a background-suppression pulse leaves of the magnetization that it turns over; for suppressed controls."""
    refocused: bool | None = None
    """Whether a spin echo is read, for a reference region; by default in 3-D (GRASE), and not in 2-D (EPI)."""

    _scan: Scan = field(default_factory=Scan, init=False, repr=False)
    _images: M0Images = field(default_factory=lambda: M0Images(Scan().labeling), init=False, repr=False)
    _with: Ingredients = field(default_factory=Ingredients, init=False, repr=False)
    _remarks: Remarks = field(default_factory=Remarks, init=False, repr=False)
    _due: bool = field(default=True, init=False, repr=False)

    def start(self, scan: Scan) -> None:
        """Forget the scan before."""
        if self.gain is not None and not self.gain > 0:
            raise ConfigError(f"gain of m0 cannot be {self.gain:g}: it is above 0.")
        if not self.smoothing >= 0:
            raise ConfigError(f"smoothing of m0 cannot be {self.smoothing:g} m: it is 0 or more.")
        self._scan, self._images, self._with = scan, M0Images(scan.labeling), Ingredients()
        self._remarks, self._due = Remarks(), True

    def process(
        self, message: Volume | Mask | Physiology | SliceTimes | TissueMaps | RelaxationMap
    ) -> Iterator[Volume | Mask | Physiology | SliceTimes | TissueMaps | RelaxationMap | M0 | Map | Notice]:
        """Collect what M0 is made of; give it ahead of the volume that makes it better."""
        if isinstance(message, Volume):
            yield from self._look_at(message)
        else:
            self._with.take(message)
            if not isinstance(message, SliceTimes) and self._images.first is not None:
                yield from self._give()
        yield message

    def finish(self) -> Iterator[M0 | Map | Notice]:
        """Give an M0 that waited for a control in vain."""
        if self._due and self._images.m0scan.count:
            yield from self._give()

    def _look_at(self, volume: Volume) -> Iterator[M0 | Map | Notice]:
        images, compared = self._images, self._images.first is not None
        if volume.place.role is Role.M0SCAN:
            fault = images.add_m0scan(volume)
            if fault:
                yield Notice(f"The m0scan (volume {volume.place.volume}) {fault} and is not used.")
                return
            self._due, compared = True, False
        elif volume.place.role in (Role.CONTROL, Role.LABEL):
            self._due |= images.add_control_or_label(volume, self.source is M0Source.CONTROL)
        else:
            return
        if images.first is None:
            return
        if not compared and images.m0scan_place is not None and images.place is not None:
            for notice in words.differences(self._scan, images.m0scan_place, images.place):
                yield from self._remarks.say(notice.text, notice.level)
        if self._due:
            yield from self._give()

    # M0.

    def _give(self) -> Iterator[M0 | Map | Notice]:
        """Give M0 with its map, if there is one, and it can be right."""
        self._due, images = False, self._images
        source = self._chosen()
        if source is None:
            if Role.M0SCAN not in self._scan.labeling.context:
                yield from self._remarks.say(words.why_none(self._scan))
            return
        found = yield from self._find(source)
        if found is None:
            return
        data, stated = found.data.astype(np.float32), found.constants["m0"]
        name = f"M0 ({f'{stated.value} {stated.unit}'.strip()})"
        refusal = self._refusal(data, source, name)
        if refusal:
            yield from self._remarks.say(refusal, Level.ERROR, subject="refused")
            return
        if source in (M0Source.M0SCAN, M0Source.ESTIMATE):
            yield from self._doubt(data, name)
        grows = source is not M0Source.ESTIMATE and (source is M0Source.CONTROL or not images.m0scan.count)
        yield M0(data, found.constants, anew=not grows)
        place = images.m0scan_place if source is M0Source.M0SCAN else images.place or images.m0scan_place
        if place is not None:
            yield Map(MapName.M0, data, place, "arbitrary", 0, found.constants, found.equation)

    def _chosen(self) -> M0Source | None:
        if self.source is not M0Source.AUTO:
            return self.source
        if self._images.m0scan.count:
            return M0Source.M0SCAN
        if self._scan.labeling.m0_estimate is not None:
            return M0Source.ESTIMATE
        return M0Source.CONTROL if shows_all(self._scan.labeling) else None

    def _find(self, source: M0Source) -> Finding:
        sources = M0Sources(self._scan, self._images, self._with, self._remarks)
        match source:
            case M0Source.ESTIMATE:
                return (yield from sources.of_statement())
            case M0Source.FLUID | M0Source.WHITE_MATTER:
                refocused = self._scan.three_dimensional if self.refocused is None else self.refocused
                fluid = source is M0Source.FLUID
                return (yield from sources.of_region(fluid, self.gain, refocused, self.floor))
            case M0Source.CONTROL if self._scan.labeling.background_suppression:
                found = yield from sources.of_suppressed_controls(self.presaturation_time, self.inversion_efficiency)
                if found is not None:
                    found.constants["presaturation_time"] = of_parameter(self, "presaturation_time", "s")
                    found.constants["inversion_efficiency"] = of_parameter(self, "inversion_efficiency")
            case _:
                found = yield from sources.of_images(source is M0Source.M0SCAN, self.gain)
        return None if found is None else (yield from self._finished(found))

    def _finished(self, found: Found) -> Finding:
        """Give M0 with its edge mended, smoothed, and 0 where there is no tissue; write down what was done."""
        data, constants = found.data, dict(found.constants)
        inside = self._with.mask_of(data.shape)
        if self.edge == Edge.EXTRAPOLATE and inside is None:
            yield from self._remarks.say(words.NO_EDGE)
        elif self.edge == Edge.EXTRAPOLATE and inside is not None:
            data = extrapolated(data, inside)
            constants["m0_edge"] = Constant("extrapolated", "", Source.CONFIG)
        widths = [self.smoothing / size if size > 0 else 0.0 for size in voxel_size(self._scan)]
        if any(widths):
            data = smoothed(data, tissue_above(data, self.floor) if inside is None else inside, widths)
            constants["m0_smoothing"] = Constant(self.smoothing, "m", Source.CONFIG)
        elif self.smoothing > 0:
            yield from self._remarks.say(words.NO_SIZE)
        constants["m0_floor"] = of_parameter(self, "floor")
        return Found(np.where(tissue_above(data, self.floor), data, 0.0), constants, found.equation)

    # What it is compared with.

    def _refusal(self, data: NDArray[np.float32], source: M0Source, name: str) -> str:
        """Say why an M0 cannot be right; nothing where it can."""
        first = self._images.first
        if not data.any():
            return words.zero(name)
        if first is None or source is M0Source.CONTROL:
            return ""
        if first.shape != data.shape:
            return words.other_matrix(name)
        ratio = brightness(data, first, self._with.mask_of(data.shape))
        return words.dark(name, ratio) if ratio < _DARKER else ""

    def _doubt(self, data: NDArray[np.float32], name: str) -> Iterator[Notice]:
        """Say where M0 is brighter than unsuppressed controls let expect."""
        first = self._images.first
        share = share_in_controls(self._scan, self._with, data.shape) if shows_all(self._scan.labeling) else None
        if first is not None and share is not None:
            ratio = brightness(share * data, first, self._with.mask_of(data.shape))
            if ratio > _BRIGHTER:
                yield from self._remarks.say(words.bright(name, ratio), subject="bright")
