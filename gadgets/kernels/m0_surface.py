"""Making M0 smooth without making its edge dark."""

import math
from collections.abc import Sequence

import numpy as np
from numba import njit
from numpy.typing import NDArray
from scipy.ndimage import binary_erosion, gaussian_filter

_WIDTH = math.sqrt(8 * math.log(2))  # full width at half maximum, in standard deviations
_CUBE = np.ones((3, 3, 3), np.bool_)


def smoothed(image: NDArray[np.float64], inside: NDArray[np.bool_], widths: Sequence[float]) -> NDArray[np.float64]:
    """Smooth an image within a region, over which it is not mixed with what lies outside; shapes ``(z, y, x)``.

    Normalized convolution (Knutsson and Westin, IEEE CVPR (1993)), ``G(image inside) / G(inside)``, with a Gaussian of
    the full widths at half maximum along z, y, x, voxels: what is constant inside stays constant up to the edge.
    Outside the image stays as it is.
    """
    sigma = [width / _WIDTH for width in widths]
    sums = gaussian_filter(np.where(inside, image, 0.0), sigma, mode="constant")
    weights = gaussian_filter(inside.astype(np.float64), sigma, mode="constant")
    return np.divide(sums, weights, out=image.copy(), where=inside)


def extrapolated(image: NDArray[np.float64], mask: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Give the edge of the brain, where a voxel is only partly brain, the M0 of its neighbors inside.

    As oxasl: the median over 3x3x3 voxels; of the mask only what has no neighbor outside is believed, and the rest gets
    the mean of what is known within 5x5 voxels of its slice, from the inside outwards. Beyond oxasl, which stops after
    two rounds and leaves zero: slices of which nothing is believed, the lowest and the highest, keep their medians.
    0 outside of the mask. Shapes ``(z, y, x)``.
    """
    known = np.asarray(binary_erosion(mask, _CUBE, border_value=1))
    result = np.zeros(image.shape)
    _take_medians(image, mask, result)
    for plane, believed, wanted in zip(result, known, mask, strict=True):
        if believed.any():
            _fill(plane, believed, wanted)
    return result


@njit(["void(float64[:,:,::1], boolean[:,:,::1], float64[:,:,::1])"], cache=True, nogil=True)
def _take_medians(image: NDArray[np.float64], mask: NDArray[np.bool_], out: NDArray[np.float64]) -> None:
    """Write the median over the voxels of the mask within 3x3x3; only inside of the mask."""
    slices, rows, columns = image.shape
    around = np.empty(27)
    for z in range(slices):
        for y in range(rows):
            for x in range(columns):
                if not mask[z, y, x]:
                    continue
                count = 0
                for k in range(max(z - 1, 0), min(z + 2, slices)):
                    for j in range(max(y - 1, 0), min(y + 2, rows)):
                        for i in range(max(x - 1, 0), min(x + 2, columns)):
                            if not mask[k, j, i]:
                                continue
                            value, place = image[k, j, i], count
                            while place > 0 and around[place - 1] > value:  # put in its place: sorted as they come
                                around[place] = around[place - 1]
                                place -= 1
                            around[place] = value
                            count += 1
                half = count // 2
                out[z, y, x] = around[half] if count % 2 else (around[half - 1] + around[half]) / 2


@njit(["void(float64[:,::1], boolean[:,::1], boolean[:,::1])"], cache=True, nogil=True)
def _fill(plane: NDArray[np.float64], known: NDArray[np.bool_], wanted: NDArray[np.bool_]) -> None:
    """Fill what is wanted with the mean of what is known within 5x5, round by round, as far as it can be reached."""
    rows, columns = plane.shape
    sources, changed = known.copy(), True
    while changed:
        changed = False
        for y in range(rows):
            for x in range(columns):
                if not wanted[y, x] or known[y, x]:
                    continue
                total, count = 0.0, 0
                for j in range(max(y - 2, 0), min(y + 3, rows)):
                    for i in range(max(x - 2, 0), min(x + 3, columns)):
                        if sources[j, i]:
                            total += plane[j, i]
                            count += 1
                if count:
                    plane[y, x] = total / count
                    known[y, x] = True
                    changed = True
        sources[:] = known
