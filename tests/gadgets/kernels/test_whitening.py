import numpy as np
import pytest

from aslive.gadgets.kernels.whitening import Whitening, noise_at_the_edge, whiten


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
    matrix, condition, method, *others = whitened(psi, 10_000)
    np.testing.assert_allclose(matrix @ psi @ matrix.conj().T, np.eye(8), atol=1e-4)
    assert method == "full"
    assert others == [(), ()]
    assert condition == pytest.approx(np.linalg.cond(psi), rel=1e-6)


@pytest.mark.parametrize("gain", [0, 1e-3])
def test_a_silent_coil_gets_no_weight_and_changes_nothing_for_the_others(gain):
    psi = covariance(4)
    psi[2] *= gain
    psi[:, 2] *= gain
    others = [0, 1, 3]
    whitening = whitened(psi, 10_000)
    assert whitening.silent == (2,)
    assert not whitening.matrix[2].any() and not whitening.matrix[:, 2].any()
    alone = whitened(psi[np.ix_(others, others)], 10_000)
    np.testing.assert_allclose(whitening.matrix[np.ix_(others, others)], alone.matrix)


def test_a_coil_a_thousand_times_too_loud_is_told_and_whitened():
    psi = covariance(8)
    psi[5] *= 1000
    psi[:, 5] *= 1000
    whitening = whitened(psi, 10_000)
    assert whitening.loud == (5,)
    np.testing.assert_allclose(whitening.matrix @ psi @ whitening.matrix.conj().T, np.eye(8), atol=1e-6)


def test_copies_of_a_coil_are_steadied():
    psi = covariance(4)
    psi[2], psi[:, 2] = psi[1], psi[:, 1]
    psi[2, 2] = psi[1, 1]
    whitening = whitened(psi, 10_000)
    assert whitening.method == "loaded"
    assert np.isfinite(whitening.matrix).all()


def test_noise_at_the_edge_is_one_for_white_noise_whatever_lies_in_the_middle():
    rng = np.random.default_rng(0)
    plane = (rng.standard_normal((8, 1, 63, 64)) + 1j * rng.standard_normal((8, 1, 63, 64))).astype(np.complex64)
    plane[..., 10:62] += 100
    plane[:, :, ::2] = 0  # rows that parallel imaging skips
    assert noise_at_the_edge(plane) == pytest.approx(1, abs=0.07)
    assert np.isnan(noise_at_the_edge(np.zeros_like(plane)))


def test_too_few_samples_leave_only_the_coils_own_noise():
    matrix, _, method, *_ = whitened(covariance(4), 5)
    assert method == "diagonal"
    assert np.count_nonzero(matrix) == 4


def test_no_noise_is_no_whitening():
    assert whiten(np.zeros((4, 4), complex), 1000) is None
