"""Regression against tissue maps: exact on exact mixtures, and NumPy's least squares on all others."""

from time import perf_counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aslive.gadgets.kernels.tissue_regression import local_flow, whole_brain

GRAY, WHITE = 60.0, 20.0


def mixture(shape, seed=0):
    """Shares of gray and white matter that leave some room for fluid, and the flow of the mixture."""
    shares = np.random.default_rng(seed).dirichlet((1, 1, 0.3), shape).astype(np.float32)
    gray, white = np.ascontiguousarray(shares[..., 0]), np.ascontiguousarray(shares[..., 1])
    return gray, white, (GRAY * gray + WHITE * white).astype(np.float32)


def patches(shape, reach):
    """Give each voxel with the slices that cut its neighbors out of a map."""
    for z, y, x in np.ndindex(shape):
        yield (
            (z, y, x),
            (z, slice(max(0, y - reach), y + reach + 1), slice(max(0, x - reach), x + reach + 1)),
        )


def by_numpy(cbf, gray, white, patch):
    """Give both flows of a patch; of each tissue alone where the other is absent, and NaN where they are alike."""
    columns = np.stack([gray[patch].ravel(), white[patch].ravel()], axis=1).astype(float)
    flow = cbf[patch].ravel().astype(float)
    products = columns.T @ columns
    if np.linalg.det(products) > 0.05 * products[0, 0] * products[1, 1]:
        return np.linalg.lstsq(columns, flow)[0]
    alone = [np.linalg.lstsq(columns[:, [tissue]], flow)[0][0] for tissue in range(2)]
    return np.where(columns.mean(axis=0)[::-1] < 0.01, alone, np.nan)


@pytest.mark.parametrize("seed", range(5))
def test_the_whole_brain_gives_the_flows_of_an_exact_mixture(seed):
    gray, white, cbf = mixture(500, seed)
    stderr = np.random.default_rng(seed).uniform(1, 20, 500).astype(np.float32)
    flow = whole_brain(cbf, stderr, gray, white)
    assert flow.gray_matter == pytest.approx(GRAY, rel=1e-5)
    assert flow.white_matter == pytest.approx(WHITE, rel=1e-5)
    assert max(flow.gray_matter_stderr, flow.white_matter_stderr) < 1e-3


def test_standard_errors_are_the_spread_over_many_scans():
    gray, white, cbf = mixture(2000)
    generator = np.random.default_rng(1)
    stderr = generator.uniform(5, 40, 2000).astype(np.float32)
    flows = np.array(
        [
            whole_brain((cbf + stderr * generator.standard_normal(2000)).astype(np.float32), stderr, gray, white)
            for _ in range(300)
        ]
    )
    for mean, spread, truth in zip(flows.mean(axis=0)[::2], flows.std(axis=0)[::2], (GRAY, WHITE), strict=True):
        assert abs(mean - truth) < 4 * spread / np.sqrt(300)
    np.testing.assert_allclose(flows.mean(axis=0)[1::2], flows.std(axis=0)[::2], rtol=0.15)


def test_a_noisy_voxel_counts_less():
    gray, white, cbf = mixture(400)
    stderr = np.full(400, 2.0, np.float32)
    stderr[::4] = 1e3
    noise = np.random.default_rng(2).standard_normal(400) * stderr
    flow = whole_brain((cbf + noise).astype(np.float32), stderr, gray, white)
    assert flow.gray_matter == pytest.approx(GRAY, abs=4 * flow.gray_matter_stderr)
    assert flow.gray_matter_stderr < 0.3


def test_vessels_hardly_move_the_flow_of_tissue():
    gray, white, cbf = mixture(4000)
    noisy = cbf + 10 * np.random.default_rng(3).standard_normal(4000)
    noisy[::100] += 600
    flow = whole_brain(noisy.astype(np.float32), np.full(4000, 10, np.float32), gray, white)
    assert flow.gray_matter == pytest.approx(GRAY, abs=2)
    assert flow.white_matter == pytest.approx(WHITE, abs=2)


def test_without_errors_all_voxels_count_alike():
    gray, white, cbf = mixture(100)
    flow = whole_brain(cbf, np.full(100, np.nan, np.float32), gray, white)
    assert flow.gray_matter == pytest.approx(GRAY, rel=1e-5)


