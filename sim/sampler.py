"""The noise-free samples of each volume: made once for all volumes that are alike."""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from .anatomy import Anatomy
from .forward import acquire_lines
from .fourier import to_kspace, widen
from .lines import NAVIGATOR
from .magnetization import parts, signal
from .nonuniform import acquire_spirals
from .preparation import Preparation
from .protocol import Protocol, ReadoutType
from .sequence import Shot

_FEWEST_HELD = 2
"""k-space volumes held: at least one of control and one of label."""
_HELD_BYTES = 1 << 28
"""More are held as long as they fit; one may have 100 MB."""


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
    _held: OrderedDict[Preparation, list[NDArray[np.complex64]]] = field(
        default_factory=OrderedDict, init=False, repr=False
    )

    def image(self, preparation: Preparation) -> NDArray[np.complex64]:
        """Give the image that a perfect coil would see, shape ``(z, y, x)``."""
        return signal(self.head, self.protocol, preparation) * self.phase

    def volume(self, preparation: Preparation) -> list[NDArray[np.complex64]]:
        """Give the samples of a volume by shot, each of shape ``(lines, coils, samples)``.

        Of many kinds of volume only the latest are held.
        """
        if preparation not in self._held:
            while len(self._held) >= self._most_held:
                self._held.popitem(last=False)
            self._held[preparation] = self.sampled(self.shots, preparation)
        self._held.move_to_end(preparation)
        return self._held[preparation]

    def sampled(self, played: Sequence[Shot], preparation: Preparation) -> list[NDArray[np.complex64]]:
        """Give the samples of any shots of such a volume."""
        protocol, effects, turned = self.protocol, self.protocol.effects, self.off_resonance
        if protocol.readout == ReadoutType.SPIRAL:
            late = played_trajectory(protocol, effects.trajectory_delay)
            return acquire_spirals(protocol, played, self._parts(preparation), self.maps, turned, late)
        plain = all(shot.space == 0 and not (shot.lines.flags & np.uint64(NAVIGATOR)).any() for shot in played)
        if protocol.readout == ReadoutType.CARTESIAN and plain and turned is None and not effects.decay:
            return self._transformed(played, self.image(preparation))
        return acquire_lines(protocol, played, self._parts(preparation), self.maps, turned)

    def _parts(self, preparation: Preparation) -> NDArray[np.complex64]:
        """Give the images of the tissues, shape ``(tissues, z, y, x)``."""
        return parts(self.head, self.protocol, preparation) * self.phase

    @property
    def _most_held(self) -> int:
        lines = sum(len(shot.lines.ky) for shot in self.shots)
        volume = lines * self.protocol.samples * self.protocol.coils * np.dtype(np.complex64).itemsize
        return max(_FEWEST_HELD, _HELD_BYTES // volume)

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
