"""Undoing the decay of the signal along an echo train."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ..streaming.errors import ConfigError
from ..streaming.flow import KSpace
from ..streaming.gadget import Gadget
from ..streaming.notices import Level, Notice
from ..streaming.scan import Scan
from .kernels.decay import compensation, times_in_shot

_UNKNOWN = (
    "The echo times of the partitions are not known (no time stamps, no echo time in the header): T2 decay along z is "
    "not undone."
)
_BY_ORDER = "Without time stamps the partitions are taken for one echo train, in their order of arrival."


@dataclass
class UndoDecay(Gadget):
    """Sharpens 3-D GRASE along z: partitions that were read late in the echo train, with less signal left, count more.

    Weights along kz are ``w = E / (E^2 + mu)``, ``E = exp(-(t - t_center) / T2)``, scaled to 1 at the center of
    k-space, as far as ``noise_gain`` allows. The echo times come from the time stamps of the first volume, which is
    held until it is complete; then the weights stay, the same for m0scan, control and label. Off without ``t2``.
    """

    t2: float | None = None
    """T2 of the tissue, s; about 0.08 for gray matter at 3 T. Nothing is done where it is not given."""
    noise_gain: float = 1.3
    """By how much the noise may grow."""

    _partitions: int = field(default=1, init=False, repr=False)
    _echo_time: float | None = field(default=None, init=False, repr=False)
    _held: list[KSpace] = field(default_factory=list, init=False, repr=False)
    _weights: NDArray[np.float32] | None = field(default=None, init=False, repr=False)
    _learned: bool = field(default=False, init=False, repr=False)

    def needed(self, scan: Scan) -> bool:
        """Tell whether T2 is given and z is phase-encoded."""
        return self.t2 is not None and scan.three_dimensional

    def start(self, scan: Scan) -> None:
        """Forget the weights of the scan before."""
        if self.t2 is not None and self.t2 <= 0:
            raise ConfigError(f"t2 of decay cannot be {self.t2:g} s: it is above 0.")
        self._partitions = max(1, scan.encoding.encoded_matrix[2]) if scan.encoding else 1
        self._echo_time = scan.echo_time
        self._held, self._weights, self._learned = [], None, False

    def process(self, message: KSpace) -> Iterator[KSpace | Notice]:
        """Weigh one partition; those of the first volume are held until all of them are there."""
        if self._learned:
            yield self._weighed(message)
            return
        self._held.append(message)
        if message.last:
            yield from self._learn(message.place.volume)

    def finish(self) -> Iterator[KSpace | Notice]:
        """Give what is held of a first volume that never became complete."""
        if self._held:
            yield from self._learn(self._held[0].place.volume)

    def _learn(self, volume: int) -> Iterator[KSpace | Notice]:
        """Learn the weights from the partitions of a volume, and let go what was held."""
        self._learned = True
        yield from self._find_weights([message for message in self._held if message.place.volume == volume])
        held, self._held = self._held, []
        for message in held:
            yield self._weighed(message)

    def _find_weights(self, messages: list[KSpace]) -> Iterator[Notice]:
        stamped = [message for message in messages if message.time > 0]
        messages = stamped if 2 * len(stamped) > len(messages) else messages  # without those that never came
        indices = np.array([message.index for message in messages])
        nearest = int(np.argmin(np.abs(indices - self._partitions // 2)))
        times = [message.time for message in messages]
        if min(times) > 0 and len(set(times)) > 1:
            since = times_in_shot(times)
        elif self._echo_time:  # the echo of the center is the one that the header tells
            yield Notice(_BY_ORDER, Level.INFO)
            since = np.arange(len(messages)) * self._echo_time / (nearest + 1)
        else:
            yield Notice(_UNKNOWN)
            return
        if self.t2 is None:
            return
        weights, gain = compensation(since, float(since[nearest]), self.t2, self.noise_gain)
        order = np.argsort(indices)
        every = np.interp(np.arange(self._partitions), indices[order], weights[order])
        self._weights = every.astype(np.float32)
        text = (
            f"Images are filtered along z: decay with a T2 of {self.t2:g} s over {since.max():.3f} s is undone by "
            f"weights of {weights.min():.2f} to {weights.max():.2f}; the noise grows {gain:.2f}-fold."
        )
        yield Notice(text, Level.INFO if gain <= self.noise_gain else Level.WARNING)

    def _weighed(self, message: KSpace) -> KSpace:
        if self._weights is None or not 0 <= message.index < len(self._weights):
            return message
        return message.with_data(message.data * self._weights[message.index])
