"""Lists in a header that have one value for each volume: which volume each value belongs to."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod

from . import bids
from .scan import CounterRule, Limits, Role

LONGEST_DELAY = 15.0
"""Labeling, delays and slice times beyond this many s are taken for ms that nobody converted."""
_COUNTERS = frozenset(("repetition", "set", "average", "phase"))
"""Each of their values is a volume of its own."""
_IN_PAIRS = frozenset((Role.CONTROL, Role.LABEL, Role.DELTAM))


@dataclass(frozen=True, slots=True)
class Series:
    """The volumes of a scan, as far as they are known ahead."""

    context: tuple[Role, ...] = ()
    volumes: int = 0
    """How many the counters announce, where there is no context; 0 where nothing tells."""
    leading: int = 0
    """Those ahead of the first pair, where there is no context."""

    @classmethod
    def of(cls, context: tuple[Role, ...], rule: CounterRule | None, limits: Mapping[str, Limits]) -> "Series":
        """Count the volumes by ``context``, else by the limits of the counters.

        Contrasts are echoes of one volume, unless the rule tells control from label by them.
        """
        if context:
            return cls(context)
        counters = {*_COUNTERS, rule.counter} if rule is not None else _COUNTERS
        volumes = prod(_values(limits, counter) for counter in counters)
        leading = rule.leading_dummies + rule.leading_m0scan if rule is not None else 0
        return cls((), volumes if volumes > 1 else 0, leading)

    def spread(self, values: tuple[float, ...]) -> tuple[float, ...]:
        """Give one value, or one for each volume; raises ValueError, as the readers of BIDS keys do.

        Without a context a list may also have one value for each pair: the volumes ahead of them then get 0.
        """
        expected = len(self.context) or self.volumes
        if len(set(values)) == 1 and len(values) != expected:
            return values[:1]
        if len(values) in (1, expected):
            return values
        if self.context:
            ahead = " (0 for an m0scan)" if Role.M0SCAN in self.context else ""
            raise ValueError(
                f"has {len(values)} values for {expected} volumes of aslcontext; expected 1 or {expected}{ahead}"
            )
        if not expected:
            raise ValueError(
                f"has {len(values)} values, and without aslcontext nothing says which volume each belongs to"
            )
        if self.leading + 2 * len(values) == expected:
            return (0.0,) * self.leading + tuple(value for value in values for _ in range(2))
        pairs = (expected - self.leading) // 2
        raise ValueError(
            f"has {len(values)} values for {expected} volumes; expected 1, {expected} (one for each volume) or {pairs} "
            "(one for each pair)"
        )

    def delays(self, value: object) -> tuple[float, ...]:
        """Read delays, s: one, or one for each volume."""
        return self.spread(bids.times(value, LONGEST_DELAY))

    def durations(self, value: object, pulsed: bool) -> tuple[float, ...]:
        """Read labeling durations, s; in a pair blood must have been labeled for some time, unless by a pulse."""
        found = self.delays(value)
        if pulsed:
            return found
        if not any(found):
            raise ValueError("is 0, so that no blood would be labeled; expected s, above 0")
        for number, role in enumerate(self.context if len(found) > 1 else ()):
            if found[number] == 0 and role in _IN_PAIRS:
                raise ValueError(f"is 0 for volume {number}, a {role}; expected s, above 0")
        return found


def miscounted(context: Sequence[Role], limits: Mapping[str, Limits]) -> str:
    """Say where a context and the counters of the header count different volumes; an empty text where they agree.

    A context may list what only some of the counters count, so that any of their products may agree with it.
    """
    repetitions = _values(limits, "repetition")
    possible = {repetitions}
    for name in (*_COUNTERS - {"repetition"}, "contrast"):
        possible |= {count * _values(limits, name) for count in possible}
    listed = len(context)
    if not context or repetitions < 2 or listed in possible:
        return ""
    then = (
        "volumes beyond the list are left out"
        if listed < min(possible)
        else "what the list has beyond the volumes that come is without effect"
    )
    return f"aslcontext lists {listed} volumes, but encodingLimits announce {repetitions} repetitions: {then}."


def _values(limits: Mapping[str, Limits], counter: str) -> int:
    """Tell how many values a counter takes; 1 for one the header does not limit."""
    limit = limits.get(counter)
    return limit.maximum - limit.minimum + 1 if limit is not None else 1
