from aslive.gadgets.calibration.m0_constants import number_of, of_images
from aslive.streaming.perfusion import Constant
from aslive.streaming.scan import Scan, Source


def test_no_constant_is_no_number():
    assert not number_of(None) > 0
    assert number_of(Constant(2, "", Source.DATA)) == 2


def test_the_gain_of_the_config_goes_before_that_of_the_header():
    scan = Scan(parameters={"M0GainRatio": "3"})
    assert of_images(scan, True, 1, 2.0)["m0_gain"] == Constant(2.0, "", Source.CONFIG)
    assert of_images(scan, True, 1, None)["m0_gain"] == Constant(3.0, "", Source.HEADER)
    assert "m0_gain" not in of_images(scan, False, 1, None)
