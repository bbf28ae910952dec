"""How bright controls should be against M0: what the m0scan is compared with."""

from functools import partial

import numpy as np
from numpy.typing import NDArray

from ...streaming.scan import Bolus, Scan
from ..kernels.m0 import Share, recovery
from ..kernels.suppression import Train, remaining
from .ingredients import Ingredients
from .m0_constants import number_of
from .m0_statements import repetition_time, shows_all, since_labeling
from .relaxation import of_static_tissue

PRESATURATION_TIME = 0.0
"""When slices usually are saturated under background suppression, s after the beginning of labeling."""
INVERSION_EFFICIENCY = 0.95
"""What a background-suppression pulse usually leaves of the magnetization that it turns over."""


def share_in_controls(
    scan: Scan,
    known: Ingredients,
    shape: tuple[int, ...],
    bolus: Bolus | None = None,
    presaturation: float = PRESATURATION_TIME,
    efficiency: float = INVERSION_EFFICIENCY,
) -> NDArray[np.float64] | None:
    """Give which share of M0 a control shows in each voxel; none where nothing says so.

    Without suppression what is back after a repetition time; under suppression what the pulses leave at the excitation
    of each slice, for which their times must be stated, and those of labeling. Look-Locker readouts are not foretold.
    """
    labeling, repetition = scan.labeling, number_of(repetition_time(scan, of_m0scan=False))
    if shows_all(labeling):
        return _of_tissue(known, shape, partial(recovery, repetition)) if np.isfinite(repetition) else None
    pulses, excitation = labeling.background_suppression_pulse_time, since_labeling(labeling, bolus)
    if not (labeling.background_suppression and pulses and excitation > presaturation) or labeling.look_locker:
        return None
    later = excitation + np.array(known.offsets(shape[0])).reshape(-1, 1, 1)
    train = Train(pulses, presaturation, efficiency)
    share = _of_tissue(known, shape, partial(remaining, train=train, excitation=later))
    return None if share is None else np.abs(share)


def share_in_m0scans(scan: Scan, known: Ingredients, shape: tuple[int, ...]) -> NDArray[np.float64] | None:
    """Give which share of M0 an m0scan shows in each voxel, by its repetition time; none where that is not stated."""
    repetition = number_of(repetition_time(scan, of_m0scan=True))
    return _of_tissue(known, shape, partial(recovery, repetition)) if np.isfinite(repetition) else None


def _of_tissue(known: Ingredients, shape: tuple[int, ...], share: Share) -> NDArray[np.float64] | None:
    relaxation = of_static_tissue(known, shape)
    return np.broadcast_to(relaxation.t1.signal(share), shape) if relaxation.known else None
