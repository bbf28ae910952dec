"""What can be right in a map of tissue or of T1, and what cannot."""

import numpy as np
from numpy.typing import NDArray

_OVERSHOOT = 0.05
"""How far a share may lie outside of 0 to 1: interpolation overshoots."""
_TOO_FULL = 1.1
"""Sum of the shares of a voxel above which they are no shares of one voxel."""
_LONGEST_T1 = 20.0
"""s; a median above it is that of a map in ms."""


def shares(data: NDArray[np.float32]) -> tuple[NDArray[np.float32] | None, str]:
    """Give the shares of a tissue, cut to 0 to 1, or none and what is wrong with them."""
    if not np.isfinite(data).all():
        return None, f"{np.count_nonzero(~np.isfinite(data))} of its voxels are no numbers; every share should be one"
    lowest, highest = float(data.min(initial=0)), float(data.max(initial=0))
    if lowest < -_OVERSHOOT or highest > 1 + _OVERSHOOT:
        return None, (
            f"its values reach from {lowest:.4g} to {highest:.4g}; they should be shares from 0 to 1 "
            "(stored integers and percent want a RescaleSlope)"
        )
    if highest <= 0:
        return None, "it is zero everywhere"
    return np.clip(data, 0, 1), ""


def too_full(tissues: list[NDArray[np.float32]]) -> float:
    """Give the largest sum of the shares of one voxel where that cannot be; 0 where all can."""
    highest = float(np.sum(tissues, axis=0).max(initial=0))
    return highest if highest > _TOO_FULL else 0.0


def remainder(tissues: list[NDArray[np.float32]], brain: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Give what is left of each voxel of the brain, ``1 - sum``, and 0 outside of it."""
    return np.where(brain, np.clip(1 - np.sum(tissues, axis=0), 0, 1), 0).astype(np.float32)


def relaxation(data: NDArray[np.float32], units: str) -> tuple[NDArray[np.float32] | None, str]:
    """Give T1 in s, NaN where it is not a positive number, or none and what is wrong with it.

    ``units`` are those that the map states: ``ms`` is converted; where it states nothing s are meant.
    """
    if units not in ("", "s", "ms"):
        return None, f"its units are {units!r}; they should be s or ms"
    times = np.where(np.isfinite(data) & (data > 0), data, np.nan) * np.float32(1e-3 if units == "ms" else 1)
    there = times[np.isfinite(times)]
    if not there.size:
        return None, "no voxel of it has a positive number"
    middle = float(np.median(there))
    if middle > _LONGEST_T1:
        return None, f"its median is {middle:.4g} s, so it seems to be in ms; then its attribute units should say ms"
    times[times > _LONGEST_T1] = np.nan
    return times.astype(np.float32), ""
