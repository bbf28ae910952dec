"""The running mean of all pairs, bolus by bolus."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from math import isfinite
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..streaming.flow import Place
from ..streaming.gadget import Gadget
from ..streaming.notices import Level, Notice
from ..streaming.perfusion import Difference, MeanDifference, Remove
from ..streaming.scan import Bolus, Scan
from .kernels.running import RunningMean, summarize

_MOST_BOLUSES = 128  # more delays than any scan has; each costs 16 bytes per voxel


class _Kept(NamedTuple):
    values: NDArray[np.float32]
    """Shape ``(z, voxels)``."""
    weight: float
    slices: NDArray[np.bool_] | None


@dataclass
class Average(Gadget):
    """Averages the pairs so far, and tells how sure the mean is; a pair can be taken out again.

    Each bolus, of one delay and labeling duration, has a mean of its own, its differences weighted by the information
    in them: Welford's running mean and sum of squares in float64; ``stderr = sqrt(s / (n - 1) / W)``, W the sum of the
    weights, NaN below two differences. The variance of a difference is that around all means, pooled: ``sum of s / sum
    of (n - 1)``. The result equals the batch one to rounding, also after removals. A mean goes out when the last
    difference of a pair or cycle has come; a bolus whose differences were all taken out is gone. A difference may count
    in some of its slices only: n, W and degrees of freedom are those of each slice, and where a bolus has nothing in a
    slice its mean is NaN.
    """

    kept_pairs: int = 256
    """Latest pairs, or cycles, that can still be taken out; each difference of one costs 4 bytes per voxel."""

    _means: dict[Bolus | None, RunningMean] = field(default_factory=dict, init=False, repr=False)
    _pairs: int = field(default=0, init=False, repr=False)
    _kept: dict[int, dict[Bolus | None, _Kept]] = field(default_factory=dict, init=False, repr=False)
    _only: Bolus | None = field(default=None, init=False, repr=False)
    _several: bool = field(default=False, init=False, repr=False)
    _place: Place | None = field(default=None, init=False, repr=False)
    _shape: tuple[int, ...] = field(default=(), init=False, repr=False)
    _complex: bool = field(default=False, init=False, repr=False)
    _changed: bool = field(default=False, init=False, repr=False)

    def start(self, scan: Scan) -> None:
        """Begin with no pairs."""
        boluses = scan.labeling.boluses
        self._only, self._several = boluses[0] if len(boluses) == 1 else None, len(boluses) > 1
        self._means, self._kept, self._pairs, self._place, self._shape = {}, {}, 0, None, ()
        self._complex, self._changed = False, False

    def process(self, message: Difference | Remove) -> Iterator[MeanDifference | Notice]:
        """Add a difference to its mean, or take those of a pair out again."""
        if isinstance(message, Difference):
            yield from self._add(message)
        else:
            yield from self._remove(message.pair)
        if message.last:
            yield from self._tell()

    def finish(self) -> Iterator[MeanDifference | Notice]:
        """Give the mean with the differences of a cycle that never became complete."""
        yield from self._tell()

    def _add(self, message: Difference) -> Iterator[Notice]:
        bolus = self._only if message.bolus is None else message.bolus
        if not self._shape:
            self._shape, self._complex = message.data.shape, message.complex_subtraction
        fault = self._fault(message, bolus)
        if fault:
            yield Notice(f"Pair {message.pair} {fault}, and is left out.")
            return
        planes = np.ascontiguousarray(message.data).reshape(self._shape[0], -1)
        kept = _Kept(planes, message.weight, None if message.slices is None else np.array(message.slices, np.bool_))
        if message.pair not in self._kept:
            self._pairs += 1
            self._kept[message.pair] = {}
            if len(self._kept) > max(self.kept_pairs, 1):
                del self._kept[next(iter(self._kept))]
        self._kept[message.pair][bolus] = kept
        if bolus not in self._means:
            self._means[bolus] = RunningMean(*planes.shape)
        self._means[bolus].add(*kept)
        if self._place is None or message.place.volume >= self._place.volume:  # an earlier pair may come back
            self._place = message.place
        self._changed = True

    def _fault(self, message: Difference, bolus: Bolus | None) -> str:
        """Tell why a difference cannot go into the mean; nothing where it can."""
        if message.data.shape != self._shape or bolus in self._kept.get(message.pair, {}):
            return f"of shape {message.data.shape} does not fit the mean"
        if not (isfinite(message.weight) and message.weight > 0):
            return f"of weight {message.weight:g} tells nothing"
        if message.slices is not None and len(message.slices) != self._shape[0]:
            return f"says which of {len(message.slices)} slices count, and has {self._shape[0]}"
        if message.slices is not None and not any(message.slices):
            return "has no slice that counts"
        odd = message.data.size - np.count_nonzero(np.isfinite(message.data))
        if odd:
            return f"has {odd} voxels that are no numbers, which would stay in the mean"
        if bolus is None and self._several:
            return "has no PostLabelingDelay in a scan of several delays"
        if bolus not in self._means and len(self._means) == _MOST_BOLUSES:
            return f"has one PostLabelingDelay or LabelingDuration more than the {_MOST_BOLUSES} that are averaged"
        return ""

    def _remove(self, pair: int) -> Iterator[Notice]:
        differences = self._kept.pop(pair, None)
        if differences is None:
            yield Notice(f"Pair {pair} is not in the mean any more, or never was: nothing was taken out.")
            return
        for bolus, kept in differences.items():
            running = self._means[bolus]
            running.remove(*kept)
            if running.empty:
                del self._means[bolus]
        self._pairs -= 1
        self._changed = True

    def _tell(self) -> Iterator[MeanDifference | Notice]:
        """Give what has changed since the last time."""
        if not self._changed or self._place is None:
            return
        self._changed = False
        if not self._means:
            yield Notice("The last pair was taken out: there is no perfusion map until another pair comes.", Level.INFO)
            return
        boluses = sorted(self._means, key=lambda bolus: (bolus is not None, bolus or ()))
        means = [self._means[bolus] for bolus in boluses]
        mean, stderr, variance, degrees = summarize(means)
        shape = len(means), *self._shape
        yield MeanDifference(
            mean.reshape(shape),
            stderr.reshape(shape),
            self._place,
            self._pairs,
            self._complex,
            tuple(boluses),
            np.stack([running.weights for running in means]),
            None if variance is None else variance.reshape(self._shape),
            int(degrees[degrees > 0].min(initial=degrees.max())),
            degrees,
        )
