"""A patient who does not lie as one should: faults of a scan, by name, and what each of them spoils."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.random import Generator

from ..streaming.errors import ConfigError
from .faults import pairs_of, volume_times
from .faults_labeling import LabelFailure, LabelFailureArtery, SwappedOrder
from .faults_motion import MotionDrift, MotionStep, MotionWithinVolume, Nodding
from .faults_receiver import DeadCoil, EarlyStop, GainJump, LostLines, NoisyCoil, Spikes
from .faults_rhythm import Cardiac, Respiratory
from .pose import STILL, Pose
from .preparation import Preparation
from .prescription import refuse
from .protocol import Protocol
from .territories import Territory

Moving = MotionStep | MotionDrift | MotionWithinVolume | Nodding
Labeling = SwappedOrder | LabelFailure | LabelFailureArtery
Receiving = Spikes | DeadCoil | NoisyCoil | GainJump | LostLines | EarlyStop
Fault = Moving | Labeling | Receiving | Cardiac | Respiratory

FAULTS: Mapping[str, type[Fault]] = MappingProxyType(
    {
        "motion-step": MotionStep,
        "motion-drift": MotionDrift,
        "motion-within-volume": MotionWithinVolume,
        "nodding": Nodding,
        "cardiac": Cardiac,
        "respiratory": Respiratory,
        "swapped-order": SwappedOrder,
        "label-failure": LabelFailure,
        "label-failure-artery": LabelFailureArtery,
        "spikes": Spikes,
        "dead-coil": DeadCoil,
        "noisy-coil": NoisyCoil,
        "gain-jump": GainJump,
        "lost-lines": LostLines,
        "early-stop": EarlyStop,
    }
)
"""Every fault there is, by name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Patient:
    """Who lies in the simulated scanner, and what goes wrong with the scan; by default nothing does."""

    motion_step: MotionStep | None = None
    motion_drift: MotionDrift | None = None
    motion_within_volume: MotionWithinVolume | None = None
    nodding: Nodding | None = None
    cardiac: Cardiac | None = None
    respiratory: Respiratory | None = None
    swapped_order: SwappedOrder | None = None
    label_failure: LabelFailure | None = None
    label_failure_artery: LabelFailureArtery | None = None
    spikes: Spikes | None = None
    dead_coil: DeadCoil | None = None
    noisy_coil: NoisyCoil | None = None
    gain_jump: GainJump | None = None
    lost_lines: LostLines | None = None
    early_stop: EarlyStop | None = None
    seed: int = 0
    """Of all that is drawn: directions, places, beats. The noise of the scanner has its own."""

    @classmethod
    def of(cls, faults: Iterable[str | Fault], seed: int = 0) -> "Patient":
        """Make a patient of faults, or of names of faults as they usually are.

        >>> Patient.of(["spikes", MotionStep(volume=3, z=2e-3)]).spikes
        Spikes(volume=None, volumes=1, readouts=3, height=0.3)
        """
        made = [kind_of(fault)() if isinstance(fault, str) else fault for fault in faults]
        names = [name_of(fault) for fault in made]
        for name in names:
            if names.count(name) > 1:
                raise ConfigError(f"{name} is given {names.count(name)} times; a patient has each fault once")
        given: dict[str, Any] = {_field(name): fault for name, fault in zip(names, made, strict=True)}
        return cls(**given, seed=seed)

    @property
    def faults(self) -> Mapping[str, Fault]:
        """The faults that this patient has, by name."""
        found = {name: getattr(self, _field(name)) for name in FAULTS}
        return {name: fault for name, fault in found.items() if fault is not None}

    @property
    def moves(self) -> bool:
        """Whether the head moves at all."""
        return bool(self._moving)

    def check(self, protocol: Protocol) -> None:
        """Refuse what a scan cannot show."""
        for name, fault in self.faults.items():
            refuse((broken, f"{name}: {message}") for broken, message in fault.refusals(protocol))

    def affected(self, protocol: Protocol) -> Mapping[str, tuple[int, ...]]:
        """Tell which volumes of a scan each fault spoils, counted from 0."""
        self.check(protocol)
        spoiled = self._played(protocol)[1]
        for name, fault in self.faults.items():
            if not isinstance(fault, Labeling):
                spoiled[name] = fault.affected(protocol)
        return {name: spoiled[name] for name in self.faults}

    def affected_pairs(self, protocol: Protocol) -> Mapping[str, tuple[int, ...]]:
        """Tell which pairs, or cycles, have a volume that a fault spoils, counted from 0."""
        return {name: pairs_of(volumes, protocol) for name, volumes in self.affected(protocol).items()}

    def played(self, protocol: Protocol) -> tuple[Preparation, ...]:
        """Tell how blood and tissue are really prepared for each volume, whatever the header says."""
        return tuple(self._played(protocol)[0])

    def poses(self, protocol: Protocol) -> tuple[Pose, ...]:
        """Tell how the head lies at the begin of each volume; several motions add up, number by number."""
        times = volume_times(protocol) if self.moves else ()
        found = [STILL] * len(protocol.volumes)
        for name, fault in self._moving.items():
            moved = fault.poses(protocol, times, self.generator(name))
            found = [pose.plus(more) for pose, more in zip(found, moved, strict=True)]
        return tuple(found)

    def generator(self, name: str) -> Generator:
        """Give the random numbers of one fault, which no other fault changes."""
        return np.random.default_rng([self.seed, list(FAULTS).index(name)])

    def record(self) -> dict[str, Any]:  # Any: it is what JSON may hold
        """Write down every fault with its fields, in SI units."""
        return {"seed": self.seed, **{name: asdict(fault) for name, fault in self.faults.items()}}

    @classmethod
    def read(cls, record: Mapping[str, Any]) -> "Patient":
        """Read what ``record`` wrote, as it also stands in ``protocol.json`` under ``SimulatedPatient``."""
        made = []
        for name in (name for name in record if name in FAULTS):
            given: dict[str, Any] = dict(record[name])
            if "territory" in given:
                given["territory"] = Territory(given["territory"])
            made.append(kind_of(name)(**given))
        return cls.of(made, record.get("seed", 0))

    @property
    def _moving(self) -> Mapping[str, Moving]:
        return {name: fault for name, fault in self.faults.items() if isinstance(fault, Moving)}

    def _played(self, protocol: Protocol) -> tuple[list[Preparation], dict[str, tuple[int, ...]]]:
        """Give what is played, and which volumes each fault of labeling changes."""
        played = [volume.preparation for volume in protocol.volumes]
        changed: dict[str, tuple[int, ...]] = {}
        for name, fault in self.faults.items():
            if isinstance(fault, Labeling):
                before, played = played, fault.play(played, protocol)
                changes = zip(before, played, strict=True)
                changed[name] = tuple(volume for volume, (old, new) in enumerate(changes) if old != new)
        return played, changed


def kind_of(name: str) -> type[Fault]:
    """Give the kind of fault that has a name."""
    if name not in FAULTS:
        raise ConfigError(f"there is no fault {name!r}; there are: {', '.join(FAULTS)}")
    return FAULTS[name]


def name_of(fault: Fault) -> str:
    """Give the name of a fault."""
    return next(name for name, kind in FAULTS.items() if type(fault) is kind)


def field_names(kind: type[Fault]) -> tuple[str, ...]:
    """Give what can be set of a fault."""
    return tuple(one.name for one in fields(kind))


def _field(name: str) -> str:
    return name.replace("-", "_")
