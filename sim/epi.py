"""The readout gradient of an echo-planar scan, and where it puts the samples."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .choices import NavigatorType


@dataclass(frozen=True, slots=True, kw_only=True)
class EchoPlanar:
    """A train of trapezoids, read to and fro while they ramp, too; all times in s."""

    ramp: float = 0.1e-3
    """Time of the ramp up, and of the ramp down; 0 is a rectangle."""
    flat_top: float = 0.3e-3
    dwell: float = 3e-6
    """Time of one sample."""
    samples: int = 150
    """Samples of one line; they lie in the middle of the trapezoid."""
    delay: float = 0.0
    """How late the gradient comes, against the samples: odd and even lines move apart, and a ghost appears."""
    phase: float = 0.0
    """Of the lines read forth against those read back, rad: the part of the ghost that does not depend on x."""
    navigators: NavigatorType = NavigatorType.THREE_LINES
    navigators_begin_reversed: bool = True
    """Whether the three navigators are read back, forth, back; else forth, back, forth."""

    @property
    def duration(self) -> float:
        """Time of one trapezoid."""
        return 2 * self.ramp + self.flat_top

    @property
    def navigator_lines(self) -> int:
        """Navigators ahead of each train."""
        return 3 if self.navigators is NavigatorType.THREE_LINES else 0

    @property
    def begins_reversed(self) -> bool:
        """Whether the first imaging line is read backwards; polarity alternates from the first navigator on."""
        return bool(self.navigator_lines) and not self.navigators_begin_reversed

    def refusals(self) -> Iterator[tuple[bool, str]]:
        """Tell what no gradient could do."""
        yield self.samples < 1 or self.dwell <= 0, "an echo-planar line needs samples of some length"
        yield min(self.ramp, self.flat_top) < 0 or self.duration <= 0, "the trapezoid must have a length"
        window = self.samples * self.dwell
        yield (
            window > self.duration + 1e-9,
            f"{self.samples} samples take {window * 1e6:g} us, more than the trapezoid of {self.duration * 1e6:g} us",
        )
        yield abs(self.delay) > self.duration / 2, "the gradient cannot be late by more than half a line"

    def area(self, time: NDArray[np.float64]) -> NDArray[np.float64]:
        """Integrate the trapezoid of height 1 from its begin to a time, s."""
        inside = np.clip(time, 0, self.duration)
        rising = np.minimum(inside, self.ramp)
        flat = np.clip(inside - self.ramp, 0, self.flat_top)
        falling = np.clip(inside - self.ramp - self.flat_top, 0, self.ramp)
        ramp = self.ramp if self.ramp > 0 else 1.0
        return rising**2 / (2 * ramp) + flat + falling - falling**2 / (2 * ramp)

    def positions(self, columns: int, backward: bool = False) -> NDArray[np.float64]:
        """Give kx of each sample in cycles per field of view, shape ``(samples,)``.

        The integral of the trapezoid at the middle of each sample; as many cycles are covered as there are columns:
        Bruder et al., MRM 23:311 (1992). A gradient that is late moves all samples to where it was before.
        """
        begin = (self.duration - self.samples * self.dwell) / 2
        edges = np.array([begin, begin + self.samples * self.dwell])
        swept = np.diff(self.area(edges))[0]
        middles = np.arange(self.samples) + 0.5
        times = np.asarray(begin + middles * self.dwell - self.delay, np.float64)
        forth = (self.area(times) - self.area(np.array([self.duration]))[0] / 2) * columns / swept
        return -forth if backward else forth