@pytest.mark.parametrize(
    ("gray", "white"),
    [(np.zeros(9), np.ones(9)), (np.full(9, 0.6), np.full(9, 0.4)), (np.zeros(9), np.zeros(9)), ([], [])],
    ids=["one tissue", "one mixture", "no tissue", "no voxel"],
)
def test_what_cannot_be_told_apart_has_no_answer(gray, white):
    gray, white = np.asarray(gray, np.float32), np.asarray(white, np.float32)
    assert np.isnan(whole_brain(30 * np.ones_like(gray), np.ones_like(gray), gray, white)).all()


@given(
    shape=st.tuples(st.integers(1, 2), st.integers(1, 9), st.integers(1, 9)),
    kernel=st.sampled_from([1, 3, 5, 7]),
    seed=st.integers(0, 99),
)
def test_local_flow_is_numpys_least_squares_of_each_patch(shape, kernel, seed):
    gray, white, cbf = mixture(shape, seed)
    cbf += 5 * np.random.default_rng(seed).standard_normal(shape).astype(np.float32)
    flows = local_flow(cbf, gray, white, np.ones(shape, bool), kernel, 0.1)
    for voxel, patch in patches(shape, kernel // 2):
        solution = by_numpy(cbf, gray, white, patch)
        for flow, share, expected in zip(flows, (gray, white), solution, strict=True):
            wanted = np.nan if share[voxel] < 0.1 else expected
            assert flow[voxel] == pytest.approx(wanted, rel=1e-3, abs=1e-2, nan_ok=True)


def test_local_flow_of_an_exact_mixture_is_exact_up_to_the_edges():
    shape = (3, 17, 13)
    gray, white, cbf = mixture(shape)
    flows = local_flow(cbf, gray, white, np.ones(shape, bool), 5, 0.1)
    for flow, share, truth in zip(flows, (gray, white), (GRAY, WHITE), strict=True):
        assert np.isfinite(flow[share >= 0.1]).all()
        assert np.isnan(flow[share < 0.1]).all()
        np.testing.assert_allclose(flow[share >= 0.1], truth, rtol=1e-4)


def test_a_step_of_flow_stays_where_it_is():
    shape = (1, 9, 20)
    gray, white, _ = mixture(shape)
    truth = np.where(np.arange(20) < 10, 60, 30)
    flow, _ = local_flow((gray * truth + 20 * white).astype(np.float32), gray, white, np.ones(shape, bool), 5, 0)
    np.testing.assert_allclose(flow[0, :, :8], 60, rtol=1e-4)
    np.testing.assert_allclose(flow[0, :, 12:], 30, rtol=1e-4)


def test_where_one_tissue_is_alone_it_has_its_flow_and_the_other_none():
    shape = (1, 7, 7)
    gray, white = np.full(shape, 0.8, np.float32), np.zeros(shape, np.float32)
    first, second = local_flow(GRAY * gray, gray, white, np.ones(shape, bool), 5, 0.0)
    np.testing.assert_allclose(first, GRAY, rtol=1e-5)
    assert np.isnan(second).all()


def test_where_both_tissues_are_spread_alike_there_is_no_answer():
    shape = (1, 7, 7)
    gray, white = np.full(shape, 0.6, np.float32), np.full(shape, 0.4, np.float32)
    cbf = np.asarray(GRAY * gray + WHITE * white, np.float32)
    assert np.isnan(local_flow(cbf, gray, white, np.ones(shape, bool), 5, 0.1)).all()


def test_voxels_without_flow_or_outside_of_the_brain_are_left_out():
    shape = (2, 11, 11)
    gray, white, cbf = mixture(shape)
    brain = np.ones(shape, bool)
    brain[:, 4, :] = False
    cbf[:, 4, :] = 1e6
    cbf[:, :, 5] = np.nan
    flow, _ = local_flow(cbf, gray, white, brain, 5, 0.1)
    assert np.isnan(flow[:, 4]).all()
    assert np.isnan(flow[:, :, 5]).all()
    np.testing.assert_allclose(flow[np.isfinite(flow)], GRAY, rtol=1e-4)
    assert np.isfinite(flow).sum() > 100


def test_a_hundred_thousand_voxels_take_little_time():
    shape = (25, 64, 64)
    gray, white, cbf = mixture(shape)
    brain = np.ones(shape, bool)
    times = []
    for _ in range(3):
        begin = perf_counter()
        local_flow(cbf, gray, white, brain, 5, 0.1)
        times.append(perf_counter() - begin)
    assert min(times) < 0.1  # about 0.01 on a free core; machines that run tests are not free
