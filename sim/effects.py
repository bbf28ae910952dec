"""What a real scan suffers from: field, decay, drift; all of it can be left out."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .grid import BRAIN_CENTER, Grid

_SINUS = (0.0, -0.075, -0.030)
"""Frontal sinus from the middle of the brain: left, posterior, superior, m."""
_EARS = ((0.060, 0.010, -0.035), (-0.060, 0.010, -0.035))
_REACH = 0.025
"""How far air disturbs the field, m."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Effects:
    """Imperfections of scanner and patient; at their defaults there are none."""

    off_resonance: float = 0.0
    """Of the field at the frontal sinus, Hz; distorts echo-planar images and blurs spirals."""
    drift: float = 0.0
    """Of the frequency of the whole head, Hz/min, from the begin of the scan."""
    decay: bool = False
    """Whether signal decays from line to line, with T2* after an excitation, with T2 from refocusing to refocusing."""
    shot_phase: float = 0.0
    """Standard deviation of a random phase of each excitation, rad."""
    trajectory_delay: float = 0.0
    """How late the gradients of a spiral come, against the trajectory that is sent with the samples, s."""


def off_resonance(grid: Grid, peak: float) -> NDArray[np.float32]:
    """Give the field that air in the skull leaves after shimming, shape ``(z, y, x)``, Hz.

    A smooth hot spot above the frontal sinus, of the given height, and one half as strong at each ear.
    """
    x, y, z = (grid.along(axis) - middle for axis, middle in enumerate(BRAIN_CENTER))
    field = np.zeros(grid.shape)
    for (left, posterior, superior), share in ((_SINUS, 1.0), (_EARS[0], 0.5), (_EARS[1], 0.5)):
        squared = (
            (x - left)[None, None, :] ** 2 + (y - posterior)[None, :, None] ** 2 + (z - superior)[:, None, None] ** 2
        )
        field += share * np.exp(-squared / (2 * _REACH**2))
    return (peak * field).astype(np.float32)
