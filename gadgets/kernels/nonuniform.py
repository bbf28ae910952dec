"""From samples on a trajectory to images: the adjoint non-uniform FFT, with the density of the samples compensated.

Coordinates are cycles per voxel, shape ``(2, points)``, x first: -0.5 to 0.5 is the k-space of the grid.
"""

import numpy as np
from numpy.typing import NDArray

try:
    import finufft
except ImportError:  # an installation without FFTW, which finufft's wheel holds, and which is under the GPL
    finufft = None

AVAILABLE = finufft is not None
"""Whether finufft is installed."""

_PRECISION_OF_WEIGHTS = 1e-3


class AdjointTransform:
    """The adjoint non-uniform FFT of all coils at once, onto one grid.

    ``image(r) = sum_j w_j s_j exp(2 pi i k_j r)`` with voxel n // 2 at r = 0, in finufft (Barnett et al.,
    SIAM J Sci Comput 41:C479 (2019)). With weights from ``density_weights`` it has the scale of the centred,
    orthonormal FFT. The plan is made once; new points cost a sort.
    """

    def __init__(self, coils: int, shape: tuple[int, int], precision: float = 1e-4, threads: int = 1) -> None:
        """Plan for images of shape ``(coils, y, x)``."""
        self._coils = coils
        self._plan = finufft.Plan(  # pyright: ignore[reportOptionalMemberAccess] (the gadget asked whether it is there)
            1, shape, n_trans=coils, eps=precision, isign=1, dtype="complex64", nthreads=threads
        )
        self._points: NDArray[np.float32] | None = None

    def __call__(
        self, samples: NDArray[np.complex64], points: NDArray[np.float32], weights: NDArray[np.complex64]
    ) -> NDArray[np.complex64]:
        """Transform samples ``(coils, points)`` with their weights ``(points,)`` to images ``(coils, y, x)``."""
        if points is not self._points:
            x, y = np.ascontiguousarray(2 * np.pi * points, np.float32)
            self._plan.setpts(y, x)
            self._points = points
        weighted = np.multiply(samples, weights)
        images = np.asarray(self._plan.execute(weighted if self._coils > 1 else weighted[0]), np.complex64)
        return images.reshape(self._coils, *images.shape[-2:])


def density_weights(
    points: NDArray[np.float32], shape: tuple[int, int], iterations: int = 8, threads: int = 1
) -> NDArray[np.float32]:
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
    options = {"eps": _PRECISION_OF_WEIGHTS, "dtype": "complex64", "nthreads": threads}
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
