"""How much darker the label of one volume makes tissue and arteries, slice by slice."""

import numpy as np
from numpy.typing import NDArray

from ..streaming.scan import Bolus
from .kinetics import (
    PER_SECOND,
    Dispersion,
    after_small_flips,
    continuous_artery,
    continuous_difference,
    pulsed_artery,
    pulsed_difference,
)
from .preparation import Preparation
from .protocol import Protocol
from .sequence import excitation_times
from .tissue import PARTITION_COEFFICIENT, Tissue


def slice_delays(protocol: Protocol, delay: float) -> NDArray[np.float64]:
    """Give the post-labeling delay of each slice, s: in 2-D later slices see older blood."""
    return delay + np.asarray(excitation_times(protocol))


def tissue_difference(
    tissue: Tissue, protocol: Protocol, preparation: Preparation, dispersion: Dispersion | None = None
) -> NDArray[np.float64]:
    """Give control - label of a tissue over its M0, shape ``(z,)``: the sum over the boluses that were labeled.

    In Look-Locker less what earlier readings of the same labeling took away.
    """
    if not protocol.look_locker:
        found = [_tissue(tissue, protocol, preparation, bolus, dispersion) for bolus in preparation.boluses]
        return np.sum(found, axis=0)
    read = protocol.boluses[: preparation.reading + 1]
    fresh = np.stack([_tissue(tissue, protocol, preparation, bolus, dispersion) for bolus in read])
    times = np.stack([slice_delays(protocol, bolus.post_labeling_delay) for bolus in read])
    rate = 1 / tissue.t1 + tissue.cbf / PER_SECOND / PARTITION_COEFFICIENT
    return after_small_flips(fresh, times, rate, protocol.flip_angle)[-1]


def arterial_difference(
    arrival: float, protocol: Protocol, preparation: Preparation, dispersion: Dispersion | None = None
) -> NDArray[np.float64]:
    """Give control - label over the M0 of tissue, per share of a voxel that is artery, shape ``(z,)``."""
    late = arrival + (np.zeros(1) if dispersion is None else dispersion.delays())[:, None]
    found = np.zeros(protocol.matrix[2])
    for bolus in preparation.boluses:
        delays = slice_delays(protocol, bolus.post_labeling_delay)
        if protocol.pulsed:
            passing = pulsed_artery(
                late,
                bolus_duration=protocol.bolus_cut_off_delay_time,
                inversion_time=delays,
                labeling_efficiency=preparation.efficiency,
            )
        else:
            passing = continuous_artery(
                late,
                labeling_duration=bolus.labeling_duration,
                post_labeling_delay=delays,
                labeling_efficiency=preparation.efficiency,
            )
        found += passing.mean(axis=0)
    return found


def _tissue(
    tissue: Tissue, protocol: Protocol, preparation: Preparation, bolus: Bolus, dispersion: Dispersion | None
) -> NDArray[np.float64]:
    """Give what one bolus does if it is read only once."""
    att = tissue.att + (np.zeros(1) if dispersion is None else dispersion.delays())[:, None]
    delays = slice_delays(protocol, bolus.post_labeling_delay)
    if protocol.pulsed:
        difference = pulsed_difference(
            tissue.cbf,
            att,
            tissue.t1,
            bolus_duration=protocol.bolus_cut_off_delay_time,
            inversion_time=delays,
            labeling_efficiency=preparation.efficiency,
        )
    else:
        difference = continuous_difference(
            tissue.cbf,
            att,
            tissue.t1,
            labeling_duration=bolus.labeling_duration,
            post_labeling_delay=delays,
            labeling_efficiency=preparation.efficiency,
        )
    return difference.mean(axis=0)
