"""Labeling that goes wrong: in the wrong order, not at all, or not in one artery."""

from dataclasses import dataclass, replace

from .faults import Refusals, outside, volumes_of_pair
from .preparation import Preparation
from .protocol import Protocol
from .territories import Territory

Preparations = list[Preparation]


@dataclass(frozen=True, slots=True, kw_only=True)
class SwappedOrder:
    """Labels are played where the header says control, and controls where it says label."""

    def refusals(self, protocol: Protocol) -> Refusals:
        """Tell what the scan cannot show."""
        return iter(())

    def play(self, played: Preparations, protocol: Protocol) -> Preparations:
        """Change what is played; in time encoding the other sub-boluses are labeled."""
        encoding = protocol.time_encoding
        if encoding is None:
            swapped = replace(protocol, label_first=not protocol.label_first)
        else:
            other = replace(encoding, own_matrix=encoding.matrix, label_sign=-encoding.label_sign)
            swapped = replace(protocol, time_encoding=other)
        return [volume.preparation for volume in swapped.volumes]


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelFailure:
    """Blood is labeled badly or not at all: in all pairs, in some, or from one on."""

    factor: float = 0.0
    """What is left of the labeling efficiency, as a factor."""
    pair: int = 0
    """First pair, or cycle, that fails, counted from 0."""
    pairs: int | None = None
    """How many fail; by default all from there on."""

    def refusals(self, protocol: Protocol) -> Refusals:
        """Tell what the scan cannot show."""
        yield from _refusals(self, protocol)

    def play(self, played: Preparations, protocol: Protocol) -> Preparations:
        """Change what is played."""
        failing = _failing(self.pair, self.pairs, protocol)
        return [
            one._replace(efficiency=one.efficiency * self.factor) if volume in failing and one.boluses else one
            for volume, one in enumerate(played)
        ]


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelFailureArtery:
    """The blood of one territory is not labeled, and arrives when it always does."""

    territory: Territory = Territory.LEFT_MIDDLE
    factor: float = 0.0
    """What is left of the labeling efficiency there, as a factor."""
    pair: int = 0
    """First pair, or cycle, that fails, counted from 0."""
    pairs: int | None = None
    """How many fail; by default all from there on."""

    def refusals(self, protocol: Protocol) -> Refusals:
        """Tell what the scan cannot show."""
        yield from _refusals(self, protocol)

    def play(self, played: Preparations, protocol: Protocol) -> Preparations:
        """Change what is played."""
        failing = _failing(self.pair, self.pairs, protocol)
        unlike = ((self.territory, self.factor),) if self.factor != 1 else ()
        return [
            one._replace(unlike=unlike) if volume in failing and one.boluses else one
            for volume, one in enumerate(played)
        ]


def _refusals(fault: LabelFailure | LabelFailureArtery, protocol: Protocol) -> Refusals:
    yield outside("pair", fault.pair, protocol.pairs)
    yield fault.pairs is not None and fault.pairs < 1, f"at least 1 pair fails, not {fault.pairs}"
    yield not 0 <= fault.factor * protocol.efficiency <= 1, "labeling efficiency must stay between 0 and 1"


def _failing(pair: int, pairs: int | None, protocol: Protocol) -> set[int]:
    """Give the volumes of some pairs."""
    last = protocol.pairs if pairs is None else pair + pairs
    first, each = int(protocol.m0scan), volumes_of_pair(protocol)
    return set(range(first + pair * each, first + last * each))
