"""The posterior of flow and transit time, against integrals over a dense grid of both."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import ArrayLike

from aslive.gadgets.kernels.kinetics import Blood, Boluses, tissue_response
from aslive.gadgets.kernels.posterior import Posterior, Prior, posterior, student_inflation
from aslive.gadgets.kernels.response import make_response
from aslive.gadgets.kernels.response_axes import apparent_t1, transit_times

BLOOD = Blood(1.65, 0.85, 0.9)
LABELING = Boluses(1.5 + np.array([0.25, 0.5, 1.0, 1.5, 2.0, 2.5]), np.full(6, 1.5))
ATT = transit_times(0.1, 3.0, 0.02)
STRAIGHT = make_response(ATT, np.array([1.2]), LABELING, np.zeros(1), BLOOD)
CURVED = make_response(ATT, apparent_t1(1.33, 1.33, 0.9), LABELING, np.zeros(1), BLOOD)
PRIOR = Prior()
M0, T1_TISSUE, PAIRS = 64.0, 1.33, np.full(6, 4.0)


def shown(cbf, att, t1_apparent: ArrayLike = 1.2):
    """Give what the boluses show of flows and transit times; shape ``(boluses, voxels)``."""
    cbf, att, t1 = np.broadcast_arrays(*np.atleast_1d(cbf, att, t1_apparent))
    if np.all(t1 == t1[0]):
        return M0 * cbf * tissue_response(att, t1[:1], LABELING, BLOOD)[0]
    return np.hstack([shown(*voxel) for voxel in zip(cbf, att, t1, strict=True)])


def t1_of(cbf, t1_tissue=T1_TISSUE):
    return 1 / (1 / t1_tissue + np.asarray(cbf, np.float64) / 6000 / 0.9)


def posterior_of(data, weights=PAIRS, deviation=0.35, response=STRAIGHT, prior=PRIOR, m0=M0, degrees=np.inf):
    """Give the posterior of voxels ``(boluses, voxels)`` in one slice."""
    data = np.asarray(data, np.float32)
    shape = (1, 1, data.shape[1])
    return posterior(
        data.reshape(-1, *shape),
        np.asarray(weights, np.float64)[:, np.newaxis],
        np.full(shape, deviation**2, np.float32),
        degrees,
        np.broadcast_to(np.float32(m0), shape),
        np.broadcast_to(np.float32(T1_TISSUE), shape),
        response,
        np.zeros(1, np.int64),
        BLOOD.partition_coefficient,
        prior,
    )


def integrate(data, weights, deviation, prior=PRIOR, straight=True):
    """Sum the posterior of one voxel over flows and transit times; gives the maps of ``Posterior`` in their order."""
    att = np.linspace(ATT[0], ATT[-1], 726)
    cbf = np.linspace(0.0 if prior.nonnegative else -350.0, 450.0, 1601)
    log_density = -0.5 * ((att - prior.att_mean) / prior.att_deviation) ** 2
    log_density = log_density - 0.5 * ((cbf[:, np.newaxis] - prior.cbf_mean) / prior.cbf_deviation) ** 2
    for b in np.flatnonzero(weights):
        bolus = LABELING._replace(readout=LABELING.readout[[b]], duration=LABELING.duration[[b]])
        t1 = np.array([1.2]) if straight else t1_of(np.clip(cbf, 0, None))
        expected = M0 * cbf[:, np.newaxis] * tissue_response(att, t1, bolus, BLOOD)[:, 0]
        log_density = log_density - 0.5 * weights[b] * ((data[b] - expected) / deviation) ** 2
    density = np.exp(log_density - log_density.max())
    density[:, [0, -1]] *= 0.5
    density[[0, -1]] *= 0.5
    density /= density.sum()
    return np.concatenate([moments(cbf, density.sum(axis=1)), moments(att, density.sum(axis=0))])


def moments(values, share):
    """Give mean, standard deviation, and the 2.5 % and 97.5 % quantiles of a density on an even grid."""
    mean = np.sum(values * share)
    below = np.concatenate([[0.0], np.cumsum(0.5 * (share[1:] + share[:-1]))])
    deviation = np.sqrt(np.sum((values - mean) ** 2 * share))
    return np.array([mean, deviation, *np.interp([0.025, 0.975], below / below[-1], values)])


def errors(found: Posterior, reference, voxel=0):
    """Tell how far the maps are from the reference, in standard deviations."""
    maps = np.array([np.asarray(found[i])[0, 0, voxel] for i in range(8)])
    return (maps - reference) / np.repeat(reference[[1, 5]], 4)


MEASURED = (  # flow, transit time, weights, and standard deviation of one difference: from clear data to mere noise
    (60.0, 0.8, PAIRS, 0.35),
    (20.0, 1.2, PAIRS, 0.35),
    (60.0, 2.4, np.ones(6), 0.35),
    (30.0, 1.6, np.array([1.0, 1.0, 1.0, 1.0, 0.0, 0.0]), 0.7),
    (60.0, 1.1, np.array([0.5, 7.0, 0.0, 3.25, 1.0, 2.0]), 0.5),
    (60.0, 0.8, np.array([0.0, 0.0, 2.0, 0.0, 0.0, 0.0]), 0.35),
    (5.0, 1.0, np.ones(6), 1.5),
)


def measured(case, t1_apparent: ArrayLike = 1.2):
    cbf, att, weights, deviation = MEASURED[case]
    noise = np.random.default_rng(case).standard_normal(6) * deviation / np.sqrt(np.maximum(weights, 0.5))
    return shown(cbf, att, t1_apparent)[:, 0] + noise, weights, deviation


@pytest.mark.parametrize("nonnegative", [False, True])
@pytest.mark.parametrize("case", range(len(MEASURED)))
def test_means_deviations_and_bounds_are_those_of_the_integral(case, nonnegative):
    data, weights, deviation = measured(case)
    prior = Prior(nonnegative=nonnegative)
    found = posterior_of(data[:, np.newaxis], weights, deviation, prior=prior)
    off = errors(found, integrate(data, weights, deviation, prior))
    np.testing.assert_allclose(off[[0, 1, 4, 5]], 0, atol=1e-3)
    np.testing.assert_allclose(off[[2, 3, 6, 7]], 0, atol=3e-3)


@pytest.mark.parametrize("case", [0, 2, 4, 6])
def test_a_straight_line_in_flow_stands_for_the_curve_that_it_touches(case):
    """Flow shortens T1', so that the signal bends: by little within a standard deviation of usual data."""
    data, weights, deviation = measured(case, t1_of(MEASURED[case][0]))
    found = posterior_of(data[:, np.newaxis], weights, deviation, CURVED)
    off = errors(found, integrate(data, weights, deviation, straight=False))
    np.testing.assert_allclose(off[[0, 1, 4, 5]], 0, atol=0.03)


