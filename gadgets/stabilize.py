"""Taking the drift of the phase out of each volume."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from ..streaming.flow import Volume
from ..streaming.gadget import Gadget
from ..streaming.notices import Level, Measure, Measurement, Notice
from ..streaming.scan import Bolus, Labeling, Role, Scan
from .kernels.stabilization import double_phase, fit, phases, turn

_SIGNIFICANT = 8.0  # times what noise alone would give; that has 1 in the mean and hardly ever 4
_SIGNAL_SHARE = 0.1  # of the 98th percentile of the reference; below it there is no phase to compare with
_ROLES = (Role.CONTROL, Role.LABEL, Role.M0SCAN)


class StabilizeMode(StrEnum):
    """When volumes are stabilized."""

    AUTO = "auto"
    ON = "on"
    OFF = "off"


@dataclass
class Stabilize(Gadget):
    """Turns each volume back to the phase of the first one, so that drift is not taken for blood.

    The field of the magnet drifts and the patient breathes: each volume has a phase of its own, a constant and a slope
    along each axis. They are found against the m0scan (else the first volume) from ``(V conj(u))^2 / |V|``, which does
    not care whether background suppression turned the signal over: slopes as in Ahn and Cho, IEEE TMI 6:32 (1987),
    then all four by Newton's method. The constant is known up to a half turn only: that is folded to 90 degrees either
    way, and then chosen so that all volumes of one delay have one sign. In 2-D each slice is excited by itself, and has
    a constant more. Magnitudes stay as they are. A volume with too little signal to tell is left alone.
    """

    mode: StabilizeMode = StabilizeMode.AUTO
    """``auto``: for scans with an m0scan, unless background suppression is stated to be off; ``on``; ``off``."""

    _labeling: Labeling = field(default_factory=Labeling, init=False, repr=False)
    _by_slice: bool = field(default=False, init=False, repr=False)
    _conjugate: NDArray[np.complex64] | None = field(default=None, init=False, repr=False)
    _signs: dict[Bolus | None, NDArray[np.complex64]] = field(default_factory=dict, init=False, repr=False)
    _weak: int = field(default=0, init=False, repr=False)
    _told: bool = field(default=False, init=False, repr=False)

    def needed(self, scan: Scan) -> bool:
        """Tell whether complex subtraction may be used."""
        labeling = scan.labeling
        if self.mode == StabilizeMode.AUTO:
            listed = Role.M0SCAN in labeling.context or bool(labeling.rule and labeling.rule.leading_m0scan)
            return listed and labeling.background_suppression is not False
        return self.mode == StabilizeMode.ON

    def start(self, scan: Scan) -> None:
        """Forget the reference."""
        self._labeling, self._by_slice = scan.labeling, not scan.three_dimensional
        self._conjugate, self._signs, self._weak, self._told = None, {}, 0, False

    def process(self, message: Volume) -> Iterator[Volume | Measurement | Notice]:
        """Choose the reference, or turn a volume to its phase."""
        if message.place.role not in _ROLES:
            yield message
        elif self._conjugate is None:
            if message.complete:
                yield from self._choose(message)
            yield message
        elif self._conjugate.shape != message.data.shape:
            yield message
        else:
            yield from self._stabilize(message, self._conjugate)

    def finish(self) -> Iterator[Notice]:
        """Say how many volumes were left alone."""
        if self._weak:
            yield Notice(f"{self._weak} volumes had too little signal to tell their phase, and were left as they are.")

    def _choose(self, volume: Volume) -> Iterator[Notice]:
        """Take the phase of the reference volume, where it has signal."""
        if not volume.data.imag.any():
            if not self._told:
                self._told = True
                yield Notice("The images have no phase: there is nothing to stabilize.", Level.INFO)
            return
        magnitude = np.abs(volume.data)
        inside = magnitude > _SIGNAL_SHARE * np.percentile(magnitude, 98)
        # not smoothed: at the edge of the head a smoothed phase is another, and clean data would be turned
        self._conjugate = np.divide(volume.data.conj(), magnitude, out=np.zeros_like(volume.data), where=inside)

    def _stabilize(self, message: Volume, conjugate: NDArray[np.complex64]) -> Iterator[Volume | Measurement]:
        data, offset = np.ascontiguousarray(message.data), 0.0
        if self._by_slice:
            data, offset = _turned_slices(data, conjugate)
        p = np.empty_like(data)
        double_phase(data, conjugate, p)
        found = fit(p, _SIGNIFICANT)
        if found is None:
            self._weak += 1
            yield Measurement(Measure.PHASE_OFFSET, float("nan"), message.place)
            yield message
            return
        turned = p  # its memory is free again
        turn(data, *phases(found, data.shape), turned)
        if self._by_slice:
            turned, _ = _turned_slices(turned, conjugate)
        offset += found[0]
        if message.place.role is not Role.M0SCAN and self._turn_over(turned, message):
            offset -= np.copysign(np.pi, offset)
        yield Measurement(Measure.PHASE_OFFSET, float(offset), message.place)
        yield replace(message, data=turned)

    def _turn_over(self, data: NDArray[np.complex64], message: Volume) -> bool:
        """Turn over what has plainly the other sign than in the first volume of its delay; tell whether all has."""
        first = self._signs.setdefault(self._labeling.bolus(message.place.number), data)
        if first is data:
            return False
        product = first * data.conj()
        axes = (1, 2) if self._by_slice else (0, 1, 2)
        sums = product.real.sum(axis=axes, keepdims=True, dtype=np.float64)
        noise = np.sqrt(np.square(np.abs(product)).sum(axis=axes, keepdims=True, dtype=np.float64))
        other = sums < -_SIGNIFICANT * noise
        if other.any():
            np.negative(data, out=data, where=other)
        return bool(other.all())


def _turned_slices(
    data: NDArray[np.complex64], conjugate: NDArray[np.complex64]
) -> tuple[NDArray[np.complex64], float]:
    """Take its constant out of each slice, folded to 90 degrees; weak slices keep theirs. Give also the one of all."""
    p = np.empty_like(data)
    double_phase(data, conjugate, p)
    totals = p.sum(axis=(1, 2), dtype=np.complex128)
    certain = np.abs(totals) > _SIGNIFICANT * np.sqrt(np.square(np.abs(p)).sum(axis=(1, 2), dtype=np.float64))
    turns = np.where(certain, np.exp(-0.5j * np.angle(totals)), 1.0).astype(np.complex64)
    return data * turns[:, np.newaxis, np.newaxis], float(np.angle(totals[certain].sum())) / 2
