import math

import numpy as np
import pytest

from aslive.gadgets.m0 import FindM0, M0Source
from aslive.streaming.flow import Mask
from aslive.streaming.notices import Notice
from aslive.streaming.perfusion import M0, SliceTimes, TissueMaps
from aslive.streaming.scan import LabelingType, Role, Source

SHAPE = (4, 6, 5)
C, L, M = Role.CONTROL, Role.LABEL, Role.M0SCAN


def m0s(out):
    return [m for m in out if isinstance(m, M0)]


def notices(out):
    return [m.text for m in out if isinstance(m, Notice)]


def test_a_stated_m0_is_that_of_blood(find_m0, flat):
    (m0,) = m0s(find_m0([flat(C, 90), flat(L, 89, 1)], context=(C, L), m0_estimate=200.0))
    np.testing.assert_allclose(m0.data, 180)
    assert m0.constants["m0"] == (200.0, "M0 of blood", Source.HEADER)


def test_a_stated_m0_holds_in_the_brain_if_there_is_a_mask(find_m0, flat):
    mask = np.zeros(SHAPE, bool)
    mask[1] = True
    (m0,) = m0s(find_m0([Mask(mask), flat(C, 90)], context=(C, L), m0_estimate=200.0))
    np.testing.assert_allclose(m0.data, np.where(mask, 180, 0))


PULSES = {"background_suppression": True, "background_suppression_pulse_time": (1.7, 2.9), "context": (C, L)}


def test_a_suppressed_control_is_not_m0_unless_asked_for(find_m0, flat):
    assert not m0s(find_m0([flat(C, 23.1)], **PULSES))


def test_a_suppressed_control_gives_an_estimate_that_says_so(find_m0, flat, tissue):
    gadget = FindM0(M0Source.CONTROL, inversion_efficiency=1.0)
    out = find_m0([flat(C, 23.1)], gadget, tissue(t1_tissue=1.33), **PULSES)
    np.testing.assert_allclose(m0s(out)[0].data, 100, rtol=0.003)
    assert "ESTIMATED" in str(m0s(out)[0].constants["m0"].value)
    assert m0s(out)[0].constants["background_suppression_pulse_time"].value == (1.7, 2.9)
    assert m0s(out)[0].constants["inversion_efficiency"].source is Source.CONFIG
    assert "ESTIMATED" in notices(out)[0]


def test_each_tissue_and_slice_is_suppressed_in_its_own_way(find_m0, flat):
    """Gray matter, white matter, fluid, and gray matter read 0.1 s later."""
    shares = np.zeros((3, *SHAPE), np.float32)
    shares[0, [0, 3]], shares[1, 1], shares[2, 2] = 1, 1, 1
    later = 1 - (1 - 0.231) * math.exp(-0.1 / 1.33)
    image = 100 * np.array([0.231, 0.329, 0.153, later]).reshape(4, 1, 1)
    ahead = [TissueMaps(*shares), SliceTimes((0.0, 0.0, 0.0, 0.1), Source.HEADER)]
    gadget = FindM0(M0Source.CONTROL, inversion_efficiency=1.0, floor=0.0)
    np.testing.assert_allclose(m0s(find_m0([*ahead, flat(C, image)], gadget, **PULSES))[0].data, 100, rtol=0.004)


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"background_suppression_pulse_time": ()}, "BackgroundSuppressionPulseTime"),
        ({"labeling_duration": ()}, "LabelingDuration"),
        ({"post_labeling_delay": ()}, "PostLabelingDelay"),
    ],
)
def test_what_an_estimate_lacks_is_said(find_m0, flat, changes, word):
    out = find_m0([flat(C, 23)], FindM0(M0Source.CONTROL), **(PULSES | changes))
    assert not m0s(out)
    assert word in notices(out)[0]


def test_the_delay_of_pasl_counts_from_its_labeling(find_m0, flat, tissue):
    changes = {"arterial_spin_labeling_type": LabelingType.PASL, "post_labeling_delay": (3.6,), "labeling_duration": ()}
    gadget = FindM0(M0Source.CONTROL, inversion_efficiency=1.0)
    out = find_m0([flat(C, 23.1)], gadget, tissue(t1_tissue=1.33), **(PULSES | changes))
    np.testing.assert_allclose(m0s(out)[0].data, 100, rtol=0.003)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (M0Source.FLUID, 0.9 * 60 / 1.15 / (1 - math.exp(-6 / 4.3)) * math.exp(0.02 / 0.75 - 0.02 / 0.15)),
        (M0Source.WHITE_MATTER, 0.9 * 90 / 0.82 / (1 - math.exp(-6 / 0.83)) * math.exp(0.02 / 0.05 - 0.02 / 0.15)),
    ],
)
def test_one_tissue_gives_one_m0_for_the_brain_as_in_oxasl(find_m0, flat, source, expected):
    shares = np.zeros((3, *SHAPE), np.float32)
    shares[0, 0], shares[1, 1], shares[2, 2] = 1, 0.95, 0.95
    shares[1:, 3] = 0.5
    image = np.array([80, 90, 60, 0.0]).reshape(4, 1, 1)
    out = find_m0([TissueMaps(*shares), flat(M, image), flat(C, 20, 1)], FindM0(source), scan={"echo_time": 0.02})
    m0 = m0s(out)[0]
    np.testing.assert_allclose(m0.data[:3], expected, rtol=1e-6)
    assert not m0.data[3].any(), "there is no tissue"
    assert f"{source.value.replace('_', ' ')} of 30 voxels, mean of 1 m0scan" == m0.constants["m0"].value


def test_in_2d_a_gradient_echo_is_read_unless_told_otherwise(find_m0, flat):
    maps = TissueMaps(*(np.full(SHAPE, share, np.float32) for share in (0, 0, 1)))
    messages = [maps, flat(M, 60), flat(C, 20, 1)]
    plane = {"mr_acquisition_type": "2D", "scan": {"echo_time": 0.02}}
    t2 = [
        m0s(find_m0(messages, FindM0(M0Source.FLUID, refocused=told), **plane))[0].constants["m0_reference_t2"].value
        for told in (None, True)
    ]
    assert t2 == [0.4, 0.75]


def test_a_region_without_tissue_maps_says_what_it_lacks(find_m0, flat):
    out = find_m0([flat(M), flat(C, 90, 1)], FindM0(M0Source.FLUID))
    assert not m0s(out)
    assert "tissue maps" in notices(out)[0]
