"""From the samples of a readout to positions along x."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np

from ..streaming.gadget import Gadget
from ..streaming.notices import Level, Notice
from ..streaming.readouts import Kind, Readout, Train
from ..streaming.scan import Encoding, Scan, Trapezoid
from .kernels.fft import Backend
from .kernels.grid import central
from .kernels.readout import EvenLines, ReadoutInverse, grid_of
from .kernels.trapezoid import RampLines, sample_positions

_REVERSED = 1 << 21  # MRD flag 22
_IMAGES = (Kind.IMAGING, Kind.REFERENCE_AND_IMAGING)
_TRANSFORMED = (*_IMAGES, Kind.REFERENCE, Kind.NAVIGATOR)
_MOST_OPERATORS = 16  # lengths of lines; more come only from a broken stream
_ON_A_TRAJECTORY = (
    "The readouts carry a trajectory, but the header calls the scan Cartesian or EPI: the trajectory is not used. If "
    "the samples lie on it the images are wrong; right would be 'spiral', 'radial' or 'other' in the header."
)
_MOST_ENTRIES = 1 << 20  # of an operator; to solve for a larger one takes longer than a scan should wait


class OffCenter(StrEnum):
    """What is done about a field of view that does not lie in the middle of the magnet."""

    AUTO = "auto"
    DEMODULATED = "demodulated"
    SHIFT = "shift"


@dataclass
class TransformReadout(Gadget):
    """Turns the samples of each line into positions along x, and cuts off what lies outside of the image.

    Imaging, reference and navigator lines, ``(coils, samples)`` to ``(coils, x)``; all other readouts pass unchanged.
    The lines of an EPI whose gradient the header describes are regridded, from both directions, by one matrix product
    (Bruder et al., Magn Reson Med 23:311 (1992)). All others get the centered, orthonormal inverse FFT: oversampling
    is read from the number of samples and the two fields of view, an asymmetric echo is filled with zeros so that its
    center lands at N // 2, and lines flagged as reversed, and only those, are turned round. Reference lines in an
    encoding space of their own get the same field of view as the images.
    """

    backend: Backend = Backend.FFTW
    """``fftw`` or ``scipy``; without pyFFTW always ``scipy``."""
    off_center: OffCenter = OffCenter.AUTO
    """``demodulated``: the receiver has centered the field of view; ``shift``: it has not, and the image is moved by
    the position of the first line along the readout; ``auto``: as scanners do, ``demodulated``."""

    _encodings: tuple[Encoding, ...] = field(default=(), init=False, repr=False)
    _shape: tuple[int, ...] = field(default=(), init=False, repr=False)
    _planned: dict[int, RampLines] = field(default_factory=dict, init=False, repr=False)
    _operators: dict[tuple[int, int], EvenLines | RampLines] = field(default_factory=dict, init=False, repr=False)
    _left_out: int = field(default=0, init=False, repr=False)
    _on_a_trajectory: bool = field(default=False, init=False, repr=False)

    def needed(self, scan: Scan) -> bool:
        """Tell whether lines of k-space are read; what is read on a trajectory is transformed later, in one piece."""
        return scan.encoding is None or scan.encoding.on_a_grid

    def start(self, scan: Scan) -> None:
        """Prepare what the header tells all about."""
        self._encodings = scan.encodings
        self._shape, self._left_out, self._on_a_trajectory = (), 0, False
        self._planned, self._operators = {}, {}
        for space, encoding in enumerate(scan.encodings):
            if encoding.trapezoid is not None and encoding.trapezoid.dwell > 0:
                lines = _ramp_lines(encoding, encoding.trapezoid, encoding.trapezoid.dwell)
                if lines is not None:
                    self._planned[space] = lines
            elif scan.coils > 0 and encoding.encoded_matrix[0] > 0:
                # FFTW remembers what it measured: planning the same shape again for the first readout is then quick
                ReadoutInverse(scan.coils, encoding.encoded_matrix[0], slice(None), self.backend)

    def process(self, message: Readout | Train) -> Iterator[Readout | Train | Notice]:
        """Transform one line, or the lines of a train."""
        if isinstance(message, Train):
            yield from self._transform_train(message)
            return
        if message.kind not in _TRANSFORMED:
            yield message
            return
        shape = message.data.shape
        image = message.kind in _IMAGES
        key = message.encoding_space, shape[1]
        if self._shape and (shape != self._shape if image else shape[0] != self._shape[0]):
            yield from self._leave_out(message)
            return
        operator = self._operators.get(key)
        if operator is None:
            if len(self._operators) >= _MOST_OPERATORS:
                yield from self._leave_out(message)
                return
            operator, words = self._prepare(message, key[0])
            self._operators[key] = operator
            yield from words
            if message.trajectory is not None and message.trajectory.shape[1] > 1 and not self._on_a_trajectory:
                self._on_a_trajectory = True
                yield Notice(_ON_A_TRAJECTORY)
        if image:
            self._shape = shape
        direction, center = np.array([bool(message.flags & _REVERSED)]), np.array([_center(message)])
        yield message.with_data(operator(message.data[np.newaxis], direction, center)[0])

    def _transform_train(self, train: Train) -> Iterator[Readout | Train | Notice]:
        operator = self._operators.get((0, train.data.shape[2]))
        if operator is None or train.data.shape[1:] != self._shape:
            for line in train.split():
                yield from self.process(line)
            return
        samples, stated = train.data.shape[2], train.headers["center_sample"]
        centers = np.where((stated > 0) & (stated < samples), stated, samples // 2)
        yield train.with_data(operator(train.data, train.reversed, centers))

    def finish(self) -> Iterator[Notice]:
        """Say how many lines were left out."""
        if self._left_out:
            yield Notice(f"{self._left_out} readouts of another shape than the first one were left out.")

    def _prepare(self, message: Readout, space: int) -> tuple[EvenLines | RampLines, list[Notice]]:
        """Make the operator for lines of this length in this encoding space, and tell what is odd about it."""
        encoding = self._encodings[space if space < len(self._encodings) else 0] if self._encodings else None
        operator, notices = self._ramps(message, space, encoding)
        length = self._field_of_view(encoding)
        if operator is None:
            coils, samples = message.data.shape
            matrix = encoding.encoded_matrix[0] if encoding else 0
            grid = grid_of(samples, _center(message), matrix)
            keep, sampled, words = _columns(grid, encoding, length, imaging=space == 0)
            operator = EvenLines(coils, samples, grid, central(grid, keep), self.backend)
            voxel = sampled / grid
            notices += [Notice(words, Level.INFO)] * bool(words)
        else:
            voxel = length / operator.columns
        if self.off_center is OffCenter.SHIFT:
            notices += _move(operator, message, voxel)
        return operator, notices

    def _ramps(self, message: Readout, space: int, encoding: Encoding | None) -> tuple[RampLines | None, list[Notice]]:
        """Give the operator of lines that the header describes; none, and why, for others."""
        if encoding is None or encoding.trapezoid is None:
            return None, []
        trapezoid, samples = encoding.trapezoid, message.data.shape[1]
        operator = None
        if samples == trapezoid.samples:
            dwell = trapezoid.dwell or message.dwell
            operator = self._planned.get(space) or _ramp_lines(encoding, trapezoid, dwell)
        if operator is None:
            words = (
                f"The trajectoryDescription tells of {trapezoid.samples} samples in a gradient of "
                f"{_duration(trapezoid) * 1e6:.0f} us, which does not fit a line of {samples} samples: its samples are "
                "taken as evenly spaced, and ghosts may stay."
            )
            return None, [Notice(words)]
        wanted = encoding.recon_matrix[0]
        if operator.columns != wanted:
            words = f"The image has {operator.columns} columns, where the header says {wanted}."
            return operator, [Notice(words, Level.INFO)]
        return operator, []

    def _field_of_view(self, encoding: Encoding | None) -> float:
        """Give the field of view along x that is kept of every line, m: that of the images; 0 for unknown."""
        for candidate in (*self._encodings[:1], encoding):
            if candidate is not None and candidate.recon_field_of_view[0] > 0:
                return candidate.recon_field_of_view[0]
        return 0.0

    def _leave_out(self, message: Readout) -> Iterator[Notice]:
        self._left_out += 1
        if self._left_out == 1:
            coils, samples = message.data.shape
            yield Notice(
                f"A readout of {coils} coils x {samples} samples among lines of {self._shape[0]} x {self._shape[1]}: "
                "it and others like it are left out."
            )


def _center(message: Readout) -> int:
    """Give the sample at the center of k-space; converted data often say 0, which no line on a grid means."""
    samples = message.data.shape[1]
    return message.center_sample if 0 < message.center_sample < samples else samples // 2


def _ramp_lines(encoding: Encoding, trapezoid: Trapezoid, dwell: float) -> RampLines | None:
    """Make the operator of an EPI whose gradient is described; None where the description cannot be true."""
    columns, samples = _regridded_columns(encoding), trapezoid.samples
    if columns <= 0 or dwell <= 0 or samples * columns > _MOST_ENTRIES:
        return None
    if trapezoid.flat_top > 0 and dwell * (samples - 1) > _duration(trapezoid):
        return None  # the samples would take longer than the gradient is on
    positions = sample_positions(
        trapezoid.ramp_up, trapezoid.flat_top, trapezoid.ramp_down, dwell, samples, float(columns)
    )
    return RampLines(positions, columns)


def _duration(trapezoid: Trapezoid) -> float:
    return trapezoid.ramp_up + trapezoid.flat_top + trapezoid.ramp_down


def _regridded_columns(encoding: Encoding) -> int:
    """Give the columns of a regridded line: those wanted, unless they are only wanted for interpolation.

    The encoded matrix may or may not hold the oversampling; its resolution is the same in both cases.
    """
    wanted, matrix = encoding.recon_matrix[0], encoding.encoded_matrix[0]
    length, encoded = encoding.recon_field_of_view[0], encoding.encoded_field_of_view[0]
    if wanted <= 0:
        return matrix
    if min(matrix, length, encoded) > 0:
        acquired = round(matrix * length / encoded)
        if acquired > 1 and acquired < wanted and wanted % acquired == 0:
            return acquired
    return wanted


def _columns(grid: int, encoding: Encoding | None, length: float, imaging: bool) -> tuple[int, float, str]:
    """Give the columns to keep, the field of view that was sampled (m), and what is to be said about it."""
    if encoding is None or encoding.recon_matrix[0] <= 0:
        return grid, 0.0, f"The header names no matrix along x: all {grid} columns are kept."
    matrix, wanted = encoding.encoded_matrix[0], encoding.recon_matrix[0]
    encoded = encoding.encoded_field_of_view[0]
    if encoded <= 0 or length <= 0 or matrix <= 0:
        return min(wanted, grid), 0.0, ""
    # more samples than the header's matrix: the same resolution sampled more densely, so a larger field of view
    sampled = encoded * max(grid, matrix) / matrix
    keep = max(1, min(grid, round(grid * length / sampled)))
    said = f"The image has {keep} columns, where the header says {wanted}." if imaging and keep != wanted else ""
    return keep, sampled, said


def _move(operator: EvenLines | RampLines, message: Readout, voxel: float) -> list[Notice]:
    """Bring the middle of the field of view into the middle of the line."""
    if voxel <= 0:
        return [Notice("The header gives no field of view along x: the image cannot be moved to its middle.")]
    geometry = message.geometry
    distance = float(np.dot(geometry.position, geometry.read_direction))
    operator.move(distance / voxel)
    return []
