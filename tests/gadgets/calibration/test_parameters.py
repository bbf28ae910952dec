from aslive.gadgets.calibration.parameters import of_parameter
from aslive.gadgets.m0 import FindM0
from aslive.streaming.scan import Source


def test_a_parameter_comes_from_the_config_unless_it_is_the_usual_one():
    assert of_parameter(FindM0(), "floor") == (0.05, "", Source.DEFAULT)
    assert of_parameter(FindM0(smoothing=0.005), "smoothing", "m") == (0.005, "m", Source.CONFIG)
