"""How precise flow has to be, and when it will be."""

import math
from enum import StrEnum
from typing import NamedTuple

from ..kernels.precision import Precision, pairs_until

_USUAL_FLOW = 50.0  # mL/100 g/min, of gray matter; turns flow into shares of the mean where there is no M0
_FLOW, _SHARE = "mL/100g/min", "share of mean"


class Criterion(StrEnum):
    """What has to be reached."""

    VOXEL_STDERR = "voxel_stderr"
    HALF_WIDTH = "half_width"
    GRAY_MATTER = "gray_matter"
    INDEX_PLATEAU = "index_plateau"


_USUAL = {
    Criterion.VOXEL_STDERR: 10.0,
    Criterion.HALF_WIDTH: 0.2,
    Criterion.GRAY_MATTER: 5.0,
    Criterion.INDEX_PLATEAU: 0.01,
}
_WORDS = {
    Criterion.VOXEL_STDERR: "standard error of the median voxel of gray matter",
    Criterion.HALF_WIDTH: "half width of the 95 % interval of the median voxel over gray-matter CBF",
    Criterion.GRAY_MATTER: "half width of the 95 % interval of gray-matter CBF",
    Criterion.INDEX_PLATEAU: "gain of the quality index over 3 pairs",
}


class Standing(NamedTuple):
    """Where a criterion stands."""

    value: float = math.nan
    bound: float = math.nan
    """What the value is at most, at all looks together."""
    likely: float = math.nan
    """Pairs at which the value will have reached the target; infinite where it never will."""
    sure: float = math.nan
    """Pairs at which the bound will have, too, so that it is said to be enough."""
    least: float = 0.0
    """Pairs at which it will have at best."""

    def needed(self, pairs: int) -> float:
        """Tell how many pairs it takes: the likely number, and from then on that at which it is sure."""
        return self.sure if self.likely <= pairs else self.likely


class Target(NamedTuple):
    """A criterion and the number that is to be reached."""

    criterion: Criterion
    value: float
    unit: str

    @classmethod
    def of(cls, criterion: Criterion, value: float | None, *, absolute: bool) -> "Target":
        """Give the target, the usual one where none is given; as a share of the mean where there is no absolute CBF."""
        value = _USUAL[criterion] if value is None else value
        if criterion in (Criterion.HALF_WIDTH, Criterion.INDEX_PLATEAU):
            return cls(criterion, value, "1")
        return cls(criterion, value, _FLOW) if absolute else cls(criterion, value / _USUAL_FLOW, _SHARE)

    @property
    def words(self) -> str:
        """What has to be reached."""
        return _WORDS[self.criterion]

    @property
    def text(self) -> str:
        """The number with its unit."""
        return f"{self.value:.3g}" if self.unit == "1" else f"{self.value:.3g} {self.unit}"

    def standing(self, precision: Precision, pairs: int, first: int) -> Standing:
        """Tell where the criterion stands after some pairs, and how many it takes, ``first`` or more."""
        best = precision.at_best(pairs)
        match self.criterion:
            case Criterion.VOXEL_STDERR:
                value, bound, at_best = precision.voxel_error, precision.voxel_error_bound, best.voxel_error
            case Criterion.HALF_WIDTH:
                value, bound, at_best = precision.half_width, precision.half_width_bound, best.half_width
            case _:
                value = bound = precision.mean_half_width
                at_best = best.mean_half_width
        likely, sure, least = (
            pairs_until(lambda n, reaches=reaches: reaches(n) <= self.value, max(pairs, first))
            for reaches in (value, bound, at_best)
        )
        return Standing(value(pairs), bound(pairs), likely, sure, least)

    def standing_of_gain(self, gain: float, pairs: int) -> Standing:
        """Tell the same of an index that has to stop growing; when it will nobody knows."""
        known = float(pairs) if gain < self.value else math.nan
        return Standing(gain, gain, known, known)
