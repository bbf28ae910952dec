"""Which artery feeds which part of the average brain, and where its deep gray matter lies.

Simple shapes of our own in its coordinates, after the maps of Tatu et al., Neurology 50:1699 (1998) and Cerebrovasc Dis
34:289 (2012); people differ by a centimeter and more, so they serve for numbers by region only. The anterior artery
feeds a strip along the midline, wider at the top and behind the forehead, down to the corpus callosum and back to the
groove between parietal and occipital lobe. The posterior one, with the arteries of brain stem and cerebellum, feeds
what lies behind that groove, the lower side of the temporal lobe and all below. The middle one feeds the rest.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

NAMES: Final = tuple(
    f"{side}_{part}"
    for side in ("left", "right")
    for part in ("anterior", "middle", "posterior", "thalamus", "basal_ganglia")
)
"""Labels count from 1 in this order."""

_THALAMUS = ((0.011, 0.018, 0.008), (0.010, 0.014, 0.009))
"""Middle (beside the midline, posterior, superior) and half axes of an ellipsoid, m."""
_BASAL_GANGLIA = (
    ((0.024, -0.002, 0.002), (0.010, 0.018, 0.011)),  # putamen and pallidum
    ((0.013, -0.013, 0.009), (0.006, 0.013, 0.012)),  # head of the caudate nucleus
)


def regions(
    left: NDArray[np.floating], posterior: NDArray[np.floating], superior: NDArray[np.floating]
) -> NDArray[np.uint8]:
    """Give the label of places in the average brain, m from the anterior commissure; arrays of one shape."""
    beside = np.abs(left)
    groove = 0.060 + 0.35 * np.maximum(superior - 0.020, 0)
    lower = -0.006 - 0.15 * np.maximum(beside - 0.040, 0)
    back = (posterior > groove) | ((posterior > 0.018) & (superior < lower)) | (superior < -0.050)
    stem = (beside < 0.018) & (posterior > 0.008) & (superior < 0.0)
    width = 0.014 + 0.10 * np.clip(superior, 0, 0.060)
    strip = (beside < width) | ((beside < 0.028) & (posterior < -0.045) & (superior > -0.015))
    label = np.where(back | stem, 3, np.where(strip, 1, 2))
    place = beside, posterior, superior
    label[_within(place, *_THALAMUS)] = 4
    for middle, half in _BASAL_GANGLIA:
        label[_within(place, middle, half)] = 5
    return np.where(left >= 0, label, label + len(NAMES) // 2).astype(np.uint8)


def _within(
    place: tuple[NDArray[np.floating], ...], middle: tuple[float, ...], half: tuple[float, ...]
) -> NDArray[np.bool_]:
    """Tell which places lie in an ellipsoid."""
    terms = zip(place, middle, half, strict=True)
    return sum((np.square((x - center) / length) for x, center, length in terms), np.zeros(1)) < 1
