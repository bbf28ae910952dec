"""When a bolus was made and looked at, counted from the beginning of its labeling."""

from ...streaming.requirements import technique
from ...streaming.scan import Bolus, Labeling, LabelingType


def bolus_times(labeling: Labeling, bolus: Bolus) -> tuple[float, float]:
    """Give the readout of a bolus and its duration, s.

    In (P)CASL PLD counts from the end of labeling, so the readout is at LD + PLD. In PASL it is at TI, and the bolus
    ends by its cut-off: its first value for QUIPSS II and Q2TIPS; QUIPSS saturates the slab itself, so there the bolus
    is what flows in from then on (Wong et al., MRM 39:702 (1998)). Only for what ``missing`` finds nothing wrong with.

    >>> bolus_times(Labeling(LabelingType.PCASL), Bolus(1.5, 1.8))
    (3.3, 1.8)
    """
    delay, duration = bolus
    if labeling.arterial_spin_labeling_type is not LabelingType.PASL:
        return delay + duration, duration
    cut = labeling.bolus_cut_off_delay_time[0]
    return delay, (max(delay - cut, 0.0) if technique(labeling) == "QUIPSS" else cut)
