"""How much the images change from volume to volume."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from math import isfinite
from statistics import median

import numpy as np
from numpy.typing import NDArray

from ..streaming.flow import Mask, Volume
from ..streaming.gadget import Gadget
from ..streaming.notices import Measure, Measurement
from ..streaming.scan import Bolus, Labeling, Role, Scan
from .calibration.m0_statements import shows_all
from .kernels.change import change

_ROLES = (Role.CONTROL, Role.LABEL)
_MOST_KINDS = 64  # of volumes that ought to look alike, each of which takes a volume of memory

_Kind = tuple[Role, Bolus | None, int]
"""Volumes that ought to look alike: of one role, one bolus, one place in the cycle of a time-encoded scan."""


@dataclass
class MeasureDVARS(Gadget):
    """Measures how much each control and label differs from the one before it, in units of noise.

    ``DVARS = rms(|V_n| - |V_n-1|) / noise`` over the brain (Power et al., NeuroImage 59:2142 (2012)), against the
    volume before of the same role, and of the same bolus where background suppression may change the brightness with
    the delay. The noise is that of such differences, read from their fine grain along x, and its median over all so
    far: 1 where there is nothing but noise; breathing and pulse of 1 % at a signal of 100 times the noise make it 1.4.
    Volumes that lack lines are left out.
    """

    _labeling: Labeling = field(default_factory=Labeling, init=False, repr=False)
    _before: dict[_Kind, NDArray[np.float32]] = field(default_factory=dict, init=False, repr=False)
    _noises: list[float] = field(default_factory=list, init=False, repr=False)
    _brain: NDArray[np.bool_] | None = field(default=None, init=False, repr=False)

    def needed(self, scan: Scan) -> bool:
        """Tell whether there are controls and labels."""
        return scan.labeling.stated

    def start(self, scan: Scan) -> None:
        """Forget the volumes of the scan before."""
        self._labeling, self._before, self._noises, self._brain = scan.labeling, {}, [], None

    def process(self, message: Volume | Mask) -> Iterator[Volume | Mask | Measurement]:
        """Compare a volume with the one before, and pass it on."""
        if isinstance(message, Mask):
            self._brain = np.ascontiguousarray(message.data) if message.data.any() else None
        elif message.place.role in _ROLES and message.complete:
            yield from self._compare(message)
        yield message

    def _compare(self, volume: Volume) -> Iterator[Measurement]:
        kind, image = self._kind(volume), np.ascontiguousarray(np.abs(volume.data), np.float32)
        before = self._before.pop(kind, None)
        if len(self._before) < _MOST_KINDS:
            self._before[kind] = image
        if before is None or before.shape != image.shape:
            return
        fits = self._brain is not None and self._brain.shape == image.shape
        inside = self._brain if fits and self._brain is not None else np.ones(image.shape, np.bool_)
        difference, noise = change(image, before, inside)
        if isfinite(noise) and noise > 0:
            self._noises.append(noise)
        usual = median(self._noises) if self._noises else float("nan")
        yield Measurement(Measure.DVARS, difference / usual, volume.place)

    def _kind(self, volume: Volume) -> _Kind:
        """Tell which volumes this one ought to look like."""
        number, labeling = volume.place.number, self._labeling
        encoding = labeling.encoding_of(number) if number >= 0 else None
        alike = shows_all(labeling) or number < 0
        return volume.place.role, None if alike else labeling.bolus(number), -1 if encoding is None else encoding[1]
