"""A brain whose voxels hold one tissue each: what comes back can be compared with the truth, voxel by voxel."""

from dataclasses import replace
from functools import cache

import numpy as np

from aslive.sim.anatomy import Anatomy, brain
from aslive.sim.grid import Grid

GRAY, WHITE, FLUID = 1, 2, 3
"""Numbers of the tissues in ``Anatomy.segmentation``."""


@cache
def pure_brain(grid: Grid) -> Anatomy:
    """Give each voxel of the MNI brain wholly to the tissue that fills most of it."""
    head = brain(grid)
    tissues = [head.segmentation == number for number in (GRAY, WHITE, FLUID)]
    return replace(head, fractions=np.stack(tissues).astype(np.float32))
