"""The tables of a scan: made when boluses come for which there is none yet, and kept."""

import numpy as np
from numpy.typing import NDArray

from .kinetics import Blood, Boluses
from .response import Response, make_response
from .response_axes import apparent_t1, grouped

Times = tuple[float, float]
"""Of one bolus: readout after the beginning of labeling, and duration; s."""

_MOST_ENTRIES = 16_000_000  # of a table, 64 MB; a scan with more boluses, slices and kinds of tissue has a coarser T1'


class ResponseTables:
    """Gives the tables for the boluses seen so far; all boluses of the schedule are computed at once."""

    def __init__(
        self,
        att: NDArray[np.float64],
        schedule: tuple[Times, ...],
        blood: Blood,
        *,
        pulsed: bool,
        flip_angle: float | None = None,
        macrovascular: bool = False,
    ) -> None:
        self.att = att
        self._schedule, self._blood, self._pulsed = schedule, blood, pulsed
        self._flip_angle, self._macrovascular = flip_angle, macrovascular
        self._boluses: tuple[Times, ...] = ()
        self._axes: tuple[tuple[float, ...], tuple[float, float]] | None = None
        self._whole: Response | None = None
        self._seen: tuple[Times, ...] = ()
        self._part: Response | None = None

    def of(
        self, seen: tuple[Times, ...], offsets: tuple[float, ...], t1_span: tuple[float, float]
    ) -> tuple[Response, NDArray[np.int64]]:
        """Give the tables of some boluses, and which of the tables each slice uses, by z.

        ``offsets`` (s, by z) tell how much later each slice is read, ``t1_span`` the shortest and longest T1 of tissue.
        """
        times, group = grouped(offsets)
        if self._whole is None or self._axes != (offsets, t1_span) or not set(seen) <= set(self._boluses):
            self._boluses = tuple(dict.fromkeys((*self._schedule, *seen)))
            self._axes, self._part = (offsets, t1_span), None
            readout, duration = np.array(self._boluses, np.float64).T
            most = _MOST_ENTRIES // (len(times) * len(readout) * len(self.att))
            self._whole = make_response(
                self.att,
                apparent_t1(*t1_span, self._blood.partition_coefficient, most),
                Boluses(readout.copy(), duration.copy(), self._pulsed),
                times,
                self._blood,
                flip_angle=self._flip_angle,
                macrovascular=self._macrovascular,
            )
        if self._part is None or self._seen != seen:
            rows = [self._boluses.index(bolus) for bolus in seen]
            self._seen, self._part = seen, self._whole.of_boluses(rows)
        return self._part, group
