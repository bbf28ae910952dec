"""What control minus label should be in gray matter with usual flow: the forward way of the formulas of flow."""

import numpy as np
from numpy.typing import NDArray

from ...streaming.perfusion import Physiology
from ...streaming.scan import Bolus, Labeling, LabelingType
from ..kernels.constants import ARTERIAL_TRANSIT_TIME, GRAY_MATTER_CBF
from ..kernels.kinetics import Blood, Boluses, tissue_response
from ..kernels.perfusion import pasl_factor, pcasl_factor
from .bolus_times import bolus_times

_NEEDED = ("t1_blood", "t1_gray_matter", "partition_coefficient", "labeling_efficiency")
_UNIT = 6000.0  # mL/100 g/min in one mL/g/s


def flow_factors(
    labeling: Labeling, physiology: Physiology, bolus: Bolus, offsets: tuple[float, ...]
) -> NDArray[np.float64]:
    """Give K of each slice in ``CBF = K deltam / M0``, for slices that are read ``offsets`` later than the first, s.

    Alsop et al., MRM 73:102 (2015), eqs. 1 and 3.
    """
    number, duration = physiology.number, bolus_times(labeling, bolus)[1]
    blood = number("t1_blood"), number("partition_coefficient"), number("labeling_efficiency")
    pulsed = labeling.arterial_spin_labeling_type is LabelingType.PASL
    factor = pasl_factor if pulsed else pcasl_factor
    return np.array([factor(bolus.post_labeling_delay + offset, duration, *blood) for offset in offsets])


def usual_difference(
    labeling: Labeling, physiology: Physiology, bolus: Bolus | None, offsets: tuple[float, ...]
) -> NDArray[np.float64] | None:
    """Give deltam / M0 of gray matter with a flow of 50, by slice; none where timing or labeling are in doubt.

    With one delay as the formula of flow has it, so that the share of it that is seen is the share of that flow which
    the map shows. With several as the kinetic model has it at the usual transit time, because at short delays not all
    blood is there yet. Look-Locker readouts use label up, and are not foretold.
    """
    kind = labeling.arterial_spin_labeling_type
    if bolus is None or kind is None or physiology.missing or labeling.look_locker:
        return None
    if not np.isfinite([physiology.number(name) for name in _NEEDED]).all():
        return None
    if len(labeling.boluses) <= 1:
        return GRAY_MATTER_CBF / flow_factors(labeling, physiology, bolus, offsets)
    number, (readout, duration) = physiology.number, bolus_times(labeling, bolus)
    blood = Blood(number("t1_blood"), number("labeling_efficiency"), number("partition_coefficient"))
    rate = 1 / number("t1_gray_matter") + GRAY_MATTER_CBF / _UNIT / blood.partition_coefficient
    later = np.array(offsets) + readout
    boluses = Boluses(later, np.full(len(later), duration), pulsed=kind is LabelingType.PASL)
    att = np.array([ARTERIAL_TRANSIT_TIME[kind]])
    return GRAY_MATTER_CBF * tissue_response(att, np.array([1 / rate]), boluses, blood)[0, :, 0]
