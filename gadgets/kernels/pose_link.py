"""How two references of unlike contrast lie against each other: only what is plain is believed."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .registration import Target
from .rigid import Pose, still

_ALIKE = 0.98  # explained share from which two images count as of one contrast
_CURVED = 3  # degree of the polynomial of intensities for others; it may turn over
_LEAST = (3e-4, 8e-4)  # m: with one contrast and with two, what looks like motion may be contrast below it


class Link(NamedTuple):
    """The pose of one reference against another."""

    pose: Pose
    agreement: float
    """Correlation of the two, -1 to 1."""
    doubtful: float
    """Displacement up to which the pose may be noise, m."""


def link(target: Target, image: NDArray[np.float32], start: Pose) -> Link | None:
    """Register an image to one that may have another contrast; None where that cannot be done.

    A straight line of intensities is tried first, then a cubic. A small displacement counts as none: different
    brightness of the tissues looks like 0.1 to 0.2 mm, and contrast that is turned over like 0.6 mm.
    """
    least, found = _LEAST[0], target.find(image, (start,))
    if found is None or found.explained < _ALIKE:
        least, found = _LEAST[1], target.find(image, (start,), _CURVED)
    if found is None:
        return None
    plain = found.pose.displacement(still()) > max(least, found.doubtful)
    return Link(found.pose if plain else still(), found.agreement, found.doubtful)
