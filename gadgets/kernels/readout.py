"""The inverse FFT of readouts: one line of all coils at a time, of which only the columns of the image are kept."""

import numpy as np
from numba import njit
from numpy.typing import NDArray

from .fft import Backend, empty, plan_inverse


class EvenLines:
    """Turns lines whose samples are evenly spaced in k-space into positions along x.

    ``center`` is the sample at the center of k-space. A line that states another one is an asymmetric echo, and is
    filled up with zeros to ``grid`` samples, so that its center lands at ``grid // 2``.
    """

    def __init__(self, coils: int, samples: int, grid: int, crop: slice, backend: Backend = Backend.FFTW) -> None:
        self._transform = ReadoutInverse(coils, grid, crop, backend)
        self._samples, self._grid = samples, grid
        self._phases: NDArray[np.complex64] | None = None
        self.columns = self._transform.columns
        """Columns that are kept."""

    def move(self, voxels: float) -> None:
        """Move what lies so many voxels towards higher x into the middle of the line."""
        turns = (np.arange(self._grid) - self._grid // 2) * voxels / self._grid
        self._phases = np.exp(2j * np.pi * turns).astype(np.complex64)

    def __call__(
        self, lines: NDArray[np.complex64], backwards: NDArray[np.bool_], centers: NDArray[np.integer]
    ) -> NDArray[np.complex64]:
        """Transform lines ``(lines, coils, samples)``, each of its direction; gives ``(lines, coils, columns)``."""
        kept = np.empty((*lines.shape[:2], self.columns), np.complex64)
        for number, (backward, center) in enumerate(zip(backwards.tolist(), centers.tolist(), strict=True)):
            line = lines[number, :, ::-1] if backward else lines[number]
            start = self._begin(self._samples - 1 - center if backward else center)
            if self._phases is not None:
                line = line * self._phases[start : start + self._samples]
            self._transform(line, start, kept[number])
        return kept

    def _begin(self, center: int) -> int:
        """Tell where on the grid the samples begin."""
        spare = self._grid - self._samples
        if nearly_central(center, self._samples):
            return spare // 2
        return max(0, min(self._grid // 2 - center, spare))


def nearly_central(center: int, samples: int) -> bool:
    """Tell whether the stated center means the middle; converters state that of backward and odd lines one off."""
    return abs(center - samples // 2) <= 1


def grid_of(samples: int, center: int, matrix: int) -> int:
    """Give the size of the grid: the samples, or more where the echo is asymmetric."""
    if nearly_central(center, samples):
        return samples
    fits = samples < matrix and 0 <= matrix // 2 - center <= matrix - samples
    return matrix if fits else 2 * max(center, samples - center)


class ReadoutInverse:
    """The centred, orthonormal inverse FFT along x of lines ``(coils, samples)``, cut to the columns ``crop``.

    With c = N // 2, the centred transform of k is ``ifft(k)[(j - c) mod N] exp(-2 pi i c (j - c) / N) sqrt(N)`` at
    column j: so the samples go into the plan's buffer as they are, and only the columns that are kept are weighed.
    """

    def __init__(self, coils: int, size: int, crop: slice, backend: str = Backend.FFTW) -> None:
        self._buffer = empty((coils, size))
        self._buffer[...] = 0
        self._plan = plan_inverse(self._buffer, 1, backend)
        columns = np.arange(*crop.indices(size)) - size // 2
        turns = (columns * (size // 2)) % size  # exact in integers, so that even sizes get exactly +1 and -1
        self._weights = (np.exp(-2j * np.pi * turns / size) / np.sqrt(size)).astype(np.complex64)
        self._first = int(columns[0] % size)
        self._bytes = self._buffer.view(np.uint8)
        self._keep = _keep_real if size % 2 == 0 else _keep
        self.columns = len(columns)
        """Columns that are kept."""

    def __call__(self, line: NDArray[np.complex64], start: int, out: NDArray[np.complex64]) -> None:
        """Transform samples that begin at grid position ``start``; write the kept columns to ``out``."""
        samples = line.shape[1]
        if samples < self._buffer.shape[1]:
            self._buffer[...] = 0
            self._buffer[:, start : start + samples] = line
        elif line.flags.c_contiguous:  # received bytes are not aligned; as bytes they are copied at full speed
            self._bytes[...] = line.view(np.uint8)
        else:
            self._buffer[...] = line
        self._keep(self._plan(self._buffer), self._first, self._weights, out)


_KEEP = "void(complex64[:,::1], int64, complex64[::1], complex64[:,::1])"


@njit([_KEEP], cache=True, nogil=True)
def _keep(grid: NDArray[np.complex64], first: int, weights: NDArray[np.complex64], out: NDArray[np.complex64]) -> None:
    """Weigh the wanted columns of every coil, from ``first`` on, round the end of the grid."""
    straight = min(grid.shape[1] - first, weights.shape[0])
    for coil in range(grid.shape[0]):
        source, target = grid[coil], out[coil]
        for j in range(straight):
            target[j] = source[first + j] * weights[j]
        for j in range(straight, weights.shape[0]):
            target[j] = source[j - straight] * weights[j]


@njit([_KEEP], cache=True, nogil=True)
def _keep_real(
    grid: NDArray[np.complex64], first: int, weights: NDArray[np.complex64], out: NDArray[np.complex64]
) -> None:
    """Do the same where all weights are real, with half the products and in vectors."""
    straight = min(grid.shape[1] - first, weights.shape[0])
    doubled = np.empty(2 * weights.shape[0], np.float32)
    for j in range(weights.shape[0]):
        doubled[2 * j] = doubled[2 * j + 1] = weights[j].real
    for coil in range(grid.shape[0]):
        source, target = grid[coil].view(np.float32), out[coil].view(np.float32)
        for j in range(2 * straight):
            target[j] = source[2 * first + j] * doubled[j]
        for j in range(2 * straight, doubled.shape[0]):
            target[j] = source[j - 2 * straight] * doubled[j]
