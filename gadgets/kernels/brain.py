"""Where the head is, from one image."""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

_BINS = 256
_CEILING = 98.0  # percentile; what is brighter (eyes, vessels, fat) must not move the threshold


def otsu_threshold(values: NDArray[np.float32]) -> float:
    """Give the value that separates dark from bright best (Otsu, IEEE Trans. SMC 9:62 (1979))."""
    counts, edges = np.histogram(values, _BINS)
    centres = (edges[:-1] + edges[1:]) / 2
    below = np.cumsum(counts)[:-1]
    above = values.size - below
    sums = np.cumsum(counts * centres)
    mean_below = sums[:-1] / np.maximum(below, 1)
    mean_above = (sums[-1] - sums[:-1]) / np.maximum(above, 1)
    spread = below.astype(float) * above * (mean_above - mean_below) ** 2
    return float(edges[1 + int(np.argmax(spread))])


def brain_mask(magnitude: NDArray[np.float32], threshold_share: float) -> NDArray[np.bool_]:
    """Mark the largest bright object, without holes; shapes ``(z, y, x)``.

    The threshold is Otsu's over what is not brighter than the 98th percentile, but at most ``threshold_share`` of that
    percentile: with much dark tissue Otsu's alone cuts into the brain.
    """
    ceiling = float(np.percentile(magnitude, _CEILING))
    if not ceiling > 0:
        return np.zeros(magnitude.shape, bool)
    clipped = np.minimum(magnitude, ceiling)
    bright = clipped > min(otsu_threshold(clipped), threshold_share * ceiling)
    in_plane = np.zeros((3, 3, 3), bool)
    in_plane[1] = ndimage.generate_binary_structure(2, 1)
    opened = ndimage.binary_opening(bright, in_plane)  # cuts the thin bridges to scalp and noise
    labels = np.zeros(opened.shape, np.int32)
    if ndimage.label(opened, output=labels) == 0:
        return bright
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    largest = ndimage.binary_closing(labels == int(np.argmax(sizes)), in_plane)
    filled = np.empty(opened.shape, bool)
    for z in range(filled.shape[0]):
        ndimage.binary_fill_holes(largest[z], output=filled[z])
    return filled
