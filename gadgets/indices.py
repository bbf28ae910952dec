"""How good the maps are, in numbers, each time they are new."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ..streaming.flow import Mask
from ..streaming.gadget import Gadget
from ..streaming.notices import Measure, Measurement
from ..streaming.perfusion import Map, MapName
from ..streaming.quality import Regions, Verdict
from ..streaming.scan import Scan
from ..streaming.sinks.affine import voxel_size
from .kernels.estimate import Estimate, asymmetry, quotient, shared_error
from .kernels.map_indices import means_by_region, rating, spatial_variation, temporal_snr
from .kernels.quality_index import Tissues, quality_index

_WANTED = (MapName.CBF, MapName.CBF_STDERR, MapName.ATT, MapName.ATT_STDERR, MapName.DELTAM, MapName.DELTAM_STDERR)
_LAST = MapName.DELTAM_STDERR  # of the maps of one update
_DEBIASED_FROM = 5  # pairs; before, the noise is hardly known
_INDEX = (Measure.QEI, Measure.QEI_CORRELATION, Measure.QEI_DISPERSION, Measure.QEI_NEGATIVE)
_FEWEST = 20  # voxels of a region that say anything about it
_LEFT, _RIGHT = "left_", "right_"


@dataclass
class ComputeIndices(Gadget):
    """Computes, behind each new set of maps, the numbers by which a perfusion scan is judged.

    Once ``deltam_stderr``, the last map of a set, has gone on: the quality evaluation index and its parts, spatial and
    temporal variation, the rating, negative and high flow, the means of gray and white matter and of each region with
    their standard errors, and how the sides differ. What needs to know tissue waits for ``Regions``; where there is no
    absolute flow, what does not need it is computed from the difference. A voxel counts as a tissue where it is over
    70 % of that; voxels that are no numbers are left out, and counted.
    """

    high_cbf: float = 150.0
    """Above which flow counts as high, mL/100 g/min."""

    _mask: NDArray[np.bool_] | None = field(default=None, init=False, repr=False)
    _regions: Regions | None = field(default=None, init=False, repr=False)
    _tissues: Tissues | None = field(default=None, init=False, repr=False)
    _maps: dict[MapName, Map] = field(default_factory=dict, init=False, repr=False)
    _pairs: dict[int, float] = field(default_factory=dict, init=False, repr=False)
    """Mean difference in gray matter of each pair that is used."""

    def start(self, scan: Scan) -> None:
        """Forget the scan before."""
        self._mask, self._regions, self._tissues = None, None, None
        self._maps, self._pairs = {}, {}

    def process(
        self, message: Map | Regions | Mask | Verdict
    ) -> Iterator[Map | Regions | Mask | Verdict | Measurement]:
        """Pass everything on; behind the last map of a set, measure it."""
        yield message
        if isinstance(message, Mask):
            self._mask = message.data
        elif isinstance(message, Regions):
            self._regions = message
            self._tissues = Tissues.of(message.gray_matter, message.white_matter, message.fluid)
        elif isinstance(message, Verdict):
            mean = message.features.get("gm_mean", math.nan)
            self._pairs.pop(message.pair, None)
            if message.accepted and math.isfinite(mean):
                self._pairs[message.pair] = mean
        elif message.name in _WANTED:
            self._maps[message.name] = message
            if message.name is _LAST and MapName.DELTAM in self._maps:
                maps, self._maps = self._maps, {}
                yield from self._measure(maps)

    # What is measured.

    def _measure(self, maps: dict[MapName, Map]) -> Iterator[Measurement]:
        """Measure one set of maps: flow, or the difference where there is none."""
        flow = MapName.CBF in maps and MapName.CBF_STDERR in maps
        shown, stderr = (
            maps[name] for name in ((MapName.CBF, MapName.CBF_STDERR) if flow else (MapName.DELTAM, _LAST))
        )
        fits = self._mask is not None and self._mask.shape == shown.data.shape and self._mask.any()
        inside = self._mask if fits and self._mask is not None else np.ones(shown.data.shape, np.bool_)
        rated, _ = rating(maps[MapName.DELTAM].data, maps[_LAST].data, inside)
        found = {Measure.RATING: float(rated)} if rated else {}
        found |= _of_the_brain(shown.data[inside], self.high_cbf if flow else None)
        yield from self._tell(found, shown, "")
        regions, tissues = self._regions, self._tissues
        if regions is None or tissues is None or regions.gray_matter.shape != shown.data.shape:
            return
        gray = tissues.places[0]
        found = {
            Measure.TEMPORAL_SNR: temporal_snr(_at(maps[MapName.DELTAM], gray), _at(maps[_LAST], gray), shown.pairs)
        }
        found |= _of_gray_matter(_at(shown, gray), _at(stderr, gray), shown.pairs)
        if flow:
            z, y, x = voxel_size(shown.place.geometry, shown.data.shape)[::-1].tolist()
            found |= dict(zip(_INDEX, quality_index(shown.data, inside, tissues, (z, y, x)), strict=True))
        yield from self._tell(found, shown, regions.source)
        yield from self._of_regions(maps, shown, stderr, regions, tissues)

    def _of_regions(
        self, maps: dict[MapName, Map], shown: Map, stderr: Map, regions: Regions, tissues: Tissues
    ) -> Iterator[Measurement]:
        """Tell the means of the tissues and of the regions, and how the sides differ."""
        names, gray = regions.names, tissues.places[0]
        means = [_mean(_at(shown, places), _at(stderr, places)) for places in tissues.places[:2]]
        labels = regions.labels.ravel()[gray].astype(np.intp)
        values = _at(shown, gray), _at(stderr, gray)
        by_region = dict(zip(names, means_by_region(*values, labels, len(names), _FEWEST), strict=True))
        yield self._say(Measure.GRAY_WHITE_RATIO, quotient(*means), shown, regions)
        for name, left in by_region.items():
            right = by_region.get(_RIGHT + name.removeprefix(_LEFT))
            if name.startswith(_LEFT) and right is not None:
                yield self._say(Measure.ASYMMETRY, asymmetry(left, right), shown, regions, name.removeprefix(_LEFT))
        if shown.name is not MapName.CBF:
            return
        shared = 0.0 if MapName.ATT in maps else shared_error(means[0], list(self._pairs.values()))
        for measure, mean in zip((Measure.MEAN_GRAY_MATTER_CBF, Measure.MEAN_WHITE_MATTER_CBF), means, strict=True):
            yield self._say(measure, mean.widened(shared), shown, regions)
        for name, mean in by_region.items():
            yield self._say(Measure.REGION_CBF, mean.widened(shared), shown, regions, name)
        if MapName.ATT in maps and MapName.ATT_STDERR in maps:
            times = _at(maps[MapName.ATT], gray), _at(maps[MapName.ATT_STDERR], gray)
            for name, mean in zip(names, means_by_region(*times, labels, len(names), _FEWEST), strict=True):
                yield self._say(Measure.REGION_ATT, mean, shown, regions, name)

    def _tell(self, found: dict[Measure, float], shown: Map, source: str) -> Iterator[Measurement]:
        for name, value in found.items():
            yield Measurement(name, value, shown.place, pairs=shown.pairs, source=source)

    def _say(self, name: Measure, found: Estimate, shown: Map, regions: Regions, region: str = "") -> Measurement:
        return Measurement(name, found.value, shown.place, found.stderr, region, shown.pairs, regions.source)


def _of_the_brain(values: NDArray[np.float32], high: float | None) -> dict[Measure, float]:
    """Tell what needs no tissue: whether there is a map, and which share of it is above a limit, if any."""
    known = values[np.isfinite(values)]
    found = {
        Measure.EMPTY_MAP: float(not known.any()),
        Measure.MISSING_VOXELS: 1 - known.size / values.size,
    }
    if high is not None:
        found[Measure.HIGH_CBF] = float(np.mean(known > high)) if known.size else math.nan
    return found


def _of_gray_matter(values: NDArray[np.float32], stderr: NDArray[np.float32], pairs: int) -> dict[Measure, float]:
    """Tell how gray matter varies, and how much of it is negative."""
    plain, debiased = spatial_variation(values, stderr)
    known = np.count_nonzero(np.isfinite(values))
    found = {
        Measure.SPATIAL_COV: plain,
        Measure.NEGATIVE_CBF: int(np.count_nonzero(values < 0)) / int(known) if known else math.nan,
    }
    return found | ({Measure.SPATIAL_COV_DEBIASED: debiased} if pairs >= _DEBIASED_FROM else {})


def _mean(values: NDArray[np.float32], stderr: NDArray[np.float32]) -> Estimate:
    return means_by_region(values, stderr, np.ones(values.size, np.intp), 1, _FEWEST)[0]


def _at(shown: Map, places: NDArray[np.intp]) -> NDArray[np.float32]:
    return shown.data.ravel()[places]
