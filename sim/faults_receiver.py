"""What goes wrong between the coils and the wire: spikes, coils, gain, lost lines, a scan that ends too early."""

from dataclasses import dataclass

from .faults import Refusals, at_volume, outside, volumes_from
from .protocol import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Spikes:
    """Sparks: single samples of some readouts are far too large, in all coils at once."""

    volume: int | None = None
    """First one with spikes, counted from 0; by default in the middle of the scan."""
    volumes: int = 1
    """How many have them."""
    readouts: int = 3
    """Readouts with a spike in each of them."""
    height: float = 0.3
    """Of a spike over the largest sample of the volume, coil by coil."""

    def refusals(self, protocol: Protocol) -> Refusals:
        """Tell what the scan cannot show."""
        yield outside("volume", self.volume, len(protocol.volumes))
        yield min(self.volumes, self.readouts) < 1, "at least 1 readout of 1 volume has a spike"
        yield from _too_many(self.readouts, protocol)

    def begin(self, protocol: Protocol) -> int:
        """Give the first volume it spoils."""
        return at_volume(self.volume, protocol)

    def affected(self, protocol: Protocol) -> tuple[int, ...]:
        """Give the volumes with spikes."""
        return volumes_from(self.begin(protocol), protocol, self.volumes)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadCoil:
    """A coil element receives nothing but its own noise."""

    coil: int = 0
    """Counted from 0."""
    volume: int = 0
    """First one it fails in, counted from 0; reference lines are ahead of it all, and fail with volume 0."""

    def refusals(self, protocol: Protocol) -> Refusals:
        """Tell what the scan cannot show."""
        yield outside("coil", self.coil, protocol.coils)
        yield outside("volume", self.volume, len(protocol.volumes))

    def affected(self, protocol: Protocol) -> tuple[int, ...]:
        """Give the volumes it fails in."""
        return volumes_from(self.volume, protocol)


@dataclass(frozen=True, slots=True, kw_only=True)
class NoisyCoil:
    """A coil element has far more noise than it should, as with a broken amplifier."""

    coil: int = 0
    """Counted from 0."""
    factor: float = 10.0
    """Of its noise, by standard deviation."""
    volume: int = 0
    """First one it is noisy in, counted from 0; the noise scan and reference lines are noisy with volume 0."""

    def refusals(self, protocol: Protocol) -> Refusals:
        """Tell what the scan cannot show."""
        yield outside("coil", self.coil, protocol.coils)
        yield outside("volume", self.volume, len(protocol.volumes))
        yield self.factor < 0, f"noise cannot be less than none: factor {self.factor:g}"

    def affected(self, protocol: Protocol) -> tuple[int, ...]:
        """Give the volumes it is noisy in."""
        return volumes_from(self.volume, protocol)


@dataclass(frozen=True, slots=True, kw_only=True)
class GainJump:
    """The receiver changes its gain, of signal and of noise, as if it had been adjusted again."""

    volume: int | None = None
    """First one with the new gain, counted from 0; by default in the middle of the scan."""
    factor: float = 1.2

    def refusals(self, protocol: Protocol) -> Refusals:
        """Tell what the scan cannot show."""
        yield outside("volume", self.volume, len(protocol.volumes))
        yield self.factor <= 0, f"a gain is above 0, not {self.factor:g}"

    def begin(self, protocol: Protocol) -> int:
        """Give the first volume it spoils."""
        return at_volume(self.volume, protocol)

    def affected(self, protocol: Protocol) -> tuple[int, ...]:
        """Give the volumes with the new gain."""
        return volumes_from(self.begin(protocol), protocol)


@dataclass(frozen=True, slots=True, kw_only=True)
class LostLines:
    """Some readouts, one after the other, never come; the counters of the others go on as if they had."""

    volume: int | None = None
    """First one with gaps, counted from 0; by default in the middle of the scan."""
    volumes: int = 1
    """How many have gaps."""
    readouts: int = 8
    """Readouts that are missing in each of them."""

    def refusals(self, protocol: Protocol) -> Refusals:
        """Tell what the scan cannot show."""
        yield outside("volume", self.volume, len(protocol.volumes))
        yield min(self.volumes, self.readouts) < 1, "at least 1 readout of 1 volume is lost"
        yield from _too_many(self.readouts, protocol)

    def begin(self, protocol: Protocol) -> int:
        """Give the first volume it spoils."""
        return at_volume(self.volume, protocol)

    def affected(self, protocol: Protocol) -> tuple[int, ...]:
        """Give the volumes with gaps."""
        return volumes_from(self.begin(protocol), protocol, self.volumes)


@dataclass(frozen=True, slots=True, kw_only=True)
class EarlyStop:
    """The scan is stopped: after the last line of some volume the stream ends."""

    volume: int | None = None
    """Last one that is read, counted from 0; by default at two thirds of the scan."""

    def refusals(self, protocol: Protocol) -> Refusals:
        """Tell what the scan cannot show."""
        yield outside("volume", self.volume, len(protocol.volumes))

    def last(self, protocol: Protocol) -> int:
        """Give the last volume that is read."""
        return at_volume(self.volume, protocol, 2 / 3)

    def affected(self, protocol: Protocol) -> tuple[int, ...]:
        """Give the volumes that never come."""
        return volumes_from(self.last(protocol) + 1, protocol)


def _too_many(readouts: int, protocol: Protocol) -> Refusals:
    there = protocol.readouts // len(protocol.volumes)
    yield readouts > there, f"{readouts} readouts are more than the {there} of a volume"
