"""What is known about a scan before its first readout: geometry, timing, and how it labels blood.

Everything is immutable and in SI units. Where the header says nothing there is ``None``, never a guess.
"""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Source(StrEnum):
    """Where a number came from; goes with every map."""

    HEADER = "header"
    CONFIG = "config"
    SIDECAR = "sidecar"
    DEFAULT = "default"
    DATA = "data"


class Role(StrEnum):
    """What a volume of an ASL series is, in the words of BIDS ``aslcontext``."""

    M0SCAN = "m0scan"
    CONTROL = "control"
    LABEL = "label"
    DELTAM = "deltam"
    CBF = "cbf"
    NORF = "noRF"
    NOT_APPLICABLE = "n/a"


class LabelingType(StrEnum):
    """BIDS ``ArterialSpinLabelingType``."""

    CASL = "CASL"
    PCASL = "PCASL"
    PASL = "PASL"


@dataclass(frozen=True, slots=True)
class Matrix:
    """A size along each axis, in voxels or in m."""

    x: float
    y: float
    z: float


@dataclass(frozen=True, slots=True)
class Limits:
    """The range of one encoding counter, as the header states it."""

    minimum: int
    maximum: int
    center: int


@dataclass(frozen=True, slots=True)
class Trapezoid:
    """The readout gradient of an EPI, from ``trajectoryDescription``; all times in s."""

    ramp_up: float
    flat_top: float
    ramp_down: float
    dwell: float
    """Time of one sample."""
    samples: int
    """Samples of one line."""
    navigators: int = 0
    """Lines without phase encoding ahead of each train."""
    echo_spacing: float = 0.0
    """From line to line; 0 where it is not stated."""


@dataclass(frozen=True, slots=True)
class Encoding:
    """One encoding space: the k-space that is sampled and the image that is wanted."""

    encoded_matrix: tuple[int, int, int]
    """Samples along x, y, z; 0 where the header says nothing useful."""
    encoded_field_of_view: tuple[float, float, float]
    """Along x, y, z, m."""
    recon_matrix: tuple[int, int, int]
    """Voxels along x, y, z; 0 where the header says nothing useful."""
    recon_field_of_view: tuple[float, float, float]
    """Along x, y, z, m."""
    limits: Mapping[str, Limits]
    """By counter: ``kspace_encode_step_1``, ``slice``, ``repetition``, ...; absent ones are absent."""
    trajectory: str = "cartesian"
    acceleration: tuple[int, int] = (1, 1)
    """Parallel imaging factor along y and z."""
    trajectory_identifier: str = ""
    trajectory_parameters: Mapping[str, float] = field(default_factory=dict)
    """The numbers of ``trajectoryDescription``, as they are (µs and counts)."""
    trapezoid: Trapezoid | None = None
    """The readout gradient, where ``trajectoryDescription`` tells of an EPI."""

    @property
    def on_a_grid(self) -> bool:
        """Whether lines of k-space are read, and not spirals, spokes or anything else on a trajectory."""
        return self.trapezoid is not None or self.trajectory in ("cartesian", "epi")

    @property
    def echo_planar(self) -> bool:
        """Whether the lines are read to and fro; converters may say ``cartesian`` and still describe the train."""
        return self.trapezoid is not None or self.trajectory == "epi"

    @property
    def undersampled(self) -> bool:
        """Whether lines of the grid are left out, so that voxels fold onto each other (parallel imaging)."""
        return self.on_a_grid and max(self.acceleration) > 1


@dataclass(frozen=True, slots=True)
class CounterRule:
    """Which counter tells control from label, where the header gives no ``aslcontext``."""

    counter: str
    """``set``, ``repetition``, ``average``, ``contrast``, ``phase``, ``segment``, ``user_0`` ... ``user_7``, or
    ``flag_1`` ... ``flag_64``."""
    label_value: int = 1
    """Value that means label, after ``modulo``."""
    modulo: int = 2
    """Period of the counter; 0 compares the value itself."""
    leading_m0scan: int = 0
    """Volumes before the first pair that are m0scans."""
    leading_dummies: int = 0
    """Volumes before everything that are thrown away."""


class Bolus(NamedTuple):
    """Which blood a difference shows: how long it was labeled, and how long it then travelled."""

    post_labeling_delay: float
    """To the excitation of the first slice or slab, s; in PASL the inversion time."""
    labeling_duration: float = 0.0
    """s; 0 where it is not stated, and in PASL, whose bolus is cut off."""


