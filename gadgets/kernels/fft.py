"""The inverse FFT from k-space to image: centred, orthonormal, planned once.

``fftshift(ifft(ifftshift(k))) * sqrt(N)`` without shifting anything twice: a sample at grid position j, with c = N //
2, is written to (j - c) mod N and multiplied by ``exp(-2 pi i (j - c) c / N) / sqrt(N)``. The plain, unscaled
transform then gives the centred image in its natural order, for odd N as exactly as for even N.
"""

from collections.abc import Callable
from enum import StrEnum
from threading import Lock
from typing import Any

import numpy as np
import scipy.fft
from numba import njit
from numpy.typing import NDArray

try:
    import pyfftw
except ImportError:  # an installation without FFTW, which is under the GPL
    pyfftw = None

_PLANNING = Lock()  # FFTW's planner is not thread-safe; its plans are


class Backend(StrEnum):
    """Who computes the FFT."""

    FFTW = "fftw"
    SCIPY = "scipy"


def empty(shape: tuple[int, ...]) -> NDArray[np.complex64]:
    """Give an uninitialised array, aligned so that a plan made for another one of its layout fits it."""
    if pyfftw is None:
        return np.empty(shape, np.complex64)
    return pyfftw.empty_aligned(shape, np.complex64)


def plan_inverse(
    array: NDArray[np.complex64], axis: int, backend: str = Backend.FFTW
) -> Callable[[NDArray[np.complex64]], NDArray[np.complex64]]:
    """Plan the unscaled inverse FFT along one axis, in place, for arrays laid out like this one.

    Planning overwrites the array. Without pyFFTW every backend is SciPy.
    """
    if Backend(backend) is Backend.SCIPY or pyfftw is None:

        def transform(values: NDArray[np.complex64]) -> NDArray[np.complex64]:
            values[...] = np.asarray(scipy.fft.ifft(values, axis=axis, norm="forward", overwrite_x=True))
            return values

        return transform
    with _PLANNING:
        plan = pyfftw.FFTW(array, array, axes=(axis,), direction="FFTW_BACKWARD", flags=("FFTW_MEASURE",), threads=1)

    def execute(values: NDArray[np.complex64]) -> NDArray[np.complex64]:
        if values is not array:
            plan.update_arrays(values, values)
        plan.execute()
        if values is not array:
            plan.update_arrays(array, array)
        return values

    return execute


def centring(n: int) -> tuple[NDArray[np.intp], NDArray[np.complex64]]:
    """Give where each sample of a centred grid goes before a plain inverse FFT, and what it is multiplied by."""
    offset = np.arange(n) - n // 2
    turns = (offset * (n // 2)) % n  # exact in integers, so that even sizes get exactly +1 and -1
    weights = np.exp(-2j * np.pi * turns / n) / np.sqrt(n)
    return offset % n, weights.astype(np.complex64)


class CentredInverse:
    """The centred inverse FFT along one axis of arrays of one shape.

    It owns one buffer, made and planned here; what a call returns is that buffer, good until the next call.
    """

    def __init__(self, shape: tuple[int, ...], axis: int, backend: str = Backend.FFTW) -> None:
        axis = axis % len(shape)
        self._axis = axis
        self._n = shape[axis]
        self._inner = int(np.prod(shape[axis + 1 :]))
        self._buffer = empty(shape)
        self._transform = plan_inverse(self._buffer, axis, backend)
        _, weights = centring(self._n)
        self._real = self._n % 2 == 0  # then the weights are +1 and -1 over sqrt(N), and the copy runs on real numbers
        self._centring: NDArray[Any] = weights.real.copy() if self._real else weights  # Any: real or complex
        self._weights = self._centring

    def weigh(self, taper: NDArray[np.float32]) -> None:
        """Weigh the samples of the grid before the transform, shape ``(n,)``: it costs nothing."""
        self._weights = self._centring * taper

    def __call__(
        self, data: NDArray[np.complex64], start: int = 0, out: NDArray[np.complex64] | None = None
    ) -> NDArray[np.complex64]:
        """Transform samples that begin at grid position ``start``; the rest of the grid is zero.

        With ``out``, an array from ``empty``, the result is written there, and stays.
        """
        buffer = self._buffer if out is None else out
        if data.shape[self._axis] < self._n:
            buffer[...] = 0
        flags = data.flags
        if not (flags.c_contiguous and flags.aligned and flags.writeable):
            data = data.copy()  # the compiled loop takes plain arrays only; views of received bytes are not plain
        numbers, grid = self._numbers(data), self._numbers(buffer)
        if self._real and self._inner == 1:
            _place_samples(numbers, start, self._weights, grid)
        else:
            _place_rows(numbers, start, self._weights, grid)
        return self._transform(buffer)

    def _numbers(self, array: NDArray[np.complex64]) -> NDArray[Any]:  # Any: real or complex
        """See an array as ``(outer, n, inner)``, with real and imaginary parts side by side where weights are real."""
        samples = array.shape[self._axis]
        if self._real:
            return array.view(np.float32).reshape(-1, samples, 2 * self._inner)
        return array.reshape(-1, samples, self._inner)


def _place_rows(  # Any: real or complex
    rows: NDArray[Any], start: int, weights: NDArray[Any], grid: NDArray[Any]
) -> None:
    """Weigh rows and write them where the plain FFT wants them; shapes ``(outer, n, inner)``."""
    n = grid.shape[1]
    middle = n // 2
    for first, last, shift in ((0, middle, n - middle), (middle, n, -middle)):
        low, high = max(first, start), min(last, start + rows.shape[1])
        if low < high:
            source = rows[:, low - start : high - start]
            np.multiply(source, weights[low:high, np.newaxis], out=grid[:, low + shift : high + shift])


@njit(["void(float32[:,:,::1], int64, float32[::1], float32[:,:,::1])"], cache=True, nogil=True)
def _place_samples(
    samples: NDArray[np.float32], start: int, weights: NDArray[np.float32], grid: NDArray[np.float32]
) -> None:
    """Do the same where a row is a single complex number, and NumPy's own loops would be short and many."""
    n = grid.shape[1]
    middle = n // 2
    split = min(max(middle - start, 0), samples.shape[1])
    low, high = weights[start : start + split], weights[start + split : start + samples.shape[1]]
    for outer in range(grid.shape[0]):
        source, target = samples[outer, :split], grid[outer, n - middle + start :]
        for j in range(source.shape[0]):
            target[j, 0] = source[j, 0] * low[j]
            target[j, 1] = source[j, 1] * low[j]
        source, target = samples[outer, split:], grid[outer, start + split - middle :]
        for j in range(source.shape[0]):
            target[j, 0] = source[j, 0] * high[j]
            target[j, 1] = source[j, 1] * high[j]


@njit(
    ["void(complex64[:,:,::1], complex64[:,:,::1], complex64[::1])"],
    cache=True,
    nogil=True,
    fastmath={"contract"},
)
def add_partition(volume: NDArray[np.complex64], rows: NDArray[np.complex64], phases: NDArray[np.complex64]) -> None:
    """Add one partition ``(coils, y, x)`` to a volume ``(coils, z, y * x or more)`` already transformed along z.

    ``phases`` are what the transform makes of that partition: one complex number for each z.
    """
    for coil in range(volume.shape[0]):
        source = rows[coil].reshape(rows.shape[1] * rows.shape[2])
        for z in range(volume.shape[1]):
            target, phase = volume[coil, z, : source.shape[0]], phases[z]
            for i in range(source.shape[0]):
                target[i] += phase * source[i]
