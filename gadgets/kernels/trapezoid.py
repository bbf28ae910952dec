"""The lines of an EPI, read while the gradient still ramps: from samples to positions along x in one product.

The samples are evenly spaced in time, not in k: on the ramps of the gradient they lie closer together. What is wanted
are the values on an even grid, of which the samples are sums of sincs; these sums are solved once, and the solution is
joined with the Fourier transform to one matrix (method of Bruder et al., Magn Reson Med 23:311 (1992)).
"""

import numpy as np
from numba import njit
from numpy.typing import NDArray

_CUT_OFF = 1e-3  # of the largest singular value; what is smaller would only amplify noise
_BLOCK = 256  # rows; so that what is worked on stays in the cache


def sample_positions(
    ramp_up: float, flat_top: float, ramp_down: float, dwell: float, samples: int, columns: float
) -> NDArray[np.float64]:
    """Tell where in k-space each sample of a forward line lies, in steps of the grid; ``(samples,)``.

    The samples lie in the middle of the gradient, each in the middle of its dwell time; all times in s. The line sweeps
    ``columns`` steps of k-space. A backward line has the same positions with the other sign. Without a flat top the
    gradient is taken as constant.
    """
    if flat_top <= 0:
        ramp_up, flat_top, ramp_down = 0.0, dwell * samples, 0.0
    total = ramp_up + flat_top + ramp_down
    start = (total - dwell * samples) / 2

    def area(time: NDArray[np.float64]) -> NDArray[np.float64]:
        time = np.clip(time, 0, total)
        rising = np.square(np.minimum(time, ramp_up)) / (2 * ramp_up) if ramp_up > 0 else 0.0
        flat = np.clip(time - ramp_up, 0, flat_top)
        left = np.maximum(time - ramp_up - flat_top, 0)
        falling = left - np.square(left) / (2 * ramp_down) if ramp_down > 0 else 0.0
        return np.asarray(rising + flat + falling, np.float64)

    times = np.asarray(start + (np.arange(samples) + 0.5) * dwell, np.float64)
    first, last, whole = area(np.array([start, start + samples * dwell, total]))
    return (area(times) - whole / 2) * columns / (last - first)


def line_operator(positions: NDArray[np.floating], columns: int) -> NDArray[np.complex64]:
    """Give the matrix from samples at these positions of k-space to an image line; ``(columns, samples)``.

    ``M = F pinv(Q)``, ``Q[n, j] = sinc(k_n - j)``, F the centered, inverse Fourier transform. With an even number of
    columns the grid of k-space goes from -N / 2 to N / 2, of which F takes each end by half: so neither direction of
    the readout is preferred. The scale is such that white noise keeps its variance, as in an orthonormal transform of
    oversampled lines: it is their signal that grows.
    """
    half = columns // 2
    grid = np.arange(-half, half + 1)
    shares = np.ones(len(grid))
    if columns % 2 == 0:
        shares[[0, -1]] = 0.5
    solved = np.linalg.pinv(np.sinc(positions[:, np.newaxis] - grid), rcond=_CUT_OFF)
    turns = np.outer(np.arange(columns) - half, grid) % columns
    operator = (np.exp(2j * np.pi * turns / columns) * shares) @ solved
    return (operator * np.sqrt(columns) / np.linalg.norm(operator)).astype(np.complex64)