@dataclass(frozen=True, slots=True)
class TimeEncoding:
    """How a time-encoded scan labels: its volumes in cycles, each cycle the same pattern of sub-boluses."""

    matrix: tuple[tuple[int, ...], ...]
    """Shape ``(sub-boluses, images of a cycle)``: 1 where the sub-bolus of the row is labeled, 0 where it is not."""
    boluses: tuple[Bolus, ...]
    """Of each row, in the order in which they are played."""

    @property
    def images(self) -> int:
        """Images of a cycle."""
        return len(self.matrix[0])


@dataclass(frozen=True, slots=True)
class Labeling:
    """How the scan labels blood: BIDS's words, in snake case. Times in s."""

    arterial_spin_labeling_type: LabelingType | None = None
    context: tuple[Role, ...] = ()
    """Role of volume n, where the header or the config lists it."""
    rule: CounterRule | None = None
    """The second choice; without it roles alternate by volume."""
    labeling_duration: tuple[float, ...] = ()
    """One value, or one per volume of ``context``."""
    post_labeling_delay: tuple[float, ...] = ()
    """One value, or one per volume of ``context``; for PASL the inversion time."""
    bolus_cut_off_flag: bool | None = None
    bolus_cut_off_technique: str | None = None
    bolus_cut_off_delay_time: tuple[float, ...] = ()
    m0_type: str | None = None
    m0_estimate: float | None = None
    m0_repetition_time: float | None = None
    labeling_efficiency: float | None = None
    background_suppression: bool | None = None
    background_suppression_number_pulses: int | None = None
    background_suppression_pulse_time: tuple[float, ...] = ()
    """Of each pulse after the beginning of labeling."""
    time_encoding: TimeEncoding | None = None
    """In time-encoded (Hadamard) scans, whose control and label volumes are the images of its cycles."""
    look_locker: bool | None = None
    """Whether all delays are read after one labeling, by small flip angles."""
    flip_angle: float | None = None
    """Of the excitation, degrees."""
    vascular_crushing: bool | None = None
    """Whether signal of fast blood was spoiled."""
    slice_timing: tuple[float, ...] = ()
    """Time of each slice after the first, by z index."""
    mr_acquisition_type: str | None = None
    """``2D`` or ``3D``."""
    sources: Mapping[str, Source] = field(default_factory=dict)
    """Where each field above came from, by its name here."""
    pairs: tuple[int | None, ...] = field(default=(), init=False, repr=False, compare=False)
    """The pair of each volume of ``context``, from 0; None for what is in none.

    Each volume goes with the earliest one of the other role and the same bolus that still waits.
    """
    boluses: tuple[Bolus, ...] = field(default=(), init=False, repr=False, compare=False)
    """All different boluses of the control and label volumes, by delay, then by duration."""

    def __post_init__(self) -> None:
        """Pair the volumes and list their boluses once, as gadgets ask for them all the time."""
        object.__setattr__(self, "pairs", self._paired())
        object.__setattr__(self, "boluses", self._different())

    @property
    def stated(self) -> bool:
        """Whether anything says that this is an ASL scan; also a delay does, of whatever kind of labeling."""
        named = self.context or self.rule or self.arterial_spin_labeling_type or self.time_encoding
        return bool(named or self.post_labeling_delay or self.labeling_duration)

    def bolus(self, volume: int) -> Bolus | None:
        """Tell when the blood was labeled that a volume shows; None where the header gives it no delay."""
        delay = _of_volume(self.post_labeling_delay, volume)
        pulsed = self.arterial_spin_labeling_type is LabelingType.PASL
        duration = None if pulsed else _of_volume(self.labeling_duration, volume)
        return None if delay is None else Bolus(delay, duration or 0.0)

    def _different(self) -> tuple[Bolus, ...]:
        if self.time_encoding is not None:
            return tuple(sorted(self.time_encoding.boluses))
        listed = max(1, len(self.post_labeling_delay), len(self.labeling_duration))
        ahead = self.rule.leading_dummies + self.rule.leading_m0scan if self.rule and listed > 1 else 0
        roles = self.context or (Role.NOT_APPLICABLE,) * ahead + (Role.CONTROL,) * (listed - ahead)
        shown = (Role.CONTROL, Role.LABEL, Role.DELTAM)
        found = {self.bolus(number) for number, role in enumerate(roles) if role in shown}
        return tuple(sorted(bolus for bolus in found if bolus is not None))

    def encoding_of(self, volume: int) -> tuple[int, int] | None:
        """Tell the cycle and the place in it of a volume of a time-encoded scan; None for what is neither."""
        if self.time_encoding is None:
            return None
        if self.context:
            if not 0 <= volume < len(self.context) or self.context[volume] not in (Role.CONTROL, Role.LABEL):
                return None
            count = sum(role in (Role.CONTROL, Role.LABEL) for role in self.context[:volume])
        else:
            count = volume - (self.rule.leading_dummies + self.rule.leading_m0scan if self.rule else 0)
        return divmod(count, self.time_encoding.images) if count >= 0 else None

    def _paired(self) -> tuple[int | None, ...]:
        found: list[int | None] = []
        count = 0
        waiting: dict[Bolus | None, deque[tuple[Role, int]]] = {}
        for number, role in enumerate(self.context):
            pair = None
            alike = waiting.setdefault(self.bolus(number), deque())
            if role not in (Role.CONTROL, Role.LABEL):
                pass
            elif alike and alike[0][0] is not role:
                pair = alike.popleft()[1]
            else:
                pair, count = count, count + 1
                alike.append((role, pair))
            found.append(pair)
        return tuple(found)

    def pair_of(self, volume: int) -> int | None:
        """Tell which pair, or cycle of a time-encoded scan, a volume belongs to, from 0; None for what is in neither.

        In ``context`` volumes pair as ``pairs`` says; otherwise neighbors make a pair.
        """
        if self.time_encoding is not None:
            encoding = self.encoding_of(volume)
            return None if encoding is None else encoding[0]
        if self.context:
            return self.pairs[volume] if 0 <= volume < len(self.context) else None
        first = self.rule.leading_dummies + self.rule.leading_m0scan if self.rule else 0
        return (volume - first) // 2 if self.stated and volume >= first else None


