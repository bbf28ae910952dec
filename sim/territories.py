"""Which artery feeds which part of the brain, and where blood comes late."""

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .grid import Grid
from .pose import STILL, Pose, head_places
from .tissue import Tissue


class Territory(StrEnum):
    """The three great arteries of each side; on maps they count from 1 in this order."""

    LEFT_ANTERIOR = "left-anterior"
    LEFT_MIDDLE = "left-middle"
    LEFT_POSTERIOR = "left-posterior"
    RIGHT_ANTERIOR = "right-anterior"
    RIGHT_MIDDLE = "right-middle"
    RIGHT_POSTERIOR = "right-posterior"


@dataclass(frozen=True, slots=True)
class Late:
    """Blood that takes a longer way to one territory, as around a closed carotid artery."""

    territory: Territory
    delay: float
    """By how much it comes later, in arteries as in tissue, s."""
    flow: float = 1.0
    """Share of the usual flow that is left."""


class Supply(NamedTuple):
    """One way on which blood gets to tissue."""

    delay: float = 0.0
    """By how much it is later than usual, s."""
    flow: float = 1.0
    """Share of the usual flow."""

    def feed(self, tissue: Tissue) -> Tissue:
        """Give a tissue that gets its blood on this way."""
        return replace(tissue, cbf=tissue.cbf * self.flow, att=tissue.att + self.delay)


def territories(grid: Grid, pose: Pose = STILL) -> NDArray[np.uint8]:
    """Give the number of the territory of each voxel, shape ``(z, y, x)``, 1 to 6 in the order of ``Territory``.

    By planes only: the midline parts the sides; the anterior artery feeds a strip along the midline down to the
    precuneus, the posterior one the back and what lies below and behind, the middle one all else. They move with the
    head.
    """
    left, posterior, superior = head_places(grid, pose)
    beside = np.abs(left)
    back = (posterior > 0.060) | ((posterior > 0.020) & (superior < -0.005))
    strip = (beside < 0.018) | ((beside < 0.030) & (posterior < -0.045))
    kind = np.where(back, 3, np.where(strip, 1, 2))
    return np.where(left >= 0, kind, kind + 3).astype(np.uint8)


def number_of(territory: Territory) -> int:
    """Give the number of a territory on maps."""
    return list(Territory).index(territory) + 1
