import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aslive.sim.coils import noise_covariance, sensitivities
from aslive.sim.grid import Grid


@pytest.mark.parametrize("coils", [1, 2, 8, 32])
def test_every_voxel_is_seen_and_none_by_all_alike(coils):
    maps = sensitivities(Grid((12, 13, 7), (0.22, 0.22, 0.144)), coils)
    seen = np.sqrt((np.abs(maps) ** 2).sum(axis=0))
    assert maps.dtype == np.complex64
    assert seen.min() > 0.02
    assert seen.max() / seen.min() > 1.5


def test_coils_differ_in_place_and_phase():
    maps = sensitivities(Grid((12, 12, 6), (0.22, 0.22, 0.144)), 8).reshape(8, -1)
    assert np.linalg.matrix_rank(maps, tol=1e-2 * np.abs(maps).max()) == 8


def test_sensitivities_are_smooth():
    maps = sensitivities(Grid((64, 64, 3), (0.22, 0.22, 0.018)), 32)
    steps = np.abs(np.diff(maps, axis=-1))
    assert steps.max() < 0.2 * np.abs(maps).max()


@settings(max_examples=20, deadline=None)
@given(coils=st.integers(1, 40), seed=st.integers(0, 1000))
def test_noise_is_linked_unequal_and_possible(coils, seed):
    covariance = noise_covariance(coils, np.random.default_rng(seed))
    np.testing.assert_allclose(covariance, covariance.conj().T)
    assert np.linalg.eigvalsh(covariance).min() > 1e-3
    variances = np.diag(covariance).astype(np.complex128).view(np.float64)[::2]
    assert variances.mean() == pytest.approx(1)
    if coils > 7:
        assert variances.max() / variances.min() > 1.1
        assert np.abs(covariance - np.diag(np.diag(covariance))).max() > 0.05
