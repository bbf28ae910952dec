"""The tables of the kinetic model: what each bolus shows of one unit of flow, at each transit time."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .kinetics import Blood, Boluses, arterial_response, tissue_response
from .look_locker import seen_by_small_flips

_AT_ONCE = 200_000  # entries of a table in float64


class Response(NamedTuple):
    """What is seen of blood, per unit of it: ``deltam / M0 = CBF * tissue + aBV * arterial``; M0 is that of tissue.

    The first axis of the tables is that of the readouts: in 2-D each slice is read at its own time, and slices that
    are read together share a table.
    """

    att: NDArray[np.float64]
    """Arterial transit times, shape ``(A,)``, s, ascending and uniform; also the arrival times of arterial blood."""
    t1_apparent: NDArray[np.float64]
    """T1' of tissue with ``1/T1' = 1/T1t + f/lambda``, shape ``(T,)``, s, ascending."""
    tissue: NDArray[np.float32]
    """Shape ``(Z, T, B, A)``, per mL/100 g/min."""
    arterial: NDArray[np.float32] | None = None
    """Shape ``(Z, B, A)``, per unit of arterial blood volume (mL/mL); none where the model has no arterial blood."""

    def of_boluses(self, rows: Sequence[int]) -> "Response":
        """Give the tables of some of the boluses, in the order asked for."""
        arterial = None if self.arterial is None else np.ascontiguousarray(self.arterial[:, rows])
        return self._replace(tissue=np.ascontiguousarray(self.tissue[:, :, rows]), arterial=arterial)


def make_response(
    att: NDArray[np.float64],
    t1_apparent: NDArray[np.float64],
    boluses: Boluses,
    offsets: NDArray[np.float64],
    blood: Blood,
    *,
    flip_angle: float | None = None,
    macrovascular: bool = False,
) -> Response:
    """Compute the tables for readouts that come ``offsets`` (s, shape ``(Z,)``) after those of the first slice.

    With a ``flip_angle`` (rad) all boluses of one duration are readouts of one labeling (Look-Locker).
    """
    tissue = np.empty((len(offsets), len(t1_apparent), len(boluses.duration), len(att)), np.float32)
    arterial = np.empty((len(offsets), len(boluses.duration), len(att)), np.float32) if macrovascular else None
    rows = max(1, _AT_ONCE // (len(boluses.duration) * len(att)))
    for z, offset in enumerate(offsets):
        later = boluses.later(float(offset))
        for some in (slice(begin, begin + rows) for begin in range(0, len(t1_apparent), rows)):
            table = tissue_response(att, t1_apparent[some], later, blood)
            if flip_angle is not None:
                table = seen_by_small_flips(table, later, t1_apparent[some], flip_angle)
            tissue[z, some] = table
        if arterial is not None:
            arterial[z] = arterial_response(att, later, blood)
    return Response(att, t1_apparent, tissue, arterial)
