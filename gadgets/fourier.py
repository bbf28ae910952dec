"""From k-space to the images of all coils."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from ..streaming.errors import DataError
from ..streaming.flow import FULL, CoilImages, KSpace, Place, Sampling
from ..streaming.gadget import Gadget
from ..streaming.scan import Encoding, Scan
from .kernels.fft import Backend, CentredInverse, empty
from .kernels.grid import central, kept
from .kernels.slab import PartitionTransform
from .kernels.taper import edge_weights, filter_of


@dataclass
class Fourier(Gadget):
    """Turns k-space into images, one for each coil.

    Centred, orthonormal inverse FFT along y as each slice or partition arrives, and along z when all partitions of a
    3-D volume have; rows and slices outside of the wanted field of view are cut off. Where k-space was cut off (partial
    Fourier, asymmetric echo) its edge fades out instead of ringing: the same weights for all volumes that were sampled
    alike. The memory of a 3-D volume is used again for the next one: who keeps its images longer takes a copy.
    """

    backend: Backend = Backend.FFTW
    """``fftw`` or ``scipy``; without pyFFTW always ``scipy``."""
    taper: float = 0.1
    """Width of the fading edge where k-space was cut off, share of the half width of k-space; 0 for a hard edge."""

    _encoding: Encoding | None = field(default=None, init=False, repr=False)
    _three_dimensional: bool = field(default=False, init=False, repr=False)
    _slices: int = field(default=1, init=False, repr=False)
    _along_y: CentredInverse | None = field(default=None, init=False, repr=False)
    _along_z: PartitionTransform | None = field(default=None, init=False, repr=False)
    _shape: tuple[int, ...] = field(default=(), init=False, repr=False)
    _rows: slice = field(default_factory=lambda: slice(None), init=False, repr=False)
    _sampling: Sampling = field(default=FULL, init=False, repr=False)
    _filter: NDArray[np.complex64] | None = field(default=None, init=False, repr=False)
    _open: dict[int, Place] = field(default_factory=dict, init=False, repr=False)

    def needed(self, scan: Scan) -> bool:
        """Tell whether lines of k-space are read; what lies on a trajectory is for ``nufft``."""
        return scan.encoding is None or scan.encoding.on_a_grid

    def start(self, scan: Scan) -> None:
        """Read the geometry; plans are made for it where the header gives all of it."""
        self._encoding, self._three_dimensional = scan.encoding, scan.three_dimensional
        self._slices = max(1, scan.encoding.encoded_matrix[2]) if scan.encoding else 1
        self._along_y, self._along_z, self._shape, self._open = None, None, (), {}
        self._sampling, self._filter = FULL, None
        if scan.encoding and scan.coils > 0:
            x, y, _ = scan.encoding.encoded_matrix
            columns = kept(x, x, scan.encoding.encoded_field_of_view[0], scan.encoding.recon_field_of_view[0], x)
            if x > 0 and y > 0:
                self._prepare((scan.coils, 1, y, columns))

    def process(self, message: KSpace) -> Iterator[CoilImages]:
        """Transform one slice, or add one partition to its volume."""
        if message.data.shape != self._shape:
            self._prepare(message.data.shape)
        if message.place.sampling != self._sampling:
            self._weigh(message.place.sampling)
        assert self._along_y  # noqa: S101  (prepared above)
        if self._along_z is None:
            images = self._along_y(message.data, out=empty(message.data.shape))[:, :, self._rows]
            yield CoilImages(self._filtered(images), message.place, message.index, message.last)
            return
        rows = self._filtered(self._along_y(message.data)[:, :, self._rows])
        if not 0 <= message.index < self._slices:
            raise DataError(f"Partition {message.index} lies outside of the {self._slices} that the header states.")
        number = message.place.volume
        begun = self._open.get(number)
        missing = message.place.missing + (begun.missing if begun else 0)
        self._open[number] = replace(begun or message.place, missing=missing)
        self._along_z.add(number, message.index, rows)
        if message.last:
            images = self._along_z.finish(number)[:, central(self._slices, self._kept(self._slices, 2))]
            yield CoilImages(images, self._open.pop(number), 0, last=True)

    def _prepare(self, shape: tuple[int, ...]) -> None:
        coils, _, y, x = shape
        self._shape, self._sampling, self._filter, self._along_z = shape, FULL, None, None
        self._along_y = CentredInverse(shape, 2, self.backend)
        count = self._kept(y, 1)
        self._rows = central(y, count)
        if self._three_dimensional:
            self._along_z = PartitionTransform((coils, self._slices, count, x), self.backend)
            self._open = {}

    def _weigh(self, sampling: Sampling) -> None:
        """Let the edges of k-space fade out where this sampling cuts them off."""
        _, _, y, x = self._shape
        self._sampling = sampling
        if self._along_y is not None:
            self._along_y.weigh(edge_weights(y, sampling.y, self.taper))
        if self._along_z is not None:
            self._along_z.weigh(edge_weights(self._slices, sampling.z, self.taper))
        along_x = edge_weights(x, sampling.x, self.taper)
        self._filter = None if (along_x == 1).all() else filter_of(along_x)

    def _filtered(self, images: NDArray[np.complex64]) -> NDArray[np.complex64]:
        """Let the edge of an asymmetric echo fade out; x came transformed, so here it takes a matrix."""
        return images if self._filter is None else images @ self._filter

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
