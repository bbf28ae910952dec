"""From the samples of a readout to positions along x."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ..streaming.flow import Kind, Level, Notice, Readout, Train
from ..streaming.gadget import Gadget
from ..streaming.scan import Encoding, Scan
from .kernels.fft import Backend
from .kernels.grid import central
from .kernels.readout import ReadoutInverse

_REVERSED = 1 << 21  # MRD flag 22
_TRANSFORMED = (Kind.IMAGING, Kind.REFERENCE_AND_IMAGING)


@dataclass
class TransformReadout(Gadget):
    """Turns the samples of each imaging line into positions along x, and cuts off what lies outside of the image.

    Centred, orthonormal inverse FFT, ``(coils, samples)`` to ``(coils, x)``. Oversampling is read from the number of
    samples and the two fields of view; an asymmetric echo is filled with zeros so that its centre lands at N // 2;
    lines flagged as reversed are turned round. All other readouts pass unchanged.
    """

    backend: Backend = Backend.FFTW
    """``fftw`` or ``scipy``; without pyFFTW always ``scipy``."""

    _encoding: Encoding | None = field(default=None, init=False, repr=False)
    _shape: tuple[int, ...] = field(default=(), init=False, repr=False)
    _center: int = field(default=0, init=False, repr=False)
    _grid: int = field(default=0, init=False, repr=False)
    _transform: ReadoutInverse | None = field(default=None, init=False, repr=False)
    _left_out: int = field(default=0, init=False, repr=False)

    def start(self, scan: Scan) -> None:
        """Plan the transform, where the header says how long the lines will be."""
        self._encoding = scan.encoding
        self._shape, self._transform, self._left_out = (), None, 0
        if scan.coils > 0 and self._encoding is not None and self._encoding.encoded_matrix[0] > 0:
            # FFTW remembers what it measured: planning the same shape again for the first readout is then quick
            ReadoutInverse(scan.coils, self._encoding.encoded_matrix[0], slice(None), self.backend)

    def process(self, message: Readout | Train) -> Iterator[Readout | Train | Notice]:
        """Transform one line, or the lines of a train."""
        if isinstance(message, Train):
            yield from self._transform_train(message)
        elif message.kind not in _TRANSFORMED:
            yield message
        elif self._transform is None:
            yield from self._prepare(message)
            yield self._transformed(message)
        elif message.data.shape == self._shape:
            yield self._transformed(message)
        else:
            yield from self._leave_out(message)

    def _transformed(self, message: Readout) -> Readout:
        start, line = self._lie(message)
        return message.with_data(self._each(line[np.newaxis], start)[0])

    def _transform_train(self, train: Train) -> Iterator[Readout | Train | Notice]:
        if self._transform is None or train.data.shape[1:] != self._shape:
            for line in train.split():
                yield from self.process(line)
            return
        first = train.readout(0)
        start, _ = self._lie(first)
        lines = train.data[:, :, ::-1] if first.flags & _REVERSED else train.data
        yield train.with_data(self._each(lines, start))

    def _each(self, lines: NDArray[np.complex64], start: int) -> NDArray[np.complex64]:
        """Transform each line; gives an array ``(lines, coils, x)``."""
        assert self._transform  # noqa: S101  (prepared with the first line)
        kept = np.empty((len(lines), self._shape[0], self._transform.columns), np.complex64)
        for line, out in zip(lines, kept, strict=True):
            self._transform(line, start, out)
        return kept

    def finish(self) -> Iterator[Notice]:
        """Say how many lines were left out."""
        if self._left_out:
            yield Notice(f"{self._left_out} readouts of another shape than the first one were left out.")

    def _prepare(self, message: Readout) -> Iterator[Notice]:
        self._shape = message.data.shape
        coils, samples = self._shape
        matrix = self._encoding.encoded_matrix[0] if self._encoding else 0
        self._center = _stated_center(message)
        self._grid = _grid(samples, self._center, matrix)
        keep, words = _columns(self._grid, self._encoding)
        self._transform = ReadoutInverse(coils, self._grid, central(self._grid, keep), self.backend)
        if words:
            yield Notice(words, Level.INFO)

    def _leave_out(self, message: Readout) -> Iterator[Notice]:
        self._left_out += 1
        if self._left_out == 1:
            coils, samples = message.data.shape
            yield Notice(
                f"A readout of {coils} coils x {samples} samples among lines of {self._shape[0]} x {self._shape[1]}: "
                "it and others like it are left out."
            )

    def _lie(self, message: Readout) -> tuple[int, NDArray[np.complex64]]:
        """Tell where on the grid the samples begin, and give them in the direction of increasing k."""
        line, center, samples = message.data, _stated_center(message), self._shape[1]
        if message.flags & _REVERSED:
            line, center = line[:, ::-1], samples - 1 - center
        if abs(center - samples // 2) <= 1:
            return (self._grid - samples) // 2 if samples < self._grid else 0, line
        return max(0, min(self._grid // 2 - center, self._grid - samples)), line


def _stated_center(message: Readout) -> int:
    """Give the sample at the centre of k-space; converted data often say 0, which no Cartesian line means."""
    samples = message.data.shape[1]
    return message.center_sample if 0 < message.center_sample < samples else samples // 2


def _grid(samples: int, center: int, matrix: int) -> int:
    """Give the size of the grid: the samples, or more where the echo is asymmetric."""
    if abs(center - samples // 2) <= 1:  # reversed and even lines state their centre one off
        return samples
    fits = samples < matrix and 0 <= matrix // 2 - center <= matrix - samples
    return matrix if fits else 2 * max(center, samples - center)


def _columns(grid: int, encoding: Encoding | None) -> tuple[int, str]:
    """Give the columns to keep, and what is to be said about it."""
    if encoding is None or encoding.recon_matrix[0] <= 0:
        return grid, f"The header names no matrix along x: all {grid} columns are kept."
    matrix, wanted = encoding.encoded_matrix[0], encoding.recon_matrix[0]
    encoded, length = encoding.encoded_field_of_view[0], encoding.recon_field_of_view[0]
    if encoded <= 0 or length <= 0 or matrix <= 0:
        return min(wanted, grid), ""
    # more samples than the header's matrix: the same resolution sampled more densely, so a larger field of view
    sampled = encoded * max(grid, matrix) / matrix
    keep = max(1, min(grid, round(grid * length / sampled)))
    said = f"The image has {keep} columns, where the header says {wanted}." if keep != wanted else ""
    return keep, said
