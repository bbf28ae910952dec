"""Where to begin to look for a head in an image."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from .affine_pose import USUAL_STRETCH, Pose, rotated

_TOP, _BOTTOM = 0.078, -0.068
"""Of the average brain, superior of the anterior commissure, m."""
_PITCHES = tuple(np.deg2rad([-15.0, 0.0, 15.0]).tolist())
_STEP = 0.025
"""Between heights, m."""


def starting_poses(mask: NDArray[np.bool_], axes: NDArray[np.float64], center: NDArray[np.float64]) -> Iterator[Pose]:
    """Give poses of a usual head, nodding a little or not, whose middle lies in that of the mask.

    How high it lies is open: between the top of the brain at that of the mask and the bottom at the bottom, a few
    slices may show any part, and a mask may reach down into the neck. ``axes`` has the way from one voxel to the next
    along x, y, z in its rows; ``center`` is the middle of the average brain, m.
    """
    numbers = np.argwhere(mask)[:, ::-1] - np.array(mask.shape[::-1]) // 2
    places = numbers @ axes
    left, posterior, _ = np.median(places, axis=0)
    low, high = np.percentile(places[:, 2], [0.5, 99.5])
    middle = np.array([left, posterior, (low + high) / 2])
    half = USUAL_STRETCH * (high - low) / 2
    ends = float(_TOP - half), float(_BOTTOM + half)
    heights = np.linspace(min(ends), max(ends), int(np.ceil(abs(ends[1] - ends[0]) / _STEP)) + 1)
    for pitch in _PITCHES:
        turn = rotated(np.array([pitch, 0.0, 0.0]))
        for height in heights:
            target = np.array([center[0], center[1], height])
            yield Pose(target - USUAL_STRETCH * turn @ middle, turn, USUAL_STRETCH * np.eye(3))
