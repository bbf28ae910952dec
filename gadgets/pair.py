"""From volumes to pairs: control minus label."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from ..streaming.flow import Mask, Volume
from ..streaming.gadget import Gadget
from ..streaming.notices import Level, Notice
from ..streaming.perfusion import Difference
from ..streaming.scan import Labeling, Role, Scan
from .kernels.subtraction import subtract, suppression, unit_phase

_PENDING = 8
_SWAPPED_T = -5.0
_WEAK = 10.0  # signal over noise; below it the noise in a magnitude pushes both images up, and their difference down
_TURNED_OVER = 0.02  # share of the brain
_SIGNAL_SHARE = 0.2  # of the 98th percentile of the m0scan, where no mask came


class Subtraction(StrEnum):
    """What is subtracted."""

    AUTO = "auto"
    MAGNITUDE = "magnitude"
    COMPLEX = "complex"


@dataclass
class Pair(Gadget):
    """Subtracts label from control, pair by pair.

    Neighbours in the order of the scan make a pair, whichever of them comes first. A volume whose partner was lost,
    and a volume that lacks lines, makes no pair, and nothing is paired across the gap. ``magnitude``: ``|C| - |L|``.
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
    _slot_of: dict[int, int] = field(default_factory=dict, init=False, repr=False)
    _by_repetition: bool = field(default=True, init=False, repr=False)
    _volume_of: dict[int, int] = field(default_factory=dict, init=False, repr=False)
    _first: int = field(default=0, init=False, repr=False)
    _repetitions_vary: bool = field(default=False, init=False, repr=False)
    _pending: dict[int, tuple[Volume, NDArray[np.float32]]] = field(default_factory=dict, init=False, repr=False)
    _spoilt: set[int] = field(default_factory=set, init=False, repr=False)
    _held: list[Volume] = field(default_factory=list, init=False, repr=False)
    _polarity_known: bool = field(default=True, init=False, repr=False)
    _flipped: bool = field(default=False, init=False, repr=False)
    _mask: NDArray[np.bool_] | None = field(default=None, init=False, repr=False)
    _scores: list[float] = field(default_factory=list, init=False, repr=False)
    _alarmed: bool = field(default=False, init=False, repr=False)
    _m0scan: NDArray[np.complex64] | None = field(default=None, init=False, repr=False)
    _phase: NDArray[np.complex64] | None = field(default=None, init=False, repr=False)
    _chosen: Subtraction | None = field(default=None, init=False, repr=False)

    def start(self, scan: Scan) -> None:
        """Find out which volumes belong together."""
        self._labeling = scan.labeling
        self._slot_of = _slots(scan.labeling.context)
        self._polarity_known = bool(scan.labeling.context or scan.labeling.rule)
        self._by_repetition, self._volume_of = True, {}
        rule = scan.labeling.rule
        self._first = rule.leading_dummies + rule.leading_m0scan if rule else 0
        limits = scan.encoding.limits.get("repetition") if scan.encoding else None
        self._repetitions_vary = limits is not None and limits.maximum > limits.minimum
        self._pending, self._spoilt, self._held, self._scores = {}, set(), [], []
        self._flipped, self._alarmed, self._mask = False, False, None
        self._m0scan, self._phase, self._chosen = None, None, None

    def process(self, message: Volume | Mask) -> Iterator[Volume | Mask | Difference | Notice]:
        """Pair a volume with the one that waits for it; pass it on behind their difference."""
        if isinstance(message, Mask):
            self._mask = message.data
            yield message
            return
        if message.place.role not in (Role.CONTROL, Role.LABEL):
            if message.place.role is Role.M0SCAN and self._m0scan is None and message.complete:
                self._m0scan = message.data
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
        if self._polarity_known or len(self._held) > _PENDING:
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
        repetition = place.counters.repetition
        if self._by_repetition and self._volume_of.setdefault(repetition, place.volume) != place.volume:
            self._by_repetition = False  # control and label share a repetition, or it never moves
            if self._repetitions_vary and not self._slot_of:
                self._pending = {held[0].place.counters.repetition: held for held in self._pending.values()}
        n = repetition if self._by_repetition else place.volume
        if self._slot_of:
            return self._slot_of.get(n, -1 - n)
        if self._repetitions_vary and not self._by_repetition:
            return repetition
        return (n - self._first) // 2

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
            yield from self._drop_the_lonely(slot)
            self._pending[slot] = volume, np.abs(volume.data)
            return
        partner, magnitude = waiting
        if partner.place.role == place.role or partner.data.shape != volume.data.shape:
            yield Notice(
                f"Volumes {partner.place.volume} and {place.volume} make no pair: {partner.place.role} "
                f"{partner.data.shape} and {place.role} {volume.data.shape}."
            )
            return
        sign = 1 if place.role is Role.LABEL else -1
        if self._chosen is None:
            yield from self._choose(partner, volume)
        if self._chosen == Subtraction.COMPLEX:
            difference = self._complex_difference(partner.data, volume.data, sign)
        else:
            difference = magnitude - np.abs(volume.data)
            if sign < 0:
                np.negative(difference, out=difference)
        yield from self._judge(difference)
        if self._flipped and self._held:
            difference = -difference
            place = _other_role(volume).place
        yield Difference(difference, place, slot, self._chosen == Subtraction.COMPLEX)

    def _choose(self, first: Volume, second: Volume) -> Iterator[Notice]:
        """Choose what is subtracted, from the first pair and for all: means of the two kinds must not be mixed."""
        m0scan = self._m0scan
        if m0scan is not None and m0scan.shape == first.data.shape and m0scan.imag.any():
            self._phase = unit_phase(m0scan)
        if self.subtraction == Subtraction.AUTO and self._labeling.background_suppression is False:
            self._chosen = Subtraction.MAGNITUDE  # as always, which needs no word
            return
        self._chosen, reason, level = self._reasons(first.data, second.data)
        yield Notice(f"The {self._chosen} difference of control and label is taken: {reason}.", level)

    def _reasons(self, first: NDArray[np.complex64], second: NDArray[np.complex64]) -> tuple[Subtraction, str, Level]:
        if self.subtraction == Subtraction.MAGNITUDE:
            return Subtraction.MAGNITUDE, "the parameter says so", Level.INFO
        if self.subtraction == Subtraction.COMPLEX:
            if self._phase is not None:
                return Subtraction.COMPLEX, "the parameter says so; its sign is that of the m0scan", Level.INFO
            reason = (
                "the parameter says so; no m0scan with a phase came before the first pair, so its sign is that of the "
                "pair's own mean, and wrong where background suppression turned the signal over"
            )
            return Subtraction.COMPLEX, reason, Level.WARNING
        if self._phase is None or self._m0scan is None:
            reason = "no m0scan with a phase came before the first pair"
            if not self._labeling.background_suppression:
                return Subtraction.MAGNITUDE, reason, Level.INFO
            reason += "; it is wrong where background suppression left little signal or turned it over"
            return Subtraction.MAGNITUDE, reason, Level.WARNING
        brain = self._mask
        if brain is None or brain.shape != first.shape or not brain.any():
            magnitude = np.abs(self._m0scan)
            brain = magnitude > _SIGNAL_SHARE * np.percentile(magnitude, 98)
        ratio, negative = suppression(first, second, self._phase, brain)
        found = f"the brain's signal is {ratio:.3g} times the noise, and {100 * negative:.1f} % of it is turned over"
        if ratio < _WEAK or negative > _TURNED_OVER:
            return Subtraction.COMPLEX, found, Level.INFO
        return Subtraction.MAGNITUDE, found, Level.INFO

    def _complex_difference(
        self, first: NDArray[np.complex64], second: NDArray[np.complex64], sign: int
    ) -> NDArray[np.float32]:
        """Give ``Re(conj(u) (first - second))`` times the sign."""
        phase = self._phase
        if phase is None or phase.shape != first.shape:
            phase = unit_phase(first + second)
        difference = np.empty(first.shape, np.float32)
        flat = [np.ascontiguousarray(array).reshape(-1) for array in (phase, first, second)]
        subtract(flat[0], flat[1], flat[2], sign, difference.reshape(-1))
        return difference

    def _drop_the_lonely(self, slot: int) -> Iterator[Notice]:
        """Say whose partner is overdue: in a listed order pairs may interleave, otherwise only the newest may wait."""
        allowed = _PENDING if self._slot_of else 1
        while len(self._pending) >= allowed:
            volume, _ = self._pending.pop(next(iter(self._pending)))
            yield Notice(
                f"The partner of volume {volume.place.volume} ({volume.place.role}) was lost: the pair is left out."
            )

    def _judge(self, difference: NDArray[np.float32]) -> Iterator[Notice]:
        """Look at the sign of the difference in the brain: blood makes control brighter than label."""
        if self._polarity_known and (self._alarmed or self._labeling.stated is False):
            return
        mask = self._mask
        inside = difference[mask] if mask is not None and mask.shape == difference.shape else difference.ravel()
        score = _score(inside)
        if not self._polarity_known:
            self._polarity_known = True
            self._flipped = score < 0
            order = "label first" if self._flipped else "control first"
            yield Notice(
                f"Nothing says which volumes are labels: by the sign of the first pair it is {order} (t {score:.1f})."
            )
            self._alarmed = True
            return
        self._scores.append(score)
        together = sum(self._scores) / len(self._scores) ** 0.5
        if len(self._scores) >= 2 and together < _SWAPPED_T:
            self._alarmed = True
            yield Notice(
                f"Labels and controls look swapped: the mean difference in the brain is negative (t {together:.1f} "
                f"over {len(self._scores)} pairs). Nothing was changed.",
                Level.ERROR,
            )


def _slots(context: tuple[Role, ...]) -> dict[int, int]:
    """Pair the listed volumes: each with the earliest one of the other role that still waits."""
    slots: dict[int, int] = {}
    waiting: list[int] = []
    pairs = 0
    for n, role in enumerate(context):
        if role not in (Role.CONTROL, Role.LABEL):
            continue
        if waiting and context[waiting[0]] is not role:
            slots[n] = slots[waiting.pop(0)]
        else:
            waiting.append(n)
            slots[n] = pairs
            pairs += 1
    return slots


def _score(values: NDArray[np.float32]) -> float:
    """Give Student's t of the mean over voxels; 0 where nothing varies."""
    spread = float(values.std(dtype=np.float64)) if values.size else 0.0
    return float(values.mean(dtype=np.float64)) / spread * values.size**0.5 if spread > 0 else 0.0


def _other_role(volume: Volume) -> Volume:
    role = Role.CONTROL if volume.place.role is Role.LABEL else Role.LABEL
    return Volume(volume.data, replace(volume.place, role=role), volume.slice_times)
