"""A volume that comes partition by partition: the centred inverse FFT along z, as far ahead of its end as can be."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from .fft import Backend, add_partition, centring, empty, plan_inverse

_PADDING = (
    32  # complex values behind each z plane: with strides that are powers of two the FFT over z is 2.4 times slower
)


@dataclass(slots=True)
class _Open:
    """A volume whose partitions are coming in, already images in x and y."""

    memory: NDArray[np.complex64]
    """Shape ``(coils, z, y * x + padding)``; partitions stand where the plain FFT over z wants them."""
    filled: set[int] = field(default_factory=set)
    transformed: bool = False
    """Whether z is done; partitions that come later are added to the result."""


class PartitionTransform:
    """Collects the partitions of 3-D volumes and turns them into images along z, centred and orthonormal.

    From the second volume on z is transformed before the last partition has come, and that one is added: the transform
    is linear. The memory of a volume is used again for the next one.
    """

    def __init__(self, shape: tuple[int, int, int, int], backend: str = Backend.FFTW) -> None:
        """Plan for volumes of shape ``(coils, z, y, x)``, with memory for one; two open at once take more."""
        coils, self._size, *self._plane = shape
        self._values = self._plane[0] * self._plane[1]
        self._targets, self._centring = centring(self._size)
        self._weights = self._centring
        self._expected = 0
        self._open: dict[int, _Open] = {}
        memory = empty((coils, self._size, self._values + _PADDING))
        self._transform = plan_inverse(memory[:, :, : self._values], 1, backend)
        memory[...] = 0  # the first touch of so much memory takes longer than the transform
        self._spare = [memory]
        self._given: NDArray[np.complex64] | None = None

    def weigh(self, taper: NDArray[np.float32]) -> None:
        """Weigh partitions that come from now on, shape ``(z,)``."""
        self._weights = self._centring * taper

    def add(self, volume: int, index: int, rows: NDArray[np.complex64]) -> None:
        """Add partition ``index`` of a volume, shape ``(coils, 1, y, x)``."""
        opened = self._open.get(volume)
        if opened is None:
            opened = self._open[volume] = _Open(self._memory())
        target, weight = self._targets[index], self._weights[index]
        if opened.transformed:
            turns = (target * np.arange(self._size)) % self._size
            phases = weight * np.exp(2j * np.pi * turns / self._size)
            add_partition(opened.memory, np.ascontiguousarray(rows[:, 0]), phases.astype(np.complex64))
        else:
            place = opened.memory[:, target, : self._values].reshape(rows.shape)
            np.multiply(rows, weight, out=place)
        opened.filled.add(index)
        if not opened.transformed and len(opened.filled) == self._expected - 1:
            self._over_z(opened)  # early, while the scanner still plays the last partition

    def finish(self, volume: int) -> NDArray[np.complex64]:
        """Give the images of a volume, shape ``(coils, z, y, x)``: good until the next volume is begun or finished."""
        opened = self._open.pop(volume)
        if not opened.transformed:
            self._over_z(opened)
        self._expected = len(opened.filled)
        if self._given is not None:
            self._spare.append(self._given)
        self._given = opened.memory
        return opened.memory[:, :, : self._values].reshape(opened.memory.shape[0], self._size, *self._plane)

    def _memory(self) -> NDArray[np.complex64]:
        if self._given is not None:
            self._spare.append(self._given)
            self._given = None
        return self._spare.pop() if self._spare else empty(next(iter(self._open.values())).memory.shape)

    def _over_z(self, opened: _Open) -> None:
        for index in range(self._size):
            if index not in opened.filled:  # partial Fourier along z, or partitions that never came
                opened.memory[:, self._targets[index]] = 0
        self._transform(opened.memory[:, :, : self._values])
        opened.transformed = True
