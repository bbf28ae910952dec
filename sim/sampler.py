"""The noise-free samples of each volume: made once for all volumes that are alike."""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .anatomy import Anatomy
from .faults_rhythm import Cardiac
from .forward import acquire_lines
from .fourier import to_kspace, widen
from .lines import NAVIGATOR
from .magnetization import parts, signal
from .nonuniform import acquire_spirals
from .pose import STILL, Pose
from .preparation import Preparation
from .protocol import Protocol, ReadoutType
from .sequence import Shot

_FEWEST_HELD = 2
"""k-space volumes held: at least one of control and one of label; of each also the pulsating part, if there is one."""
_HELD_BYTES = 1 << 28
"""More are held as long as they fit; one may have 100 MB."""


class Sight(NamedTuple):
    """What can be seen of a head: all that tells the noise-free image of one volume from that of another."""

    preparation: Preparation
    pose: Pose = STILL
    pulsating: bool = False
    """Whether it is what the pulse adds at its height, in place of the image itself."""


def played_trajectory(protocol: Protocol, late: float) -> NDArray[np.float64]:
    """Give where the arms of a spiral run if gradients come late (s), cycles per voxel, ``(arms, samples, 2)``."""
    return protocol.spiral.trajectory(protocol.matrix[:2], min(protocol.grid.voxel[:2]), late)


@dataclass
class Sampler:
    """What the coils receive of a head without noise."""

    protocol: Protocol
    head: Anatomy
    maps: NDArray[np.complex64]
    """Coil sensitivities, shape ``(coils, z, y, x)``."""
    phase: NDArray[np.complex64]
    """Of the image, shape ``(z, y, x)``."""
    off_resonance: NDArray[np.float32] | None
    """Hz, shape ``(z, y, x)``; none where there is none."""
    shots: Sequence[Shot]
    """Of one volume."""
    pulse: Cardiac | None = None
    """How the pulse changes the signal; none where nobody looks at it."""
    _held: OrderedDict[Sight, list[NDArray[np.complex64]]] = field(default_factory=OrderedDict, init=False, repr=False)
    _moved: Anatomy | None = field(default=None, init=False, repr=False)
    """The head in the latest pose it moved to."""

    def image(self, sight: Sight) -> NDArray[np.complex64]:
        """Give the image that a perfect coil would see, shape ``(z, y, x)``.

        Sensitivities, phase and field stand still when the head moves.
        """
        if sight.pulsating:
            return self._parts(sight).sum(axis=0)
        return signal(self._head(sight.pose), self.protocol, sight.preparation) * self.phase

    def volume(self, sight: Sight) -> list[NDArray[np.complex64]]:
        """Give the samples of a volume by shot, each of shape ``(lines, coils, samples)``.

        Of many kinds of volume only the latest are held.
        """
        if sight not in self._held:
            while len(self._held) >= self._most_held:
                self._held.popitem(last=False)
            self._held[sight] = self.sampled(self.shots, sight)
        self._held.move_to_end(sight)
        return self._held[sight]

    def sampled(self, played: Sequence[Shot], sight: Sight) -> list[NDArray[np.complex64]]:
        """Give the samples of any shots of such a volume."""
        protocol, effects, turned = self.protocol, self.protocol.effects, self.off_resonance
        if protocol.readout == ReadoutType.SPIRAL:
            late = played_trajectory(protocol, effects.trajectory_delay)
            return acquire_spirals(protocol, played, self._parts(sight), self.maps, turned, late)
        plain = all(shot.space == 0 and not (shot.lines.flags & np.uint64(NAVIGATOR)).any() for shot in played)
        if protocol.readout == ReadoutType.CARTESIAN and plain and turned is None and not effects.decay:
            return self._transformed(played, self.image(sight))
        return acquire_lines(protocol, played, self._parts(sight), self.maps, turned)

    def _parts(self, sight: Sight) -> NDArray[np.complex64]:
        """Give the images of the tissues, shape ``(tissues, z, y, x)``."""
        head = self._head(sight.pose)
        found = parts(head, self.protocol, sight.preparation)
        if sight.pulsating and self.pulse is not None:
            found *= self.pulse.amplitude(head)
        return found * self.phase

    def _head(self, pose: Pose) -> Anatomy:
        if pose == STILL:
            return self.head
        lies = pose.after(self.head.pose)
        if self._moved is None or self._moved.pose != lies:
            self._moved = self.head.moved(lies)
        return self._moved

    @property
    def _most_held(self) -> int:
        lines = sum(len(shot.lines.ky) for shot in self.shots)
        volume = lines * self.protocol.samples * self.protocol.coils * np.dtype(np.complex64).itemsize
        return max(_FEWEST_HELD * (1 if self.pulse is None else 2), _HELD_BYTES // volume)

    def _transformed(self, played: Sequence[Shot], image: NDArray[np.complex64]) -> list[NDArray[np.complex64]]:
        """Sample k-space by fast transforms, coil by coil, so that little memory is needed beside the result."""
        protocol = self.protocol
        samples, lines, partitions = protocol.encoded_matrix
        axes = (0, 1, 2) if protocol.three_dimensional else (1, 2)
        arrays = [np.empty((len(shot.lines.ky), protocol.coils, samples), np.complex64) for shot in played]
        for coil in range(protocol.coils):
            full = to_kspace(widen(image * self.maps[coil], (partitions, lines, samples)), axes)
            for shot, array in zip(played, arrays, strict=True):
                planes = shot.lines.kz + partitions // 2 if protocol.three_dimensional else shot.plane
                array[:, coil] = full[planes, shot.lines.ky + lines // 2]
        return arrays
