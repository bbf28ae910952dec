"""The posterior of flow and transit time where blood may still be in arteries, against sums over dense grids."""

import numpy as np
import pytest

from aslive.gadgets.kernels.kinetics import Blood, Boluses, arterial_response, tissue_response
from aslive.gadgets.kernels.posterior import Prior, posterior
from aslive.gadgets.kernels.response import make_response
from aslive.gadgets.kernels.response_axes import transit_times

BLOOD = Blood(1.65, 0.85, 0.9)
LABELING = Boluses(1.5 + np.array([0.25, 0.5, 1.0, 1.5, 2.0, 2.5]), np.full(6, 1.5))
ATT, T1 = transit_times(0.1, 3.0, 0.02), np.array([1.2])
WITHOUT = make_response(ATT, T1, LABELING, np.zeros(1), BLOOD)
WITH = make_response(ATT, T1, LABELING, np.zeros(1), BLOOD, macrovascular=True)
PRIOR = Prior()
M0 = 64.0


def shown(cbf, att, abv, abat):
    """Give what the boluses show of each voxel; shape ``(boluses, voxels)``."""
    cbf, att, abv, abat = np.broadcast_arrays(*np.atleast_1d(cbf, att, abv, abat))
    return M0 * (cbf * tissue_response(att, T1, LABELING, BLOOD)[0] + abv * arterial_response(abat, LABELING, BLOOD))


def posterior_of(data, deviation, response=WITH, prior=PRIOR):
    """Give the posterior of voxels ``(boluses, voxels)`` in one slice; the deviation is that of each mean."""
    shape = (1, 1, data.shape[1])
    return posterior(
        np.asarray(data, np.float32).reshape(-1, *shape),
        np.ones((len(data), 1)),
        np.full(shape, deviation**2, np.float32),
        np.inf,
        np.full(shape, M0, np.float32),
        np.full(shape, 1.33, np.float32),
        response,
        np.zeros(1, np.int64),
        BLOOD.partition_coefficient,
        prior,
    )


def noisy(truth, deviation, voxels):
    cbf, att, abv, abat = truth
    noise = np.random.default_rng(0).standard_normal((6, voxels))
    return shown(cbf, att, abv, abat) + deviation * noise


def sum_over_pairs(data, deviation):
    """Give mean and deviation of flow, transit time and arterial volume of one voxel, from all pairs of times."""
    att, abat = np.meshgrid(np.linspace(0.1, 3.0, 291), np.linspace(0.1, 3.0, 291), indexing="ij")
    possible = abat <= att
    att, abat = att[possible], abat[possible]
    design = np.stack([shown(1.0, att, 0.0, abat), shown(0.0, att, 1.0, abat)], axis=-1).swapaxes(0, 1) / deviation
    information = np.diag([PRIOR.cbf_deviation**-2, PRIOR.abv_deviation**-2])
    expected = np.array([PRIOR.cbf_mean, 0.0])
    precision = design.swapaxes(1, 2) @ design + information
    drawn = design.swapaxes(1, 2) @ (data / deviation) + information @ expected
    means = np.linalg.solve(precision, drawn[..., np.newaxis])[..., 0]
    log_weight = 0.5 * np.sum(drawn * means, axis=1) - 0.5 * np.linalg.slogdet(precision)[1]
    log_weight -= 0.5 * ((att - PRIOR.att_mean) / PRIOR.att_deviation) ** 2
    weight = np.exp(log_weight - log_weight.max()) / (att - 0.1 + 0.01)  # as many arrivals as there are before it
    weight /= weight.sum()
    squares = np.linalg.inv(precision)[:, [0, 1], [0, 1]] + means**2
    first = np.array([weight @ means[:, 0], weight @ att, weight @ means[:, 1]])
    second = np.array([weight @ squares[:, 0], weight @ att**2, weight @ squares[:, 1]])
    return first, np.sqrt(second - first**2)


