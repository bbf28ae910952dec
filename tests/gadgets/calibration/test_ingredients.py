import numpy as np
import pytest

from aslive.gadgets.calibration.ingredients import Ingredients
from aslive.streaming.flow import Mask, Place
from aslive.streaming.perfusion import M0, Constant, MeanDifference, Physiology, RelaxationMap, SliceTimes, TissueMaps
from aslive.streaming.readouts import Counters, Geometry
from aslive.streaming.scan import Bolus, Labeling, LabelingType, Source

SHAPE = (2, 3, 4)
OTHER = (2, 3, 5)
MAP = np.ones(SHAPE, np.float32)
HALF = np.arange(24).reshape(SHAPE) > 11
BOLUSES = (Bolus(0.5, 1.8), Bolus(1.5, 1.8))
BOTH = np.stack([MAP, MAP])
MEAN = MeanDifference(BOTH, BOTH, Place(0, Counters(), 0.0, Geometry()), 1, True, BOLUSES, np.ones((2, 1)))
STATED = {
    name: Constant(1.0, "s", Source.DEFAULT)
    for name in ("t1_blood", "t1_tissue", "t1_gray_matter", "t1_white_matter", "t1_fluid")
}


def physiology(missing=()):
    return Physiology(STATED, missing)


@pytest.mark.parametrize(
    ("message", "worthwhile"),
    [
        (Mask(MAP > 0), False),
        (physiology(), True),
        (SliceTimes((0.0, 0.1), Source.DATA), True),
        (TissueMaps(MAP, MAP, MAP), True),
        (RelaxationMap(MAP), True),
        (M0(MAP, {}), True),
        (M0(MAP, {}, anew=False), True),
    ],
)
def test_what_comes_is_taken_and_tells_whether_maps_change(message, worthwhile):
    assert Ingredients().take(message) is worthwhile


def test_an_m0_that_is_much_the_same_is_taken_quietly():
    known = Ingredients()
    known.take(M0(MAP, {}))
    later = M0(2 * MAP, {}, anew=False)
    assert not known.take(later)
    assert known.m0_of(SHAPE) is later


def test_what_has_another_shape_counts_as_not_there():
    known = Ingredients()
    everything = (M0(MAP, {}), Mask(HALF), TissueMaps(MAP, MAP, MAP), RelaxationMap(MAP))
    for message in (*everything, SliceTimes((0.0, 0.1), Source.DATA)):
        known.take(message)
    assert known.m0_of(SHAPE) is not None
    assert known.brain_of(SHAPE) is known.mask_of(SHAPE) is HALF
    assert known.offsets(2) == (0.0, 0.1)
    assert known.m0_of(OTHER) is known.tissues_of(OTHER) is known.t1_of(OTHER) is None
    assert known.mask_of(OTHER) is None
    assert known.brain_of(OTHER).all()
    assert known.offsets(3) == (0.0, 0.0, 0.0)


def test_without_physiology_its_constants_are_missing():
    known = Ingredients()
    assert "physiology" in known.missing[0]
    known.take(physiology(("PostLabelingDelay",)))
    assert known.missing == ("PostLabelingDelay",)


def test_a_mask_that_holds_nothing_counts_as_not_there():
    known = Ingredients(mask=Mask(MAP < 0))
    assert known.mask_of(SHAPE) is None
    assert known.brain_of(SHAPE).all()


def test_constants_are_those_that_the_maps_are_made_with():
    known = Ingredients()
    known.take(physiology())
    known.take(M0(MAP, {"m0": Constant("mean of 1 m0scan", "", Source.DATA), "t1_tissue": STATED["t1_tissue"]}))
    labeling = Labeling(LabelingType.PCASL, sources={"labeling_duration": Source.SIDECAR})
    constants = known.constants(labeling, MEAN, BOLUSES)
    assert constants["post_labeling_delay"] == ((0.5, 1.5), "s", Source.HEADER)
    assert constants["labeling_duration"] == ((1.8, 1.8), "s", Source.SIDECAR)
    assert constants["subtraction"] == ("complex", "", Source.DATA)
    assert {"t1_blood", "m0"} <= set(constants)
    assert "slice_timing" not in constants
    known.take(SliceTimes((0.0, 0.1), Source.DATA))
    assert known.constants(labeling, MEAN, BOLUSES)["slice_timing"] == ((0.0, 0.1), "s", Source.DATA)


def test_the_t1_of_tissue_is_named_only_where_m0_was_made_with_it():
    known = Ingredients(physiology(), m0=M0(MAP, {}))
    assert {name for name in known.constants(Labeling(), MEAN) if name.startswith("t1")} == {"t1_blood"}
    known.take(M0(MAP, {"t1_tissue": STATED["t1_tissue"]}))
    assert "t1_tissue" in known.constants(Labeling(), MEAN)


def test_pulsed_labeling_has_no_duration():
    assert "labeling_duration" not in Ingredients().constants(Labeling(LabelingType.PASL), MEAN, BOLUSES)
