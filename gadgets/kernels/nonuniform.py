"""From samples on a trajectory to images: the adjoint non-uniform FFT, with the density of the samples compensated.

Coordinates are cycles per voxel, shape ``(2, points)``, x first: -0.5 to 0.5 is the k-space of the grid.
"""

from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from math import ceil

import numpy as np
from numpy.typing import NDArray

from .fft import Backend, empty, plan_inverse
from .gridding import finer_size, kernel_in_the_image, kernel_width, places, spread, steepness

try:
    import finufft
except ImportError:  # an installation without FFTW, which finufft's wheel holds, and which is under the GPL
    finufft = None

AVAILABLE = finufft is not None
"""Whether finufft is installed, which density weights need."""

_PRECISION_OF_WEIGHTS = 1e-3
_OVERSAMPLING = 1.5  # of the finer grid; with less the kernel is wider, with more the transforms are longer


class AdjointTransform:
    """The adjoint non-uniform FFT of all coils at once, onto one grid.

    ``image(r) = sum_j w_j s_j exp(2 pi i k_j r)`` with voxel n // 2 at r = 0: samples are spread onto a finer grid,
    which is transformed, and what the spreading did to the image is undone. With weights from ``density_weights`` it
    has the scale of the centred, orthonormal FFT. Plans are made once; new points cost the kernel at each of them.
    """

    def __init__(
        self,
        coils: int,
        shape: tuple[int, int],
        precision: float = 1e-4,
        backend: str = Backend.FFTW,
        threads: int = 1,
    ) -> None:
        """Plan for images of shape ``(coils, y, x)``, the coils shared out among threads."""
        shares = np.linspace(0, coils, min(threads, coils) + 1).astype(int).tolist()
        self._parts: list[tuple[slice, AdjointTransform]] = []
        if len(shares) > 2:
            self._parts = [
                (slice(low, high), AdjointTransform(high - low, shape, precision, backend))
                for low, high in pairwise(shares)
            ]
            self._pool = ThreadPoolExecutor(len(self._parts))
            self._shape = shape
            return
        self._shape, self._width = shape, kernel_width(precision, _OVERSAMPLING)
        y, x = (finer_size(max(ceil(_OVERSAMPLING * n), 2 * self._width)) for n in shape)
        self._sizes = y, x
        self._grid, self._rows = empty((y, x, coils)), empty((shape[0], x, coils))
        self._along_y, self._along_x = plan_inverse(self._grid, 0, backend), plan_inverse(self._rows, 1, backend)
        self._steepness = [steepness(self._width, n / size) for n, size in zip(shape, self._sizes, strict=True)]
        along = zip(shape, self._sizes, self._steepness, strict=True)
        in_y, in_x = (kernel_in_the_image(n, size, self._width, steep) for n, size, steep in along)
        self._undo = (1 / np.outer(in_y, in_x)).astype(np.float32)[..., np.newaxis]
        self._points: NDArray[np.float32] | None = None
        self._first, self._shares = np.empty((2, 0), np.int32), np.empty((2, 0, self._width), np.float32)

    def __call__(
        self,
        samples: NDArray[np.complex64],
        points: NDArray[np.float32],
        weights: NDArray[np.complex64],
        out: NDArray[np.complex64] | None = None,
    ) -> NDArray[np.complex64]:
        """Transform samples ``(coils, points)`` with their weights ``(points,)`` to images ``(coils, y, x)``.

        They are written to ``out`` if that is given, which saves fetching memory again and again.
        """
        if self._parts:
            images = np.empty((samples.shape[0], *self._shape), np.complex64) if out is None else out
            work = [
                self._pool.submit(part, samples[coils], points, weights, images[coils]) for coils, part in self._parts
            ]
            for done in work:
                done.result()
            return images
        if points is not self._points:
            along = zip(points[::-1], self._sizes, self._steepness, strict=True)
            found = [places(axis, size, self._width, steep) for axis, size, steep in along]
            self._first, self._shares = (np.stack(parts) for parts in zip(*found, strict=True))
            self._points = points
        self._grid[...] = 0
        # the compiled loop takes plain arrays only; views of received bytes are not plain
        spread(np.require(samples, requirements=["C", "A", "W"]), weights, self._first, self._shares, self._grid)
        grid, (y, x) = self._along_y(self._grid), self._shape
        for wanted, found in _middle(y, self._sizes[0]):
            self._rows[wanted] = grid[found]
        rows = self._along_x(self._rows)
        images = np.empty((samples.shape[0], y, x), np.complex64) if out is None else out
        for wanted, found in _middle(x, self._sizes[1]):
            np.multiply(rows[:, found], self._undo[:, wanted], out=images.transpose(1, 2, 0)[:, wanted])
        return images


