"""Change readouts, and tell which train of an EPI they belong to."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...streaming.layouts import ACQUISITION_HEADER, flag
from ...streaming.messages import Acquisition

FIRST_IN_SLICE, LAST_IN_SLICE, LAST_IN_REPETITION = flag(7), flag(8), flag(14)
NOISE, REVERSE, NAVIGATION, PHASE_CORRECTION = flag(19), flag(22), flag(23), flag(24)
CALIBRATION, CALIBRATION_AND_IMAGING = flag(20), flag(21)
LAST_IN_MEASUREMENT, REAL_TIME_FEEDBACK = flag(25), flag(28)


def fields_of(acquisition: Acquisition) -> Any:  # np.void, whose fields a type checker does not know
    """Give the header of a readout by field names, free to be changed."""
    return np.frombuffer(acquisition.header, ACQUISITION_HEADER).copy()[0]


def rewritten(
    acquisition: Acquisition,
    fields: Any,  # np.void, likewise
    data: NDArray[np.complex64] | None = None,
) -> Acquisition:
    """Give a readout with a changed header, and changed samples if there are any."""
    if data is None:
        data = acquisition.data
    fields["active_channels"], fields["number_of_samples"] = data.shape
    return Acquisition(fields.tobytes(), acquisition.trajectory, np.ascontiguousarray(data, np.complex64))


def blank_fields() -> Any:  # np.void, likewise
    """Give a header of zeros, of version 1."""
    fields = np.zeros(1, ACQUISITION_HEADER)[0]
    fields["version"] = 1
    return fields


def in_reverse(data: NDArray[np.complex64]) -> NDArray[np.complex64]:
    """Give the samples in the opposite order of time."""
    return data[:, ::-1]


@dataclass
class Navigators:
    """Counts the navigators of each echo train as they come."""

    number: int = field(default=0, init=False)
    """Of the readout just counted, from 1; 0 for one that is no navigator."""
    just_ended: bool = field(default=False, init=False)
    """Whether it is the first line behind navigators."""

    def count(self, flags: int) -> None:
        """Take the flags of the next readout."""
        before = self.number
        self.number = before + 1 if flags & PHASE_CORRECTION else 0
        self.just_ended = before > 0 and self.number == 0


@dataclass
class Polarity:
    """Makes the trains of an EPI begin in the wanted direction, by swapping what forth and back mean.

    The first navigator of a scan decides whether they have to be swapped. Samples that come in the opposite order of
    time, and are called reversed if they were not, are the same line of k-space.
    """

    wanted: bool | None = None
    """Whether the first navigator is to be reversed; none leaves all as it is."""

    _swapped: bool | None = field(default=None, init=False, repr=False)

    def turn(self, data: NDArray[np.complex64], flags: int) -> tuple[NDArray[np.complex64], int]:
        """Give samples and flags of a line in the wanted direction; noise has none."""
        if flags & NOISE:
            return data, flags
        if self._swapped is None and flags & PHASE_CORRECTION:
            self._swapped = self.wanted is not None and bool(flags & REVERSE) != self.wanted
        return (in_reverse(data), flags ^ REVERSE) if self._swapped else (data, flags)
