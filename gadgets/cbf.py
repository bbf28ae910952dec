"""From the difference of control and label to cerebral blood flow."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ..streaming.flow import Mask, Volume
from ..streaming.gadget import Gadget
from ..streaming.notices import Level, Notice
from ..streaming.perfusion import Constant, Map, MapName, MeanDifference
from ..streaming.scan import Labeling, LabelingType, Role, Scan, Source
from .kernels.m0 import RunningM0, recovery
from .kernels.perfusion import pasl_factor, pcasl_factor, quantify

_T1_BLOOD = {1.5: 1.35, 3.0: 1.65, 7.0: 2.087}  # s by T; Alsop et al., MRM 73:102 (2015); 7 T as ASLPrep
_T1_TISSUE = {1.5: 1.197, 3.0: 1.607, 7.0: 1.939}  # s by T, as ASLPrep
_EFFICIENCY = {LabelingType.CASL: 0.68, LabelingType.PCASL: 0.85, LabelingType.PASL: 0.98}
_PER_PULSE = 0.95  # what one background-suppression pulse leaves of the label
_LONG_TR = 5.0  # s; from here on M0 counts as recovered
_TIMING_TOLERANCE = 0.01  # s between stated and measured slice times
_MANY_HOLES = 0.05  # of the brain mask; a few are usual, where the mask closes gaps that hold no tissue
_UNITS = "mL/100g/min"


@dataclass
class CBF(Gadget):
    """Computes how much blood reaches each voxel, and how sure that is.

    ``CBF = K_z deltam / M0``: for (P)CASL ``K = 6000 lambda exp(PLD_z / T1b) / (2 alpha T1b (1 - exp(-LD / T1b)))``
    (Alsop et al., MRM 73:102 (2015), eq. 1), for PASL with QUIPSS II, QUIPSS or Q2TIPS ``K = 6000 lambda exp(TI_z /
    T1b) / (2 alpha TI1)`` (eq. 3); in 2-D the delay grows from slice to slice. M0 is the mean m0scan, or where there
    is none and background suppression is stated to be off the mean control, divided by ``1 - exp(-TR / T1t)`` if TR <
    5 s. What is missing for absolute flow is said once, and only ``deltam`` goes out. Where M0 is
    below ``m0_floor`` there is no tissue, only noise over noise: there CBF is NaN. Each map carries its constants and
    where they came from.
    """

    partition_coefficient: float = 0.9
    """Brain-blood partition coefficient of water, mL/g."""
    t1_blood: float | None = None
    """T1 of arterial blood, s; by default that of the field strength: 1.35 (1.5 T), 1.65 (3 T), 2.087 (7 T), else
    (110 B0 + 1316) / 1000 (Zhang et al., MRM 70:1082 (2013))."""
    t1_tissue: float | None = None
    """T1 of tissue for the recovery of M0, s; by default 1.197 (1.5 T), 1.607 (3 T), 1.939 (7 T)."""
    labeling_efficiency: float | None = None
    """Share of the blood that is labeled, all losses included; by default the header's, else 0.85 (PCASL), 0.68 (CASL)
    or 0.98 (PASL), times 0.95 for each background-suppression pulse."""
    m0_smoothing: float = 0.0
    """Full width at half maximum of the smoothing of M0, voxels; 0 for none."""
    m0_floor: float = 0.05
    """Share of the 98th percentile of M0 below which there is no tissue, and CBF is NaN; 0 for none."""

    _labeling: Labeling = field(default_factory=Labeling, init=False, repr=False)
    _scan: Scan = field(default_factory=Scan, init=False, repr=False)
    _constants: dict[str, Constant] = field(default_factory=dict, init=False, repr=False)
    _missing: list[str] = field(default_factory=list, init=False, repr=False)
    _remarks: list[Notice] = field(default_factory=list, init=False, repr=False)
    _said: set[str] = field(default_factory=set, init=False, repr=False)
    _m0scan: RunningM0 = field(default_factory=RunningM0, init=False, repr=False)
    _control: RunningM0 = field(default_factory=RunningM0, init=False, repr=False)
    _slice_times: tuple[float, ...] = field(default=(), init=False, repr=False)
    _mask: NDArray[np.bool_] | None = field(default=None, init=False, repr=False)
    _latest: MeanDifference | None = field(default=None, init=False, repr=False)

    def start(self, scan: Scan) -> None:
        """Gather the constants, and note what is missing."""
        self._scan, self._labeling = scan, scan.labeling
        self._constants, self._missing, self._remarks, self._said = {}, [], [], set()
        self._m0scan, self._control = (RunningM0(self.m0_smoothing, self.m0_floor) for _ in range(2))
        self._slice_times, self._mask, self._latest = (), None, None
        self._collect_constants()

    def process(self, message: Volume | Mask | MeanDifference) -> Iterator[Map | Notice]:
        """Compute the maps from a new mean; a late m0scan gives them again."""
        if isinstance(message, Mask):
            self._mask = message.data
        elif isinstance(message, Volume):
            yield from self._look_at(message)
        else:
            self._latest = message
            yield from self._compute(message)

    def _look_at(self, volume: Volume) -> Iterator[Map | Notice]:
        role = volume.place.role
        if role in (Role.CONTROL, Role.LABEL) and not self._slice_times and volume.complete:
            stamps = volume.slice_times
            if len(set(stamps)) > 1 and min(stamps) > 0:
                self._slice_times = tuple(stamp - min(stamps) for stamp in stamps)
        if role is Role.CONTROL and volume.complete and self._controls_give_m0:
            self._control.add(np.abs(volume.data))
        if role is not Role.M0SCAN:
            return
        if not volume.complete:
            yield Notice(
                f"The m0scan (volume {volume.place.volume}) lacks {volume.place.missing} lines and is not used."
            )
            return
        self._m0scan.add(np.abs(volume.data))
        if self._latest is not None:
            yield from self._compute(self._latest)

    # Constants.

    def _source(self, name: str) -> Source:
        return self._labeling.sources.get(name, Source.HEADER)

    def _collect_constants(self) -> None:
        labeling, constants = self._labeling, self._constants
        kind = labeling.arterial_spin_labeling_type
        field_strength = self._scan.field_strength
        constants["partition_coefficient"] = Constant(self.partition_coefficient, "mL/g", Source.DEFAULT)
        if self.partition_coefficient != type(self).partition_coefficient:
            constants["partition_coefficient"] = Constant(self.partition_coefficient, "mL/g", Source.CONFIG)
        constants["t1_blood"] = _relaxation(self.t1_blood, field_strength, _T1_BLOOD)
        if field_strength is None and self.t1_blood is None:
            self._remarks.append(Notice("The field strength is not stated: T1 of blood is taken as at 3 T."))
        if kind is None:
            self._missing.append("ArterialSpinLabelingType")
        else:
            constants["arterial_spin_labeling_type"] = Constant(
                kind.value, "", self._source("arterial_spin_labeling_type")
            )
            self._collect_efficiency(kind)
        self._collect_delay()
        if kind is LabelingType.PASL:
            self._collect_bolus()
        elif kind is not None:
            durations = _used(labeling.labeling_duration, labeling.context)
            if len(durations) == 1 and durations[0] > 0:
                constants["labeling_duration"] = Constant(durations[0], "s", self._source("labeling_duration"))
            else:
                self._missing.append("LabelingDuration" if not durations else "a single positive LabelingDuration")

    def _collect_delay(self) -> None:
        delays = _used(self._labeling.post_labeling_delay, self._labeling.context)
        if len(delays) == 1:
            source = self._source("post_labeling_delay")
            self._constants["post_labeling_delay"] = Constant(delays[0], "s", source)
        elif not delays:
            self._missing.append("PostLabelingDelay")
        else:
            self._missing.append(f"a single PostLabelingDelay (there are {len(delays)}, and this chain averages them)")

    def _collect_efficiency(self, kind: LabelingType) -> None:
        labeling = self._labeling
        if self.labeling_efficiency is not None:
            self._constants["labeling_efficiency"] = Constant(self.labeling_efficiency, "", Source.CONFIG)
            return
        if labeling.labeling_efficiency is not None:
            source = self._source("labeling_efficiency")
            self._constants["labeling_efficiency"] = Constant(labeling.labeling_efficiency, "", source)
            return
        efficiency, pulses = _EFFICIENCY[kind], labeling.background_suppression_number_pulses
        if labeling.background_suppression:
            source = self._source("background_suppression_number_pulses")
            if pulses is None:
                pulses, source = 1, Source.DEFAULT
                self._remarks.append(
                    Notice(
                        "Background suppression is on, but the number of its pulses is not stated: 1 is assumed; "
                        "with 4 or 5 the true CBF is 17 to 23 % higher."
                    )
                )
            self._constants["background_suppression_number_pulses"] = Constant(float(pulses), "", source)
            efficiency *= _PER_PULSE**pulses
        self._constants["labeling_efficiency"] = Constant(efficiency, "", Source.DEFAULT)

    def _collect_bolus(self) -> None:
        labeling = self._labeling
        times, technique = labeling.bolus_cut_off_delay_time, labeling.bolus_cut_off_technique
        if not labeling.bolus_cut_off_flag or len(times) == 0 or min(times) <= 0:
            self._missing.append(
                "BolusCutOffFlag with BolusCutOffDelayTime (without them the bolus of PASL is unknown)"
            )
            return
        source = self._source("bolus_cut_off_delay_time")
        self._constants["bolus_cut_off_delay_time"] = Constant(_single(times), "s", source)
        known = technique is not None
        name = (technique or "QUIPSSII").replace(" ", "").upper()
        if name not in ("QUIPSS", "QUIPSSII", "Q2TIPS"):
            self._missing.append(f"a BolusCutOffTechnique of QUIPSS, QUIPSSII or Q2TIPS (it is {technique})")
            return
        source = self._source("bolus_cut_off_technique") if known else Source.DEFAULT
        self._constants["bolus_cut_off_technique"] = Constant(name, "", source)

    # Maps.

    @property
    def _controls_give_m0(self) -> bool:
        labeling = self._labeling
        return (
            labeling.background_suppression is False
            and labeling.m0_estimate is None
            and Role.M0SCAN not in labeling.context
        )

    def _compute(self, mean: MeanDifference) -> Iterator[Map | Notice]:
        yield from self._remarks
        self._remarks = []
        slices = mean.data.shape[0]
        m0, constants = self._m0(mean.data.shape)
        constants["subtraction"] = Constant("complex" if mean.complex_subtraction else "magnitude", "", Source.DATA)
        if not self._missing and m0 is not None:
            delays, source = yield from self._delays(slices)
            constants["post_labeling_delay"] = Constant(_single(delays), "s", source)
            factors = self._factors(delays)
            if np.all(np.isfinite(factors)) and np.all(factors > 0):
                yield from self._absolute(mean, m0, factors, constants)
            else:
                yield from self._say("delays", "The bolus ends after the readout: CBF cannot be computed.", Level.ERROR)
        else:
            missing = [*self._missing, *(["an m0scan"] if m0 is None else [])]
            refused = any("Bolus" in name for name in missing)
            text = f"No absolute CBF, only the difference (deltam), for want of {', '.join(missing)}."
            yield from self._say(text, text, Level.ERROR if refused else Level.WARNING)
        yield Map(MapName.DELTAM, mean.data, mean.place, "arbitrary", mean.pairs, constants)
        yield Map(MapName.DELTAM_STDERR, mean.stderr, mean.place, "arbitrary", mean.pairs, constants)

    def _absolute(
        self,
        mean: MeanDifference,
        m0: NDArray[np.float32],
        factors: NDArray[np.float64],
        constants: Mapping[str, Constant],
    ) -> Iterator[Map | Notice]:
        shape = mean.data.shape
        cbf, stderr = np.empty(shape, np.float32), np.empty(shape, np.float32)
        planes = [
            np.ascontiguousarray(array, np.float32).reshape(shape[0], -1)
            for array in (mean.data, mean.stderr, m0, cbf, stderr)
        ]
        useful = quantify(planes[0], planes[1], planes[2], factors, planes[3], planes[4])
        yield Map(MapName.CBF, cbf, mean.place, _UNITS, mean.pairs, constants)
        yield Map(MapName.CBF_STDERR, stderr, mean.place, _UNITS, mean.pairs, constants)
        if useful == 0:
            yield from self._say(
                "empty", "The CBF map is zero or not a number everywhere: something is wrong.", Level.ERROR
            )
        if self._mask is not None and self._mask.shape == shape:
            yield from self._count_holes(m0[self._mask])

    def _count_holes(self, m0: NDArray[np.float32]) -> Iterator[Notice]:
        """Say how many voxels of the brain have no CBF."""
        holes = int(np.count_nonzero(~(m0 > 0)))
        if holes:
            level = Level.WARNING if holes > _MANY_HOLES * m0.size else Level.INFO
            yield from self._say("holes", f"M0 is too dark in {holes} voxels of the brain: CBF is NaN there.", level)

    def _m0(self, shape: tuple[int, ...]) -> tuple[NDArray[np.float32] | None, dict[str, Constant]]:
        """Give the M0 of tissue as it would be after a long wait, and the constants with what was done to it."""
        constants, labeling = dict(self._constants), self._labeling
        if self._m0scan.shape == shape:
            running, source, name = self._m0scan, Source.DATA, f"mean of {self._m0scan.count} m0scan"
            stated, origin = labeling.m0_repetition_time, self._source("m0_repetition_time")
            repetition_time = stated if stated is not None else self._scan.repetition_time
            origin = origin if stated is not None else Source.HEADER
        elif labeling.m0_estimate is not None:
            constants["m0"] = Constant(labeling.m0_estimate, "M0 of blood", self._source("m0_estimate"))
            tissue = labeling.m0_estimate * self.partition_coefficient
            return np.full(shape, tissue, np.float32), constants
        elif self._controls_give_m0 and self._control.shape == shape:
            running, source, name = self._control, Source.DATA, f"mean of {self._control.count} control"
            repetition_time, origin = self._scan.repetition_time, Source.HEADER
        else:
            return None, constants
        constants["m0"] = Constant(name, "", source)
        share = 1.0
        if repetition_time is not None and repetition_time > 0:
            constants["m0_repetition_time"] = Constant(repetition_time, "s", origin)
            if repetition_time < _LONG_TR:
                constants["t1_tissue"] = tissue = _relaxation(self.t1_tissue, self._scan.field_strength, _T1_TISSUE)
                share = recovery(repetition_time, float(tissue.value))  # pyright: ignore[reportArgumentType] (a number)
        return running.recovered(share), constants

    def _delays(self, slices: int) -> Iterator[Map | Notice]:
        """Give the delay of each slice and where the slice times came from (as the value of ``yield from``)."""
        base = float(self._constants["post_labeling_delay"].value)  # pyright: ignore[reportArgumentType] (a number)
        source = self._constants["post_labeling_delay"].source
        stated, measured = self._labeling.slice_timing, self._slice_times
        if self._scan.three_dimensional or slices == 1:
            return (base,) * slices, source
        if len(stated) == slices:
            if len(measured) == slices and _differ(stated, measured):
                worst = float(np.abs(np.subtract(stated, measured)).max())
                yield from self._say(
                    "timing",
                    f"SliceTiming of the header and the time stamps of the data differ by up to "
                    f"{worst * 1e3:.0f} ms; the header is used.",
                )
            return tuple(base + time for time in stated), source
        if len(measured) == slices:
            return tuple(base + time for time in measured), Source.DATA
        yield from self._say(
            "timing", "No SliceTiming and no time stamps: all slices are taken at the same delay; upper ones read low."
        )
        return (base,) * slices, source

    def _factors(self, delays: tuple[float, ...]) -> NDArray[np.float64]:
        constants = self._constants
        numbers = [constants[name].value for name in ("t1_blood", "partition_coefficient", "labeling_efficiency")]
        t1_blood, partition, efficiency = (float(number) for number in numbers)  # pyright: ignore[reportArgumentType]
        if constants["arterial_spin_labeling_type"].value != LabelingType.PASL:
            duration = float(constants["labeling_duration"].value)  # pyright: ignore[reportArgumentType] (a number)
            return np.array([pcasl_factor(delay, duration, t1_blood, partition, efficiency) for delay in delays])
        cut = self._labeling.bolus_cut_off_delay_time[0]
        # QUIPSS saturates the slab itself: the bolus is what flows in from then until the first slice is read
        bolus = delays[0] - cut if constants["bolus_cut_off_technique"].value == "QUIPSS" else cut
        if bolus <= 0:
            return np.full(len(delays), np.nan)
        return np.array([pasl_factor(delay, bolus, t1_blood, partition, efficiency) for delay in delays])

    def _say(self, key: str, text: str, level: Level = Level.WARNING) -> Iterator[Notice]:
        """Say something once."""
        if key not in self._said:
            self._said.add(key)
            yield Notice(text, level)


def _used(values: tuple[float, ...], context: tuple[Role, ...]) -> tuple[float, ...]:
    """Give the different values that control and label volumes have; per-volume lists hold 0 for m0scans."""
    if len(values) > 1 and len(values) == len(context):
        values = tuple(
            value
            for value, role in zip(values, context, strict=True)
            if role in (Role.CONTROL, Role.LABEL, Role.DELTAM)
        )
    elif len(values) > 1:
        values = tuple(value for value in values if value > 0)
    return tuple(dict.fromkeys(values))


def _single(values: tuple[float, ...]) -> float | tuple[float, ...]:
    return values if len(set(values)) > 1 else values[0]


def _relaxation(chosen: float | None, field_strength: float | None, table: Mapping[float, float]) -> Constant:
    """Give a T1, s: the chosen one, or that of the nearest usual field strength, or between them by formula."""
    if chosen is not None:
        return Constant(chosen, "s", Source.CONFIG)
    tesla = 3.0 if field_strength is None else field_strength
    for usual, value in table.items():
        if abs(tesla - usual) < 0.15:  # a 3 T magnet may state 2.89 T
            return Constant(value, "s", Source.DEFAULT)
    if table is _T1_BLOOD:
        return Constant((110 * tesla + 1316) / 1000, "s", Source.DEFAULT)
    return Constant(float(np.interp(tesla, sorted(table), [table[key] for key in sorted(table)])), "s", Source.DEFAULT)


def _differ(stated: tuple[float, ...], measured: tuple[float, ...]) -> bool:
    return bool(np.abs(np.subtract(stated, measured)).max() > _TIMING_TOLERANCE)
