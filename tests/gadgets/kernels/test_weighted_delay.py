import numpy as np
import pytest

from aslive.gadgets.kernels.kinetics import Blood, Boluses, tissue_response
from aslive.gadgets.kernels.response import make_response
from aslive.gadgets.kernels.weighted_delay import weighted_delay_att

BLOOD = Blood(1.65, 0.85, 0.9)
DELAYS = np.array([0.25, 0.5, 0.75, 1.0, 1.25, 1.5])
T1 = 1.33
AXIS = np.linspace(0.1, 2.6, 126)


def boluses(delays=DELAYS, duration=1.4, pulsed=False):
    return Boluses(delays + (0 if pulsed else duration), np.full(len(delays), duration), pulsed)


def estimate(att, scheme=None, delays=DELAYS, t1=T1, offsets=(0.0,), group=None, noise=0.0):
    """Give the estimate of true transit times ``(z, n)`` in voxels of one T1."""
    scheme = scheme or boluses()
    att = np.atleast_2d(att)
    group = np.zeros(len(att), np.int64) if group is None else group
    response = make_response(AXIS, np.array([0.8, t1]), scheme, np.array(offsets), BLOOD)
    tissue = np.array([t1])
    true = [
        tissue_response(row, tissue, scheme.later(offsets[table]), BLOOD)[0]
        for row, table in zip(att, group, strict=True)
    ]
    mean = 60 * np.stack(true, axis=1)[:, :, np.newaxis]
    mean += noise * np.random.default_rng(0).standard_normal(mean.shape)
    t1_map = np.full(mean.shape[1:], t1, np.float32)
    later = delays + np.array(offsets)[:, np.newaxis]
    return weighted_delay_att(mean.astype(np.float32), later, t1_map, response, group)[:, 0]


def dai(observed, duration=1.4, t1_blood=1.65):
    """Invert the weighted delay of Dai et al. on a grid of 1 ms, T1* = T1 of tissue."""
    grid = np.arange(DELAYS.min(), DELAYS.max(), 1e-3)[:, np.newaxis]
    early = np.exp(-np.maximum(DELAYS - grid, 0) / T1)
    late = np.exp(-np.maximum(duration + DELAYS - grid, 0) / T1)
    signal = np.exp(-grid / t1_blood) * (early - late)
    return np.interp(observed, (signal @ DELAYS) / signal.sum(axis=1), grid[:, 0])


def test_transit_times_between_the_delays_come_back():
    true = np.linspace(0.3, 1.45, 24)
    np.testing.assert_allclose(estimate(true)[0], true, atol=0.004)


def test_the_estimate_is_that_of_dai():
    true = np.linspace(0.3, 1.4, 12)
    scheme = boluses()
    seen = tissue_response(true, np.array([1 / (1 / T1 + 60 / 6000 / 0.9)]), scheme, BLOOD)[0]
    response = make_response(AXIS, np.array([0.8, T1]), scheme, np.zeros(1), BLOOD)
    mean = seen[:, np.newaxis, np.newaxis].astype(np.float32)
    t1_map = np.full((1, 1, 12), T1, np.float32)
    ours = weighted_delay_att(mean, DELAYS[np.newaxis], t1_map, response, np.zeros(1, np.int64))[0, 0]
    np.testing.assert_allclose(ours, dai(DELAYS @ seen / seen.sum(axis=0)), atol=0.004)


@pytest.mark.parametrize("pulsed", [True, False])
def test_every_labeling_has_its_curve(pulsed):
    delays = np.array([0.6, 1.0, 1.4, 1.8, 2.2])
    true = np.linspace(0.7, 1.8, 8)
    scheme = boluses(delays, 0.8, pulsed)
    np.testing.assert_allclose(estimate(true, scheme, delays)[0], true, atol=0.004)


def test_each_slice_has_its_own_delays():
    true = np.tile(np.linspace(0.6, 1.4, 9), (3, 1))
    found = estimate(true, offsets=(0.0, 0.3), group=np.array([0, 1, 0]))
    np.testing.assert_allclose(found, true, atol=0.004)


def test_there_is_no_answer_outside_of_the_delays_nor_in_noise():
    assert np.isnan(estimate([0.1, 2.4, 9.0])).all()
    assert np.isnan(estimate([9.0] * 50, noise=1e-3)).mean() > 0.5
    noisy = estimate(np.full(500, 0.9), noise=2e-4)
    assert np.nanmedian(noisy) == pytest.approx(0.9, abs=0.05)


def test_one_delay_has_no_answer():
    assert np.isnan(estimate([0.5, 0.9], boluses(DELAYS[:1]), DELAYS[:1])).all()


def test_a_voxel_that_is_not_a_number_has_no_answer():
    response = make_response(AXIS, np.array([0.8, T1]), boluses(), np.zeros(1), BLOOD)
    mean = np.full((6, 1, 1, 3), np.nan, np.float32)
    mean[..., 2] = 1
    t1_map = np.array([[[T1, T1, np.nan]]], np.float32)
    found = weighted_delay_att(mean, DELAYS[np.newaxis], t1_map, response, np.zeros(1, np.int64))
    assert np.isnan(found).all()
