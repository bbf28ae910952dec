"""Saying which volume is control, which label, which m0scan."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from ..streaming.echoes import reads_several_echoes
from ..streaming.flow import KSpace, Place
from ..streaming.gadget import Gadget
from ..streaming.notices import Level, Notice
from ..streaming.scan import CounterRule, Labeling, Role, Scan


@dataclass
class AssignRole(Gadget):
    """Says what each volume is: control, label, m0scan, or something else.

    In this order: the ``aslcontext`` of the header (volume n is ``repetition == n``; where two volumes share a
    repetition, n is the order of arrival), the configured rule, alternation with control first. Of a time-encoded scan
    without a context an image is control if none of its sub-boluses is labeled. Without any sign of ASL the role is
    ``n/a``. Volumes that the rule calls dummies are dropped. Where each volume is read at several echo
    times (``contrast``), the first echo has the role and the others are ``n/a``: flow is that of the first echo.
    """

    _labeling: Labeling = field(default_factory=Labeling, init=False, repr=False)
    _by_repetition: bool = field(default=True, init=False, repr=False)
    _volume_of: dict[int, int] = field(default_factory=dict, init=False, repr=False)
    _order: dict[int, int] = field(default_factory=dict, init=False, repr=False)
    _first_echo: int | None = field(default=None, init=False, repr=False)
    _echoes_told: bool = field(default=False, init=False, repr=False)
    _beyond: bool = field(default=False, init=False, repr=False)
    _dropped: set[int] = field(default_factory=set, init=False, repr=False)
    _labels_any: tuple[bool, ...] = field(default=(), init=False, repr=False)

    def start(self, scan: Scan) -> None:
        """Take the labeling from the header."""
        self._labeling = scan.labeling
        self._by_repetition, self._volume_of, self._beyond, self._dropped = True, {}, False, set()
        self._order, self._echoes_told = {}, False
        encoding = scan.labeling.time_encoding
        self._labels_any = tuple(map(any, zip(*encoding.matrix, strict=True))) if encoding is not None else ()
        contrast = scan.encoding.limits.get("contrast") if scan.encoding is not None else None
        self._first_echo = contrast.minimum if contrast is not None and reads_several_echoes(scan) else None

    def process(self, message: KSpace) -> Iterator[KSpace | Notice]:
        """Set the role of one slice or partition."""
        place = message.place
        if self._first_echo is not None and place.counters.contrast != self._first_echo:
            if not self._echoes_told:
                self._echoes_told = True
                text = "Several echoes are read of each volume: control, label and m0scan are those of the first."
                yield Notice(text, Level.INFO)
            yield message
            return
        n = self._number(place)
        role: Role | None = Role.NOT_APPLICABLE
        if self._labeling.context:
            if n < len(self._labeling.context):
                role = self._labeling.context[n]
            elif not self._beyond:
                self._beyond = True
                yield Notice(
                    f"Volume {n} comes after the {len(self._labeling.context)} that aslcontext lists: it and what "
                    "follows are not used as control or label."
                )
        elif self._labeling.rule is not None:
            role = _by_rule(self._labeling.rule, n, place)
        elif self._labeling.stated:
            role = Role.LABEL if n % 2 else Role.CONTROL
        encoding = self._labeling.encoding_of(n)
        if encoding is not None and not self._labeling.context and role in (Role.CONTROL, Role.LABEL):
            role = Role.LABEL if self._labels_any[encoding[1]] else Role.CONTROL
        if role is None:
            self._dropped.add(place.volume)
            return
        yield replace(message, place=replace(place, role=role, number=n))

    def finish(self) -> Iterator[Notice]:
        """Say how many dummies there were."""
        if self._dropped:
            yield Notice(f"{len(self._dropped)} leading dummy volumes were left out.", Level.INFO)

    def _number(self, place: Place) -> int:
        """Give the number of a volume in the scan: its repetition, as long as no two volumes share one."""
        repetition = place.counters.repetition
        if self._by_repetition and self._volume_of.setdefault(repetition, place.volume) != place.volume:
            self._by_repetition = False
        if self._by_repetition:
            return repetition
        return place.volume if self._first_echo is None else self._order.setdefault(place.volume, len(self._order))


def _by_rule(rule: CounterRule, n: int, place: Place) -> Role | None:
    if n < rule.leading_dummies:
        return None
    if n < rule.leading_dummies + rule.leading_m0scan:
        return Role.M0SCAN
    if rule.counter.startswith("flag_"):
        value = place.flags >> (int(rule.counter.removeprefix("flag_")) - 1) & 1
    else:
        value = getattr(place.counters, rule.counter)
    value = value % rule.modulo if rule.modulo > 0 else value
    return Role.LABEL if value == rule.label_value else Role.CONTROL