class RampLines:
    """Turns the samples of EPI lines, whose positions in k-space are known, into positions along x.

    Where both ramps are alike, the samples lie symmetrically about the center of k-space, and ``M[-x, n] = M[x, -n] =
    conj(M[x, n])``: sums and differences of opposite samples, times a quarter of the real and of the imaginary part,
    give the sums and differences of opposite columns. That is a quarter of the work.
    """

    def __init__(self, positions: NDArray[np.floating], columns: int) -> None:
        self._positions = positions
        forward = line_operator(positions, columns)
        backward = line_operator(-positions, columns)
        self._operators = [forward.T.copy(), backward.T.copy()]
        self._quarters: list[NDArray[np.float32]] | None = None
        if np.allclose(positions, -positions[::-1], atol=1e-6 * columns):
            quarter = forward[columns // 2 :: -1, : (len(positions) + 1) // 2].T.conj()  # from x = 0 outwards
            self._quarters = [quarter.real.copy(), quarter.imag.copy()]
        self.columns = columns
        """Columns of the image."""

    def move(self, voxels: float) -> None:
        """Move what lies so many voxels towards higher x into the middle of the line."""
        self._quarters = None  # what is moved is not symmetric any more
        for sign, operator in zip((1, -1), self._operators, strict=True):
            turns = sign * self._positions * voxels / self.columns
            operator *= np.exp(2j * np.pi * turns).astype(np.complex64)[:, np.newaxis]

    def __call__(
        self, lines: NDArray[np.complex64], backwards: NDArray[np.bool_], _: NDArray[np.integer] | None = None
    ) -> NDArray[np.complex64]:
        """Transform lines ``(lines, coils, samples)``, each of its direction; gives ``(lines, coils, columns)``.

        The center that lines state is not needed: it lies in the middle of the gradient.
        """
        if self._quarters is not None:
            rows = lines.reshape(-1, lines.shape[2])
            made = self._by_symmetry(rows, np.repeat(backwards, lines.shape[1]), *self._quarters)
            return made.reshape(*lines.shape[:2], self.columns)
        made = np.empty((*lines.shape[:2], self.columns), np.complex64)
        for backward, operator in zip((False, True), self._operators, strict=True):
            chosen = np.flatnonzero(backwards == backward)
            made[chosen] = lines[chosen] @ operator
        return made

    def _by_symmetry(
        self,
        rows: NDArray[np.complex64],
        backwards: NDArray[np.bool_],
        real: NDArray[np.float32],
        imaginary: NDArray[np.float32],
    ) -> NDArray[np.complex64]:
        flags = rows.flags
        if not (flags.c_contiguous and flags.aligned and flags.writeable):
            rows = rows.copy()  # the compiled loop takes plain arrays only; views of received bytes are not plain
        made = np.empty((len(rows), self.columns), np.complex64)
        block = min(len(rows), _BLOCK)
        sums, differences = np.empty((2, 2 * block, len(real)), np.float32)
        alike, opposite = np.empty((2, 2 * block, real.shape[1]), np.float32)
        for begin in range(0, len(rows), block):
            part = rows[begin : begin + block]
            numbers = 2 * len(part)
            fold(part, sums[:numbers], differences[:numbers])
            np.matmul(sums[:numbers], real, out=alike[:numbers])
            np.matmul(differences[:numbers], imaginary, out=opposite[:numbers])
            signs = backwards[begin : begin + block]
            unfold(alike[:numbers], opposite[:numbers], signs, made[begin : begin + block])
        return made


@njit(["void(complex64[:,::1], float32[:,::1], float32[:,::1])"], cache=True, nogil=True)
def fold(rows: NDArray[np.complex64], sums: NDArray[np.float32], differences: NDArray[np.float32]) -> None:
    """Add opposite samples and subtract them: ``(rows, samples)`` to real, then imaginary parts ``(2 rows, half)``."""
    count, samples = rows.shape
    half = samples // 2
    for row in range(count):
        line = rows[row]
        real_sum, imaginary_sum = sums[row], sums[count + row]
        real_difference, imaginary_difference = differences[row], differences[count + row]
        for n in range(half):
            one, other = line[n], line[samples - 1 - n]
            real_sum[n] = one.real + other.real
            imaginary_sum[n] = one.imag + other.imag
            real_difference[n] = one.real - other.real
            imaginary_difference[n] = one.imag - other.imag
        if samples % 2:
            real_sum[half], imaginary_sum[half] = line[half].real, line[half].imag
            real_difference[half] = imaginary_difference[half] = 0


@njit(["void(float32[:,::1], float32[:,::1], boolean[::1], complex64[:,::1])"], cache=True, nogil=True)
def unfold(
    alike: NDArray[np.float32],
    opposite: NDArray[np.float32],
    backwards: NDArray[np.bool_],
    image: NDArray[np.complex64],
) -> None:
    """Write ``alike + i opposite`` to the columns from the middle upwards, and ``alike - i opposite`` downwards."""
    count, columns = image.shape
    middle = columns // 2
    for row in range(count):
        sign = np.float32(-1 if backwards[row] else 1)
        real, imaginary = alike[row], alike[count + row]
        across, along = opposite[count + row], opposite[row]
        line = image[row]
        for x in range(columns - middle):
            line[middle + x] = complex(real[x] - sign * across[x], imaginary[x] + sign * along[x])
        for x in range(1, middle + 1):
            line[middle - x] = complex(real[x] + sign * across[x], imaginary[x] - sign * along[x])
