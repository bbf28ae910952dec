"""How bright the N/2 ghost of an EPI is."""

import numpy as np
from numba import njit
from numpy.typing import NDArray

_SIGNAL = 0.25  # of the 99th percentile; above it lies the object
_PERCENTILE = 0.99
_BINS = 4096  # of the histogram that the percentile is read from


def ghost_level(image: NDArray[np.complex64], shifts: NDArray[np.int64], rows: int) -> float:
    """Give the mean signal where ghosts fall beside the object, over that in the object; NaN where there is neither.

    ``image`` is ``(z, y, x)``. The object is what exceeds a quarter of the 99th percentile. ``shifts`` are the
    distances of its ghosts along y, in rows of a field of view of ``rows`` rows, of which the image shows the middle.
    """
    magnitude = np.sqrt(np.square(image.real) + np.square(image.imag))
    highest = float(magnitude.max(initial=0))
    if not (np.isfinite(highest) and highest > 0):
        return float("nan")
    return _ratio(magnitude, _SIGNAL * _percentile(magnitude.reshape(-1), highest), shifts, rows)


@njit(["float64(float32[::1], float64)"], cache=True, nogil=True)
def _percentile(values: NDArray[np.float32], highest: float) -> float:
    """Give the 99th percentile of values from 0 to ``highest``, to one part in 4096 of that."""
    counts = np.zeros(_BINS + 1, np.int64)
    scale = np.float32(_BINS / highest)
    for i in range(values.size):
        counts[min(int(values[i] * scale), _BINS)] += 1
    wanted, below, number = _PERCENTILE * (values.size - 1), 0, 0
    while below + counts[number] <= wanted:
        below += counts[number]
        number += 1
    return (number + (wanted - below + 0.5) / counts[number]) * highest / _BINS


@njit(["float64(float32[:,:,::1], float64, int64[::1], int64)"], cache=True, nogil=True)
def _ratio(magnitude: NDArray[np.float32], threshold: float, shifts: NDArray[np.int64], rows: int) -> float:
    slices, height, width = magnitude.shape
    edge = rows // 2 - height // 2
    inside, outside = 0.0, 0.0
    voxels, ghosts = 0, 0
    limit = np.float32(threshold)
    under_a_ghost = np.empty(width, np.bool_)
    for z in range(slices):
        for y in range(height):
            under_a_ghost[:] = False
            for shift in shifts:
                source = (y + edge - shift) % rows - edge
                if 0 <= source < height:
                    for x in range(width):
                        under_a_ghost[x] |= magnitude[z, source, x] > limit
            for x in range(width):
                value = magnitude[z, y, x]
                if value > limit:
                    inside += value
                    voxels += 1
                elif under_a_ghost[x]:
                    outside += value
                    ghosts += 1
    return (outside / ghosts) / (inside / voxels) if voxels and ghosts else np.nan