def test_without_noise_flow_and_transit_time_are_the_true_ones():
    generator = np.random.default_rng(3)
    cbf, att = generator.uniform(5, 150, 300), generator.uniform(0.3, 2.7, 300)
    found = posterior_of(shown(cbf, att, t1_of(cbf)), deviation=0.0, response=CURVED)
    np.testing.assert_allclose(found.cbf[0, 0], cbf, rtol=1e-3)
    np.testing.assert_allclose(found.att[0, 0], att, atol=2e-3)
    assert np.mean(np.abs(found.att[0, 0] - att) < 1e-3) > 0.98
    assert not found.edge.any()


def test_intervals_hold_a_truth_drawn_from_the_prior_as_often_as_they_say():
    generator = np.random.default_rng(11)
    att = generator.normal(PRIOR.att_mean, PRIOR.att_deviation, 8000)
    att = att[(att > ATT[0]) & (att < ATT[-1])][:4000]
    cbf = generator.normal(PRIOR.cbf_mean, PRIOR.cbf_deviation, len(att))
    data = shown(cbf, att) + 0.35 / 2 * generator.standard_normal((6, len(att)))
    found = posterior_of(data)
    for truth, lower, upper in ((cbf, found.cbf_lower, found.cbf_upper), (att, found.att_lower, found.att_upper)):
        assert np.mean(truth < lower[0, 0]) == pytest.approx(0.025, abs=0.0075)
        assert np.mean(truth > upper[0, 0]) == pytest.approx(0.025, abs=0.0075)
    assert np.std((cbf - found.cbf[0, 0]) / found.cbf_stderr[0, 0]) == pytest.approx(1, abs=0.05)
    assert np.std((att - found.att[0, 0]) / found.att_stderr[0, 0]) == pytest.approx(1, abs=0.05)


@settings(max_examples=25, deadline=None)
@given(scale=st.floats(1e-4, 1e6), case=st.integers(0, len(MEASURED) - 1), nonnegative=st.booleans())
def test_the_unit_of_the_images_changes_nothing(scale, case, nonnegative):
    data, weights, deviation = measured(case)
    prior = Prior(nonnegative=nonnegative)
    here = posterior_of(data[:, np.newaxis], weights, deviation, prior=prior)
    there = posterior_of(scale * data[:, np.newaxis], weights, scale * deviation, prior=prior, m0=scale * M0)
    np.testing.assert_allclose(np.array(there[:8]), np.array(here[:8]), rtol=1e-3, atol=1e-4)


@settings(max_examples=25, deadline=None)
@given(order=st.permutations(range(6)), case=st.integers(0, len(MEASURED) - 1))
def test_the_order_of_the_boluses_changes_nothing(order, case):
    data, weights, deviation = measured(case)
    here = posterior_of(data[:, np.newaxis], weights, deviation)
    there = posterior_of(data[order, np.newaxis], weights[order], deviation, STRAIGHT.of_boluses(order))
    np.testing.assert_allclose(np.array(there[:8]), np.array(here[:8]), rtol=1e-3, atol=1e-4)


def test_a_bolus_of_weight_zero_is_not_looked_at():
    data, _, deviation = measured(0)
    weights = np.array([4.0, 0.0, 4.0, 4.0, 0.0, 4.0])
    spoiled = np.where(weights > 0, data, np.nan)[:, np.newaxis]
    kept = np.flatnonzero(weights)
    without = posterior_of(data[kept, np.newaxis], weights[kept], deviation, STRAIGHT.of_boluses(kept.tolist()))
    np.testing.assert_allclose(np.array(posterior_of(spoiled, weights)[:8]), np.array(without[:8]), rtol=1e-4)


