"""From the difference of control and label to cerebral blood flow, where all blood travelled equally long."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ..streaming.flow import Mask
from ..streaming.gadget import Gadget
from ..streaming.notices import Level, Notice
from ..streaming.perfusion import M0, Constant, Map, MapName, MeanDifference, Physiology, SliceTimes
from ..streaming.remarks import Remarks
from ..streaming.scan import Labeling, LabelingType, Scan, Source
from .calibration.flow_remarks import NO_M0, for_want_of, holes
from .calibration.ingredients import Ingredients
from .calibration.usual_difference import flow_factors
from .kernels.perfusion import quantify

_UNITS = "mL/100g/min"
_MEAN = "deltam = mean of control - label"
_MEAN_STDERR = "deltam_stderr = standard deviation of control - label / sqrt(pairs)"
_WHITE_PAPER = "Alsop et al., MRM 73:102 (2015)"
_PCASL = f"CBF = 6000 lambda exp(PLD / T1b) deltam / (2 alpha T1b (1 - exp(-LD / T1b)) M0); {_WHITE_PAPER}, eq. 1"
_PASL = f"CBF = 6000 lambda exp(TI / T1b) deltam / (2 alpha TI1 M0); {_WHITE_PAPER}, eq. 3"


@dataclass
class CBF(Gadget):
    """Computes how much blood reaches each voxel, and how sure that is.

    ``CBF = K_z deltam / M0``: for (P)CASL ``K = 6000 lambda exp(PLD_z / T1b) / (2 alpha T1b (1 - exp(-LD / T1b)))``
    (Alsop et al., MRM 73:102 (2015), eq. 1), for PASL with QUIPSS II, QUIPSS or Q2TIPS ``K = 6000 lambda exp(TI_z /
    T1b) / (2 alpha TI1)`` (eq. 3); in 2-D the delay grows from slice to slice. What is missing for absolute flow is
    said once, and only ``deltam`` goes out. Where M0 is 0 there is no tissue, and CBF is NaN. An M0 or slice times that
    come late give the maps again. Each map carries its constants and where they came from.
    """

    _labeling: Labeling = field(default_factory=Labeling, init=False, repr=False)
    _remarks: Remarks = field(default_factory=Remarks, init=False, repr=False)
    _with: Ingredients = field(default_factory=Ingredients, init=False, repr=False)
    _latest: MeanDifference | None = field(default=None, init=False, repr=False)

    def needed(self, scan: Scan) -> bool:
        """Tell whether there is one delay at most; several are fitted together."""
        return len(scan.labeling.boluses) <= 1

    def start(self, scan: Scan) -> None:
        """Forget the scan before."""
        self._labeling, self._remarks, self._with, self._latest = scan.labeling, Remarks(), Ingredients(), None

    def process(
        self, message: MeanDifference | M0 | Physiology | SliceTimes | Mask
    ) -> Iterator[Map | M0 | Physiology | SliceTimes | Mask | Notice]:
        """Compute the maps from a new mean; let what they need pass on behind it."""
        if isinstance(message, MeanDifference):
            self._latest = message
            yield from self._compute(message)
            return
        if self._with.take(message) and self._latest is not None:
            yield from self._compute(self._latest)
        yield message

    def _compute(self, mean: MeanDifference) -> Iterator[Map | Notice]:
        m0, physiology = self._with.m0_of(mean.data.shape[1:]), self._with.physiology
        missing = [*self._several(mean), *self._with.missing, *([NO_M0] if m0 is None else [])]
        constants = self._constants(mean)
        if missing:
            notice = for_want_of("No absolute CBF, only the difference (deltam)", missing)
            yield from self._remarks.say(notice.text, notice.level)
        elif m0 is not None and physiology is not None:
            yield from self._absolute(mean, m0.data, physiology, constants)
        for name, data, equation in (
            (MapName.DELTAM, mean.data[0], _MEAN),
            (MapName.DELTAM_STDERR, mean.stderr[0], _MEAN_STDERR),
        ):
            yield Map(name, data, mean.place, "arbitrary", mean.pairs, constants, equation)

    def _several(self, mean: MeanDifference) -> Iterator[str]:
        """Say where there are several delays or labeling durations, which one formula cannot serve."""
        count = max(len(self._labeling.boluses), len(mean.boluses))
        if count > 1:
            yield f"a single PostLabelingDelay (there are {count}; the gadget kinetics fits them together)"

    def _constants(self, mean: MeanDifference) -> dict[str, Constant]:
        """Give what went into the maps, and where it came from; the delay is that of each slice."""
        constants = self._with.constants(self._labeling, mean)
        delay, times = constants.get("post_labeling_delay"), constants.get("slice_timing")
        if delay is not None and isinstance(delay.value, float) and times is not None:
            delays = tuple(delay.value + offset for offset in self._with.offsets(mean.data.shape[1]))
            source = Source.DATA if times.source is Source.DATA else delay.source
            constants["post_labeling_delay"] = Constant(delays, "s", source)
        return constants

    def _absolute(
        self, mean: MeanDifference, m0: NDArray[np.float32], physiology: Physiology, constants: dict[str, Constant]
    ) -> Iterator[Map | Notice]:
        shape = m0.shape
        cbf, stderr = np.empty(shape, np.float32), np.empty(shape, np.float32)
        (bolus,) = self._labeling.boluses
        factors = flow_factors(self._labeling, physiology, bolus, self._with.offsets(shape[0]))
        equation = _PASL if self._labeling.arterial_spin_labeling_type is LabelingType.PASL else _PCASL
        planes = [
            np.ascontiguousarray(array, np.float32).reshape(shape[0], -1)
            for array in (mean.data[0], mean.stderr[0], m0, cbf, stderr)
        ]
        useful = quantify(planes[0], planes[1], planes[2], factors, planes[3], planes[4])
        yield Map(MapName.CBF, cbf, mean.place, _UNITS, mean.pairs, constants, equation)
        yield Map(MapName.CBF_STDERR, stderr, mean.place, _UNITS, mean.pairs, constants, equation)
        if useful == 0:
            text = "The CBF map is zero or not a number everywhere: something is wrong."
            yield from self._remarks.say(text, Level.ERROR)
        for notice in holes(m0, self._with.mask_of(shape)):
            yield from self._remarks.say(notice.text, notice.level, subject="holes")
