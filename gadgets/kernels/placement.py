"""Whether two volumes lie in the same place of the body."""

import numpy as np
from numpy.typing import NDArray

_ROUNDING = 1e-3
"""Of directions, which came as float32 and from who knows where."""


def misplaced(
    directions: NDArray[np.float64],
    others: NDArray[np.float64],
    way: NDArray[np.float64],
    voxel: NDArray[np.float64],
    tolerances: tuple[float, float],
) -> str:
    """Tell in what way a volume lies elsewhere than ours; empty where it does not, or nobody knows.

    ``directions`` of ours and the other one have the shape ``(3, 3)``, one axis in each row; ``way`` leads from the
    middle of ours to that of the other, and ``voxel`` is the size of ours, m. ``tolerances`` are the largest way along
    an axis, voxels, and the largest angle, rad.
    """
    if not _known(directions) or not _known(others):
        return ""
    angle = float(np.arccos(np.clip(np.sum(directions * others, axis=1), -1, 1)).max())
    if angle > tolerances[1]:
        return f"it is turned by {np.rad2deg(angle):.3g} degrees against the scan; it should lie as the scan does"
    away = np.abs(directions @ way)
    if np.all(voxel > 0) and np.any(away > tolerances[0] * voxel):
        words = ", ".join(f"{1e3 * length:.3g}" for length in away)
        return f"it lies {words} mm (x, y, z) away from the scan; it should lie where the scan does"
    return ""


def _known(directions: NDArray[np.float64]) -> bool:
    """Tell whether directions say how a volume lies: at right angles and of length 1."""
    return bool(np.allclose(directions @ directions.T, np.eye(3), atol=_ROUNDING))