@pytest.mark.parametrize(
    "truth", [(60.0, 0.8, 0.0, 0.5), (60.0, 1.4, 0.01, 0.7), (20.0, 1.2, 0.0, 0.6), (50.0, 2.0, 0.01, 1.0)]
)
def test_means_and_deviations_are_those_of_all_pairs_of_times(truth):
    data = noisy(truth, 0.1, 2)
    found = posterior_of(data, 0.1)
    assert found.abv is not None and found.abv_stderr is not None
    for v in range(2):
        mean, deviation = sum_over_pairs(data[:, v], 0.1)
        means = np.array([found.cbf[0, 0, v], found.att[0, 0, v], found.abv[0, 0, v]])
        deviations = np.array([found.cbf_stderr[0, 0, v], found.att_stderr[0, 0, v], found.abv_stderr[0, 0, v]])
        np.testing.assert_allclose((means - mean) / deviation, 0, atol=0.1)
        np.testing.assert_allclose(deviations / deviation, 1, atol=0.1)


def test_intervals_hold_a_truth_drawn_from_the_prior_as_often_as_they_say():
    generator = np.random.default_rng(5)
    att = generator.normal(PRIOR.att_mean, PRIOR.att_deviation, 4000)
    att = att[(att > ATT[0]) & (att < ATT[-1])][:1500]
    abat = generator.uniform(ATT[0], att)
    cbf = generator.normal(PRIOR.cbf_mean, PRIOR.cbf_deviation, len(att))
    abv = generator.normal(0, PRIOR.abv_deviation, len(att))
    found = posterior_of(shown(cbf, att, abv, abat) + 0.175 * generator.standard_normal((6, len(att))), 0.175)
    for truth, lower, upper in ((cbf, found.cbf_lower, found.cbf_upper), (att, found.att_lower, found.att_upper)):
        assert np.mean((lower <= truth) & (truth <= upper)) == pytest.approx(0.95, abs=0.02)
    assert found.abv is not None and found.abv_stderr is not None
    assert np.std((abv - found.abv) / found.abv_stderr) == pytest.approx(1, abs=0.1)


def test_arterial_blood_is_found_and_kept_out_of_flow():
    truth = (60.0, 1.4, 0.01, 0.7)
    data = noisy(truth, 0.05, 500)
    found, blind = posterior_of(data, 0.05), posterior_of(data, 0.05, WITHOUT)
    assert found.abv is not None
    assert found.abv_stderr is not None
    assert np.mean(np.abs(found.abv - 0.01) < 2 * found.abv_stderr) > 0.93
    assert np.mean(np.abs(found.cbf - 60.0) < 2 * found.cbf_stderr) > 0.93
    assert np.mean(found.cbf) == pytest.approx(60, rel=0.02)
    assert np.mean(blind.cbf) > 70


@pytest.mark.parametrize(("cbf", "att"), [(60.0, 0.8), (20.0, 1.2), (60.0, 1.6)])
def test_where_there_is_no_arterial_blood_flow_is_not_biased(cbf, att):
    data = noisy((cbf, att, 0.0, 0.5), 0.05, 1000)
    found = posterior_of(data, 0.05)
    assert np.mean(found.cbf) == pytest.approx(cbf, rel=0.02)


@pytest.mark.parametrize("deviation", [0.0, 0.007])
def test_clear_data_do_not_mislead_the_first_look(deviation):
    truth = np.array([(60.0, 0.8, 0.0, 0.5), (20.0, 1.2, 0.0, 0.5), (60.0, 1.37, 0.01, 0.73), (50.0, 2.0, 0.01, 1.0)]).T
    cbf, att, abv, abat = truth
    found = posterior_of(shown(cbf, att, abv, abat), deviation)
    np.testing.assert_allclose(found.cbf[0, 0], cbf, rtol=0.03)
    np.testing.assert_allclose(found.att[0, 0], att, atol=0.15)
    assert found.abv is not None
    np.testing.assert_allclose(found.abv, abv[np.newaxis, np.newaxis], atol=0.002)


def test_data_without_noise_have_an_answer_everywhere():
    cbf, att = np.meshgrid([-20.0, 0.0, 5.0, 20.0, 60.0, 120.0], np.linspace(0.1, 3.0, 30))
    found = posterior_of(shown(cbf.ravel(), att.ravel(), 0.0, 0.1), 0.0)
    assert np.isfinite(np.array([volume for volume in found if volume is not None])).all()
