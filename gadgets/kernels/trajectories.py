"""The trajectories of a scan's interleaves."""

import numpy as np
from numpy.typing import NDArray


class Trajectories:
    """The latest trajectory ``(samples, dimensions)`` of each interleaf, by plane and row."""

    def __init__(self) -> None:
        self._paths: dict[tuple[int, int], NDArray[np.float32]] = {}

    def add(self, plane: int, row: int, path: NDArray[np.float32]) -> None:
        """Remember the trajectory of an interleaf; one that is the same as before costs no memory."""
        known = self._paths.get((plane, row))
        if known is None or not np.array_equal(known, path):
            self._paths[plane, row] = np.array(path, np.float32)

    def of_plane(self, plane: int, rows: int) -> NDArray[np.float32] | None:
        """Give the trajectories of a plane ``(rows, samples, dimensions)``; None where there are none.

        An interleaf that never came stays at the centre; it has no signal.
        """
        if not self._paths:
            return None
        known = [self._paths.get((plane, row)) for row in range(rows)]
        shapes = [path.shape for path in known if path is not None]
        if not shapes:
            return None
        blank = np.zeros(shapes[0], np.float32)
        return np.stack([blank if path is None or path.shape != blank.shape else path for path in known])
