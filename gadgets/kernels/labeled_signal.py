"""What the differences of control and label show of labeled blood, region by region, and how sure that is."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .estimate import UNKNOWN, Estimate
from .kinds import numbered, spread_within_kinds
from .polarity import t_over_pairs

LATEST = 3
"""Pairs that are compared with all before them."""
_FEWEST_ALIKE = 4
_SPOILED = 8.0  # robust standard deviations
_CERTAIN = 3.0  # standard errors that a signal is above 0 before anything is compared with it


class Signal(NamedTuple):
    """Labeled blood in the gray matter of one difference."""

    pair: int
    kind: Hashable
    """Its bolus; differences of one kind should be alike."""
    sums: NDArray[np.float64]
    """Of control - label, by region; the first is gray matter that belongs to no region."""
    variances: NDArray[np.float64]
    """Of the sums, by what voxels differ within their region."""
    usual: float
    """What the sum of all regions is with usual flow; 1 where that is not known."""
    late: bool = True
    """Whether it was read so late that blood has come everywhere."""


@dataclass
class SignalHistory:
    """The signals of all pairs so far; nothing can be asked of it while there are none."""

    reference: NDArray[np.float64]
    """What sums are divided by to be comparable, by region: that of M0, else the number of voxels."""
    signals: list[Signal] = field(default_factory=list)

    @property
    def pairs(self) -> int:
        """Pairs so far."""
        return len({signal.pair for signal in self.signals})

    def remove(self, pair: int) -> None:
        """Forget a pair."""
        self.signals = [signal for signal in self.signals if signal.pair != pair]

    def t(self) -> float:
        """Give Student's t of the mean over pairs, grossly spoiled ones left out."""
        totals, variances, kinds = _totals(self.typical())
        return t_over_pairs(totals, variances, kinds)

    def share(self) -> Estimate:
        """Give the signal over that of usual flow, each difference weighted by what is expected of it.

        ``sum p S / sum p^2``, the least-squares factor between signals S and predictions p of the same noise.
        """
        typical = self.typical()
        totals, variances, kinds = _totals(typical)
        usual = np.array([signal.usual for signal in typical])
        information = float(np.sum(usual**2))
        if not information > 0:
            return UNKNOWN
        spread = spread_within_kinds(totals, variances, kinds)
        return Estimate(float(np.sum(usual * totals)) / information, (spread / information) ** 0.5)

    def change(self) -> Estimate:
        """Give the signal of the latest 3 pairs over that of the pairs before, delay by delay.

        Against the mean b of earlier differences of the same kind, ``sum p S / sum p b``; the variance is that within
        kinds, within the latest and within the earlier pairs. No answer while a delay of the latest pairs was not seen
        before, or what was seen before is less than 3 standard errors.
        """
        order = list(dict.fromkeys(signal.pair for signal in self.signals))
        latest = np.isin([signal.pair for signal in self.signals], order[-LATEST:])
        totals, variances, kinds = _totals(self.signals)
        numbers = numbered(kinds)
        seen = np.bincount(numbers, ~latest)
        if len(order) <= LATEST or np.any(seen[numbers[latest]] == 0):
            return UNKNOWN
        usual = np.array([signal.usual for signal in self.signals])
        means = np.divide(np.bincount(numbers, totals * ~latest), seen, out=np.zeros(len(seen)), where=seen > 0)
        groups = list(zip(kinds, latest.tolist(), strict=True))
        spread = spread_within_kinds(totals, variances, groups)
        before = float(np.sum((usual * means[numbers])[latest]))
        by_kind = np.bincount(numbers, usual * latest)
        variance_before = spread * float(np.sum(by_kind[seen > 0] ** 2 / seen[seen > 0]))
        if not before > _CERTAIN * variance_before**0.5:
            return UNKNOWN
        ratio = float(np.sum((usual * totals)[latest])) / before
        variance = spread * float(np.sum(usual[latest] ** 2)) + ratio**2 * variance_before
        return Estimate(ratio, variance**0.5 / before)

    def regions(self, numbers: Sequence[int]) -> list[Estimate]:
        """Give the signal of each region over that of all other regions, both over their reference, at late readouts.

        Late, because blood that only comes late is another matter: label that fails is missing for good. The variance
        is that of a ratio of means, ``sum (a - r b)^2 / (n (n - 1) mean(b)^2)``, and at least what the voxels tell.
        """
        late = [signal for signal in self.typical() if signal.late]
        if not late:
            return [UNKNOWN] * len(numbers)
        sums, variances = np.stack([signal.sums for signal in late]), np.stack([signal.variances for signal in late])
        found = []
        for number in numbers:
            own, whole = self.reference[number], self.reference[1:].sum() - self.reference[number]
            if not (own > 0 and whole > 0):
                found.append(UNKNOWN)
                continue
            here, there = sums[:, number] / own, (sums[:, 1:].sum(axis=1) - sums[:, number]) / whole
            others = (variances[:, 1:].sum(axis=1) - variances[:, number]) / whole**2
            found.append(
                _ratio_of_means(here, there, float(variances[:, number].mean()) / own**2, float(others.mean()))
            )
        return found

    def typical(self) -> list[Signal]:
        """Give the signals that are not grossly spoiled, as by movement between control and label.

        One pair that moved may show ten times as much as blood ever does, and then no mean tells anything. What
        differs from the median of its kind by more than 8 robust standard deviations is left out, where 4 or more are
        alike; the deviation is at least that by the voxels, and a tenth of the median.
        """
        totals, variances, kinds = _totals(self.signals)
        numbers = numbered(kinds)
        kept = np.ones(len(totals), np.bool_)
        for number in np.unique(numbers):
            alike = numbers == number
            if np.count_nonzero(alike) < _FEWEST_ALIKE:
                continue
            values, usual = totals[alike], float(np.median(totals[alike]))
            spread = 1.4826 * float(np.median(np.abs(values - usual)))
            least = max(float(np.median(variances[alike])) ** 0.5, 0.1 * abs(usual))
            kept[alike] = np.abs(values - usual) <= _SPOILED * max(spread, least)
        return [signal for signal, one in zip(self.signals, kept, strict=True) if one]


def _totals(signals: Sequence[Signal]) -> tuple[NDArray[np.float64], NDArray[np.float64], list[Hashable]]:
    """Give the sums over all gray matter, their variances by the voxels, and their kinds."""
    totals = np.stack([signal.sums for signal in signals]).sum(axis=1)
    variances = np.stack([signal.variances for signal in signals]).sum(axis=1)
    return totals, variances, [signal.kind for signal in signals]


def _ratio_of_means(
    above: NDArray[np.float64], below: NDArray[np.float64], noise_above: float, noise_below: float
) -> Estimate:
    """Divide the means of numbers that come in twos; the noise is the least variance of one of them."""
    count, mean = len(below), float(below.mean())
    if not mean > _CERTAIN * (noise_below / count) ** 0.5:
        return UNKNOWN
    ratio = float(above.mean()) / mean
    spread = float(np.sum((above - ratio * below) ** 2)) / (count - 1) if count > 1 else 0.0
    return Estimate(ratio, (max(spread, noise_above + ratio**2 * noise_below) / count) ** 0.5 / mean)
