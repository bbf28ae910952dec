import numpy as np
import pytest

from aslive.gadgets.kernels.whitening import Whitening, whiten


def covariance(coils, seed=0):
    rng = np.random.default_rng(seed)
    mixing = rng.standard_normal((coils, coils)) + 1j * rng.standard_normal((coils, coils))
    return mixing @ mixing.conj().T + 0.1 * np.eye(coils)


def whitened(*arguments) -> Whitening:
    whitening = whiten(*arguments)
    assert whitening is not None
    return whitening


def test_the_whitened_covariance_is_the_identity():
    psi = covariance(8)
    matrix, condition, method = whitened(psi, 10_000, 1.0)
    np.testing.assert_allclose(matrix @ psi @ matrix.conj().T, np.eye(8), atol=1e-4)
    assert method == "full"
    assert condition == pytest.approx(np.linalg.cond(psi), rel=1e-6)


def test_a_silent_coil_is_steadied():
    psi = covariance(4)
    psi[2] = psi[:, 2] = 0
    matrix, _, method = whitened(psi, 10_000, 1.0)
    assert method == "loaded"
    assert np.isfinite(matrix).all()


def test_too_few_samples_leave_only_the_coils_own_noise():
    matrix, _, method = whitened(covariance(4), 5, 1.0)
    assert method == "diagonal"
    assert np.count_nonzero(matrix) == 4


def test_no_noise_is_no_whitening():
    assert whiten(np.zeros((4, 4), complex), 1000, 1.0) is None
