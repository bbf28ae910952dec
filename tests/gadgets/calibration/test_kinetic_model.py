"""The model of a scan is what the simulator's own formula says of its boluses."""

import numpy as np
import pytest

from aslive.gadgets.calibration.ingredients import Ingredients
from aslive.gadgets.calibration.kinetic_model import KineticModel, Transits
from aslive.gadgets.calibration.relaxation import of_perfused_tissue
from aslive.sim.kinetics import continuous_difference
from aslive.streaming.perfusion import Constant, Physiology, SliceTimes
from aslive.streaming.scan import Bolus, Labeling, LabelingType, Role, Source

DELAYS, DURATION = (0.5, 1.5), 1.8
ROLES = (Role.CONTROL, Role.LABEL) * 2
LABELING = Labeling(LabelingType.PCASL, ROLES, labeling_duration=(DURATION,), post_labeling_delay=(0.5, 0.5, 1.5, 1.5))
BLOOD = {"t1_blood": 1.65, "labeling_efficiency": 0.85, "partition_coefficient": 0.9, "t1_gray_matter": 1.33}
STATED = Physiology({name: Constant(value, "", Source.CONFIG) for name, value in BLOOD.items()})
GRID = Transits(0.1, None, 0.02)


def test_what_each_bolus_shows_is_what_the_formula_says_slice_by_slice():
    known, offsets = Ingredients(STATED, SliceTimes((0.0, 0.3), Source.HEADER)), (0.0, 0.3)
    model = KineticModel.of(LABELING, STATED, GRID)
    assert model is not None
    boluses = tuple(Bolus(delay, DURATION) for delay in DELAYS)
    made = model.explain(boluses, known, of_perfused_tissue(known, (2, 1, 1)), (2, 1, 1))
    assert made.t1_tissue == pytest.approx(np.full((2, 1, 1), 1.33))
    assert made.partition_coefficient == 0.9
    flow = 1e-6  # next to none, so that it carries no label away
    for z, offset in enumerate(offsets):
        for t1, shown in zip(made.response.t1_apparent, made.response.tissue[made.group[z]], strict=True):
            formula = continuous_difference(
                flow,
                model.tables.att,
                float(t1),
                labeling_duration=DURATION,
                post_labeling_delay=np.reshape(DELAYS, (2, 1)) + offset,
                labeling_efficiency=0.85,
            )
            np.testing.assert_allclose(shown, formula / flow, rtol=1e-4, atol=1e-8)


def test_the_longest_transit_time_is_a_little_before_the_last_readout_unless_stated():
    for longest, last in ((None, 3.0), (2.0, 2.0)):
        model = KineticModel.of(LABELING, STATED, GRID._replace(longest=longest))
        assert model is not None
        assert model.tables.att[-1] == pytest.approx(last, abs=0.02)


@pytest.mark.parametrize(
    ("labeling", "stated"),
    [(LABELING, Physiology(STATED.constants, ("LabelingDuration",))), (Labeling(LabelingType.PCASL), STATED)],
)
def test_where_timing_is_in_doubt_there_is_no_model(labeling, stated):
    assert KineticModel.of(labeling, stated, GRID) is None
