"""What flow is computed with beside the differences, as it comes down the chain."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...streaming.flow import Mask
from ...streaming.perfusion import (
    M0,
    Constant,
    MeanDifference,
    Physiology,
    RelaxationMap,
    SliceTimes,
    TissueMaps,
)
from ...streaming.scan import Bolus, Labeling, LabelingType, Source

Ingredient = M0 | Physiology | SliceTimes | Mask | TissueMaps | RelaxationMap

_OF_TISSUE = ("t1_tissue", "t1_gray_matter", "t1_white_matter", "t1_fluid")
"""Constants that only go with maps that were made with them."""


@dataclass(slots=True)
class Ingredients:
    """What has come so far; what does not fit the shape of the images, or holds nothing, counts as not there."""

    physiology: Physiology | None = None
    slice_times: SliceTimes | None = None
    m0: M0 | None = None
    mask: Mask | None = None
    tissues: TissueMaps | None = None
    relaxation: RelaxationMap | None = None

    def take(self, message: Ingredient) -> bool:
        """Take what came; tell whether maps that are out already are worth computing again."""
        match message:
            case Mask():
                self.mask = message
                return False
            case Physiology():
                self.physiology = message
            case SliceTimes():
                self.slice_times = message
            case M0():
                worthwhile, self.m0 = message.anew or self.m0 is None, message
                return worthwhile
            case TissueMaps():
                self.tissues = message
            case RelaxationMap():
                self.relaxation = message
        return True

    @property
    def missing(self) -> tuple[str, ...]:
        """What is wrong with timing or labeling, in words that end "... for want of"; M0 is no part of it."""
        if self.physiology is None:
            return ("its constants (there is no gadget physiology in this chain)",)
        return self.physiology.missing

    @property
    def stated(self) -> Physiology:
        """The constants; none of them where there is no gadget that states any."""
        return Physiology({}) if self.physiology is None else self.physiology

    def m0_of(self, shape: tuple[int, ...]) -> M0 | None:
        """Give M0, if there is one of this shape."""
        return self.m0 if self.m0 is not None and self.m0.data.shape == shape else None

    def mask_of(self, shape: tuple[int, ...]) -> NDArray[np.bool_] | None:
        """Give where the brain is, if somebody said so of images of this shape."""
        mask = self.mask.data if self.mask is not None else np.zeros(0, np.bool_)
        return mask if mask.shape == shape and mask.any() else None

    def brain_of(self, shape: tuple[int, ...]) -> NDArray[np.bool_]:
        """Give where the brain is; everywhere where nobody said."""
        mask = self.mask_of(shape)
        return np.ones(shape, np.bool_) if mask is None else mask

    def offsets(self, slices: int) -> tuple[float, ...]:
        """Give how much later than the first each slice is read, s, by z."""
        times = self.slice_times
        return times.offsets if times is not None and len(times.offsets) == slices else (0.0,) * slices

    def tissues_of(self, shape: tuple[int, ...]) -> TissueMaps | None:
        """Give the shares of the tissues, if they have this shape."""
        return self.tissues if self.tissues is not None and self.tissues.gray_matter.shape == shape else None

    def t1_of(self, shape: tuple[int, ...]) -> NDArray[np.float32] | None:
        """Give the measured T1 of tissue, s, if it has this shape."""
        return self.relaxation.data if self.relaxation is not None and self.relaxation.data.shape == shape else None

    def constants(
        self, labeling: Labeling, mean: MeanDifference, boluses: tuple[Bolus, ...] = ()
    ) -> dict[str, Constant]:
        """Give the numbers that went into maps of these boluses, and where they came from.

        T1 of tissue is not among them but for the recovery of M0: who needs another adds it (``relaxation``).
        """
        constants = {name: value for name, value in self.stated.constants.items() if name not in _OF_TISSUE}
        m0 = self.m0_of(mean.data.shape[1:])
        constants |= m0.constants if m0 is not None else {}
        delays = tuple(bolus.post_labeling_delay for bolus in boluses)
        timing = {"post_labeling_delay": delays}
        if labeling.arterial_spin_labeling_type is not LabelingType.PASL:
            timing["labeling_duration"] = tuple(bolus.labeling_duration for bolus in boluses)
        for name, values in timing.items():
            if values:
                constants[name] = Constant(values, "s", labeling.sources.get(name, Source.HEADER))
        if self.slice_times is not None and any(self.slice_times.offsets):
            constants["slice_timing"] = Constant(self.slice_times.offsets, "s", self.slice_times.source)
        constants["subtraction"] = Constant("complex" if mean.complex_subtraction else "magnitude", "", Source.DATA)
        return constants
