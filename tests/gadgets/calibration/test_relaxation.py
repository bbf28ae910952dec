"""Which T1 is used where: that of the voxel, of its tissues, or the usual one; and the constants say so."""

import numpy as np
import pytest

from aslive.gadgets.calibration.ingredients import Ingredients
from aslive.gadgets.calibration.relaxation import of_perfused_tissue, of_static_tissue
from aslive.streaming.perfusion import Constant, Physiology, RelaxationMap, TissueMaps
from aslive.streaming.scan import Source

SHAPE = (1, 1, 4)
GRAY, WHITE, FLUID = (
    np.array(share, np.float32).reshape(SHAPE) for share in ((1, 0, 0.5, 0), (0, 1, 0.5, 0), (0, 0, 0, 1))
)
TIMES = {"t1_tissue": 1.607, "t1_gray_matter": 1.33, "t1_white_matter": 0.83, "t1_fluid": 4.3}
STATED = Physiology({name: Constant(value, "s", Source.CONFIG) for name, value in TIMES.items()})


def t1(relaxation):
    return np.broadcast_to(relaxation.t1.signal(np.asarray), SHAPE).ravel()


@pytest.mark.parametrize(
    ("relaxation", "name", "usual"),
    [(of_static_tissue, "m0_t1", "t1_tissue"), (of_perfused_tissue, "kinetics_t1", "t1_gray_matter")],
)
def test_without_maps_all_voxels_have_one_t1_which_is_named(relaxation, name, usual):
    found = relaxation(Ingredients(STATED), SHAPE)
    assert t1(found) == pytest.approx([TIMES[usual]] * 4)
    assert found.constants == {usual: STATED.constants[usual], name: Constant(usual, "", Source.CONFIG)}


def test_label_fades_with_the_t1_of_gray_and_white_matter_and_never_of_fluid():
    found = of_perfused_tissue(Ingredients(STATED, tissues=TissueMaps(GRAY, WHITE, FLUID)), SHAPE)
    assert t1(found) == pytest.approx([1.33, 0.83, 1.08, 1.33])
    assert set(found.constants) == {"t1_gray_matter", "t1_white_matter", "kinetics_t1"}
    words = "t1_gray_matter, t1_white_matter by share, else t1_gray_matter"
    assert found.constants["kinetics_t1"] == (words, "", Source.DATA)


def test_m0_recovers_with_the_t1_of_all_three_tissues():
    found = of_static_tissue(Ingredients(STATED, tissues=TissueMaps(GRAY, WHITE, FLUID)), SHAPE)
    assert t1(found) == pytest.approx([1.33, 0.83, 1.08, 4.3])
    assert set(TIMES) < set(found.constants)


def test_a_measured_t1_counts_first_and_where_it_is_no_number_the_rest_follows():
    measured = RelaxationMap(np.array([1.2, np.nan, 0.9, 0.0], np.float32).reshape(SHAPE))
    found = of_perfused_tissue(Ingredients(STATED, relaxation=measured), SHAPE)
    assert t1(found) == pytest.approx([1.2, 1.33, 0.9, 1.33])
    assert found.constants["kinetics_t1"] == ("t1map, else t1_gray_matter", "", Source.DATA)


def test_a_mixture_needs_the_t1_of_all_its_tissues():
    some = Physiology({name: constant for name, constant in STATED.constants.items() if name != "t1_fluid"})
    known = Ingredients(some, tissues=TissueMaps(GRAY, WHITE, FLUID))
    assert t1(of_static_tissue(known, SHAPE)) == pytest.approx([1.607] * 4)
    assert t1(of_perfused_tissue(known, SHAPE)) == pytest.approx([1.33, 0.83, 1.08, 1.33])


def test_without_physiology_no_t1_is_known():
    assert of_static_tissue(Ingredients(STATED), SHAPE).known
    assert not of_static_tissue(Ingredients(), SHAPE).known
