"""What flows down the chain about the quality of a scan: motion, verdicts on pairs, regions, alarms, advice."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from .flow import Place
from .notices import Level
from .scan import Bolus


@dataclass(frozen=True, slots=True)
class Motion:
    """How the head lies in one volume, against where it lay in the reference.

    Axes are x (read), y (phase), z (slice) of the volume. A point r of the head in the reference, from the middle
    ``n // 2`` of the volume, lies at ``R r + t`` in this one, with ``R = Rz Ry Rx``.
    """

    place: Place
    translation: tuple[float, float, float]
    """t along x, y, z, m; NaN where nothing could be found."""
    rotation: tuple[float, float, float]
    """About x, y, z, rad."""
    displacement: float
    """Framewise displacement against the volume of the same role before it, m: sum of the changes, rotations on a
    sphere of 50 mm (Power et al., NeuroImage 59:2142 (2012)); NaN for the first."""
    within_pair: float
    """The same against the latest volume of the other role, m; NaN without one."""
    agreement: float
    """Correlation of the aligned volume with its reference, in the brain, -1 to 1."""
    corrected: bool = False
    """Whether the volume was moved back to the reference."""
    outside: float = 0.0
    """Share of the head that has left the image; the volume that was moved shows the image's edge there."""
    stderr: float = float("nan")
    """Displacement that noise alone would give, root mean square, m."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a pair is used, and if not, why."""

    pair: int
    """Number of the pair, or of the cycle, from 0."""
    accepted: bool
    place: Place
    """Of the latest volume in it."""
    reasons: tuple[str, ...] = ()
    """Why it, or some of its slices, are left out, each a sentence with number and limit; empty for good pairs."""
    features: Mapping[str, float] = field(default_factory=dict)
    """What it was judged by, by name; NaN where there is no answer."""
    weight: float = 1.0
    """With which it counts; 0 where it is left out."""
    slices_left_out: tuple[int, ...] = ()
    """By z, of a pair that is otherwise used."""
    anew: bool = False
    """Whether it was judged otherwise before."""


@dataclass(frozen=True, slots=True)
class Regions:
    """Which tissue each voxel is, and which artery feeds it, for numbers by region; not for quantification."""

    gray_matter: NDArray[np.float32]
    """Share of each voxel, shape ``(z, y, x)``, 0 to 1."""
    white_matter: NDArray[np.float32]
    fluid: NDArray[np.float32]
    labels: NDArray[np.uint8]
    """Shape ``(z, y, x)``: 0 outside, else the place in ``names``, from 1."""
    names: tuple[str, ...]
    """``left_anterior``, ``left_middle``, ..., ``left_thalamus``, ...; left is the patient's."""
    source: str
    """``atlas`` for the average brain laid over the images, ``sent`` for the tissue maps that came with the scan."""
    agreement: float = float("nan")
    """How well the atlas lies on the images, 0 to 1; NaN where the maps were sent."""


class Alarm(StrEnum):
    """What can be wrong with a scan, by name."""

    MOTION = "motion"
    """The head moved from volume to volume."""
    HEAD_DRIFT = "head_drift"
    """The head lies elsewhere than at the begin."""
    MOTION_WITHIN_VOLUME = "motion_within_volume"
    """The head moved while a volume was read."""
    PULSATION = "pulsation"
    """The images vary from volume to volume far more than by noise."""
    ORDER = "order"
    """Label and control look swapped."""
    LABELING = "labeling"
    """Far too little blood looks labeled, from the begin or from some pair on."""
    TERRITORY = "territory"
    """One territory shows far too little labeled blood."""
    LATE_TERRITORY = "late_territory"
    """Blood reaches one territory late."""
    SPIKES = "spikes"
    SATURATION = "saturation"
    """The receiver was at its limit."""
    COIL = "coil"
    """A coil element is dead or noisy."""
    GAIN = "gain"
    """All signal jumped."""
    LOST_LINES = "lost_lines"
    LINE_ORDER = "line_order"
    """Lines came out of the order of time."""
    ENDED_EARLY = "ended_early"
    NOISE_SCAN = "noise_scan"
    """The measurement of noise shows more than noise, or not all coils."""
    GHOST = "ghost"
    FREQUENCY_DRIFT = "frequency_drift"
    M0 = "m0"
    """The m0scan does not fit the controls."""
    NEGATIVE_FLOW = "negative_flow"
    EMPTY_MAP = "empty_map"
    """The map is zero or not a number everywhere."""
    REJECTED_PAIRS = "rejected_pairs"
    """Many pairs were left out."""
    ATLAS = "atlas"
    """The average brain could not be laid over the images: there are no numbers by region."""
    LAG = "lag"
    """The computation falls behind the scanner."""


@dataclass(frozen=True, slots=True)
class AlarmChange:
    """An alarm that begins or ends."""

    alarm: Alarm
    raised: bool
    severity: Level
    text: str
    """What is wrong, the number, the limit, and what to do."""
    value: float
    limit: float
    unit: str
    place: Place | None = None
    region: str = ""


class Action(StrEnum):
    """What the quality of the map so far advises."""

    CONTINUE = "continue"
    ENOUGH = "enough"
    CANNOT_BE_REACHED = "cannot be reached"
    REPEAT = "repeat"


@dataclass(frozen=True, slots=True)
class Advice:
    """Whether the pairs so far are enough, and when they will be."""

    action: Action
    text: str
    """The same in a sentence, with the numbers."""
    place: Place
    pairs: int
    """Pairs in the map."""
    criterion: str
    """What is to be reached, in words."""
    value: float
    """Where the criterion stands, in ``unit``; NaN where it cannot be told yet."""
    target: float
    unit: str
    pairs_needed: float
    """Predicted number of used pairs in all at which the target is reached, and once it looks reached, at which that
    is sure; NaN where it cannot be told."""
    seconds_left: float
    """Predicted time until then, s; 0 when it is reached."""
    interval: tuple[float, float] = (float("nan"), float("nan"))
    """Of gray-matter CBF, mL/100 g/min; holds at all looks together with the promised certainty."""
    details: Mapping[str, float] = field(default_factory=dict)
    """The other numbers that it was made of."""


@dataclass(frozen=True, slots=True)
class NextDelay:
    """Which delay the next pairs should have to tell most about flow."""

    bolus: Bolus
    gains: Mapping[Bolus, float]
    """By how much one more pair of each kind lowers the mean variance of CBF in the brain, share of what it is."""
    place: Place
    text: str
