"""When a fault of the simulated patient begins, and which volumes it spoils."""

from collections.abc import Iterator

from .protocol import Protocol
from .sequence import trains

Refusals = Iterator[tuple[bool, str]]


def at_volume(volume: int | None, protocol: Protocol, share: float = 0.5) -> int:
    """Give the volume at which a fault begins; where none is said, at some share of the scan."""
    return int(len(protocol.volumes) * share) if volume is None else volume


def volumes_from(first: int, protocol: Protocol, count: int | None = None) -> tuple[int, ...]:
    """Give so many volumes from the first on, or all."""
    end = len(protocol.volumes)
    return tuple(range(first, end if count is None else min(first + count, end)))


def outside(name: str, value: int | None, end: int) -> tuple[bool, str]:
    """Refuse a number that the scan does not reach."""
    return value is not None and not 0 <= value < end, f"{name} {value} is not of this scan: there are 0 to {end - 1}"


def volumes_of_pair(protocol: Protocol) -> int:
    """Count the volumes of a pair, or of a cycle."""
    return (len(protocol.volumes) - protocol.m0scan) // protocol.pairs


def pairs_of(volumes: tuple[int, ...], protocol: Protocol) -> tuple[int, ...]:
    """Give the pairs, or cycles, to which some volumes belong."""
    first, each = int(protocol.m0scan), volumes_of_pair(protocol)
    return tuple(sorted({(volume - first) // each for volume in volumes if volume >= first}))


def volume_times(protocol: Protocol, begin: float = 0.0) -> tuple[float, ...]:
    """Give the time of the first imaging line of each volume, since the begin of the scan, s."""
    return tuple(train.time for train in trains(protocol, begin) if train.first)
