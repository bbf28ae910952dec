"""Raising alarms: what is measured, held against the limits of a profile."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from ..streaming.flow import Volume
from ..streaming.gadget import Gadget
from ..streaming.notices import Level, Measurement, Notice
from ..streaming.quality import Alarm, AlarmChange, Motion, Verdict
from ..streaming.scan import Scan
from .limits.profile import Limit, Profile, Rule, profile_of
from .limits.quantities import DISPLACEMENT, Reading, Readings
from .limits.watch import Watch

_Key = tuple[Alarm, str]


@dataclass
class RaiseAlarms(Gadget):
    """Says by name what is wrong with a scan while it runs, with the number, the limit, and what to do.

    Each alarm of the profile has limits of one or more quantities: it is raised when a value was beyond its limit often
    enough in a row, and by more than its own uncertainty, and ends when values were well within it again. An alarm
    hides those that would only tell of the same fault again. Every change goes out as a message of its own and as a
    line for the console; what was measured passes by.
    """

    profile: str = "research"
    """``research``, ``clinical``, ``paediatric``, or the path of a site's own TOML file."""

    _profile: Profile = field(default_factory=lambda: Profile("", ()), init=False, repr=False)
    _rules: dict[str, list[tuple[Rule, Limit]]] = field(default_factory=dict, init=False, repr=False)
    _watches: dict[tuple[Alarm, str, Limit], Watch] = field(default_factory=dict, init=False, repr=False)
    _raised: dict[_Key, Limit] = field(default_factory=dict, init=False, repr=False)
    _hidden: dict[Alarm, int] = field(default_factory=dict, init=False, repr=False)
    _readings: Readings = field(default_factory=lambda: Readings(0, 0.0), init=False, repr=False)
    _volumes: int = field(default=0, init=False, repr=False)

    def needed(self, scan: Scan) -> bool:
        """Tell whether this is a scan that alarms are meant for."""
        return scan.labeling.stated

    def start(self, scan: Scan) -> None:
        """Read the profile, and begin with no alarm."""
        self._profile = profile_of(self.profile)
        self._rules = {}
        for rule in self._profile.rules:
            for limit in rule.limits:
                self._rules.setdefault(limit.quantity, []).append((rule, limit))
        jumps = [limit.bound for _, limit in self._rules.get(DISPLACEMENT, ())]
        self._readings = Readings(len(scan.labeling.context), min(jumps, default=float("inf")))
        self._watches, self._raised, self._hidden, self._volumes = {}, {}, {}, 0

    def process(
        self, message: Measurement | Motion | Verdict | Volume
    ) -> Iterator[Measurement | Motion | Verdict | Volume | AlarmChange | Notice]:
        """Pass a message on, and hold its numbers against the limits."""
        yield message
        self._volumes += isinstance(message, Volume)
        for reading in self._readings.of(message):
            yield from self._see(reading)

    def finish(self) -> Iterator[AlarmChange | Notice]:
        """Say what only the end of the scan tells."""
        for reading in self._readings.end():
            yield from self._see(reading)

    def _see(self, reading: Reading) -> Iterator[AlarmChange | Notice]:
        for rule, limit in self._rules.get(reading.quantity, ()):
            if reading.pairs is not None and reading.pairs < limit.pairs:
                continue
            key = rule.alarm, reading.region, limit
            if key not in self._watches:
                self._watches[key] = Watch(limit, self._profile.certainty)
            watch = self._watches[key]
            if not watch.raised and self._hidden.get(rule.alarm, -1) >= self._volumes:
                watch.forget()
                continue
            if watch.see(reading.value, reading.stderr):
                yield from self._raise(rule, limit, reading)
            else:
                yield from self._clear(rule, limit, reading)
            if watch.raised:
                self._hide(rule)

    def _hide(self, rule: Rule) -> None:
        for hidden in rule.hides:
            self._hidden[hidden] = self._volumes + self._profile.hides_for

    def _raise(self, rule: Rule, limit: Limit, reading: Reading) -> Iterator[AlarmChange | Notice]:
        if (rule.alarm, reading.region) not in self._raised:
            self._raised[rule.alarm, reading.region] = limit
            yield from self._tell(rule, limit, reading, raised=True)

    def _clear(self, rule: Rule, limit: Limit, reading: Reading) -> Iterator[AlarmChange | Notice]:
        key = rule.alarm, reading.region
        if self._raised.get(key) is limit:
            del self._raised[key]
            yield from self._tell(rule, limit, reading, raised=False)

    def _tell(self, rule: Rule, limit: Limit, reading: Reading, raised: bool) -> Iterator[AlarmChange | Notice]:
        region = reading.region.replace("_", " ")
        text = rule.text.format(value=limit.told(reading.value), limit=limit.told(limit.bound), region=region)
        text = f"{text} {rule.remedy}".strip()
        if not raised:
            text = f"No more: {rule.alarm.replace('_', ' ')}{f' ({region})' if region else ''}."
        severity = rule.severity if raised else Level.INFO
        yield AlarmChange(
            rule.alarm, raised, severity, text, reading.value, limit.bound, limit.unit, reading.place, reading.region
        )
        yield Notice(text, severity)
