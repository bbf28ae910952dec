"""Whether the blood looks labeled: in the right order, strongly enough, all the time and in all territories."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from ..streaming.flow import Mask
from ..streaming.gadget import Gadget
from ..streaming.notices import Measure, Measurement
from ..streaming.perfusion import M0, Difference, Physiology, Remove, SliceTimes
from ..streaming.quality import Regions
from ..streaming.scan import Bolus, Labeling, Scan
from .calibration.ingredients import Ingredients
from .calibration.usual_difference import usual_difference
from .kernels.estimate import Estimate
from .kernels.gray_matter import GrayMatter
from .kernels.labeled_signal import Signal, SignalHistory

_TERRITORIES = ("anterior", "middle", "posterior")
_FEWEST = 20  # voxels of a territory that say anything about it


@dataclass
class CheckLabeling(Gadget):
    """Looks at each difference of control and label for blood: is it there, is it positive, is it everywhere.

    In gray matter, without its map in the brain: Student's t over the pairs (``order_t``), the signal over that of a
    flow of 50 with the constants of the scan (``labeling_share``), the latest 3 pairs over those before
    (``labeling_change``), and each of the six territories over all others (``region_ratio``), of deltam / M0, at the
    later half of the delays. Every pair counts here, also one that is rejected later. The difference goes on first.
    """

    least_share: float = 0.5
    """Share of gray matter from which on a voxel counts as such."""

    _labeling: Labeling = field(default_factory=Labeling, init=False, repr=False)
    _with: Ingredients = field(default_factory=Ingredients, init=False, repr=False)
    _regions: Regions | None = field(default=None, init=False, repr=False)
    _gray: GrayMatter | None = field(default=None, init=False, repr=False)
    _history: SignalHistory | None = field(default=None, init=False, repr=False)
    _predicted: dict[Bolus | None, float] = field(default_factory=dict, init=False, repr=False)

    def start(self, scan: Scan) -> None:
        """Forget the scan before."""
        self._labeling, self._with, self._regions = scan.labeling, Ingredients(), None
        self._gray, self._history, self._predicted = None, None, {}

    def process(
        self, message: Difference | Remove | Regions | Mask | M0 | Physiology | SliceTimes
    ) -> Iterator[Difference | Remove | Regions | Mask | M0 | Physiology | SliceTimes | Measurement]:
        """Pass everything on; then look at a difference."""
        yield message
        if isinstance(message, Difference):
            self._add(message)
            if message.last:
                yield from self._measure(message)
        elif isinstance(message, Remove):
            if self._history is not None:
                self._history.remove(message.pair)
        else:
            if isinstance(message, Regions):
                self._regions = message
            else:
                self._with.take(message)
            if not isinstance(message, M0) or message.anew:
                self._gray, self._history, self._predicted = None, None, {}  # what was summed before is not comparable

    def _add(self, difference: Difference) -> None:
        gray = self._gray
        if gray is None or gray.shape != difference.data.shape:
            gray = self._gray = self._gray_matter(difference.data.shape)
            self._history, self._predicted = SignalHistory(gray.reference), {}
        if self._history is None:
            return
        bolus = self._bolus(difference)
        sums, variances = gray.sums(difference.data)
        usual, late = self._usual(bolus, gray), self._late(bolus)
        self._history.signals.append(Signal(difference.pair, bolus, sums, variances, usual, late))

    def _gray_matter(self, shape: tuple[int, ...]) -> GrayMatter:
        m0, regions = self._with.m0_of(shape), self._regions
        inside = self._with.brain_of(shape) if m0 is None else self._with.brain_of(shape) & (m0.data > 0)
        labels = np.zeros(shape, np.uint8)
        if regions is not None and regions.gray_matter.shape == shape:
            inside = inside & (regions.gray_matter >= self.least_share)
            labels = regions.labels
        return GrayMatter.of(inside, labels, None if m0 is None else m0.data, len(self._names))

    @property
    def _names(self) -> tuple[str, ...]:
        return self._regions.names if self._regions is not None else ()

    def _bolus(self, difference: Difference) -> Bolus | None:
        boluses = self._labeling.boluses
        return boluses[0] if difference.bolus is None and len(boluses) == 1 else difference.bolus

    def _usual(self, bolus: Bolus | None, gray: GrayMatter) -> float:
        """Give what usual flow gives in all gray matter, relative to M0 if that is not known; 1 where nothing tells."""
        if bolus not in self._predicted:
            offsets = self._with.offsets(gray.shape[0])
            by_slice = usual_difference(self._labeling, self._with.stated, bolus, offsets)
            self._predicted[bolus] = 1.0 if by_slice is None else gray.of_slices(by_slice)
        return self._predicted[bolus]

    def _late(self, bolus: Bolus | None) -> bool:
        """Tell whether a bolus is read in the later half of all readouts."""
        ends = sorted(sum(each) for each in self._labeling.boluses)
        return bolus is None or not ends or sum(bolus) >= ends[len(ends) // 2]

    def _measure(self, difference: Difference) -> Iterator[Measurement]:
        history, gray = self._history, self._gray
        if history is None or gray is None or not history.signals:
            return
        source = "" if self._regions is None else self._regions.source

        def tell(name: Measure, estimate: Estimate, region: str = "") -> Measurement:
            value, stderr = estimate
            return Measurement(name, value, difference.place, stderr, region, history.pairs, source)

        yield tell(Measure.ORDER_T, Estimate(history.t()))
        yield tell(Measure.LABELING_CHANGE, history.change())
        if self._regions is None:
            return
        if self._known(difference):
            yield tell(Measure.LABELING_SHARE, history.share())
        territories = {
            number: name
            for number, name in enumerate(self._names, 1)
            if name.endswith(_TERRITORIES) and gray.counts[number] >= _FEWEST
        }
        for name, ratio in zip(territories.values(), history.regions(list(territories)), strict=True):
            yield tell(Measure.REGION_RATIO, ratio, name)

    def _known(self, difference: Difference) -> bool:
        """Tell whether all constants are there that say how much signal there should be."""
        bolus, m0 = self._bolus(difference), self._with.m0_of(difference.data.shape)
        return m0 is not None and usual_difference(self._labeling, self._with.stated, bolus, (0.0,)) is not None
