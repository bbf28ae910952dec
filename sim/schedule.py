"""The schedule of a scan: which blood is labeled before each volume, and how long it then travels."""

from collections.abc import Iterator
from dataclasses import dataclass

from ..streaming.scan import Bolus, LabelingType, Role
from .preparation import EfficiencyChange, Preparation, Volume
from .prescription import Prescription, refuse
from .time_encoding import TimeEncoded

_EFFICIENCY = {LabelingType.CASL: 0.68, LabelingType.PCASL: 0.85, LabelingType.PASL: 0.98}
"""Alsop et al., MRM 73:102 (2015)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule(Prescription):
    """How a scan labels blood; all times in s.

    Delays follow each other pair by pair, in any order; or each labeling is read at all delays by small flip angles
    (Look-Locker); or each image labels another set of sub-boluses (time encoding).
    """

    labeling_type: LabelingType = LabelingType.PCASL
    labeling_duration: float | tuple[float, ...] = 1.8
    """One, or one for each delay; of all sub-boluses together in time encoding. Without meaning in PASL."""
    post_labeling_delay: tuple[float, ...] = (1.8,)
    """To the first slice, in PASL the inversion time; in time encoding from the end of the last sub-bolus."""
    delay_order: tuple[int, ...] = ()
    """Which of the delays each pair has, counted from 0, over again until the pairs are over; by default in turn."""
    look_locker: bool = False
    """Whether all delays are read after one labeling."""
    flip_angle: float = 90.0
    """Of the excitations, degrees; below 90 for Look-Locker only."""
    time_encoding: TimeEncoded | None = None
    bolus_cut_off_delay_time: float = 0.8
    """PASL only: QUIPSS II."""
    labeling_efficiency: float | None = None
    """With the loss by background suppression; by default the white paper's for the labeling type."""
    efficiency_change: EfficiencyChange | None = None
    """None where labeling is as good at the end as at the begin."""
    background_suppression: float | tuple[float, float, float] = 1.0
    """What is left of the static signal in control and label, -1 to 1, of all or of gray matter, white matter and
    fluid; 1 is no suppression, below 0 the tissue is still inverted."""
    background_suppression_number_pulses: int = 2
    """Without meaning when nothing is suppressed."""
    vascular_crushing: bool = False
    """Whether blood that still flows in arteries is spoiled, so that only tissue is seen."""
    pairs: int = 30
    """Control and label pairs; in Look-Locker of all delays, in time encoding cycles."""
    label_first: bool = False
    m0scan: bool = True
    """Whether an M0 volume comes first."""

    def __post_init__(self) -> None:
        """Refuse what does not go together."""
        Prescription.__post_init__(self)
        refuse(self._labeling_refusals())
        refuse(self._schedule_refusals())
        if self.time_encoding is not None:
            refuse(self.time_encoding.refusals())

    def _labeling_refusals(self) -> Iterator[tuple[bool, str]]:
        yield self.pairs < 1, "pairs must be at least 1"
        yield not self.post_labeling_delay, "at least one post-labeling delay is needed"
        yield min(self.post_labeling_delay) < 0, "a post-labeling delay cannot be negative"
        delays, given = len(self.post_labeling_delay), self.labeling_duration
        yield (
            isinstance(given, tuple) and len(given) not in (1, delays),
            f"there are {delays} delays; give one labeling duration, or one for each",
        )
        yield not self.pulsed and min(self._durations) <= 0, "the labeling duration must be longer than 0"
        yield (
            self.pulsed and not 0 < self.bolus_cut_off_delay_time <= max(self.post_labeling_delay),
            "in PASL the bolus must be cut off after the labeling pulse and before the inversion time",
        )
        yield max(map(abs, self.suppression)) > 1, "background suppression must leave between -1 and 1 of the signal"
        yield not 0 < self.efficiency <= 1, "labeling efficiency must be above 0 and at most 1"
        change = self.efficiency_change
        yield (
            change is not None and not 0 <= change.factor * self.efficiency <= 1,
            "labeling efficiency must stay between 0 and 1 when it changes",
        )

    def _schedule_refusals(self) -> Iterator[tuple[bool, str]]:
        delays = self.post_labeling_delay
        wrong = ", ".join(str(place) for place in self.delay_order if not 0 <= place < len(delays))
        yield bool(wrong), f"the delay order names delay {wrong}; counted from 0, the last one is {len(delays) - 1}"
        yield self.look_locker and self.time_encoding is not None, "Look-Locker and time encoding exclude each other"
        yield not 0 < self.flip_angle <= 90, "the flip angle must be above 0 and at most 90 degrees"
        yield self.flip_angle < 90 and not self.look_locker, "a flip angle below 90 degrees is for Look-Locker"
        if self.look_locker or self.time_encoding is not None:
            yield bool(self.delay_order), "only pairs that follow each other have a delay order"
            yield (
                len(set(self._durations)) > 1,
                "only pairs that follow each other have labeling durations of their own",
            )
        if self.look_locker:
            yield list(delays) != sorted(set(delays)), "the delays of Look-Locker must ascend"
        if self.time_encoding is not None:
            yield self.label_first, "the images of a cycle have the order of their matrix: label cannot come first"
            yield self.pulsed, "PASL labels at once, and cannot be time-encoded"
            yield len(delays) > 1, "time encoding has one post-labeling delay, from the end of the last sub-bolus"

    @property
    def pulsed(self) -> bool:
        """Whether all blood is labeled at one moment."""
        return self.labeling_type is LabelingType.PASL

    @property
    def suppression(self) -> tuple[float, float, float]:
        """What is left of the static signal of gray matter, white matter and fluid."""
        left = self.background_suppression
        return left if isinstance(left, tuple) else (left, left, left)

    @property
    def suppressed(self) -> bool:
        """Whether the background is suppressed at all."""
        return min(self.suppression) < 1

    @property
    def efficiency(self) -> float:
        """Share of the blood that is inverted, 0 to 1."""
        return _EFFICIENCY[self.labeling_type] if self.labeling_efficiency is None else self.labeling_efficiency

    @property
    def boluses(self) -> tuple[Bolus, ...]:
        """Every kind of blood that the scan shows: by delay as they are given, or by sub-bolus in playing order."""
        if self.time_encoding is not None:
            return self.time_encoding.boluses(self.post_labeling_delay[0], self._durations[0])
        return tuple(map(Bolus, self.post_labeling_delay, self._durations))

    @property
    def context(self) -> tuple[Role, ...]:
        """Role of every volume, as in BIDS ``aslcontext``."""
        return tuple(volume.preparation.role for volume in self.volumes)

    def delay(self, volume: int) -> float:
        """Give the post-labeling delay of a volume to its first slice, s; 0 for the m0scan, as BIDS has it."""
        return self.volumes[volume].bolus.post_labeling_delay

    @property
    def volumes(self) -> tuple[Volume, ...]:
        """All volumes of the scan, in the order of time."""
        found = [Volume(Preparation(Role.M0SCAN))] * self.m0scan
        for pair in range(self.pairs):
            found += self._cycle(pair) if self.time_encoding is not None else self._pair(pair)
        return tuple(found)

    def _pair(self, pair: int) -> Iterator[Volume]:
        places = range(len(self.boluses)) if self.look_locker else (self._place(pair),)
        for role in (Role.LABEL, Role.CONTROL) if self.label_first else (Role.CONTROL, Role.LABEL):
            for reading, place in enumerate(places):
                bolus = self.boluses[place]
                labeled = (bolus,) if role is Role.LABEL else ()
                yield Volume(
                    self._preparation(role, labeled, pair, reading),
                    bolus,
                    bolus.labeling_duration + bolus.post_labeling_delay,
                    ends_repetition=place == places[-1],
                )

    def _cycle(self, cycle: int) -> Iterator[Volume]:
        if self.time_encoding is None:
            return
        boluses, delay = self.boluses, self.post_labeling_delay[0]
        total = sum(bolus.labeling_duration for bolus in boluses)
        for image in range(self.time_encoding.images):
            labeled = tuple(boluses[row] for row in self.time_encoding.labeled(image))
            role = Role.LABEL if labeled else Role.CONTROL
            yield Volume(self._preparation(role, labeled, cycle), Bolus(delay, total), total + delay)

    def _preparation(self, role: Role, labeled: tuple[Bolus, ...], pair: int, reading: int = 0) -> Preparation:
        """Describe a volume; control images of all pairs are alike, however well blood is labeled."""
        change = self.efficiency_change
        factor = change.factor if labeled and change is not None and pair >= change.pair else 1.0
        return Preparation(role, labeled, self.efficiency * factor if labeled else 1.0, reading)

    def _place(self, pair: int) -> int:
        order = self.delay_order or range(len(self.post_labeling_delay))
        return order[pair % len(order)]

    @property
    def _durations(self) -> tuple[float, ...]:
        """Labeling duration of each delay; 0 in PASL."""
        delays, given = len(self.post_labeling_delay), self.labeling_duration
        if self.pulsed:
            return (0.0,) * delays
        if isinstance(given, tuple):
            return given * delays if len(given) == 1 else given
        return (given,) * delays
