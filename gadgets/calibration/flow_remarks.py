"""What is said at the console about maps of flow: why they stay relative, and where they have holes."""

from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from ...streaming.notices import Level, Notice

NO_M0 = "an m0scan"
"""What flow lacks where there is no M0, however that might have come."""

_MANY_HOLES = 0.05  # of the brain mask; a few are usual, where the mask closes gaps that hold no tissue


def for_want_of(consequence: str, missing: Iterable[str]) -> Notice:
    """Say what there is no map of, and for want of what; an unknown bolus is no oversight, but an error."""
    wanted = list(missing)
    level = Level.ERROR if any("Bolus" in name for name in wanted) else Level.WARNING
    return Notice(f"{consequence}, for want of {', '.join(wanted)}.", level)


def holes(m0: NDArray[np.float32], brain: NDArray[np.bool_] | None) -> Iterator[Notice]:
    """Say in how many voxels of the brain M0 is too dark for flow; nothing where the brain is not known."""
    if brain is None:
        return
    count = int(np.count_nonzero(brain & ~(m0 > 0)))
    if count:
        level = Level.WARNING if count > _MANY_HOLES * np.count_nonzero(brain) else Level.INFO
        voxels = "1 voxel" if count == 1 else f"{count} voxels"
        yield Notice(f"M0 is too dark in {voxels} of the brain: CBF is NaN there.", level)
