"""Whether the m0scan is as bright as the controls let expect."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from ..streaming.flow import Mask, Place, Volume
from ..streaming.gadget import Gadget
from ..streaming.notices import Measure, Measurement
from ..streaming.perfusion import Physiology, RelaxationMap, SliceTimes, TissueMaps
from ..streaming.quality import Regions
from ..streaming.scan import Bolus, Role, Scan
from .calibration.ingredients import Ingredients
from .calibration.m0_constants import number_of, of_images
from .calibration.m0_expectation import INVERSION_EFFICIENCY, PRESATURATION_TIME, share_in_controls, share_in_m0scans
from .calibration.m0_images import M0Images
from .kernels.m0 import brightness


@dataclass
class CompareM0(Gadget):
    """Compares the brightness of the m0scan with that of the first controls, before flow is computed from both.

    ``M0_RATIO = median(|s_c| S_m0 g) / median(s_m0 S_c)`` over the brain: S the mean m0scan and the first control, s
    the shares of M0 that they show by repetition times, T1 and the pulses of background suppression, g the stated ratio
    of gains; 1 where all fits. T1 is that of the tissue maps, else of the average brain, else the same everywhere.
    Measured as soon as there are both images, and again with a further m0scan or better knowledge of tissue. Under
    suppression without stated pulse times there is no answer.
    """

    gain: float | None = None
    """What the m0scan is multiplied by to have the scale of the controls; by default the header's ``M0GainRatio``."""
    presaturation_time: float = PRESATURATION_TIME
    """When the slices are saturated, s after the beginning of labeling; for suppressed controls."""
    inversion_efficiency: float = INVERSION_EFFICIENCY
    """What a background-suppression pulse leaves of the magnetization that it turns over; for suppressed controls."""

    _scan: Scan = field(default_factory=Scan, init=False, repr=False)
    _images: M0Images = field(default_factory=lambda: M0Images(Scan().labeling), init=False, repr=False)
    _with: Ingredients = field(default_factory=Ingredients, init=False, repr=False)
    _control: tuple[Bolus | None, Place] | None = field(default=None, init=False, repr=False)

    def needed(self, scan: Scan) -> bool:
        """Tell whether an m0scan is announced."""
        labeling = scan.labeling
        return Role.M0SCAN in labeling.context or bool(labeling.rule and labeling.rule.leading_m0scan)

    def start(self, scan: Scan) -> None:
        """Forget the scan before."""
        self._scan, self._images, self._with = scan, M0Images(scan.labeling), Ingredients()
        self._control = None

    def process(
        self, message: Volume | Mask | Physiology | SliceTimes | TissueMaps | RelaxationMap | Regions
    ) -> Iterator[Volume | Mask | Physiology | SliceTimes | TissueMaps | RelaxationMap | Regions | Measurement]:
        """Pass everything on; compare where an image or a better map of tissue is new."""
        yield message
        if isinstance(message, Volume):
            news = self._look_at(message)
        elif isinstance(message, Regions):
            news = self._with.tissues is None
            if news:
                self._with.take(TissueMaps(message.gray_matter, message.white_matter, message.fluid))
        else:
            self._with.take(message)
            news = isinstance(message, TissueMaps | RelaxationMap)
        if news and self._control is not None and self._images.m0scan.count:
            bolus, place = self._control
            yield Measurement(Measure.M0_RATIO, self._ratio(bolus), place)

    def _look_at(self, volume: Volume) -> bool:
        """Keep the m0scans and the first control; tell whether there is something to compare anew."""
        place = volume.place
        if place.role is Role.M0SCAN:
            return not self._images.add_m0scan(volume)
        if self._control is not None or place.role is not Role.CONTROL:
            return False
        if not self._images.add_control_or_label(volume, wanted=True):
            return False
        self._control = self._scan.labeling.bolus(place.number), place
        return True

    def _ratio(self, bolus: Bolus | None) -> float:
        m0scan, control = self._images.m0scan.data, next(iter(self._images.controls.values())).data
        if m0scan.shape != control.shape:
            return float("nan")
        train = self.presaturation_time, self.inversion_efficiency
        shown = share_in_controls(self._scan, self._with, control.shape, bolus, *train)
        whole = share_in_m0scans(self._scan, self._with, control.shape)
        if shown is None or whole is None:
            return float("nan")
        gain = number_of(of_images(self._scan, True, 1, self.gain).get("m0_gain"))
        scale = 1.0 if np.isnan(gain) else gain
        return brightness(scale * shown * m0scan, whole * control, self._with.mask_of(control.shape))
