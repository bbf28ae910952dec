"""Whether lines come in the order of time."""

from collections.abc import Sequence

import numpy as np

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

    def look_together(self, times: list[float], numbers: list[int]) -> Sequence[int]:
        """Tell which of some lines that came together are out of order, by where they are among them."""
        begin, end = numbers[0], numbers[-1]
        if begin == 0 or numbers != list(range(begin, end + 1)) or times != sorted(times):
            pairs = zip(times, numbers, strict=True)
            return [line for line, (time, number) in enumerate(pairs) if self.look(time, number)]
        first = self.look(times[0], begin)
        if len(times) > 1:
            self._time, self._number, self._numbered = times[-1], end, True
        return (0,) if first else ()