def test_one_delay_tells_that_it_cannot_tell_flow_from_transit_time():
    data = shown(60.0, 0.8)
    one, all_six = (posterior_of(data, weights) for weights in (np.array([0, 0, 0, 4.0, 0, 0]), PAIRS))
    assert one.cbf_stderr[0, 0, 0] > 1.5 * all_six.cbf_stderr[0, 0, 0]
    assert one.att_stderr[0, 0, 0] > 0.4
    assert one.cbf_lower[0, 0, 0] < 60 < one.cbf_upper[0, 0, 0]
    assert one.att_lower[0, 0, 0] < 0.8 < one.att_upper[0, 0, 0]


def test_where_nothing_was_measured_there_is_no_answer():
    found = posterior_of(shown(60.0, 0.8), np.zeros(6))
    assert np.isnan(np.array(found[:8])).all()


def test_voxels_without_an_answer_are_nan_and_the_others_as_ever():
    data = np.repeat(shown(60.0, 0.8), 8, axis=1).astype(np.float32)
    m0, t1, variance = (np.full(8, value, np.float32) for value in (M0, T1_TISSUE, 0.1))
    m0[:3] = 0, np.nan, -1
    t1[3:5] = 0, np.nan
    variance[5] = np.nan
    data[2, 6] = np.inf
    found = posterior(
        data.reshape(6, 1, 1, 8),
        PAIRS[:, np.newaxis],
        variance.reshape(1, 1, 8),
        np.inf,
        m0.reshape(1, 1, 8),
        t1.reshape(1, 1, 8),
        CURVED,
        np.zeros(1, np.int64),
        0.9,
        PRIOR,
    )
    maps = np.array(found[:8])[:, 0, 0]
    assert np.isnan(maps[:, :7]).all()
    assert np.isfinite(maps[:, 7]).all()
    assert not found.edge.any()


def test_each_slice_is_explained_with_its_own_table():
    offsets = np.array([0.0, 0.5])
    both = make_response(ATT, np.array([1.2]), LABELING, offsets, BLOOD)
    data = np.stack([shown(60.0, 1.0), shown(20.0, 1.5)], axis=1)[..., np.newaxis].astype(np.float32)
    late = make_response(ATT, np.array([1.2]), LABELING, offsets[1:], BLOOD)
    volume = np.ones((2, 1, 1), np.float32)
    options = (0.9, PRIOR)
    together = posterior(
        data, np.ones((6, 2)), 0.1 * volume, np.inf, M0 * volume, volume, both, np.array([1, 0]), *options
    )
    for z, response in enumerate((late, STRAIGHT)):
        one = volume[:1]
        alone = posterior(
            data[:, z : z + 1], np.ones((6, 1)), 0.1 * one, np.inf, M0 * one, one, response, np.array([0]), *options
        )
        np.testing.assert_allclose(np.array(together[:8])[:, z], np.array(alone[:8])[:, 0], rtol=1e-6)


def test_flow_below_zero_is_impossible_where_it_is_said_to_be():
    data = shown(-40.0, 0.8)
    free, bound = (posterior_of(data, prior=Prior(nonnegative=forbidden)) for forbidden in (False, True))
    assert free.cbf_upper[0, 0, 0] < 0
    assert 0 < bound.cbf_lower[0, 0, 0] < bound.cbf[0, 0, 0] < bound.cbf_upper[0, 0, 0]


def test_a_transit_time_beyond_the_grid_is_told():
    short = make_response(ATT[:46], np.array([1.2]), LABELING, np.zeros(1), BLOOD)  # until 1 s
    found = posterior_of(shown([60.0, 60.0], [2.0, 0.6]), response=short)
    np.testing.assert_array_equal(found.edge[0, 0], [True, False])


def test_a_grid_of_one_transit_time_is_refused():
    alone = make_response(ATT[:1], np.array([1.2]), LABELING, np.zeros(1), BLOOD)
    with pytest.raises(ValueError, match="two of them or more"):
        posterior_of(shown(60.0, 0.8), response=alone)


@pytest.mark.parametrize(("degrees", "bound"), [(1, 12.706), (2, 4.303), (5, 2.571), (30, 2.042)])
def test_few_degrees_of_freedom_widen_as_students_table_says(degrees, bound):
    assert np.sqrt(student_inflation(degrees)) == pytest.approx(bound / 1.960, rel=1e-3)
    data = shown(60.0, 0.8)
    here, there = posterior_of(data, degrees=degrees), posterior_of(data, deviation=0.35 * bound / 1.960)
    np.testing.assert_allclose(np.array(here[:8]), np.array(there[:8]), rtol=5e-3)


def test_degrees_of_freedom_without_end_widen_nothing():
    assert student_inflation(np.inf) == 1
    assert student_inflation(1e6) == pytest.approx(1, rel=1e-5)
    assert student_inflation(0.2) == student_inflation(1)
