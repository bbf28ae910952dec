"""What one step of the registration sees: a reference at the places where voxels of another image may lie in it."""

import numpy as np
from numba import njit
from numpy.typing import NDArray

from .splines import locate, slopes, weights

FEWEST = 12
"""Columns that `observe` writes for a straight line of intensities; each further power is one more."""
_FAST = {"contract", "nsz"}  # fused multiplications
_Four = tuple[np.float32, np.float32, np.float32, np.float32]


@njit(cache=True, nogil=True, error_model="numpy", fastmath=_FAST)
def _row(
    c: NDArray[np.float32], at: np.uint64, w: np.float32, d: np.float32, a: _Four, b: _Four
) -> tuple[_Four, _Four]:
    """Add the four coefficients of a row, times a weight and times its derivative."""
    c0, c1, c2, c3 = c[at], c[at + np.uint64(1)], c[at + np.uint64(2)], c[at + np.uint64(3)]
    return (
        (a[0] + w * c0, a[1] + w * c1, a[2] + w * c2, a[3] + w * c3),
        (b[0] + d * c0, b[1] + d * c1, b[2] + d * c2, b[3] + d * c3),
    )


@njit(cache=True, nogil=True, error_model="numpy", fastmath=_FAST)
def _plane(c: NDArray[np.float32], at: np.uint64, step: np.uint64, w: _Four, d: _Four) -> tuple[_Four, _Four]:
    """Add up four rows: column by column, of the values and of the derivative along y."""
    zero = np.float32(0)
    none = (zero, zero, zero, zero)
    a, b = _row(c, at, w[0], d[0], none, none)
    a, b = _row(c, at + step, w[1], d[1], a, b)
    a, b = _row(c, at + step + step, w[2], d[2], a, b)
    return _row(c, at + step + step + step, w[3], d[3], a, b)


@njit(cache=True, nogil=True, error_model="numpy", fastmath=_FAST)
def _add(a: _Four, w: np.float32, b: _Four) -> _Four:
    return a[0] + w * b[0], a[1] + w * b[1], a[2] + w * b[2], a[3] + w * b[3]


@njit(cache=True, nogil=True, error_model="numpy", fastmath=_FAST)
def _times(a: _Four, b: _Four) -> np.float32:
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2] + a[3] * b[3]


