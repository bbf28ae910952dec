"""Whether magnitudes or complex images are subtracted: one choice for the whole run."""

from enum import StrEnum
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .subtraction import suppression, unit_phase

_WEAK = 10.0  # signal over noise; below it the noise in a magnitude pushes both images up, and their difference down
_TURNED_OVER = 0.02  # share of the brain
_SIGNAL_SHARE = 0.2  # of the 98th percentile of an image, where no mask came


class Subtraction(StrEnum):
    """What is subtracted."""

    AUTO = "auto"
    MAGNITUDE = "magnitude"
    COMPLEX = "complex"


class Choice(NamedTuple):
    """What is subtracted from now on, and why."""

    subtraction: Subtraction
    reason: str
    """For the people at the console; empty where it needs no word."""
    safe: bool
    """False where signs may be wrong."""
    phase: NDArray[np.complex64] | None
    """Unit phase of the m0scan, shape ``(z, y, x)``; none where no m0scan with a phase came."""

    @property
    def text(self) -> str:
        """The choice as a sentence."""
        return f"The {self.subtraction} difference of control and label is taken: {self.reason}."


def choose(
    asked: Subtraction,
    suppressed: bool | None,
    m0scan: NDArray[np.complex64] | None,
    mask: NDArray[np.bool_] | None,
    first: NDArray[np.complex64],
    second: NDArray[np.complex64],
) -> Choice:
    """Choose by a control and a label, shape ``(z, y, x)``, for all that follow: means of two kinds must not be mixed.

    ``asked`` is what the parameter says, ``suppressed`` what the header says about background suppression.
    """
    if m0scan is not None and (m0scan.shape != first.shape or not m0scan.imag.any()):
        m0scan = None
    phase = unit_phase(m0scan) if m0scan is not None else None
    if asked == Subtraction.MAGNITUDE:
        return Choice(Subtraction.MAGNITUDE, "the parameter says so", True, phase)
    if asked == Subtraction.COMPLEX:
        if phase is not None:
            return Choice(asked, "the parameter says so; its sign is that of the m0scan", True, phase)
        reason = (
            "the parameter says so; no m0scan with a phase came before the first pair, so its sign is that of the "
            "pair's own mean, and wrong where background suppression turned the signal over"
        )
        return Choice(asked, reason, False, None)
    if suppressed is False:
        return Choice(Subtraction.MAGNITUDE, "", True, phase)  # as always
    if phase is None or m0scan is None:
        reason = "no m0scan with a phase came before the first pair"
        if suppressed:
            reason += "; it is wrong where background suppression left little signal or turned it over"
        return Choice(Subtraction.MAGNITUDE, reason, not suppressed, None)
    ratio, negative = suppression(first, second, phase, brain_of(m0scan, mask))
    found = f"the brain's signal is {ratio:.3g} times the noise, and {100 * negative:.1f} % of it is turned over"
    weak = ratio < _WEAK or negative > _TURNED_OVER
    return Choice(Subtraction.COMPLEX if weak else Subtraction.MAGNITUDE, found, True, phase)


def brain_of(image: NDArray[np.inexact], mask: NDArray[np.bool_] | None) -> NDArray[np.bool_]:
    """Give the mask, or where none of this shape came all that is bright in an image."""
    if mask is not None and mask.shape == image.shape and mask.any():
        return mask
    magnitude = np.abs(image)
    return magnitude > _SIGNAL_SHARE * np.percentile(magnitude, 98)
