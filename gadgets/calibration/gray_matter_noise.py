"""How much one pair of this scan varies, learned from its maps."""

import math
from collections.abc import Collection
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ...streaming.perfusion import Map, MapName
from ...streaming.quality import Regions
from ...streaming.scan import Scan
from ..kernels.lesion_scale import smoothed_variance
from ..kernels.pair_values import PairValues
from ..kernels.precision import Precision, own_variance

_GRAY = 0.7  # share of gray matter from which on a voxel counts
_FEWEST = 30  # such voxels; with fewer the brain stands in
_LEEWAY = 0.7  # of the variance of a fit, which swings with the delays of the latest pairs
_RELATIVE = (MapName.DELTAM, MapName.DELTAM_STDERR)
_ABSOLUTE = (MapName.CBF, MapName.CBF_STDERR)

USED = (*_ABSOLUTE, *_RELATIVE)
"""Maps that tell of it; those that are there come in this order."""


@dataclass(slots=True)
class GrayMatterNoise:
    """Follows the maps from pair to pair, and tells how noisy one pair is in gray matter.

    The voxels' noise stands in the standard errors. What gray matter varies as a whole is told by its mean, pair by
    pair: that of the difference, which follows its pairs exactly whatever becomes of M0. Flow that is fitted to several
    delays is followed itself, and the pairs until each delay has come once tell nothing of the spread.
    """

    scan: Scan = field(default_factory=Scan)
    scale: float = 0.0
    """Full width at half maximum of the smoothing that voxels are judged after, m."""
    regions: Regions | None = None
    brain: NDArray[np.bool_] | None = None
    absolute: bool = False
    """Whether the latest maps are of CBF."""
    _maps: dict[MapName, Map] = field(default_factory=dict)
    _values: PairValues = field(default_factory=PairValues)
    _skipped: int = 1
    _volume: int = -1

    def take(self, message: Map) -> None:
        """Take one of the maps that are used."""
        self._maps[message.name] = message

    def lay(self, regions: Regions) -> None:
        """Take where gray matter is; what the pairs said so far is said again of it."""
        self.regions = regions
        followed = self._followed
        if followed is not None:
            self._values.follow(followed.pairs, self._mean_of(followed))

    def learn(self, latest: Map, names: Collection[int] = ()) -> Precision | None:
        """Find the noise of one pair, the voxels' own and the common one; none where the maps do not tell.

        ``names`` says which pairs are in the maps, where anybody knows.
        """
        self._maps = {name: made for name, made in self._maps.items() if made.pairs == latest.pairs}
        pairs, absolute = latest.pairs, all(name in self._maps for name in _ABSOLUTE)
        if absolute != self.absolute:
            self.absolute = absolute
            if self._fitted:
                self._values, self._skipped = PairValues(), max(pairs, self._several)
        followed = self._followed
        if followed is None or (self._fitted and not absolute):
            return None  # delays differ in what they show, and no fit says how
        grown = latest.place.volume > self._volume
        self._volume = max(self._volume, latest.place.volume)
        followed_mean = self._mean_of(followed)
        self._values.follow(pairs, followed_mean, names, grown)
        flow, stderr = (self._maps[name] for name in (_ABSOLUTE if absolute else _RELATIVE))
        mean = self._mean_of(flow)
        if not (followed_mean and mean and math.isfinite(mean)):
            return None
        scale = 1.0 if absolute else 1 / mean
        variance, share = self._voxels(stderr.data)
        known = variance[np.isfinite(variance)] * (pairs * scale**2)
        if not known.size:
            return None
        skipped = self._skipped if self._fitted else 0
        common = self._values.variance(skipped) * (mean * scale / followed_mean) ** 2
        common = common if math.isfinite(common) else 0.0
        median = float(np.median(known))
        # The posterior of a fit knows its noise without bias; a sample variance has a median below its mean.
        own = max(median - common, 0.0) if self._fitted else own_variance(median, common, max(pairs - 1, 1) / share)
        leeway = _LEEWAY if self._fitted else 1.0
        return Precision(mean * scale, own, common, known.size, max(skipped, 1), share, leeway)

    @property
    def _several(self) -> int:
        """How many pairs show every delay once; all delays of a time-encoded cycle come at once."""
        return 1 if self.scan.labeling.time_encoding is not None else max(len(self.scan.labeling.boluses), 1)

    @property
    def _fitted(self) -> bool:
        """Whether flow comes from a fit of several delays, and its error from a posterior."""
        return len(self.scan.labeling.boluses) > 1

    @property
    def _followed(self) -> Map | None:
        return self._maps.get(MapName.CBF if self.absolute and self._fitted else MapName.DELTAM)

    def _mean_of(self, made: Map) -> float:
        values = made.data[self._gray(made.data.shape)]
        known = values[np.isfinite(values)]
        return float(known.mean(dtype=np.float64)) if known.size else math.nan

    def _gray(self, shape: tuple[int, ...]) -> NDArray[np.bool_]:
        """Give the voxels that count as gray matter; all of the brain where there are no regions."""
        if self.regions is not None and self.regions.gray_matter.shape == shape:
            gray = self.regions.gray_matter > _GRAY
            if np.count_nonzero(gray) >= _FEWEST:
                return gray
        return self._inside(shape)

    def _inside(self, shape: tuple[int, ...]) -> NDArray[np.bool_]:
        return self.brain if self.brain is not None and self.brain.shape == shape else np.ones(shape, np.bool_)

    def _voxels(self, stderr: NDArray[np.float32]) -> tuple[NDArray[np.float64], float]:
        """Give the squared errors of gray voxels, and what smoothing leaves of what they do not share."""
        gray, encoding = self._gray(stderr.shape), self.scan.encoding
        if not self.scale or encoding is None:
            return np.square(stderr[gray], dtype=np.float64), 1.0
        lengths = zip(encoding.recon_field_of_view, encoding.recon_matrix, strict=True)
        x, y, z = (length / max(count, 1) for length, count in lengths)
        squares = np.square(stderr, dtype=np.float64)
        smoothed = smoothed_variance(squares, (z, y, x), self.scale, self._inside(stderr.shape))
        variance, share = smoothed.variance[gray], smoothed.share[gray]
        known = np.isfinite(variance)
        if not known.any():
            return variance, 1.0
        # At the edge of the brain noise is larger, and smoothing leaves more of it: not the median of either.
        return variance, float(np.median((variance * share)[known]) / np.median(variance[known]))
