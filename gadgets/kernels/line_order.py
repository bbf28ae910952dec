"""Whether lines come in the order of time."""

import numpy as np
from numpy.typing import NDArray

_HALF_A_DAY = 12 * 3600.0  # s; clocks that go back further have passed midnight, or the end of their counter
_HALF_A_COUNTER = 1 << 31


class LineOrder:
    """Compares the time stamp and the number of each line with those of the line before.

    Equal time stamps are usual, and so are numbers that never change; where they do change, an equal one is a copy.
    """

    def __init__(self) -> None:
        self.told = False
        """Whether the scanner sends time stamps or numbers at all."""
        self._time = -np.inf
        self._number = -1
        self._numbered = False

    def look(self, time: float, number: int) -> bool:
        """Tell whether a line, with its time stamp in s and its number, comes out of order."""
        self.told |= time > 0 or number > 0
        back = 0 < self._time - time < _HALF_A_DAY
        step = number - self._number if number > 0 and self._number > 0 else 1
        back |= -_HALF_A_COUNTER < step < 0 or (step == 0 and self._numbered)
        self._numbered |= step == 1 and self._number > 0 < number
        self._time, self._number = time, number
        return back

    def look_together(self, times: NDArray[np.float64], numbers: NDArray[np.int64]) -> list[bool]:
        """Tell the same for lines that came together."""
        plain = bool((np.diff(times) >= 0).all()) and bool((np.diff(numbers) == 1).all()) and bool(numbers[0] > 0)
        if not plain or len(times) < 2:
            pairs = zip(times.tolist(), numbers.tolist(), strict=True)
            return [self.look(time, number) for time, number in pairs]
        first = self.look(float(times[0]), int(numbers[0]))
        self._time, self._number, self._numbered = float(times[-1]), int(numbers[-1]), True
        return [first] + [False] * (len(times) - 1)
