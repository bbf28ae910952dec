"""Make the average brain that the gadget ``atlas`` lays over images: ``python docs/reference/make_average_brain.py``.

It is packed beside the gadgets, so that a scan needs neither nilearn nor the network. Gray and white matter are those
of ICBM 2009a nonlinear symmetric as packed in nilearn; what is neither of the two inside of the brain is fluid.
"""

from pathlib import Path

import numpy as np
from nilearn.datasets import load_mni152_brain_mask, load_mni152_gm_template, load_mni152_wm_template
from numpy.typing import NDArray
from scipy.ndimage import binary_fill_holes

LEVELS = 100
"""Steps between 0 and 1."""
SIDE = 3
"""Of the cubes, in voxels of the original; these are 1 mm."""
PLACE = Path(__file__).parents[2] / "gadgets/average_brain/shares.npz"


def make() -> dict[str, NDArray[np.generic]]:
    """Give ``shares``, shape ``(3, z, y, x)``, in steps of 1 over ``levels``, and where they lie.

    x, y, z run to the left, to the back and to the top. ``first`` is the middle of voxel 0: left, posterior, superior
    of the anterior commissure; ``step`` is the side of a voxel, m. A rim of empty voxels is around the brain.
    """
    template = load_mni152_gm_template()
    gray = np.asarray(template.dataobj, np.float32)
    white = np.asarray(load_mni152_wm_template().dataobj, np.float32)
    inside = binary_fill_holes(np.asarray(load_mni152_brain_mask().dataobj) > 0)
    fluid = np.where(inside, np.clip(1 - gray - white, 0, 1), 0).astype(np.float32)
    # NIfTI runs to the right and to the front
    right, front, low = np.asarray(template.affine)[:3, 3]
    first = np.array([-(right + gray.shape[0] - 1), -(front + gray.shape[1] - 1), low])
    fine = np.stack([gray, white, fluid])[:, ::-1, ::-1].transpose(0, 3, 2, 1)
    shares = np.round(_cubes(fine) * LEVELS).astype(np.uint8)
    first = first + (SIDE - 1) / 2
    where = np.argwhere(shares.any(axis=0))
    begin, end = where.min(axis=0) - 1, where.max(axis=0) + 2
    padded = np.pad(shares, ((0, 0), (1, 1), (1, 1), (1, 1)))
    z, y, x = (slice(low + 1, high + 1) for low, high in zip(begin, end, strict=True))
    return {
        "shares": padded[:, z, y, x],
        "levels": np.uint8(LEVELS),
        "first": (first + SIDE * begin[::-1]) * 1e-3,
        "step": np.float64(SIDE * 1e-3),
    }


def _cubes(fine: NDArray[np.float32]) -> NDArray[np.float32]:
    """Average over cubes; what is left over at the far ends is empty."""
    z, y, x = (length // SIDE for length in fine.shape[1:])
    cut = fine[:, : z * SIDE, : y * SIDE, : x * SIDE]
    return cut.reshape(3, z, SIDE, y, SIDE, x, SIDE).mean(axis=(2, 4, 6))


if __name__ == "__main__":
    np.savez_compressed(PLACE, allow_pickle=False, **make())
