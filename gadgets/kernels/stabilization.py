"""The phase of one volume against another: a constant and a slope along each axis, whatever the sign of the signal.

All works with ``p = (V conj(u))^2 / |V|``, u the unit phase of the reference: its phase is twice that of V against the
reference, so that a signal which background suppression has turned over counts like one that it has not. Noise has no
preferred phase, and adds up to nothing.
"""

import numpy as np
from numba import njit
from numpy.typing import NDArray

_ROUNDS = 3  # of Newton's method; each squares the error


@njit(["void(complex64[:,:,::1], complex64[:,:,::1], complex64[:,:,::1])"], cache=True, nogil=True)
def double_phase(
    volume: NDArray[np.complex64], conjugate: NDArray[np.complex64], result: NDArray[np.complex64]
) -> None:
    """Write ``(V conj(u))^2 / |V|``; 0 where either is 0. Shapes ``(z, y, x)``."""
    for z in range(volume.shape[0]):
        for y in range(volume.shape[1]):
            for x in range(volume.shape[2]):
                value = volume[z, y, x] * conjugate[z, y, x]
                size = np.sqrt(value.real * value.real + value.imag * value.imag)
                result[z, y, x] = value * value / size if size > 0 else np.complex64(0)


@njit(["void(complex64[:,:,::1], complex128[::1], float64[::1])"], cache=True, nogil=True)
def neighbors(p: NDArray[np.complex64], sums: NDArray[np.complex128], squares: NDArray[np.float64]) -> None:
    """Write ``sum p(r + 1) conj(p(r))`` along z, y, x, and the sum of the squares of its terms.

    Its phase is the slope, free of wraps (Ahn and Cho, IEEE TMI 6:32 (1987)).
    """
    sums[:] = 0
    squares[:] = 0
    slices, rows, columns = p.shape
    for z in range(slices):
        for y in range(rows):
            for x in range(columns):
                here = np.conj(p[z, y, x])
                if here == 0:
                    continue
                if z + 1 < slices:
                    term = p[z + 1, y, x] * here
                    sums[0] += term
                    squares[0] += term.real * term.real + term.imag * term.imag
                if y + 1 < rows:
                    term = p[z, y + 1, x] * here
                    sums[1] += term
                    squares[1] += term.real * term.real + term.imag * term.imag
                if x + 1 < columns:
                    term = p[z, y, x + 1] * here
                    sums[2] += term
                    squares[2] += term.real * term.real + term.imag * term.imag


@njit(
    ["void(complex64[:,:,::1], complex64[::1], complex64[::1], complex64[::1], float64[::1], float64[:,::1])"],
    cache=True,
    nogil=True,
)
def moments(
    p: NDArray[np.complex64],
    along_z: NDArray[np.complex64],
    along_y: NDArray[np.complex64],
    along_x: NDArray[np.complex64],
    gradient: NDArray[np.float64],
    curvature: NDArray[np.float64],
) -> None:
    """Write ``sum Im(q) r`` and ``sum Re(q) r r^T``, ``q = p`` turned by the phases, ``r = (1, z, y, x)`` centered."""
    gradient[:] = 0
    curvature[:, :] = 0
    slices, rows, columns = p.shape
    for z in range(slices):
        for y in range(rows):
            turn = along_z[z] * along_y[y]
            real, real_x, real_xx, imaginary, imaginary_x = 0.0, 0.0, 0.0, 0.0, 0.0
            for x in range(columns):
                q = p[z, y, x] * turn * along_x[x]
                distance = x - 0.5 * (columns - 1)
                real += q.real
                real_x += q.real * distance
                real_xx += q.real * distance * distance
                imaginary += q.imag
                imaginary_x += q.imag * distance
            above, behind = z - 0.5 * (slices - 1), y - 0.5 * (rows - 1)
            gradient[0] += imaginary
            gradient[1] += imaginary * above
            gradient[2] += imaginary * behind
            gradient[3] += imaginary_x
            curvature[0, 0] += real
            curvature[0, 1] += real * above
            curvature[0, 2] += real * behind
            curvature[0, 3] += real_x
            curvature[1, 1] += real * above * above
            curvature[1, 2] += real * above * behind
            curvature[1, 3] += real_x * above
            curvature[2, 2] += real * behind * behind
            curvature[2, 3] += real_x * behind
            curvature[3, 3] += real_xx
    for i in range(4):
        for j in range(i):
            curvature[i, j] = curvature[j, i]


@njit(
    ["void(complex64[:,:,::1], complex64[::1], complex64[::1], complex64[::1], complex64[:,:,::1])"],
    cache=True,
    nogil=True,
)
def turn(
    volume: NDArray[np.complex64],
    along_z: NDArray[np.complex64],
    along_y: NDArray[np.complex64],
    along_x: NDArray[np.complex64],
    result: NDArray[np.complex64],
) -> None:
    """Write the volume times the three phases."""
    for z in range(volume.shape[0]):
        for y in range(volume.shape[1]):
            both = along_z[z] * along_y[y]
            for x in range(volume.shape[2]):
                result[z, y, x] = volume[z, y, x] * both * along_x[x]


def fit(p: NDArray[np.complex64], significance: float) -> NDArray[np.float64] | None:
    """Give constant and slopes along z, y, x of half the phase of p: rad in the middle, and rad per voxel.

    Wrap-free slopes first, then the constant, folded to at most pi / 2 either way, then Newton's method on ``sum
    Re(p exp(-2i phase))``, whose maximum is the likeliest phase. A slope that its neighbors do not show significantly
    is 0; None where not even the sum is ``significance`` times what noise alone would give.
    """
    sums, squares = np.empty(3, complex), np.empty(3)
    neighbors(p, sums, squares)
    found = np.zeros(4)
    for axis in range(3):
        if abs(sums[axis]) > significance * squares[axis] ** 0.5:
            found[axis + 1] = np.angle(sums[axis]) / 2
    sloped = np.flatnonzero(found[1:])
    unturned = np.zeros(4)
    unturned[1:] = found[1:]
    gradient, curvature = np.empty(4), np.empty((4, 4))
    moments(p, *phases(2 * unturned, p.shape), gradient, curvature)
    total = complex(curvature[0, 0], gradient[0])
    energy = float(np.vdot(p, p).real)
    if not abs(total) > significance * energy**0.5:
        return None
    found[0] = np.angle(total) / 2
    free = np.concatenate(([0], sloped + 1))
    for _ in range(_ROUNDS):
        moments(p, *phases(2 * found, p.shape), gradient, curvature)
        kept = curvature[np.ix_(free, free)]
        if np.linalg.eigvalsh(kept)[0] <= 0:  # no maximum near by: the wrap-free answer stands
            break
        found[free] += np.linalg.solve(kept, gradient[free]) / 2
    found[0] = (found[0] + np.pi / 2) % np.pi - np.pi / 2
    return found


def phases(
    phase: NDArray[np.float64], shape: tuple[int, ...]
) -> tuple[NDArray[np.complex64], NDArray[np.complex64], NDArray[np.complex64]]:
    """Give ``exp(-i phase)`` of a constant and slopes as three factors, along z, y, x from the middle."""
    along = [
        np.exp(-1j * slope * (np.arange(size) - (size - 1) / 2)) for slope, size in zip(phase[1:], shape, strict=True)
    ]
    return (
        (along[0] * np.exp(-1j * phase[0])).astype(np.complex64),
        along[1].astype(np.complex64),
        along[2].astype(np.complex64),
    )
