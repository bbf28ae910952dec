"""From k-space to the images of all coils."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from ..streaming.errors import DataError
from ..streaming.flow import CoilImages, KSpace, Place
from ..streaming.gadget import Gadget
from ..streaming.scan import Encoding, Scan
from .kernels.fft import Backend, CentredInverse, add_partition, centring, empty, plan_inverse
from .kernels.grid import central, kept

_PADDING = (
    32  # complex values behind each z plane: with strides that are powers of two the FFT over z is 2.4 times slower
)


@dataclass(slots=True)
class _Slab:
    """A 3-D volume whose partitions are coming in, already transformed along y."""

    memory: NDArray[np.complex64]
    """Shape ``(coils, z, y * x + padding)``; partitions stand where the plain FFT over z wants them."""
    place: Place
    missing: int = 0
    filled: set[int] = field(default_factory=set)
    transformed: bool = False
    """Whether z is done; partitions that come later are added to the result."""


@dataclass
class Fourier(Gadget):
    """Turns k-space into images, one for each coil.

    Centred, orthonormal inverse FFT along y as each slice or partition arrives, and along z when all partitions of a
    3-D volume have; rows and slices outside of the wanted field of view are cut off. The memory of a 3-D volume is used
    again for the next but one: who keeps its images longer takes a copy.
    """

    backend: Backend = Backend.FFTW
    """``fftw`` or ``scipy``; without pyFFTW always ``scipy``."""

    _encoding: Encoding | None = field(default=None, init=False, repr=False)
    _three_dimensional: bool = field(default=False, init=False, repr=False)
    _slices: int = field(default=1, init=False, repr=False)
    _along_y: CentredInverse | None = field(default=None, init=False, repr=False)
    _shape: tuple[int, ...] = field(default=(), init=False, repr=False)
    _rows: slice = field(default_factory=lambda: slice(None), init=False, repr=False)
    _along_z: Callable[[NDArray[np.complex64]], NDArray[np.complex64]] | None = field(
        default=None, init=False, repr=False
    )
    _targets: NDArray[np.intp] = field(default_factory=lambda: centring(1)[0], init=False, repr=False)
    _weights: NDArray[np.complex64] = field(default_factory=lambda: centring(1)[1], init=False, repr=False)
    _partitions: int = field(default=0, init=False, repr=False)
    _spare: list[NDArray[np.complex64]] = field(default_factory=list, init=False, repr=False)
    _given: NDArray[np.complex64] | None = field(default=None, init=False, repr=False)
    _open: dict[int, _Slab] = field(default_factory=dict, init=False, repr=False)

    def start(self, scan: Scan) -> None:
        """Read the geometry; plans are made for it where the header gives all of it."""
        self._encoding, self._three_dimensional = scan.encoding, scan.three_dimensional
        self._slices = max(1, scan.encoding.encoded_matrix[2]) if scan.encoding else 1
        self._targets, self._weights = centring(self._slices)
        self._along_y, self._along_z, self._shape, self._open = None, None, (), {}
        self._partitions, self._spare, self._given = 0, [], None
        if scan.encoding and scan.coils > 0:
            x, y, _ = scan.encoding.encoded_matrix
            columns = kept(x, x, scan.encoding.encoded_field_of_view[0], scan.encoding.recon_field_of_view[0], x)
            if x > 0 and y > 0:
                self._prepare((scan.coils, 1, y, columns))

    def process(self, message: KSpace) -> Iterator[CoilImages]:
        """Transform one slice, or add one partition to its volume."""
        if message.data.shape != self._shape:
            self._prepare(message.data.shape)
        assert self._along_y  # noqa: S101  (prepared above)
        if not self._three_dimensional:
            images = self._along_y(message.data, out=empty(message.data.shape))[:, :, self._rows]
            yield CoilImages(images, message.place, message.index, message.last)
            return
        rows = self._along_y(message.data)[:, :, self._rows]
        if not 0 <= message.index < self._slices:
            raise DataError(f"Partition {message.index} lies outside of the {self._slices} that the header states.")
        slab = self._slab(message, rows.shape)
        self._add(slab, message.index, rows)
        slab.missing += message.place.missing
        if message.last:
            del self._open[message.place.volume]
            yield self._whole(slab, rows.shape)
        elif len(slab.filled) == self._partitions - 1:
            self._transform(slab, rows.shape)  # early, while the scanner still plays the last partition

    def _prepare(self, shape: tuple[int, ...]) -> None:
        coils, _, y, x = shape
        self._shape = shape
        self._along_y = CentredInverse(shape, 2, self.backend)
        count = self._kept(y, 1)
        self._rows = central(y, count)
        if self._three_dimensional:
            memory = self._memory((coils, 1, count, x))
            self._along_z = plan_inverse(memory[:, :, : count * x], 1, self.backend)
            self._spare, self._given = [memory], None

    def _kept(self, size: int, axis: int) -> int:
        encoding = self._encoding
        if encoding is None:
            return size
        return kept(
            size,
            encoding.encoded_matrix[axis],
            encoding.encoded_field_of_view[axis],
            encoding.recon_field_of_view[axis],
            encoding.recon_matrix[axis],
        )

    def _slab(self, message: KSpace, shape: tuple[int, ...]) -> _Slab:
        slab = self._open.get(message.place.volume)
        if slab is None:
            memory = self._spare.pop() if self._spare else self._memory(shape)
            slab = self._open[message.place.volume] = _Slab(memory, message.place)
        return slab

    def _memory(self, shape: tuple[int, ...]) -> NDArray[np.complex64]:
        coils, _, y, x = shape
        return empty((coils, self._slices, y * x + _PADDING))

    def _add(self, slab: _Slab, index: int, rows: NDArray[np.complex64]) -> None:
        """Put a partition where the plain FFT over z wants it; after that FFT, add what it would have made of it."""
        target, weight = self._targets[index], self._weights[index]
        if slab.transformed:
            turns = (target * np.arange(self._slices)) % self._slices
            phases = weight * np.exp(2j * np.pi * turns / self._slices)
            add_partition(slab.memory, np.ascontiguousarray(rows[:, 0]), phases.astype(np.complex64))
        else:
            place = slab.memory[:, target, : rows.shape[2] * rows.shape[3]].reshape(rows.shape)
            np.multiply(rows, weight, out=place)
        slab.filled.add(index)

    def _transform(self, slab: _Slab, shape: tuple[int, ...]) -> None:
        for index in range(self._slices):
            if index not in slab.filled:  # partial Fourier along z, or partitions that never came
                slab.memory[:, self._targets[index]] = 0
        self._along_z(slab.memory[:, :, : shape[2] * shape[3]])  # pyright: ignore[reportOptionalCall] (planned before)
        slab.transformed = True

    def _whole(self, slab: _Slab, shape: tuple[int, ...]) -> CoilImages:
        if not slab.transformed:
            self._transform(slab, shape)
        self._partitions = len(slab.filled)
        if self._given is not None and self._given.shape == slab.memory.shape:
            self._spare.append(self._given)
        self._given = slab.memory
        values = slab.memory[:, :, : shape[2] * shape[3]].reshape(shape[0], self._slices, *shape[2:])
        images = values[:, central(self._slices, self._kept(self._slices, 2))]
        return CoilImages(images, replace(slab.place, missing=slab.missing), 0, last=True)