@njit(
    [
        "void(float32[:,:,::1], float32[:,::1], float32[::1], float32[:,::1], float32[::1], float32[::1], "
        "float32[::1], float32[:,::1])"
    ],
    cache=True,
    nogil=True,
    error_model="numpy",
    fastmath=_FAST,
)
def observe(
    coefficients: NDArray[np.float32],
    places: NDArray[np.float32],
    values: NDArray[np.float32],
    back: NDArray[np.float32],
    voxel: NDArray[np.float32],
    origin: NDArray[np.float32],
    slope: NDArray[np.float32],
    columns: NDArray[np.float32],
) -> None:
    """Write the columns of a linear fit of an image by its reference, a row for each voxel.

    ``places`` are the voxels of the image, ``(voxels, 3)`` along x, y, z, m; ``back``, ``(3, 4)``, takes them to u in
    the reference, whose voxels are ``u / voxel + origin``. With S the reference there, and f' the polynomial ``slope``
    in S, the columns are: f' times the gradient of S; u x that; 1; S; S times the place; S^2, S^3, ... as many as
    ``slope`` has more than one coefficients; the value of the image. All are weighted: by 1, falling
    to 0 from one and a half voxels inside of the edge to half a voxel.
    """
    c = coefficients.ravel()
    step_z, step_y = np.uint64(coefficients.shape[1] * coefficients.shape[2]), np.uint64(coefficients.shape[2])
    slices, rows, width = coefficients.shape[0] - 3, coefficients.shape[1] - 3, coefficients.shape[2] - 3
    one, half, zero = np.float32(1), np.float32(0.5), np.float32(0)
    per_x, per_y, per_z = one / voxel[0], one / voxel[1], one / voxel[2]
    degree = len(slope)
    for i in range(len(places)):
        x, y, z = places[i, 0], places[i, 1], places[i, 2]
        ux = back[0, 0] * x + back[0, 1] * y + back[0, 2] * z + back[0, 3]
        uy = back[1, 0] * x + back[1, 1] * y + back[1, 2] * z + back[1, 3]
        uz = back[2, 0] * x + back[2, 1] * y + back[2, 2] * z + back[2, 3]
        vx, vy, vz = ux * per_x + origin[0], uy * per_y + origin[1], uz * per_z + origin[2]
        weight = min(min(vx, np.float32(width - 1) - vx), min(vy, np.float32(rows - 1) - vy))
        if slices > 1:
            weight = min(weight, min(vz, np.float32(slices - 1) - vz))
        weight = min(weight - half, one)  # at the edge a slope stands on two slices only
        if not weight > zero:
            columns[i] = zero
            continue
        at_x, tx = locate(vx, width)
        at_y, ty = locate(vy, rows)
        at_z, tz = locate(vz, slices)
        wx, dx, wy, dy, wz, dz = weights(tx), slopes(tx), weights(ty), slopes(ty), weights(tz), slopes(tz)
        at = np.uint64(at_z) * step_z + np.uint64(at_y) * step_y + np.uint64(at_x)
        none = (zero, zero, zero, zero)
        a, b = _plane(c, at, step_y, wy, dy)
        s, sy, sz = _add(none, wz[0], a), _add(none, wz[0], b), _add(none, dz[0], a)
        a, b = _plane(c, at + step_z, step_y, wy, dy)
        s, sy, sz = _add(s, wz[1], a), _add(sy, wz[1], b), _add(sz, dz[1], a)
        a, b = _plane(c, at + step_z + step_z, step_y, wy, dy)
        s, sy, sz = _add(s, wz[2], a), _add(sy, wz[2], b), _add(sz, dz[2], a)
        a, b = _plane(c, at + step_z + step_z + step_z, step_y, wy, dy)
        s, sy, sz = _add(s, wz[3], a), _add(sy, wz[3], b), _add(sz, dz[3], a)
        value = _times(wx, s)
        factor = slope[degree - 1]
        for k in range(degree - 2, -1, -1):
            factor = factor * value + slope[k]
        factor *= weight
        gx, gy, gz = factor * _times(dx, s) * per_x, factor * _times(wx, sy) * per_y, factor * _times(wx, sz) * per_z
        weighted = weight * value
        columns[i, 0], columns[i, 1], columns[i, 2] = gx, gy, gz
        columns[i, 3], columns[i, 4], columns[i, 5] = uy * gz - uz * gy, uz * gx - ux * gz, ux * gy - uy * gx
        columns[i, 6], columns[i, 7] = weight, weighted
        columns[i, 8], columns[i, 9], columns[i, 10] = weighted * x, weighted * y, weighted * z
        for k in range(1, degree):
            weighted *= value
            columns[i, 10 + k] = weighted
        columns[i, 10 + degree] = weight * values[i]


@njit(["void(float32[:,:,::1], float32[:,:,::1])"], cache=True, nogil=True, error_model="numpy", fastmath=_FAST)
def smooth(image: NDArray[np.float32], result: NDArray[np.float32]) -> None:
    """Write the image, each slice averaged with weights 1, 2, 1 along x and y; its edge goes on beyond it.

    What is sharper than voxels can show is between them no longer what the spline says.
    """
    slices, rows, columns = image.shape
    half, quarter = np.float32(0.5), np.float32(0.25)
    line = np.empty(columns, np.float32)
    for z in range(slices):
        for y in range(rows):
            before, behind = max(y - 1, 0), min(y + 1, rows - 1)
            for x in range(columns):
                line[x] = half * image[z, y, x] + quarter * (image[z, before, x] + image[z, behind, x])
            for x in range(columns):
                sides = line[max(x - 1, 0)] + line[min(x + 1, columns - 1)]
                result[z, y, x] = half * line[x] + quarter * sides
