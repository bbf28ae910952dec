"""Variances of which the truth is known, drawn by SciPy."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import polygamma
from scipy.stats import chi2, invgamma

from aslive.gadgets.kernels.kinetics import Blood, Boluses, tissue_response
from aslive.gadgets.kernels.noise_variance import from_residuals, moderated, trigamma_inverse
from aslive.gadgets.kernels.response import make_response
from aslive.gadgets.kernels.response_axes import apparent_t1, transit_times

SHAPE = (4, 25, 40)
EVERYWHERE = np.ones(SHAPE, np.bool_)
BLOOD, T1_TISSUE, M0 = Blood(1.65, 0.85, 0.9), 1.33, 64.0
LABELING = Boluses(1.5 + np.array([0.25, 0.5, 1.0, 1.5, 2.0, 2.5]), np.full(6, 1.5))
RESPONSE = make_response(
    transit_times(0.1, 3.0, 0.02), apparent_t1(T1_TISSUE, T1_TISSUE, 0.9), LABELING, np.zeros(1), BLOOD
)


def sampled(true, degrees, seed=0):
    """Give sample variances of as many degrees of freedom."""
    return (true * chi2.rvs(degrees, size=SHAPE, random_state=seed) / degrees).astype(np.float32)


def measured(deviation, weights, cbf, seed=0):
    """Give the mean differences of a brain at a transit time of 1 s; ``weights`` has one number for each bolus."""
    t1 = np.array([1 / (1 / T1_TISSUE + 50 / 6000 / 0.9)])
    expected = M0 * tissue_response(np.array([1.0]), t1, LABELING, BLOOD)[0, :, 0]
    noise = np.random.default_rng(seed).standard_normal((6, *SHAPE)) * deviation
    rows = (slice(None), None, None, None)
    return (expected[rows] * cbf + noise / np.sqrt(np.maximum(weights, 0.1))[rows]).astype(np.float32)


def variance_of(mean, weights, m0=M0, where=EVERYWHERE):
    """Ask ``from_residuals`` of a brain of one slice time."""
    every = np.repeat(np.asarray(weights, np.float64)[:, np.newaxis], SHAPE[0], axis=1)
    bright, t1 = np.broadcast_to(np.float32(m0), SHAPE), np.broadcast_to(np.float32(T1_TISSUE), SHAPE)
    return from_residuals(mean, every, bright, t1, RESPONSE, np.zeros(SHAPE[0], np.int64), where)


@pytest.mark.parametrize(
    ("degrees", "prior_degrees"), [(2, 4.0), (6, 4.0), (40, 4.0), (6, 10.0), (40, 10.0), (40, 30.0)]
)
def test_how_far_true_variances_differ_is_recovered(prior_degrees, degrees):
    usual = 0.12
    true = invgamma.rvs(prior_degrees / 2, scale=prior_degrees * usual / 2, size=SHAPE, random_state=1)
    sample = sampled(true, degrees)
    found, total = moderated(sample, degrees, EVERYWHERE)
    assert total - degrees == pytest.approx(prior_degrees, rel=0.2)
    expected = (prior_degrees * usual + degrees * sample) / (prior_degrees + degrees)
    np.testing.assert_allclose(found, expected, rtol=0.2)
    assert np.mean((found - true) ** 2) < np.mean((sample - true) ** 2)


@pytest.mark.parametrize("degrees", [3, 6, 12])
def test_noise_that_is_the_same_everywhere_is_pooled(degrees):
    found, total = moderated(sampled(0.12, degrees), degrees, EVERYWHERE)
    assert total > 10 * degrees
    np.testing.assert_allclose(np.median(found), 0.12, rtol=0.05)
    assert np.std(found) < 0.1 * 0.12


@given(st.floats(1e-6, 1e6))
def test_the_unit_of_the_images_changes_no_degrees_of_freedom(unit):
    sample = sampled(invgamma.rvs(4, scale=0.5, size=SHAPE, random_state=1), 5)
    (here, degrees), (there, same) = (
        moderated(sample, 5, EVERYWHERE),
        moderated(sample * np.float32(unit), 5, EVERYWHERE),
    )
    assert same == pytest.approx(degrees, rel=1e-3)
    np.testing.assert_allclose(there, here * unit, rtol=1e-3)


def test_voxels_without_noise_or_outside_the_brain_are_not_asked():
    sample, brain = sampled(0.12, 6), EVERYWHERE.copy()
    expected, degrees = moderated(sample[:3], 6, EVERYWHERE[:3])
    sample[3], brain[3] = 1e6, False
    found, same = moderated(sample, 6, brain)
    assert same == degrees
    np.testing.assert_array_equal(found[:3], expected)
    sample[0, :3], sample[0, 3] = 0.0, np.nan
    found, _ = moderated(sample, 6, brain)
    assert np.isnan(found[0, 3]).all()
    np.testing.assert_allclose(found[0, :3], 0.12, rtol=0.25)


@pytest.mark.parametrize("few", [np.s_[0, 0, :9], np.s_[:1]])
def test_too_few_voxels_with_noise_leave_variances_as_they_are(few):
    sample = np.zeros(SHAPE, np.float32)
    sample[few] = sampled(0.12, 6)[few]
    found, degrees = moderated(sample, 6, EVERYWHERE)
    np.testing.assert_array_equal(found, sample)
    assert degrees == 6


@given(st.floats(1e-8, 1e8))
def test_the_inverse_of_trigamma_is_its_inverse(value):
    assert float(polygamma(1, trigamma_inverse(value))) == pytest.approx(value, rel=1e-5)


@pytest.mark.parametrize(
    "weights", [np.ones(6), np.array([1.0, 3.0, 0.0, 1.0, 2.0, 0.0]), np.array([1.0, 0, 0, 1, 0, 1])]
)
@pytest.mark.parametrize("deviation", [0.1, 0.35])
def test_what_the_fit_leaves_tells_the_noise(deviation, weights):
    cbf = np.random.default_rng(5).uniform(20, 80, SHAPE)
    found, degrees = variance_of(measured(deviation, weights, cbf), weights)
    np.testing.assert_allclose(found, deviation**2, rtol=0.2)
    assert degrees == EVERYWHERE.size * (np.count_nonzero(weights) - 2)


def test_three_late_delays_that_tell_no_transit_time_give_rather_too_much_noise():
    weights = np.array([0, 0, 0, 1.0, 1, 1])
    found, _ = variance_of(measured(0.35, weights, 50.0), weights)
    assert 0.35**2 < found[0, 0, 0] < 2 * 0.35**2


@pytest.mark.parametrize("delays", [1, 2])
def test_with_one_or_two_delays_the_spread_over_the_brain_stands_in(delays):
    weights = np.where(np.arange(6) < delays, 2.0, 0.0)
    found, degrees = variance_of(measured(0.35, weights, 50.0), weights)
    np.testing.assert_allclose(found, 0.35**2, rtol=0.1)
    assert degrees == EVERYWHERE.size - 1
    uneven = np.random.default_rng(5).uniform(20, 80, SHAPE)
    assert np.all(variance_of(measured(0.35, weights, uneven), weights)[0] > found)


def test_a_few_odd_voxels_do_not_change_the_noise():
    mean = measured(0.35, np.ones(6), 50.0)
    expected, _ = variance_of(mean, np.ones(6))
    mean[:, 0, 0] *= 1000
    mean[2, 1, 0] = np.nan
    found, degrees = variance_of(mean, np.ones(6))
    np.testing.assert_allclose(found, expected, rtol=0.05)
    assert degrees == 4 * (EVERYWHERE.size - SHAPE[2])


@pytest.mark.parametrize(("m0", "where"), [(0.0, EVERYWHERE), (np.nan, EVERYWHERE), (M0, ~EVERYWHERE)])
def test_where_no_voxel_can_tell_the_noise_is_unknown(m0, where):
    assert math.isnan(variance_of(measured(0.35, np.ones(6), 50.0), np.ones(6), m0, where)[0][0, 0, 0])


def test_slices_of_unlike_degrees_tell_what_is_usual_together():
    """One slice that is left out of most pairs neither biases the usual variance nor hides how voxels differ."""
    degrees = np.array([1, 19, 19, 19])
    true = invgamma.rvs(5, scale=5 * 0.12, size=SHAPE, random_state=1)
    sample = np.stack([sampled(true, n, 7)[z] for z, n in enumerate(degrees)])
    found, total = moderated(sample, degrees, EVERYWHERE)
    assert total - 1 == pytest.approx(10, rel=0.25)
    own = degrees[:, np.newaxis, np.newaxis]
    np.testing.assert_allclose(found, (10 * 0.12 + own * sample) / (10 + own), rtol=0.25)


def test_a_slice_that_was_never_repeated_gets_the_usual_variance():
    degrees = np.array([0, 6, 6, 6])
    sample = sampled(0.12, 6)
    sample[0] = np.nan
    found, _ = moderated(sample, degrees, EVERYWHERE)
    np.testing.assert_allclose(found[0], 0.12, rtol=0.05)
    wanted, _ = moderated(sample[1:], 6, EVERYWHERE[1:])
    np.testing.assert_allclose(found[1:], wanted, rtol=1e-6)
