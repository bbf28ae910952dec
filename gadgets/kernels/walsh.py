"""Coil sensitivities from the images themselves.

Walsh, Gmitro, Marcellin, MRM 43:682 (2000): the map at a voxel is the dominant eigenvector of the coils' covariance
over the patch around it, here 5x5. Power iteration works on the patch directly, and starts from the neighbour's
answer.
"""

import numpy as np
from numba import njit
from numpy.typing import NDArray

_RADIUS = 2
_ITERATIONS = 3


def virtual_coil(images: NDArray[np.complex64]) -> NDArray[np.complex64]:
    """Give the unit weights ``(coils,)`` of the mixture that sees most signal in images ``(coils, z, y, x)``."""
    coils, scale = images.shape[0], _to_size_one(images)
    shared = np.zeros((coils, coils), np.complex128)
    for z in range(images.shape[1] if scale else 0):
        flat = (images[:, z] * scale).reshape(coils, -1)
        shared += flat @ flat.conj().T
    _, vectors = np.linalg.eigh(shared)
    return vectors[:, -1].astype(np.complex64)


def coil_maps(images: NDArray[np.complex64]) -> NDArray[np.complex64]:
    """Estimate the maps ``(coils, z, y, x)``, with ``sum over coils of |map|^2 = 1``.

    Their phase is that of a virtual coil (the dominant singular vector), which is nowhere empty as a single coil may
    be.
    """
    reference = virtual_coil(images)
    maps = np.empty(images.shape, np.complex64)
    for z in range(images.shape[1]):
        plane = np.ascontiguousarray(images[:, z].transpose(1, 2, 0))
        scale = _to_size_one(plane)
        plane = plane * scale if scale else np.zeros_like(plane)
        real, imaginary = np.empty(plane.shape, np.float32), np.empty(plane.shape, np.float32)
        _estimate(plane.real.copy(), plane.imag.copy(), reference.real.copy(), reference.imag.copy(), real, imaginary)
        maps[:, z].real = real.transpose(2, 0, 1)
        maps[:, z].imag = imaginary.transpose(2, 0, 1)
    return maps


def _to_size_one(images: NDArray[np.complex64]) -> np.float32:
    """Give what brings the largest part to 1, so that powers neither overflow nor vanish; 0 where no number does."""
    largest = max(float(np.abs(part).max(initial=0)) for part in (images.real, images.imag))
    return np.float32(1 / largest) if largest > 0 and 0 < np.float32(1 / largest) < np.inf else np.float32(0)


_PLANE, _LINE = "float32[:,:,::1]", "float32[::1]"


@njit(
    [f"void({_PLANE}, {_PLANE}, {_LINE}, {_LINE}, {_PLANE}, {_PLANE})"],
    cache=True,
    nogil=True,
    fastmath={"reassoc", "contract", "nsz"},
)
def _estimate(
    real: NDArray[np.float32],
    imaginary: NDArray[np.float32],
    reference_real: NDArray[np.float32],
    reference_imaginary: NDArray[np.float32],
    map_real: NDArray[np.float32],
    map_imaginary: NDArray[np.float32],
) -> None:
    """Work on one slice, coils last; real and imaginary parts apart, so that the loops over coils run in vectors."""
    rows, columns, coils = real.shape
    next_real, next_imaginary = np.empty(coils, np.float32), np.empty(coils, np.float32)
    for y in range(rows):
        for x in range(columns):
            now_real, now_imaginary = map_real[y, x], map_imaginary[y, x]
            for c in range(coils):
                now_real[c], now_imaginary[c] = reference_real[c], reference_imaginary[c]
            if x > 0:
                now_real[:], now_imaginary[:] = map_real[y, x - 1], map_imaginary[y, x - 1]
            elif y > 0:
                now_real[:], now_imaginary[:] = map_real[y - 1, x], map_imaginary[y - 1, x]
            for _ in range(_ITERATIONS):
                next_real[:] = 0
                next_imaginary[:] = 0
                for py in range(max(y - _RADIUS, 0), min(y + _RADIUS + 1, rows)):
                    for px in range(max(x - _RADIUS, 0), min(x + _RADIUS + 1, columns)):
                        a, b = real[py, px], imaginary[py, px]
                        u = np.float32(0)
                        v = np.float32(0)
                        for c in range(coils):  # u + iv = s^H map
                            u += a[c] * now_real[c] + b[c] * now_imaginary[c]
                            v += a[c] * now_imaginary[c] - b[c] * now_real[c]
                        for c in range(coils):
                            next_real[c] += a[c] * u - b[c] * v
                            next_imaginary[c] += a[c] * v + b[c] * u
                power = 0.0
                for c in range(coils):
                    power += next_real[c] * next_real[c] + next_imaginary[c] * next_imaginary[c]
                if power <= 0:  # nothing in the patch: the neighbour's answer stands
                    break
                scale = np.float32(1 / np.sqrt(power))
                for c in range(coils):
                    now_real[c] = next_real[c] * scale
                    now_imaginary[c] = next_imaginary[c] * scale
    for y in range(rows):
        for x in range(columns):
            now_real, now_imaginary = map_real[y, x], map_imaginary[y, x]
            u = np.float32(0)
            v = np.float32(0)
            for c in range(coils):  # u + iv = reference^H map; its phase is taken out
                u += reference_real[c] * now_real[c] + reference_imaginary[c] * now_imaginary[c]
                v += reference_real[c] * now_imaginary[c] - reference_imaginary[c] * now_real[c]
            size = np.sqrt(u * u + v * v)
            if size > 0:
                u, v = u / size, v / size
                for c in range(coils):
                    kept = now_real[c]
                    now_real[c] = kept * u + now_imaginary[c] * v
                    now_imaginary[c] = now_imaginary[c] * u - kept * v
