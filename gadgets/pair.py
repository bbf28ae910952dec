"""From volumes to pairs: control minus label."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from ..streaming.flow import Mask, Volume
from ..streaming.gadget import Gadget
from ..streaming.notices import Level, Notice
from ..streaming.perfusion import Difference
from ..streaming.remarks import Remarks
from ..streaming.scan import Bolus, Labeling, Role, Scan
from .calibration.subtraction import RunSubtraction
from .kernels.polarity import Polarity
from .kernels.subtraction_choice import Subtraction

_HELD = 8  # volumes, until the sign of the first pair tells what they are
_WAITING = 32  # volumes, however far apart aslcontext lists control and label


@dataclass
class Pair(Gadget):
    """Subtracts label from control, pair by pair.

    Control and label of the same bolus (delay and labeling duration) make a pair, whichever of them comes first: in
    ``aslcontext`` each volume with the earliest one that waits, else neighbors. A volume whose partner was lost, and a
    volume that lacks lines, makes no pair, and nothing is paired across the gap. ``magnitude``: ``|C| - |L|``.
    ``complex``: ``Re(conj(u) (C - L))``, u the unit phase of the m0scan over 3x3 voxels: M0 is positive, so the sign is
    right also where suppressed tissue is weak or negative; it needs phases that are stable from shot to shot. One of
    the two is chosen for the whole run. Where roles only alternate, the first pair's sign says which volume is control;
    stated roles are never changed, but an average below zero is an alarm.
    """

    subtraction: Subtraction = Subtraction.AUTO
    """``magnitude``, ``complex``, or ``auto``: ``complex`` where an m0scan came and the first pair shows a signal that
    is below 10 times the noise, or turned over in more than 2 % of the brain."""
    allow_incomplete: bool = False
    """Whether volumes that lack lines may make pairs."""

    _labeling: Labeling = field(default_factory=Labeling, init=False, repr=False)
    _last_of: dict[int, int] = field(default_factory=dict, init=False, repr=False)
    _alone: set[int] = field(default_factory=set, init=False, repr=False)
    _volume_of: dict[int, int] = field(default_factory=dict, init=False, repr=False)
    _by_repetition: bool = field(default=False, init=False, repr=False)
    _repetitions_vary: bool = field(default=False, init=False, repr=False)
    _pending: dict[int, tuple[Volume, NDArray[np.float32]]] = field(default_factory=dict, init=False, repr=False)
    _spoilt: set[int] = field(default_factory=set, init=False, repr=False)
    _held: list[Volume] = field(default_factory=list, init=False, repr=False)
    _polarity_known: bool = field(default=True, init=False, repr=False)
    _flipped: bool = field(default=False, init=False, repr=False)
    _subtraction: RunSubtraction = field(default_factory=RunSubtraction, init=False, repr=False)
    _polarity: Polarity = field(default_factory=Polarity, init=False, repr=False)
    _remarks: Remarks = field(default_factory=Remarks, init=False, repr=False)

    def needed(self, scan: Scan) -> bool:
        """Tell whether volumes come in pairs; time-encoded ones are decoded instead."""
        return scan.labeling.time_encoding is None

    def start(self, scan: Scan) -> None:
        """Find out which volumes belong together."""
        self._labeling = labeling = scan.labeling
        self._last_of = {pair: number for number, pair in enumerate(labeling.pairs) if pair is not None}
        members = Counter(labeling.pairs)
        self._alone = {number for number, pair in enumerate(labeling.pairs) if pair is not None and members[pair] == 1}
        self._polarity_known = bool(labeling.context or labeling.rule)
        limits = scan.encoding.limits.get("repetition") if scan.encoding else None
        self._repetitions_vary = limits is not None and limits.maximum > limits.minimum
        self._by_repetition, self._volume_of = False, {}
        self._pending, self._spoilt, self._held, self._remarks = {}, set(), [], Remarks()
        self._flipped, self._polarity = False, Polarity()
        self._subtraction = RunSubtraction(self.subtraction, labeling.background_suppression)

    def process(self, message: Volume | Mask) -> Iterator[Volume | Mask | Difference | Notice]:
        """Pair a volume with the one that waits for it; pass it on behind their difference."""
        if isinstance(message, Mask):
            self._subtraction.mask = message.data
            yield message
            return
        if message.place.role not in (Role.CONTROL, Role.LABEL):
            if message.place.role is Role.M0SCAN:
                self._subtraction.look_at(message)
            yield message
            return
        if self._flipped:
            message = _other_role(message)
        slot = self._slot(message)
        if self._polarity_known:
            yield from self._take(message, slot)
            yield message
            return
        self._held.append(message)  # nobody knows yet whether it is control or label
        yield from self._take(message, slot)
        if self._polarity_known or len(self._held) > _HELD:
            held, self._held = self._held, []
            yield from (_other_role(volume) if self._flipped else volume for volume in held)

    def finish(self) -> Iterator[Volume | Notice]:
        """Let held volumes go, and say which volumes stayed alone."""
        yield from self._held
        self._held = []
        for volume, _ in self._pending.values():
            yield Notice(f"Volume {volume.place.volume} ({volume.place.role}) found no partner.", Level.INFO)
        self._pending = {}

    def _slot(self, volume: Volume) -> int:
        """Give the number of the pair that a volume belongs to."""
        place = volume.place
        if self._repetitions_vary and not self._labeling.pairs:
            repetition = place.counters.repetition
            if self._volume_of.setdefault(repetition, place.volume) != place.volume and not self._by_repetition:
                self._by_repetition = True  # control and label share one: it tells their pair even if one is lost
                self._pending = {held[0].place.counters.repetition: held for held in self._pending.values()}
            if self._by_repetition:
                return repetition
        pair = self._labeling.pair_of(place.number)
        return -1 - place.number if pair is None else pair

    def _take(self, volume: Volume, slot: int) -> Iterator[Difference | Notice]:
        place = volume.place
        if slot in self._spoilt:
            self._spoilt.discard(slot)
            return
        if not volume.complete and not self.allow_incomplete:
            self._pending.pop(slot, None)
            self._spoilt.add(slot)
            yield Notice(
                f"Pair {slot} is left out: its {place.role} (volume {place.volume}) lacks {place.missing} lines."
            )
            return
        waiting = self._pending.pop(slot, None)
        if waiting is None:
            yield from self._wait(volume, slot)
            return
        partner, magnitude = waiting
        if partner.place.role == place.role or partner.data.shape != volume.data.shape:
            yield Notice(
                f"Volumes {partner.place.volume} and {place.volume} make no pair: {partner.place.role} "
                f"{partner.data.shape} and {place.role} {volume.data.shape}."
            )
            return
        bolus = self._labeling.bolus(place.number)
        if self._labeling.bolus(partner.place.number) != bolus:
            yield from self._say_of_boluses(partner, volume)
            return
        sign = 1 if place.role is Role.LABEL else -1
        if self._subtraction.chosen is None:
            yield from self._subtraction.choose(partner.data, volume.data)
        if self._subtraction.complex:
            difference = self._subtraction.difference(partner.data, volume.data, sign)
        else:
            difference = magnitude - np.abs(volume.data)
            if sign < 0:
                np.negative(difference, out=difference)
        yield from self._judge(difference, bolus)
        if self._flipped and self._held:
            difference = -difference
            place = _other_role(volume).place
        yield Difference(difference, place, slot, self._subtraction.complex, bolus)

    def _wait(self, volume: Volume, slot: int) -> Iterator[Notice]:
        """Keep a volume until its partner comes; say whose partner is overdue, and who has none."""
        number = volume.place.number
        if number in self._alone:
            other = next((n for n in sorted(self._alone) if self._role(n) is not self._role(number)), None)
            if other is None:
                yield Notice(
                    f"Volume {volume.place.volume} ({volume.place.role}) has no partner in aslcontext.", Level.INFO
                )
            else:
                yield from self._say_of_boluses(volume)
            return
        overdue = [pair for pair in self._pending if self._labeling.pairs and self._last_of.get(pair, number) < number]
        allowed = _WAITING if self._labeling.pairs else 1
        while overdue or len(self._pending) >= allowed:
            lonely, _ = self._pending.pop(overdue.pop(0) if overdue else next(iter(self._pending)))
            yield Notice(
                f"The partner of volume {lonely.place.volume} ({lonely.place.role}) was lost: the pair is left out."
            )
        self._pending[slot] = volume, np.abs(volume.data)

    def _role(self, number: int) -> Role:
        return self._labeling.context[number]

    def _say_of_boluses(self, *volumes: Volume) -> Iterator[Notice]:
        """Say once that control and label of different boluses make no pair."""
        which = " and ".join(f"{volume.place.volume} ({volume.place.role})" for volume in volumes)
        yield from self._remarks.say(
            f"Volume {which}: no control and label of the same PostLabelingDelay and LabelingDuration, and so no pair. "
            "The same holds for others; see that the lists are in the order of the volumes.",
            subject="boluses",
        )

    def _judge(self, difference: NDArray[np.float32], bolus: Bolus | None) -> Iterator[Notice]:
        """Look at the sign of the difference in the brain: blood makes control brighter than label."""
        if not self._labeling.stated:
            return
        if not self._polarity_known:
            t = Polarity().add(difference, self._subtraction.mask)
            self._polarity_known, self._flipped = True, t < 0
            order = "label first" if self._flipped else "control first"
            text = f"Nothing says which volumes are labels: by the sign of the first pair it is {order} (t {t:.1f})."
            yield Notice(text)
        elif self._labeling.context or self._labeling.rule:
            self._polarity.add(difference, self._subtraction.mask, bolus)
            if self._polarity.turned_over(2):
                yield Notice(
                    "Labels and controls look swapped: the mean difference in the brain is negative (t "
                    f"{self._polarity.t:.1f} over {self._polarity.count} pairs). Nothing was changed.",
                    Level.ERROR,
                )


def _other_role(volume: Volume) -> Volume:
    role = Role.CONTROL if volume.place.role is Role.LABEL else Role.LABEL
    return Volume(volume.data, replace(volume.place, role=role), volume.slice_times)
