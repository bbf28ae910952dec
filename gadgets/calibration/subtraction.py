"""One kind of subtraction for a whole run: of magnitudes, or of complex images along the phase of the m0scan."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from ...streaming.flow import Volume
from ...streaming.notices import Level, Notice
from ..kernels.subtraction import project, subtract, unit_phase
from ..kernels.subtraction_choice import Subtraction, choose


class RunSubtraction:
    """Chooses by the first control and label what is subtracted, and keeps to it, so that no mean mixes two kinds."""

    def __init__(self, asked: Subtraction = Subtraction.AUTO, suppressed: bool | None = None) -> None:
        self.mask: NDArray[np.bool_] | None = None
        """Where the brain is, as soon as somebody says so."""
        self.chosen: Subtraction | None = None
        self._asked, self._suppressed = asked, suppressed
        self._m0scan: NDArray[np.complex64] | None = None
        self._phase: NDArray[np.complex64] | None = None

    @property
    def complex(self) -> bool:
        """Whether complex images are subtracted."""
        return self.chosen is Subtraction.COMPLEX

    def look_at(self, m0scan: Volume) -> None:
        """Keep the first m0scan that is whole: its phase tells the sign."""
        if self._m0scan is None and m0scan.complete:
            self._m0scan = m0scan.data

    def choose(
        self, first: NDArray[np.complex64], second: NDArray[np.complex64], one_phase: bool = False
    ) -> Iterator[Notice]:
        """Choose for all that follow; with ``one_phase`` the mean of these two stands for an m0scan that never came."""
        choice = choose(self._asked, self._suppressed, self._m0scan, self.mask, first, second)
        self.chosen, self._phase = choice.subtraction, choice.phase
        if self.complex and self._phase is None and one_phase:
            self._phase = unit_phase(first + second)
        if choice.reason:
            yield Notice(choice.text, Level.INFO if choice.safe else Level.WARNING)

    def real(self, image: NDArray[np.complex64]) -> NDArray[np.float32]:
        """Give the part of an image that is subtracted: ``Re(conj(u) I)``, u the unit phase, or ``|I|``."""
        return project(self._phase, image) if self.complex and self._phase is not None else np.abs(image)

    def difference(self, first: NDArray[np.complex64], second: NDArray[np.complex64], sign: int) -> NDArray[np.float32]:
        """Give ``Re(conj(u) (first - second))`` times the sign; u of their mean where no m0scan fits."""
        phase = self._phase
        if phase is None or phase.shape != first.shape:
            phase = unit_phase(first + second)
        difference = np.empty(first.shape, np.float32)
        flat = [np.ascontiguousarray(array).reshape(-1) for array in (phase, first, second)]
        subtract(flat[0], flat[1], flat[2], sign, difference.reshape(-1))
        return difference
