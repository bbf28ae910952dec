"""What flows down the chain behind the volumes: differences, what turns them into blood flow, and the maps."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .flow import Place
from .scan import Bolus, Source


@dataclass(frozen=True, slots=True)
class Difference:
    """Control minus label of one bolus: of one pair, or decoded from one cycle of a time-encoded scan."""

    data: NDArray[np.float32]
    """Shape ``(z, y, x)``, in units of the images."""
    place: Place
    """Of the latest volume in it."""
    pair: int
    """Number of the pair, or of the cycle, from 0; all differences of one cycle have the same."""
    complex_subtraction: bool = False
    bolus: Bolus | None = None
    """When its blood was labeled; none where nothing says so."""
    weight: float = 1.0
    """Information in it: its variance is that of a usual difference over this."""
    last: bool = True
    """Whether it is the last of its pair or cycle, so that the maps can follow."""
    slices: tuple[bool, ...] | None = None
    """Which slices count, by z; None where all do."""


@dataclass(frozen=True, slots=True)
class Remove:
    """Take all differences of a pair or cycle out of the running estimate again."""

    pair: int
    last: bool = True
    """Whether the maps shall follow at once; not where other differences come in its place."""


@dataclass(frozen=True, slots=True)
class MeanDifference:
    """The mean control - label of each bolus over the pairs so far, and how sure it is."""

    data: NDArray[np.float32]
    """Shape ``(boluses, z, y, x)``, in units of the images; NaN in slices of a bolus in which nothing counts."""
    stderr: NDArray[np.float32]
    """Standard error of each mean by its own spread, same shape; NaN with fewer than two differences."""
    place: Place
    """Of the last pair."""
    pairs: int
    """Pairs or cycles in the means."""
    complex_subtraction: bool = False
    boluses: tuple[Bolus | None, ...] = (None,)
    """By delay, then by duration."""
    weights: NDArray[np.float64] = field(default_factory=lambda: np.ones((1, 1)))
    """Sum of the weights of the differences in each mean, shape ``(boluses, z)`` or ``(boluses, 1)``."""
    variance: NDArray[np.float32] | None = None
    """Of one difference of weight 1, pooled over the boluses, shape ``(z, y, x)``; none while nothing was repeated."""
    degrees_of_freedom: int = 0
    """Of the variance: differences less means; of the slice with the fewest that has any."""
    degrees_by_slice: NDArray[np.int64] | None = None
    """The same by z; 0 where the variance is NaN. None where all slices have as many."""


@dataclass(frozen=True, slots=True)
class TissueMaps:
    """Which share of each voxel is gray matter, white matter and fluid."""

    gray_matter: NDArray[np.float32]
    """Shape ``(z, y, x)``, 0 to 1."""
    white_matter: NDArray[np.float32]
    fluid: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class RelaxationMap:
    """T1 of the tissue of each voxel, measured by another scan."""

    data: NDArray[np.float32]
    """Shape ``(z, y, x)``, s; NaN where nothing is known."""


class Constant(NamedTuple):
    """A number that went into a map, and where it came from."""

    value: float | str | tuple[float, ...]
    unit: str
    source: Source


@dataclass(frozen=True, slots=True)
class Physiology:
    """The constants of blood, tissue and labeling that flow is computed with."""

    constants: Mapping[str, Constant]
    """``t1_blood``, ``t1_tissue``, ``partition_coefficient``, ``labeling_efficiency``, ...; goes with every map."""
    missing: tuple[str, ...] = ()
    """What absolute flow lacks, in words that end "... for want of"; none of it may be guessed."""

    def number(self, name: str) -> float:
        """Give one constant as a number; NaN where there is none."""
        constant = self.constants.get(name)
        return constant.value if constant is not None and isinstance(constant.value, float | int) else float("nan")


@dataclass(frozen=True, slots=True)
class SliceTimes:
    """How much later than the first slice each slice sees its blood."""

    offsets: tuple[float, ...]
    """By z, s; all 0 in 3-D."""
    source: Source


@dataclass(frozen=True, slots=True)
class M0:
    """The equilibrium magnetization of tissue, which flow is relative to."""

    data: NDArray[np.float32]
    """Shape ``(z, y, x)``, in units of the images; 0 where there is no tissue."""
    constants: Mapping[str, Constant]
    """What it was made of, and what was done to it."""
    anew: bool = True
    """Whether maps that are out already are worth computing again: not for a mean control that has grown by one."""


class MapName(StrEnum):
    """The maps that go out, in the field's words."""

    IMAGE = "image"
    M0SCAN = "m0scan"
    CONTROL = "control"
    LABEL = "label"
    DELTAM = "deltam"
    DELTAM_STDERR = "deltam_stderr"
    CBF = "cbf"
    CBF_STDERR = "cbf_stderr"
    MASK = "mask"
    GFACTOR = "gfactor"
    M0 = "m0"
    DELAY = "delay"
    ATT = "att"
    ATT_STDERR = "att_stderr"
    CBF_LOWER = "cbf_lower"
    CBF_UPPER = "cbf_upper"
    ATT_LOWER = "att_lower"
    ATT_UPPER = "att_upper"
    ATT_WEIGHTED_DELAY = "att_weighted_delay"
    ABV = "abv"
    ABV_STDERR = "abv_stderr"
    ABAT = "abat"
    CBF_GRAY_MATTER = "cbf_gray_matter"
    CBF_WHITE_MATTER = "cbf_white_matter"


@dataclass(frozen=True, slots=True)
class Map:
    """A result, ready to go out."""

    name: MapName
    data: NDArray[np.float32]
    """Shape ``(z, y, x)``."""
    place: Place
    units: str
    pairs: int = 0
    """Pairs that went into it."""
    constants: Mapping[str, Constant] = field(default_factory=dict)
    """What it was computed with."""
    equation: str = ""
    """How it was computed, and the paper that says so."""
