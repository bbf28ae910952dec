"""A model of an image of the head: tissue shares of the average brain, moved by an affine map, of unknown brightness.

It knows no contrast: at each place p of the image it is ``b + sum over tissues (a_t + s(p)) share_t``, with the
background b, one brightness a_t of each tissue, and a polynomial s of second order, by which coils shade the brain.
What an average brain does not have, as scalp and eyes, is left to the robust weights.
"""

from typing import Final

import numpy as np
from numba import njit
from numpy.typing import NDArray

PLACE_UNIT: Final = 0.1
"""m; places in the image are counted in it, so that all that is fitted is of one order."""
MAP: Final = 12
"""Numbers of an affine map, row by row."""
SHADES: Final = 9
"""Numbers of the polynomial s: x, y, z, x^2, y^2, z^2, xy, xz, yz."""
BRIGHTNESS: Final = 4 + SHADES
"""Background, gray matter, white matter, fluid, and the shades."""
COLUMNS: Final = MAP + BRIGHTNESS + 1


@njit(
    [
        "void(float32[:,:,:,::1], float64[:,::1], float64[::1], float64, float32[:,::1], float32[::1],"
        " float32[:,::1], float32[::1])"
    ],
    cache=True,
    nogil=True,
)
def linearize(
    shares: NDArray[np.float32],
    affine: NDArray[np.float64],
    brightness: NDArray[np.float64],
    sigma: float,
    places: NDArray[np.float32],
    values: NDArray[np.float32],
    rows: NDArray[np.float32],
    left: NDArray[np.float32],
) -> None:
    """Write how the model changes with each of its numbers, and what it leaves over of the image.

    ``affine``, shape ``(3, 4)``, leads from ``places``, shape ``(places, 3)``, x, y, z in ``PLACE_UNIT``, to voxel
    numbers (x, y, z) of ``shares``, shape ``(z, y, x, 3)``, which are linear in between and 0 outside. A row holds the
    derivatives by ``affine`` and by ``brightness`` and then image less model, all times ``1 / (1 + r^2 / sigma^2)``:
    the root of the weight of Geman and McClure (Bull Int Stat Inst 52(4):5 (1987)). ``left`` gets r, image less model.
    """
    nz, ny, nx = shares.shape[:3]
    share = np.empty(3)
    slope = np.empty((3, 3))  # of each tissue along x, y, z
    shade = np.empty(9)
    along = np.empty(3)
    for n in range(places.shape[0]):
        px, py, pz = np.float64(places[n, 0]), np.float64(places[n, 1]), np.float64(places[n, 2])
        x = affine[0, 0] * px + affine[0, 1] * py + affine[0, 2] * pz + affine[0, 3]
        y = affine[1, 0] * px + affine[1, 1] * py + affine[1, 2] * pz + affine[1, 3]
        z = affine[2, 0] * px + affine[2, 1] * py + affine[2, 2] * pz + affine[2, 3]
        share[:] = 0
        slope[:] = 0
        if 0 <= x < nx - 1 and 0 <= y < ny - 1 and 0 <= z < nz - 1:
            i, j, k = int(x), int(y), int(z)
            fx, fy, fz = x - i, y - j, z - k
            for dz in range(2):
                wz = fz if dz else 1 - fz
                for dy in range(2):
                    wy = fy if dy else 1 - fy
                    for t in range(3):
                        near = np.float64(shares[k + dz, j + dy, i, t])
                        step = np.float64(shares[k + dz, j + dy, i + 1, t]) - near
                        between = near + fx * step
                        share[t] += wz * wy * between
                        slope[t, 0] += wz * wy * step
                        slope[t, 1] += wz * between if dy else -wz * between
                        slope[t, 2] += wy * between if dz else -wy * between
        shade[0], shade[1], shade[2] = px, py, pz
        shade[3], shade[4], shade[5] = px * px, py * py, pz * pz
        shade[6], shade[7], shade[8] = px * py, px * pz, py * pz
        shading = 0.0
        for s in range(SHADES):
            shading += brightness[4 + s] * shade[s]
        model, brain = brightness[0], 0.0
        along[:] = 0
        for t in range(3):
            bright = brightness[1 + t] + shading
            brain += share[t]
            model += bright * share[t]
            for axis in range(3):
                along[axis] += bright * slope[t, axis]
        r = values[n] - model
        left[n] = r
        weight = 1 / (1 + r * r / (sigma * sigma))
        for axis in range(3):
            change = weight * along[axis]
            rows[n, 4 * axis], rows[n, 4 * axis + 1] = change * px, change * py
            rows[n, 4 * axis + 2], rows[n, 4 * axis + 3] = change * pz, change
        rows[n, MAP] = weight
        for t in range(3):
            rows[n, MAP + 1 + t] = weight * share[t]
        for s in range(SHADES):
            rows[n, MAP + 4 + s] = weight * brain * shade[s]
        rows[n, MAP + BRIGHTNESS] = weight * r


@njit(["void(float32[:,::1], float64[:,::1])"], cache=True, nogil=True)
def gram(rows: NDArray[np.float32], products: NDArray[np.float64]) -> None:
    """Write ``rows^T rows``: four rows together in single precision, their sums in double.

    Not by BLAS, whose threads wait for each other on a busy machine, and then take a hundred times as long.
    """
    count, width = rows.shape
    products[:] = 0
    for n in range(0, count - 3, 4):
        for a in range(width):
            one, two, three, four = rows[n, a], rows[n + 1, a], rows[n + 2, a], rows[n + 3, a]
            for b in range(a, width):
                products[a, b] += (
                    one * rows[n, b] + two * rows[n + 1, b] + three * rows[n + 2, b] + four * rows[n + 3, b]
                )
    for n in range(count - count % 4, count):
        for a in range(width):
            for b in range(a, width):
                products[a, b] += rows[n, a] * rows[n, b]
    for a in range(width):
        for b in range(a):
            products[a, b] = products[b, a]
