"""The images that M0 comes from, and those that it is compared with, as they come."""

import numpy as np
from numpy.typing import NDArray

from ...streaming.flow import Place, Volume
from ...streaming.scan import Bolus, Labeling, Role
from ..kernels.m0 import MeanImage
from .m0_statements import is_static, shows_all

_MOST_DELAYS = 64  # different ones of suppressed controls, each of which takes a volume of memory


class M0Images:
    """The mean m0scan, the mean control that may stand for it, and the first control or label."""

    def __init__(self, labeling: Labeling) -> None:
        self.m0scan = MeanImage()
        self.controls: dict[Bolus | None, MeanImage] = {}
        """By bolus under background suppression, else all in one, under ``None``."""
        self.first: NDArray[np.float32] | None = None
        """Magnitude of the first control or label that is whole."""
        self.m0scan_place: Place | None = None
        self.place: Place | None = None
        """Of the latest control or label."""
        self._labeling = labeling

    def add_m0scan(self, volume: Volume) -> str:
        """Take an m0scan into the mean; else give what is wrong with it, in words that go on from "The m0scan ..."."""
        magnitude = np.abs(volume.data)
        if not volume.complete:
            return f"lacks {volume.place.missing} lines"
        if not np.isfinite(magnitude).all():
            return "holds numbers that are not finite"
        if not self.m0scan.add(magnitude):
            return "has another matrix than the one before"
        self.m0scan_place = volume.place
        return ""

    def add_control_or_label(self, volume: Volume, wanted: bool) -> bool:
        """Look at a control or label; tell whether M0 is better for it.

        A control serves as M0 where it is wanted, or unsuppressed while there is no m0scan, and shows no label.
        """
        self.place, magnitude = volume.place, np.abs(volume.data)
        if not volume.complete or not np.isfinite(magnitude).all():
            return False
        if self.first is None:
            self.first = magnitude
        serves = wanted or (not self.m0scan.count and shows_all(self._labeling))
        if volume.place.role is not Role.CONTROL or not serves or not is_static(self._labeling, volume.place.number):
            return False
        bolus = self._labeling.bolus(volume.place.number) if self._labeling.background_suppression else None
        if bolus not in self.controls and len(self.controls) >= _MOST_DELAYS:
            return False
        return self.controls.setdefault(bolus, MeanImage()).add(magnitude)
