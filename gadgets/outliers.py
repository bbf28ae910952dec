"""Leaving out pairs that are not like the others."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from enum import StrEnum
from math import inf, isnan

import numpy as np
from numpy.typing import NDArray

from ..streaming.errors import ConfigError
from ..streaming.flow import Mask, Volume
from ..streaming.gadget import Gadget
from ..streaming.notices import Measurement
from ..streaming.perfusion import Difference, Remove, TissueMaps
from ..streaming.quality import Motion, Regions, Verdict
from ..streaming.scan import Bolus, Labeling, Scan
from .calibration.judged_pair import JudgedPair, Use
from .calibration.pair_evidence import Evidence, PairEvidence
from .calibration.pair_reasons import Limits, by_itself, of_pair, of_slices
from .kernels.grating import gratings
from .kernels.keep import Judgment, judge, majority, z_of_spread
from .kernels.pair_sums import Layout, PairSums
from .kernels.robust import FEWEST, huber_weight

_FIRST_TISSUE = 0.5  # share of a voxel from which it counts as of one tissue
_BEND = 1.5 * 1.345  # the worst of three features bends, and clean data shall lose less than 2 % of weight
_USUAL_SHARE = 0.1  # by which ghosts and DVARS differ from volume to volume without anybody minding
_UNLIKE_DELAYS = 0.3  # by which the spread over the brain differs between delays
_RESTLESS = 2.0  # times the median displacement: where everybody moves, only those who move more are left out


class OutlierMode(StrEnum):
    """What becomes of pairs that are not like the others."""

    REJECT = "reject"
    HUBER = "huber"
    OFF = "off"


@dataclass
class RejectOutliers(Gadget):
    """Leaves out pairs, or single slices of them, that are spoilt by motion, spikes or lost labels, and says why.

    Each new pair is compared with the others, and the others with it: a pair that turns out bad later is taken out, and
    put back when the evidence changes. At once: displacement between control and label, stripes of a spike. From 4
    pairs on, as in SCORE (Dolui et al., JMRI 45:1786 (2017)): mean of control - label in gray matter and standard
    deviation over the brain, by their robust z; then the correlation with the mean of the other pairs, and pairs with
    lost lines, spikes, ghosts or DVARS above the others', only if the mean is more even within the tissues without
    them. What is usual is told by the pairs in use, as long as they are half of all: after a permanent change the
    majority wins, a tie goes to what was there before, and pairs without blood never win. In 2-D each slice is judged
    by itself as well. Several delays are compared each with its own, from 4 pairs of it on; until then only the spread
    over the brain counts, across delays. Of time-encoded scans whole cycles are judged, unless ``decode`` has repaired
    them.
    """

    mode: OutlierMode = OutlierMode.REJECT
    """``reject``; ``huber``: pairs unlike the others count less, ``min(1, 2.02 / |z|)`` of their worst z, and only what
    breaks an absolute limit, or shows no blood, is left out; ``off``: verdicts are given, and nothing is left out, with
    the reasons why it would have been."""
    slice_wise: bool = True
    """Whether single slices of a 2-D scan may be left out."""
    limit: float = 3.5
    """Robust z; with few pairs it stands for a larger distance, so that no more good pairs are beyond it."""
    least_blood: float = 0.4
    """Share of the blood that the other pairs show; a pair with less was not labeled, as flow does not stop."""
    displacement_limit: float = 0.5e-3
    """Largest displacement between control and label that were not moved back, m."""
    corrected_displacement_limit: float = 2e-3
    """The same where motion was corrected, m: what moves while a volume is read stays in it."""
    stripe_limit: float = 0.5
    """Largest stripes of a spike in the difference, root mean square over the standard deviation of noise. Of a 2-D
    scan only the slices beyond it are left out, if they are as many as the readouts with a spike."""
    gain_limit: float = 0.05
    """Largest share by which the signal may differ from that of the first volumes, which M0 fits. Without any pair
    within it there is no limit."""
    kept_pairs: int = 256
    """Latest pairs that are judged again; each costs 4 bytes per voxel of the brain beside what ``average`` keeps."""

    _labeling: Labeling = field(default_factory=Labeling, init=False, repr=False)
    _evidence: PairEvidence = field(default_factory=lambda: PairEvidence(Labeling()), init=False, repr=False)
    _cycles: bool = field(default=False, init=False, repr=False)
    _by_slice: bool = field(default=False, init=False, repr=False)
    _two_dimensional: bool = field(default=False, init=False, repr=False)
    _units: dict[int, JudgedPair] = field(default_factory=dict, init=False, repr=False)
    _waiting: list[Difference] = field(default_factory=list, init=False, repr=False)
    _shape: tuple[int, ...] = field(default=(), init=False, repr=False)
    _mask: NDArray[np.bool_] | None = field(default=None, init=False, repr=False)
    _tissues: TissueMaps | Regions | None = field(default=None, init=False, repr=False)
    _sums: PairSums | None = field(default=None, init=False, repr=False)

    def start(self, scan: Scan) -> None:
        """Forget the scan before."""
        if not 0 <= self.least_blood < 1:
            raise ConfigError(f"outliers.least_blood cannot be {self.least_blood:g}: it is a share, from 0 to below 1.")
        for name in ("limit", "displacement_limit", "corrected_displacement_limit", "stripe_limit", "gain_limit"):
            if not getattr(self, name) > 0:
                raise ConfigError(f"outliers.{name} cannot be {getattr(self, name):g}: it is above 0.")
        self._labeling, self._evidence = scan.labeling, PairEvidence(scan.labeling)
        self._two_dimensional = not scan.three_dimensional
        self._by_slice = self.slice_wise and self._two_dimensional
        self._cycles = scan.labeling.time_encoding is not None
        self._units, self._waiting, self._shape = {}, [], ()
        self._mask, self._tissues, self._sums = None, None, None

    def process(
        self, message: Difference | Remove | Motion | Measurement | Volume | Mask | TissueMaps | Regions
    ) -> Iterator[Difference | Remove | Verdict | Motion | Measurement | Volume | Mask | TissueMaps | Regions]:
        """Judge the pairs when a new one comes; let all that is looked at pass on."""
        if isinstance(message, Difference):
            yield from self._take(message)
        elif isinstance(message, Remove):
            yield from self._withdraw(message)
        else:
            yield message
            if isinstance(message, Mask):
                self._mask = message.data
                self._measure_anew()
            elif isinstance(message, TissueMaps) or (isinstance(message, Regions) and self._tissues is None):
                self._tissues = message
                self._measure_anew()
            elif not isinstance(message, TissueMaps | Regions):
                yield from self._hear(message)

    def finish(self) -> Iterator[Difference]:
        """Let go the parts of a cycle that never became whole."""
        yield from self._waiting
        self._waiting = []

    # What comes.

    def _take(self, message: Difference) -> Iterator[Difference | Remove | Verdict]:
        """Take a pair in, or a part of a cycle; judge all when it is whole."""
        self._waiting.append(message)
        if not message.last:
            return
        parts, self._waiting = self._waiting, []
        before = self._units.get(message.pair)
        unit = JudgedPair(message.pair, message.place, parts, bolus=message.bolus)
        if before is not None:
            unit.sent, unit.told = before.sent, before.told
        self._units[message.pair] = unit
        self._compare(unit)
        self._inform(unit)
        while len(self._units) > max(self.kept_pairs, 1):
            oldest = next(iter(self._units))
            del self._units[oldest]
            if self._sums is not None:
                self._sums.forget(oldest)
        yield from self._decide(unit)

    def _withdraw(self, message: Remove) -> Iterator[Remove | Verdict | Difference]:
        """Forget what ``decode`` takes back; it goes on at once only if nothing comes in its place."""
        unit = self._units.get(message.pair)
        if unit is None:
            yield message
            return
        unit.parts, unit.image = [], None
        if self._sums is not None:
            self._sums.forget(unit.pair)
        if message.last:
            yield from self._flush()
            del self._units[message.pair]

    def _hear(self, message: Motion | Measurement | Volume) -> Iterator[Difference | Remove | Verdict]:
        """Take what is said of a volume; judge anew what was judged without it."""
        pair = self._evidence.take(message)
        unit = None if pair is None else self._units.get(pair)
        if unit is not None and unit.parts and isinstance(message, Measurement) and message.value > 0:
            self._inform(unit)
            yield from self._decide(None)

    # What it is compared by.

    def _compare(self, unit: JudgedPair) -> None:
        """Measure what a pair has in common with the others, if it can be compared with them."""
        data = [part.data for part in unit.parts]
        self._shape = self._shape or data[0].shape
        encoded = self._labeling.time_encoding is not None
        whole = not encoded or {part.bolus for part in unit.parts} >= set(self._labeling.boluses)
        if not whole or any(part.data.shape != self._shape or part.weight < 1 for part in unit.parts):
            return
        image = data[0] if len(data) == 1 else np.asarray(np.mean(data, axis=0, dtype=np.float32), np.float32)
        if self._sums is None:
            self._sums = PairSums(self._layout())
        if self._sums.add(unit.pair, image):  # else average says what is wrong with it
            unit.image = image

    def _inform(self, unit: JudgedPair) -> None:
        """Look up what is said of the volumes of a pair, and look for the stripes of a spike."""
        unit.evidence = self._evidence.of(unit.pair, unit.place)
        if unit.image is not None and unit.stripes is None and unit.evidence.spikes > 0:
            unit.stripes = gratings(unit.image, self._two_dimensional)

    def _layout(self) -> Layout:
        """Say which voxels are brain, and of which tissue."""
        tissue = np.zeros(self._shape, np.int8)
        if self._tissues is not None and self._tissues.gray_matter.shape == self._shape:
            maps = self._tissues.gray_matter, self._tissues.white_matter, self._tissues.fluid
            for number, share in enumerate(maps, 1):
                tissue[share > _FIRST_TISSUE] = number
        if self._mask is not None and self._mask.shape == self._shape and self._mask.any():
            tissue[~self._mask] = -1
        return Layout.of(tissue, self._by_slice)

    def _measure_anew(self) -> None:
        """Measure all pairs again, as other voxels are looked at now."""
        if self._sums is None:
            return
        self._sums = PairSums(self._layout())
        for unit in self._units.values():
            if unit.image is not None and not self._sums.add(unit.pair, unit.image):
                unit.image = None

    # Judging.

    def _decide(self, new: JudgedPair | None) -> Iterator[Difference | Remove | Verdict]:
        """Judge all pairs, send what has changed, and say so."""
        limits = self._judge(new)
        yield from self._flush()
        for unit in self._units.values():
            anew = unit.told is not None
            if unit.news(unit is new):
                yield self._verdict(unit, limits, anew)

    def _judge(self, new: JudgedPair | None) -> Limits:
        units = [unit for unit in self._units.values() if unit.parts]
        limits = self._limits([unit.evidence for unit in units])
        if all(self._by_itself(unit, limits) for unit in units):
            limits = limits._replace(gain=inf)  # a map on a wrong scale is better than none; the alarm tells
        before = {unit.pair for unit in units if unit.kept or unit is new}
        for unit in units:
            unit.judgment, unit.use = None, Use()
            unit.kept = not self._by_itself(unit, limits)
        for group in self._groups([unit for unit in units if unit.image is not None]):
            self._judge_group(group, before, limits)
        return limits

    def _by_itself(self, unit: JudgedPair, limits: Limits) -> tuple[str, ...]:
        return by_itself(unit.evidence, unit.stripes, limits, self._spiked_slices(unit, limits) is not None)

    def _spiked_slices(self, unit: JudgedPair, limits: Limits) -> NDArray[np.bool_] | None:
        """Tell which slices have spikes, where leaving them out is enough: each spiked readout must show in one."""
        if not self._by_slice or unit.stripes is None:
            return None
        spiked = unit.stripes > limits.stripes
        return spiked if unit.evidence.spikes <= np.count_nonzero(spiked) <= len(spiked) / 2 else None

    def _limits(self, evidence: list[Evidence]) -> Limits:
        """Give the limits; where the patient never lies still, that of displacement is twice the usual one."""
        moved = [found.fd_cl for found in evidence if not isnan(found.fd_cl)]
        usual = _RESTLESS * float(np.median(moved)) if len(moved) >= FEWEST else 0.0
        still, corrected = max(self.displacement_limit, usual), max(self.corrected_displacement_limit, usual)
        spiky = sum(found.spikes > 0 for found in evidence)
        spikes = inf if 2 * spiky > len(evidence) else 0.0  # where most pairs have some, those that show are enough
        gain = self.gain_limit
        if self._cycles:
            spikes = gain = inf  # a spoiled image is one of many in its cycle, and has been replaced when it is decoded
        return Limits(still, corrected, self.stripe_limit, self.limit, self.least_blood, gain, spikes)

    def _groups(self, units: list[JudgedPair]) -> Iterator[list[JudgedPair]]:
        """Give the pairs of each bolus that has enough of them, and all others together."""
        alike: dict[Bolus | None, list[JudgedPair]] = {}
        for unit in units:
            encoded = self._labeling.time_encoding is not None
            alike.setdefault(None if encoded else unit.bolus, []).append(unit)
        yield from (group for group in alike.values() if len(group) >= FEWEST)
        few = [unit for group in alike.values() if len(group) < FEWEST for unit in group]
        if few:
            yield few

    def _judge_group(self, group: list[JudgedPair], before: set[int], limits: Limits) -> None:
        if self._sums is None:
            return
        sums = self._sums.of([unit.pair for unit in group])
        sound = np.array([unit.kept for unit in group])
        parts = np.repeat(sound[:, np.newaxis], len(sums.counts), axis=1)
        for number, unit in enumerate(group):
            spiked = self._spiked_slices(unit, limits)
            if spiked is not None:
                parts[number] &= ~spiked
        used = sound & np.array([unit.pair in before for unit in group])
        reference = majority(sums, sound, used, self.least_blood)
        suspects = np.array([unit.evidence.missing_lines > 0 or unit.evidence.spikes > 0 for unit in group])
        for values in ([unit.evidence.ghost_level for unit in group], [unit.evidence.dvars for unit in group]):
            z = z_of_spread(np.array(values), reference, _USUAL_SHARE, self.limit)
            suspects |= np.nan_to_num(z) > self.limit
        found = judge(
            sums, parts, reference, suspects, self.limit, least_blood=self.least_blood, slice_wise=self._by_slice
        )
        if self._labeling.time_encoding is None and len({unit.bolus for unit in group}) > 1:
            found = found.of_spread_alone(reference, _UNLIKE_DELAYS, self.limit)
        self._apply(group, found, parts)

    def _apply(self, group: list[JudgedPair], found: Judgment, parts: NDArray[np.bool_]) -> None:
        """Say of each pair whether, with what weight, and in which slices it counts."""
        soft = self.mode == OutlierMode.HUBER
        kept = np.any(found.kept & parts, axis=1)
        used = np.where(kept[:, np.newaxis], found.kept & parts, parts)
        some = np.any(used, axis=1) & ~np.all(used, axis=1)
        for number, unit in enumerate(group):
            unit.judgment, unit.number = found, number
            unit.kept = unit.kept and bool(~found.bloodless[number] if soft else kept[number])
            weight = huber_weight(float(found.worst[number]), _BEND) if soft else 1.0
            slices = tuple(used[number].tolist()) if self._by_slice and some[number] and unit.kept else None
            unit.use = Use(weight, slices)

    def _verdict(self, unit: JudgedPair, limits: Limits, anew: bool) -> Verdict:
        reasons = self._by_itself(unit, limits)
        features = unit.evidence.named()
        if unit.judgment is not None:
            features |= unit.judgment.named(unit.number)
            reasons += of_pair(unit.number, unit.judgment, unit.evidence, limits)
            if unit.use.slices is not None:
                reasons += of_slices(unit.number, unit.use.slices, unit.judgment, unit.stripes, limits)
        accepted = unit.kept or self.mode == OutlierMode.OFF
        weight = unit.use.weight if accepted else 0.0
        return Verdict(unit.pair, accepted, unit.place, reasons, features, weight, unit.left_out, anew)

    # What goes out.

    def _flush(self) -> Iterator[Difference | Remove]:
        """Bring the average to what is wanted: all changes, of which the last one lets the maps follow."""
        off = self.mode == OutlierMode.OFF
        changes = [change for unit in self._units.values() for change in unit.changes(everything=off)]
        yield from changes[:-1]
        if changes:
            yield replace(changes[-1], last=True)
