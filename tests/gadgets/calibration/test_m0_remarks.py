from dataclasses import replace

import pytest

from aslive.gadgets.calibration.m0_remarks import differences, why_none
from aslive.streaming.flow import Place
from aslive.streaming.readouts import Counters, Geometry
from aslive.streaming.scan import Labeling, Role, Scan

CONTEXT = (Role.M0SCAN, Role.CONTROL, Role.LABEL)
PLACE = Place(0, Counters(), 0.0, Geometry())


def said(parameters, **more):
    scan = Scan(labeling=Labeling(context=CONTEXT), parameters=parameters, **more)
    return [notice.text for notice in differences(scan, PLACE, PLACE)]


@pytest.mark.parametrize(
    "parameters",
    [{"EchoTime": "0.03, 0.01, 0.01"}, {"EchoTime": "0.01", "M0EchoTime": "0.03"}, {"M0EchoTime": "0.03"}],
)
def test_another_echo_time_of_the_m0scan_is_said(parameters):
    (text,) = said(parameters, echo_time=0.01)
    assert "0.03 s, the controls at 0.01 s" in text


def test_another_receiver_gain_of_the_m0scan_is_said_unless_the_ratio_is_stated():
    (text,) = said({"ReceiverGain": "30, 36, 36"})
    assert "gain of the m0scan is 30, that of the controls 36" in text
    assert not said({"ReceiverGain": "30, 36, 36", "M0GainRatio": "2"})


@pytest.mark.parametrize("parameters", [{}, {"EchoTime": "0.01", "ReceiverGain": "30"}, {"ReceiverGain": "high"}])
def test_nothing_is_said_where_nothing_differs(parameters):
    assert not said(parameters, echo_time=0.01)


def test_dwell_times_are_alike_up_to_a_percent():
    scan = Scan()
    for dwell, count in ((5.0e-6, 0), (5.04e-6, 0), (6e-6, 1), (0.0, 0)):
        assert len(list(differences(scan, replace(PLACE, dwell=dwell), replace(PLACE, dwell=5e-6)))) == count


def test_why_there_is_no_m0_names_what_would_be_one():
    assert "turns the controls down" in why_none(Scan(labeling=Labeling(background_suppression=True)))
    assert "does not say" in why_none(Scan())
    assert "M0Type is Absent" in why_none(Scan(labeling=Labeling(m0_type="Absent")))
