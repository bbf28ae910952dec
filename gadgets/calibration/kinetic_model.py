"""The kinetic model of one scan: what its boluses show of blood at each transit time."""

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ...streaming.perfusion import Physiology
from ...streaming.scan import Bolus, Labeling, LabelingType
from ..kernels.dispersion import Dispersion
from ..kernels.joint_fit import Model
from ..kernels.kinetics import Blood
from ..kernels.response_axes import transit_times
from ..kernels.response_tables import ResponseTables
from .bolus_times import bolus_times
from .ingredients import Ingredients
from .relaxation import Relaxation

_LAST_ARRIVAL = 0.3  # s before the last readout; what arrives later cannot be seen
_SHORTEST_T1, _LONGEST_T1 = 0.3, 5.0  # s; of tissue


class Transits(NamedTuple):
    """The grid of arterial transit times; s."""

    shortest: float
    longest: float | None
    """By default 0.3 s before the last readout of the first slice."""
    step: float


@dataclass(frozen=True, slots=True)
class KineticModel:
    """Tells what each bolus of a scan shows per unit of flow, in all slices and for all T1 of tissue."""

    labeling: Labeling
    tables: ResponseTables

    @classmethod
    def of(
        cls,
        labeling: Labeling,
        physiology: Physiology,
        transits: Transits,
        dispersion: Dispersion | None = None,
        macrovascular: bool = False,
    ) -> "KineticModel | None":
        """Prepare the model of a scan; none where timing or labeling are in doubt."""
        if physiology.missing or not labeling.boluses:
            return None
        schedule = tuple(bolus_times(labeling, bolus) for bolus in labeling.boluses)
        seen = max(max(schedule)[0] - _LAST_ARRIVAL, transits.shortest + transits.step)
        number = physiology.number
        t1_blood, efficiency = number("t1_blood"), number("labeling_efficiency")
        tables = ResponseTables(
            transit_times(transits.shortest, transits.longest or seen, transits.step),
            schedule,
            Blood(t1_blood, efficiency, number("partition_coefficient"), dispersion),
            pulsed=labeling.arterial_spin_labeling_type is LabelingType.PASL,
            flip_angle=math.radians(labeling.flip_angle or 0.0) if labeling.look_locker else None,
            macrovascular=macrovascular,
        )
        return cls(labeling, tables)

    def explain(
        self, boluses: tuple[Bolus, ...], known: Ingredients, relaxation: Relaxation, shape: tuple[int, ...]
    ) -> Model:
        """Give what the mean differences of some boluses are explained with, in images ``(z, y, x)``."""
        t1 = np.clip(relaxation.t1.signal(np.asarray), _SHORTEST_T1, _LONGEST_T1).astype(np.float32)
        t1_tissue = np.array(np.broadcast_to(t1, shape))
        span = float(t1_tissue.min()), float(t1_tissue.max())
        times = tuple(bolus_times(self.labeling, bolus) for bolus in boluses)
        response, group = self.tables.of(times, known.offsets(shape[0]), span)
        return Model(response, group, t1_tissue, known.stated.number("partition_coefficient"))