def _middle(count: int, size: int) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    """Tell where the middle ``count`` of ``size`` voxels go, and where a plain FFT has put them, in two pieces."""
    half = count // 2
    return (slice(half), slice(size - half, size)), (slice(half, count), slice(count - half))


def density_weights(points: NDArray[np.float32], shape: tuple[int, int], iterations: int = 8) -> NDArray[np.float32]:
    """Weigh each sample by the area of k-space that it stands for.

    ``w <- w / (w * psi)``: Pipe and Menon, MRM 41:179 (1999). The Fourier transform of the kernel psi is the overlap of
    the field of view with itself, so twice the grid ``(y, x)`` holds all of it: the fixed point is that of the least
    deviation of ``A^H W A`` from unity, and psi is nowhere negative. The field of view is the ellipse in the grid: with
    its corners, which hold no head, arms at 45 degrees would be too far apart and weigh more than others. Scaled so
    that the point spread function sums up to 1: a constant image keeps its value, whatever share of k-space was read.
    The sum runs under cos^2, because aliases at the edge of the field of view are no part of the point.
    """
    x, y = np.ascontiguousarray(2 * np.pi * points, np.float32)
    overlap = _overlap(shape)
    options = {"eps": _PRECISION_OF_WEIGHTS, "dtype": "complex64", "nthreads": 1}
    gather, spread = (
        finufft.Plan(kind, overlap.shape, isign=sign, **options)  # pyright: ignore[reportOptionalMemberAccess] (as above)
        for kind, sign in ((1, 1), (2, -1))
    )
    gather.setpts(y, x)
    spread.setpts(y, x)
    weights = np.ones(points.shape[1], np.complex64)
    for _ in range(iterations):
        density = np.asarray(spread.execute(overlap * gather.execute(weights))).real
        weights /= np.maximum(density, _PRECISION_OF_WEIGHTS * density.max())
    faded = _faded_constant(y, shape[0]) * _faded_constant(x, shape[1])
    return (weights.real * np.sqrt(shape[0] * shape[1]) / np.sum(weights.real * faded)).astype(np.float32)


def _overlap(shape: tuple[int, int]) -> NDArray[np.float32]:
    """Give how far the ellipse in a grid overlaps with itself when it is moved, shape ``(2 y, 2 x)``."""
    y, x = ((np.arange(2 * size) - size) / size for size in shape)
    distance = np.minimum(np.hypot(y[:, np.newaxis], x), 1)
    return (2 / np.pi * (np.arccos(distance) - distance * np.sqrt(1 - distance**2))).astype(np.float32)


def _faded_constant(angle: NDArray[np.float32], size: int) -> NDArray[np.float64]:
    """Give the k-space along one axis of a constant image that fades towards the edge as cos^2, shape ``(points,)``."""
    total = np.ones(len(angle))
    for n in range(1, (size + 1) // 2):  # the outermost voxel of an even size has faded to nothing
        total += 2 * np.cos(np.pi * n / size) ** 2 * np.cos(n * angle.astype(np.float64))
    return total
