"""Whether the pairs so far are enough, and how many more it takes."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from ..streaming.errors import ConfigError
from ..streaming.flow import Mask, Place
from ..streaming.gadget import Gadget
from ..streaming.notices import Level, Measure, Measurement, Notice
from ..streaming.perfusion import Map, MapName
from ..streaming.quality import Action, Advice, Regions, Verdict
from ..streaming.scan import Scan
from .calibration.gray_matter_noise import USED, GrayMatterNoise
from .calibration.planned_pairs import planned_pairs
from .calibration.precision_target import Criterion, Standing, Target
from .kernels.pace import Pace
from .kernels.precision import Precision

_STAYS = 1.1  # times the target, up to which enough stays enough
_RELENTS = 0.1  # by how much the share of rejected pairs must fall before a scan is worth going on with again
_PLATEAU = 3  # pairs
_UNKNOWN = (math.nan, math.nan)


@dataclass
class AdviseEnough(Gadget):
    """Tells after each pair how precise the flow is, how many pairs reach the target, and whether to go on.

    ``enough`` is said when a bound of the precision is below the target. The bound, and the interval of gray-matter CBF
    that goes with it, hold at all looks together, so that watching and stopping costs nothing: in at most 5 % of scans
    is the precision at that moment worse than the target. Noise is learned from the pairs: what voxels have of their
    own from the standard errors of the map, what they share, as breathing, from the mean of gray matter pair by pair.
    ``cannot be reached`` compares with the pairs that ``aslcontext`` lists; ``repeat`` is said when most pairs are left
    out, or when the error grows with the pairs. Without regions all of the brain counts as gray matter; without M0
    everything is a share of the mean difference.
    """

    criterion: Criterion = Criterion.VOXEL_STDERR
    """``voxel_stderr``, ``half_width``, ``gray_matter`` or ``index_plateau``."""
    target: float | None = None
    """What is to be reached: 10 mL/100 g/min for ``voxel_stderr``, 0.2 (of CBF) for ``half_width``, 5 mL/100 g/min for
    ``gray_matter``, 0.01 for ``index_plateau``."""
    scale: float = 0.0
    """Full width at half maximum of the smoothing that voxels are judged after, m; 0 is none. The map itself stays as
    it is."""
    minimum_pairs: int = 6
    """Pairs before which nothing is enough, or hopeless."""
    extra_pairs: int = 0
    """Pairs beyond those planned that the operator would add."""
    most_rejected: float = 0.5
    """Share of pairs left out above which the scan is better repeated."""

    _scan: Scan = field(default_factory=Scan, init=False, repr=False)
    _planned: int | None = field(default=None, init=False, repr=False)
    _noise: GrayMatterNoise = field(default_factory=GrayMatterNoise, init=False, repr=False)
    _precision: Precision | None = field(default=None, init=False, repr=False)
    _pairs: int = field(default=0, init=False, repr=False)
    _came: int = field(default=0, init=False, repr=False)
    """Pairs of which anything came, those left out included."""
    _place: Place | None = field(default=None, init=False, repr=False)
    _pace: Pace = field(default_factory=Pace, init=False, repr=False)
    _errors: dict[int, float] = field(default_factory=dict, init=False, repr=False)
    _indices: dict[int, float] = field(default_factory=dict, init=False, repr=False)
    _accepted: dict[int, bool] = field(default_factory=dict, init=False, repr=False)
    _waiting: Map | None = field(default=None, init=False, repr=False)
    """The last map of an update whose pairs are not judged yet."""
    _action: Action = field(default=Action.CONTINUE, init=False, repr=False)

    def needed(self, scan: Scan) -> bool:
        """Tell whether the scan labels blood."""
        return scan.labeling.stated

    def start(self, scan: Scan) -> None:
        """Forget the scan before."""
        self._refuse_the_impossible()
        self._scan, self._planned = scan, planned_pairs(scan.labeling)
        self._noise, self._precision, self._pace = GrayMatterNoise(scan, self.scale), None, Pace()
        self._pairs, self._came, self._place, self._action = 0, 0, None, Action.CONTINUE
        self._errors, self._indices, self._accepted, self._waiting = {}, {}, {}, None

    def process(
        self, message: Map | Regions | Mask | Verdict | Measurement
    ) -> Iterator[Map | Regions | Mask | Verdict | Measurement | Advice | Notice]:
        """Pass everything on; look at the maps once the last of an update has left."""
        yield message
        match message:
            case Map() if message.name in USED:
                self._noise.take(message)
                if message.name is MapName.DELTAM_STDERR:
                    yield from self._take(message)
            case Measurement() if message.name is Measure.QEI and math.isfinite(message.value):
                self._indices[message.pairs] = message.value
                if self.criterion is Criterion.INDEX_PLATEAU and self._place is not None:
                    yield from self._advise(self._place)
            case Verdict():
                self._accepted[message.pair] = message.accepted
                self._came = max(self._came, message.pair + 1)
                if self._waiting is not None and (not message.anew or len(self._names) == self._waiting.pairs):
                    yield from self._look_at(self._waiting)
                elif self._unusable and self._action is not Action.REPEAT:
                    yield from self._advise(self._place or message.place)
            case Mask():
                self._noise.brain = message.data
            case Regions():
                self._noise.lay(message)
            case _:
                pass

    def finish(self) -> Iterator[Advice | Notice]:
        """Look at the last maps, if nobody judged their pairs."""
        if self._waiting is not None:
            yield from self._look_at(self._waiting)

    def _refuse_the_impossible(self) -> None:
        for name in ("scale", "extra_pairs", "most_rejected"):
            if not getattr(self, name) >= 0:
                raise ConfigError(f"enough.{name} cannot be {getattr(self, name):g}: it is 0 or above.")
        if self.minimum_pairs < 2:
            raise ConfigError(f"enough.minimum_pairs cannot be {self.minimum_pairs}: it is 2 or above.")
        if self.target is not None and not self.target > 0:
            raise ConfigError(f"enough.target cannot be {self.target:g}: it is above 0.")

    @property
    def _names(self) -> list[int]:
        """Which pairs are used, by the verdicts."""
        return [pair for pair, accepted in self._accepted.items() if accepted]

    def _take(self, latest: Map) -> Iterator[Advice | Notice]:
        """Look at the maps of one update, at once or when it is said which pairs are in them: verdicts come later."""
        place, self._place = self._place, latest.place
        again = latest.pairs == self._pairs and place is not None and latest.place.volume == place.volume
        self._pairs = latest.pairs
        self._pace.count(latest.place.volume, latest.place.time)
        pair = self._scan.labeling.pair_of(latest.place.number)
        self._came = max(self._came, self._pairs, 0 if pair is None else pair + 1)
        self._waiting = latest
        if again or not self._accepted:
            yield from self._look_at(latest)

    def _look_at(self, latest: Map) -> Iterator[Advice | Notice]:
        """Learn from the maps of one update."""
        self._waiting = None
        self._precision = self._noise.learn(latest, self._names)
        if self._precision is not None:
            self._errors[self._pairs] = self._precision.voxel_error(self._pairs)
        if self.criterion is not Criterion.INDEX_PLATEAU:
            yield from self._advise(latest.place)

    # What to do.

    @property
    def _target(self) -> Target:
        return Target.of(self.criterion, self.target, absolute=self._noise.absolute)

    @property
    def _standing(self) -> Standing:
        """Tell where the criterion stands, and when it will be met."""
        if self.criterion is Criterion.INDEX_PLATEAU:
            now, before = (self._indices.get(pairs, math.nan) for pairs in (self._pairs, self._pairs - _PLATEAU))
            return self._target.standing_of_gain(now - before, self._pairs)
        if self._precision is None:
            return Standing()
        return self._target.standing(self._precision, self._pairs, self.minimum_pairs)

    @property
    def _available(self) -> float:
        """How many used pairs the scan can end with."""
        return math.inf if self._planned is None else self._planned + self.extra_pairs - (self._came - self._pairs)

    @property
    def _unusable(self) -> str:
        """Why going on does not help; empty where it may."""
        left_out, judged = sum(not accepted for accepted in self._accepted.values()), len(self._accepted)
        limit = self.most_rejected - (_RELENTS if self._action is Action.REPEAT else 0.0)
        if judged >= self.minimum_pairs and left_out > limit * judged:
            return f"{left_out} of {judged} pairs are left out"
        half, now = (self._errors.get(pairs, math.nan) for pairs in (self._pairs // 2, self._pairs))
        if self._pairs >= 2 * self.minimum_pairs and now > half:
            return f"the error after {self._pairs} pairs is larger than after {self._pairs // 2}"
        return ""

    def _decide(self, standing: Standing, target: float) -> Action:
        if self._unusable:
            return Action.REPEAT
        if self._pairs >= self.minimum_pairs:
            stays = self._action is Action.ENOUGH and standing.value <= _STAYS * target
            if standing.bound <= target or stays:
                return Action.ENOUGH
            hopeless = standing.sure if self._action is Action.CANNOT_BE_REACHED else standing.least
            if hopeless > self._available:
                return Action.CANNOT_BE_REACHED
        return Action.CONTINUE

    # What is said.

    def _advise(self, place: Place) -> Iterator[Advice | Notice]:
        standing, target, before = self._standing, self._target, self._action
        self._action = self._decide(standing, target.value)
        needed = float(self._pairs) if self._action is Action.ENOUGH else standing.needed(self._pairs)
        more = needed - self._pairs
        seconds = more * self._step if more else 0.0
        interval, text = self._interval, self._sentence(standing, target, seconds)
        smoothed = f" after smoothing by {self.scale * 1e3:g} mm" if self.scale else ""
        yield Advice(
            self._action,
            text,
            place,
            self._pairs,
            target.words + smoothed,
            standing.value,
            target.value,
            target.unit,
            needed,
            seconds,
            interval if self._noise.absolute else _UNKNOWN,
            self._details(standing, interval),
        )
        if self._action is not before:
            if self._noise.absolute and math.isfinite(interval[0]):
                text += (
                    f" Gray-matter CBF is {interval[0]:.1f} to {interval[1]:.1f} mL/100 g/min: an interval that holds "
                    "at all looks together, while those of voxels hold at one."
                )
            bad = self._action in (Action.REPEAT, Action.CANNOT_BE_REACHED)
            yield Notice(text, Level.WARNING if bad else Level.INFO)

    @property
    def _step(self) -> float:
        """Time that one more used pair takes, s: as long as so far, those that were left out included."""
        repetition_time = self._scan.repetition_time
        usual = self._pace.step(math.nan if repetition_time is None else 2 * repetition_time)
        return usual * self._came / self._pairs if self._pairs else usual

    @property
    def _interval(self) -> tuple[float, float]:
        precision = self._precision
        half = math.inf if precision is None else precision.mean_half_width(self._pairs)
        return _UNKNOWN if precision is None or math.isinf(half) else (precision.flow - half, precision.flow + half)

    def _sentence(self, standing: Standing, target: Target, seconds: float) -> str:
        after = f"after {self._pairs} pairs the {target.words} is {standing.value:.3g}"
        match self._action:
            case Action.REPEAT:
                return f"Better repeat the scan: {self._unusable}."
            case Action.ENOUGH:
                return f"Enough: {after}, target {target.text}."
            case Action.CANNOT_BE_REACHED:
                takes = _takes(standing) if math.isfinite(standing.likely) else "too many pairs"
                return (
                    f"The target {target.text} cannot be reached: {after}; it takes {takes}, and at most "
                    f"{self._available:.0f} can be used."
                )
            case _:
                pass
        if not math.isfinite(standing.value):
            return f"Go on: nothing can be told of the precision after {self._pairs} pairs."
        if not math.isfinite(standing.needed(self._pairs)):
            return f"Go on: {after}, target {target.text}; how many pairs it takes cannot be told."
        time = f" ({seconds / 60:.1f} min more)" if math.isfinite(seconds) else ""
        if standing.likely <= self._pairs:
            return f"Go on: {after}, target {target.text}; to be sure of it takes {standing.sure:.0f} pairs{time}."
        return f"Go on: {after}, target {target.text}; it takes {_takes(standing, time)}."

    def _details(self, standing: Standing, interval: tuple[float, float]) -> Mapping[str, float]:
        """Give the other numbers that the advice was made of."""
        judged = len(self._accepted)
        details = {
            "bound": standing.bound,
            "likely_pairs": standing.likely,
            "sure_pairs": standing.sure,
            "least_pairs": standing.least,
            "pairs_available": self._available,
            "pairs_came": float(self._came),
            "seconds_per_pair": self._step,
            "rejected": sum(not accepted for accepted in self._accepted.values()) / judged if judged else 0.0,
            "quality_index": self._indices.get(self._pairs, math.nan),
        }
        precision = self._precision
        if precision is not None:
            details |= {
                "gray_matter": precision.flow,
                "lower": interval[0],
                "upper": interval[1],
                "voxel_stderr": precision.voxel_error(self._pairs),
                "half_width": precision.half_width(self._pairs),
                "pair_deviation_own": math.sqrt(precision.own),
                "pair_deviation_common": math.sqrt(precision.common),
                "voxels": float(precision.voxels),
            }
        return details


def _takes(standing: Standing, time: str = "") -> str:
    """Say how many pairs it takes."""
    surely = f", {standing.sure:.0f} to be sure" if standing.likely < standing.sure < math.inf else ""
    return f"about {standing.likely:.0f} pairs{time}{surely}"
