"""The inverse FFT of readouts: one line of all coils at a time, of which only the columns of the image are kept."""

import numpy as np
from numba import njit
from numpy.typing import NDArray

from .fft import Backend, empty, plan_inverse


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
        self._columns = columns % size
        self.columns = len(columns)
        """Columns that are kept."""

    def __call__(self, line: NDArray[np.complex64], start: int, out: NDArray[np.complex64]) -> None:
        """Transform samples that begin at grid position ``start``; write the kept columns to ``out``."""
        samples = line.shape[1]
        if samples < self._buffer.shape[1]:
            self._buffer[...] = 0
            self._buffer[:, start : start + samples] = line
        elif line.flags.c_contiguous:  # received bytes are not aligned; as bytes they are copied at full speed
            self._buffer.view(np.uint8)[...] = line.view(np.uint8)
        else:
            self._buffer[...] = line
        _keep(self._plan(self._buffer), self._columns, self._weights, out)


@njit(["void(complex64[:,::1], int64[::1], complex64[::1], complex64[:,::1])"], cache=True, nogil=True)
def _keep(
    grid: NDArray[np.complex64],
    columns: NDArray[np.int64],
    weights: NDArray[np.complex64],
    out: NDArray[np.complex64],
) -> None:
    """Weigh the wanted columns of every coil."""
    for coil in range(grid.shape[0]):
        source, target = grid[coil], out[coil]
        for j in range(columns.shape[0]):
            target[j] = source[columns[j]] * weights[j]
