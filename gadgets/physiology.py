"""The constants of blood, tissue and labeling, and where each of them came from."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from ..streaming.errors import ConfigError
from ..streaming.flow import Volume
from ..streaming.gadget import Gadget
from ..streaming.notices import Notice
from ..streaming.perfusion import Constant, Physiology
from ..streaming.requirements import TECHNIQUES, missing, technique
from ..streaming.scan import Labeling, LabelingType, Scan, Source
from .kernels import constants as literature

_TIMES = ("t1_blood", "t1_tissue", "t1_gray_matter", "t1_white_matter", "t1_fluid")
_SHARES = ("hematocrit", "labeling_efficiency", "background_suppression_efficiency")


@dataclass
class StatePhysiology(Gadget):
    """Gathers the constants that blood flow is computed with, once, ahead of the first image.

    What the settings say goes before what the header says, and that before the literature
    (``gadgets/kernels/constants.py``). Each constant keeps its source; what absolute flow lacks is listed in words, and
    never guessed.
    """

    partition_coefficient: float = literature.PARTITION_COEFFICIENT
    """Brain-blood partition coefficient of water, mL/g."""
    t1_blood: float | None = None
    """T1 of arterial blood, s; by default that of the hematocrit, or else of the field strength: 1.35 (1.5 T), 1.65
    (3 T), 2.087 (7 T), else (110 B0 + 1316) / 1000 (Zhang et al., MRM 70:1082 (2013))."""
    hematocrit: float | None = None
    """Share of red cells in blood, which sets its T1 (Hales et al., J Cereb Blood Flow Metab 36:370 (2016))."""
    t1_tissue: float | None = None
    """T1 of all tissue, for the recovery of M0 where no maps tell its kinds apart, s; by default 1.197 (1.5 T), 1.607
    (3 T), 1.939 (7 T)."""
    t1_gray_matter: float | None = None
    """T1 of gray matter, s; by default 1.197 (1.5 T), 1.33 (3 T), 1.939 (7 T). The kinetic model takes all tissue for
    gray matter unless maps tell its kinds apart; with maps M0 needs it too."""
    t1_white_matter: float | None = None
    """T1 of white matter, for the kinetic model and M0 with tissue maps, s; by default 0.646 (1.5 T), 0.83 (3 T),
    1.126 (7 T)."""
    t1_fluid: float | None = None
    """T1 of cerebrospinal fluid, for M0 with tissue maps, s; by default 4.3."""
    labeling_efficiency: float | None = None
    """Share of the blood that is labeled, all losses included; by default the header's, else 0.85 (PCASL), 0.68 (CASL)
    or 0.98 (PASL), times what background suppression leaves."""
    background_suppression_efficiency: float = literature.BACKGROUND_SUPPRESSION_EFFICIENCY
    """Share of the label that one background-suppression pulse leaves."""

    _physiology: Physiology | None = field(default=None, init=False, repr=False)
    _remarks: list[str] = field(default_factory=list, init=False, repr=False)

    def start(self, scan: Scan) -> None:
        """Gather the constants, and note what is missing."""
        self._refuse_the_impossible()
        self._remarks = []
        found = self._of_blood_and_tissue(scan.field_strength) | self._of_labeling(scan.labeling)
        self._physiology = Physiology(found, missing(scan))

    def process(self, message: Volume) -> Iterator[Physiology | Volume | Notice]:
        """Give the constants ahead of the first volume, and let all volumes pass."""
        if self._physiology is not None:
            physiology, self._physiology = self._physiology, None
            yield from map(Notice, self._remarks)
            yield physiology
        yield message

    def _refuse_the_impossible(self) -> None:
        for name in ("partition_coefficient", *_TIMES):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise ConfigError(f"{name} of physiology cannot be {value:g}: it is above 0.")
        for name in _SHARES:
            value = getattr(self, name)
            if value is not None and not 0 < value <= 1:
                raise ConfigError(f"{name} of physiology cannot be {value:g}: it is a share, above 0 and at most 1.")

    def _of_blood_and_tissue(self, field_strength: float | None) -> dict[str, Constant]:
        of_the_field = {
            "t1_blood": literature.t1_blood(field_strength),
            "t1_tissue": literature.t1_tissue(field_strength),
            "t1_gray_matter": literature.t1_gray_matter(field_strength),
            "t1_white_matter": literature.t1_white_matter(field_strength),
            "t1_fluid": literature.T1_FLUID,
        }
        found = {"partition_coefficient": self._chosen("partition_coefficient", "mL/g")}
        if self.hematocrit is not None and self.t1_blood is None:
            of_the_field["t1_blood"] = literature.t1_blood_of_hematocrit(self.hematocrit, field_strength)
            found["hematocrit"] = self._chosen("hematocrit", "")
        for name, value in of_the_field.items():
            chosen = getattr(self, name)
            measured = name == "t1_blood" and "hematocrit" in found
            source = Source.DEFAULT if chosen is None and not measured else Source.CONFIG
            found[name] = Constant(value if chosen is None else chosen, "s", source)
        if field_strength is None and self.t1_blood is None:
            self._remarks.append("The field strength is not stated: T1 of blood is taken as at 3 T.")
        return found

    def _of_labeling(self, labeling: Labeling) -> dict[str, Constant]:
        kind = labeling.arterial_spin_labeling_type
        found: dict[str, Constant] = {}
        if kind is not None:
            source = _source(labeling, "arterial_spin_labeling_type")
            found["arterial_spin_labeling_type"] = Constant(kind.value, "", source)
            found |= self._of_efficiency(labeling, kind)
        boluses = labeling.boluses
        if boluses:
            delays = tuple(bolus.post_labeling_delay for bolus in boluses)
            found["post_labeling_delay"] = _times(labeling, "post_labeling_delay", delays)
        durations = tuple(bolus.labeling_duration for bolus in boluses if bolus.labeling_duration > 0)
        if durations:
            found["labeling_duration"] = _times(labeling, "labeling_duration", durations)
        if kind is LabelingType.PASL and labeling.bolus_cut_off_flag and labeling.bolus_cut_off_delay_time:
            cut = labeling.bolus_cut_off_delay_time
            found["bolus_cut_off_delay_time"] = _times(labeling, "bolus_cut_off_delay_time", cut)
            if technique(labeling) in TECHNIQUES:
                stated = labeling.bolus_cut_off_technique is not None
                source = _source(labeling, "bolus_cut_off_technique") if stated else Source.DEFAULT
                found["bolus_cut_off_technique"] = Constant(technique(labeling), "", source)
        return found

    def _of_efficiency(self, labeling: Labeling, kind: LabelingType) -> dict[str, Constant]:
        """Give the labeling efficiency: a stated one includes all losses, a usual one loses some by each pulse."""
        if self.labeling_efficiency is not None:
            return {"labeling_efficiency": self._chosen("labeling_efficiency", "")}
        if labeling.labeling_efficiency is not None:
            source = _source(labeling, "labeling_efficiency")
            return {"labeling_efficiency": Constant(labeling.labeling_efficiency, "", source)}
        efficiency = literature.LABELING_EFFICIENCY[kind]
        if not labeling.background_suppression:
            return {"labeling_efficiency": Constant(efficiency, "", Source.DEFAULT)}
        pulses, source = self._pulses(labeling)
        return {
            "background_suppression_number_pulses": Constant(float(pulses), "", source),
            "background_suppression_efficiency": self._chosen("background_suppression_efficiency", ""),
            "labeling_efficiency": Constant(
                efficiency * self.background_suppression_efficiency**pulses, "", Source.DEFAULT
            ),
        }

    def _pulses(self, labeling: Labeling) -> tuple[int, Source]:
        """Give the number of background-suppression pulses after labeling began."""
        if labeling.background_suppression_number_pulses is not None:
            name = "background_suppression_number_pulses"
            return labeling.background_suppression_number_pulses, _source(labeling, name)
        if labeling.background_suppression_pulse_time:
            name = "background_suppression_pulse_time"
            return len(labeling.background_suppression_pulse_time), _source(labeling, name)
        self._remarks.append(
            "Background suppression is on, but the number of its pulses is not stated: 1 is assumed; with 4 or 5 the "
            "true CBF is 17 to 23 % higher."
        )
        return 1, Source.DEFAULT

    def _chosen(self, name: str, unit: str) -> Constant:
        """Give one of the parameters that always have a value; it comes from the config unless it is the usual one."""
        value = getattr(self, name)
        return Constant(value, unit, Source.DEFAULT if value == getattr(type(self), name) else Source.CONFIG)


def _source(labeling: Labeling, name: str) -> Source:
    return labeling.sources.get(name, Source.HEADER)


def _times(labeling: Labeling, name: str, values: Sequence[float]) -> Constant:
    different = list(dict.fromkeys(values))
    return Constant(different[0] if len(different) == 1 else tuple(different), "s", _source(labeling, name))