def _of_volume(values: tuple[float, ...], volume: int) -> float | None:
    if len(values) == 1:
        return values[0]
    return values[volume] if 0 <= volume < len(values) else None


@dataclass(frozen=True, slots=True)
class Noise:
    """What a measurement without signal tells of the noise of the coils."""

    covariance: NDArray[np.complex128]
    """Shape ``(coils, coils)``, of one sample."""
    samples: int
    """How many samples went into it."""
    dwell: float
    """Time of one of them, s; 0 where the scanner sends none."""
    coil_names: tuple[str, ...] = ()
    """In channel order; empty where the header has none."""


@dataclass(frozen=True, slots=True)
class Scan:
    """One scan, as its header and config describe it."""

    encodings: tuple[Encoding, ...] = ()
    labeling: Labeling = field(default_factory=Labeling)
    repetition_time: float | None = None
    """From label to label, s."""
    echo_time: float | None = None
    """s."""
    field_strength: float | None = None
    """T."""
    coils: int = 0
    """Receiver channels the header states; 0 where it does not."""
    coil_names: tuple[str, ...] = ()
    relative_noise_bandwidth: float | None = None
    """Share of the receiver band that carries noise."""
    vendor: str = ""
    """Who built the scanner, in capitals: ``SIEMENS``, ``GE MEDICAL SYSTEMS``, ...; empty where nobody says."""
    measurement_id: str = ""
    protocol_name: str = ""
    patient_position: str = ""
    dependencies: Mapping[str, str] = field(default_factory=dict)
    """Earlier measurements this one needs: kind (``Noise``, ...) -> measurement id."""
    noise: Noise | None = None
    """The noise of an earlier measurement that the header names, where the server kept it."""
    parameters: Mapping[str, str] = field(default_factory=dict)
    """All ``userParameters``, as text."""
    notes: tuple[str, ...] = ()
    """What was missing or odd in the header, and what was done about it."""
    text: str = ""
    """The header as it came."""

    @property
    def noise_measurement(self) -> str:
        """The id of the earlier measurement that holds the noise; empty where the header names none."""
        return next((number for kind, number in self.dependencies.items() if kind.lower() == "noise"), "")

    @property
    def encoding(self) -> Encoding | None:
        """The imaging encoding space, if the header has one."""
        return self.encodings[0] if self.encodings else None

    @property
    def three_dimensional(self) -> bool:
        """Whether z is phase-encoded: from ``MRAcquisitionType``, else from the second step's limits."""
        if self.labeling.mr_acquisition_type is not None:
            return self.labeling.mr_acquisition_type == "3D"
        if self.encoding is None:
            return False
        step = self.encoding.limits.get("kspace_encode_step_2")
        return step is not None and step.maximum > step.minimum
