import math
from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from aslive.gadgets.kernels.m0 import MeanImage, TissueT1, brightness, recovery, tissue_above

SHAPE = (2, 3, 5)
IMAGES = arrays.arrays(np.float32, SHAPE, elements=st.floats(0, 1e4, width=32))


def test_after_one_t1_all_but_1_over_e_is_back():
    assert float(recovery(1.6, 1.6)) == pytest.approx(1 - 1 / math.e)


def test_m0_of_a_repetition_time_of_2_s_is_21_percent_low():
    assert float(recovery(2.0, 1.3)) == pytest.approx(1 - 0.2147, abs=1e-4)


@given(st.lists(IMAGES, min_size=1, max_size=5))
def test_the_mean_of_images_is_that_of_all_of_them_at_once(images):
    mean = MeanImage()
    assert all(mean.add(image) for image in images)
    np.testing.assert_allclose(mean.data, np.mean(images, axis=0, dtype=np.float64), rtol=1e-12)


def test_an_image_of_another_shape_is_not_taken():
    mean = MeanImage()
    mean.add(np.ones(SHAPE))
    assert not mean.add(np.ones((1, 1, 1)))
    assert mean.count == 1


@given(st.floats(0, 1), st.floats(0.02, 1), st.floats(0.1, 10))
def test_a_voxel_of_several_tissues_has_the_signal_of_its_parts(gray, white, repetition_time):
    """The equilibrium magnetization of a mixture is found again from the signal of its parts; the rest is air."""
    parts = np.full(SHAPE, gray), np.full(SHAPE, white)
    t1 = TissueT1(1.6, ((parts[0], 1.3), (parts[1], 0.8)))
    signal = 80 * (gray * -math.expm1(-repetition_time / 1.3) + white * -math.expm1(-repetition_time / 0.8))
    m0 = signal / t1.signal(partial(recovery, repetition_time))
    np.testing.assert_allclose(m0, 80 * (gray + white), rtol=1e-9)


def test_where_the_shares_say_nothing_the_usual_t1_holds():
    gray = np.zeros(SHAPE)
    gray[0] = 1
    share = TissueT1(1.6, ((gray, 1.3), (np.zeros(SHAPE), 0.8))).signal(partial(recovery, 2.0))
    np.testing.assert_allclose(share[0], recovery(2.0, 1.3))
    np.testing.assert_allclose(share[1], recovery(2.0, 1.6))


@given(st.floats(0, 0.01))
def test_a_trace_of_tissue_tells_nothing_of_t1(trace):
    share = TissueT1(1.6, ((np.full(SHAPE, trace), 0.8),)).signal(partial(recovery, 2.0))
    np.testing.assert_allclose(share, recovery(2.0, 1.6))


def test_a_measured_t1_counts_more_than_the_tissue():
    measured = np.full(SHAPE, np.nan)
    measured[0, 0, 0] = 0.9
    share = TissueT1(1.6, ((np.ones(SHAPE), 1.3),), measured).signal(partial(recovery, 2.0))
    assert share[0, 0, 0] == pytest.approx(float(recovery(2.0, 0.9)))
    np.testing.assert_allclose(share[1], recovery(2.0, 1.3))


def test_tissue_is_what_is_above_a_share_of_the_brightest():
    image = np.linspace(0, 100, 1001).reshape(7, 11, 13)
    np.testing.assert_array_equal(tissue_above(image, 0.05), image >= 0.05 * np.percentile(image, 98))


@pytest.mark.parametrize("floor", [0.0, 0.05])
def test_an_empty_image_has_no_tissue(floor):
    assert not tissue_above(np.zeros(SHAPE), floor).any()


def test_brightness_is_compared_in_the_brain_only():
    m0, image = np.full(SHAPE, 50.0), np.full(SHAPE, 1e3)
    brain = np.zeros(SHAPE, bool)
    brain[1] = True
    image[brain] = 25
    assert brightness(m0, image, brain) == 2
    assert brightness(m0, image) == pytest.approx(50 / 512.5)


def test_brightness_against_nothing_is_no_number():
    assert math.isnan(brightness(np.ones(SHAPE), np.zeros(SHAPE)))
    assert math.isnan(brightness(np.zeros(SHAPE), np.ones(SHAPE)))
