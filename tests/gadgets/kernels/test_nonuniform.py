import numpy as np
import pytest

from aslive.gadgets.kernels.nonuniform import AdjointTransform, density_weights


def spiral(matrix, interleaves, samples, turn=0.0):
    """Give arms that begin slowly, with a fifth more turns than needed, in cycles per voxel."""
    share = np.linspace(0, 1, samples)
    radius = 0.5 * share * np.sqrt(1.05 / (share + 0.05))
    turns = 1.2 * matrix / 2 / interleaves
    arms = [
        radius * np.exp(2j * np.pi * (2 * turns * radius + arm / interleaves) + 1j * turn) for arm in range(interleaves)
    ]
    k = np.concatenate(arms)
    return np.stack([np.real(k), np.imag(k)]).astype(np.float32)


def phases(points, shape):
    """Give exp(2 pi i k r) for every point and voxel, shape (points, y, x)."""
    y, x = (np.arange(n) - n // 2 for n in shape)
    along_x, along_y = (np.exp(2j * np.pi * np.outer(k.astype(float), r)) for k, r in zip(points, (x, y), strict=True))
    return along_y[:, :, np.newaxis] * along_x[:, np.newaxis]


def noise(*shape, seed=0):
    rng = np.random.default_rng(seed)
    return (rng.standard_normal(shape) + 1j * rng.standard_normal(shape)).astype(np.complex64)


@pytest.mark.parametrize("shape", [(12, 16), (13, 9), (7, 8)])
@pytest.mark.parametrize("coils", [1, 3])
def test_it_is_the_direct_sum(shape, coils):
    points = spiral(16, 2, 90)
    samples, weights = noise(coils, 180), noise(180, seed=1)
    direct = np.einsum("cm,myx->cyx", samples * weights, phases(points, shape))
    images = AdjointTransform(coils, shape)(samples, points, weights)
    assert np.linalg.norm(images - direct) < 5e-4 * np.linalg.norm(direct)


@pytest.mark.parametrize("precision", [1e-2, 1e-3, 1e-4, 1e-5])
@pytest.mark.parametrize("shape", [(24, 31), (48, 7)])
def test_its_error_is_what_was_asked_for(precision, shape):
    points, samples = spiral(32, 3, 200), noise(2, 600)
    direct = np.einsum("cm,myx->cyx", samples, phases(points, shape))
    images = AdjointTransform(2, shape, precision)(samples, points, np.ones(600, np.complex64))
    assert np.linalg.norm(images - direct) < 2 * precision * np.linalg.norm(direct)


def test_samples_may_lie_anywhere_in_memory():
    points, samples, weights = spiral(12, 2, 80), noise(3, 160), noise(160, seed=1)
    transform = AdjointTransform(3, (12, 12))
    plain = transform(samples, points, weights)
    received = np.frombuffer(b"x" + samples.tobytes(), np.uint8)[1:].view(np.complex64).reshape(3, 160)
    for other in (np.asfortranarray(samples), received, np.repeat(samples, 2, axis=1)[:, ::2]):
        np.testing.assert_array_equal(transform(other, points, weights), plain)


@pytest.mark.parametrize(("coils", "threads"), [(1, 2), (5, 2), (3, 8)])
def test_coils_may_be_shared_out_among_threads(coils, threads):
    points, samples, weights = spiral(12, 2, 80), noise(coils, 160), noise(160, seed=1)
    alone = AdjointTransform(coils, (12, 11))(samples, points, weights)
    shared = AdjointTransform(coils, (12, 11), threads=threads)(samples, points, weights)
    np.testing.assert_allclose(shared, alone, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("nothing", [np.nan, np.inf])
def test_points_that_are_no_numbers_do_no_harm_without_weight(nothing):
    points, samples, weights = spiral(12, 2, 80), noise(1, 160), noise(160, seed=1)
    weights[40:50] = 0
    transform = AdjointTransform(1, (12, 12))
    plain = transform(samples, points, weights)
    broken = points.copy()
    broken[:, 40:50] = nothing
    np.testing.assert_array_equal(transform(samples, broken, weights), plain)


def test_it_is_the_adjoint_of_the_forward_transform():
    points, shape = spiral(12, 2, 80), (12, 11)
    image, samples = noise(*shape), noise(1, 160, seed=2)
    forward = np.einsum("yx,myx->m", image, phases(points, shape).conj())
    backward = AdjointTransform(1, shape)(samples, points, np.ones(160, np.complex64))[0]
    assert np.vdot(samples[0], forward) == pytest.approx(np.vdot(backward, image), rel=1e-3)


def test_points_may_change_and_change_back():
    transform = AdjointTransform(2, (8, 8))
    one, two, samples, weights = spiral(8, 1, 60), spiral(8, 1, 60, turn=1.0), noise(2, 60), np.ones(60, np.complex64)
    first = transform(samples, one, weights)
    assert not np.allclose(transform(samples, two, weights), first, atol=0.1)
    np.testing.assert_array_equal(transform(samples, one, weights), first)


@pytest.mark.parametrize("shape", [(12, 12), (11, 14)])
def test_on_a_full_grid_all_weights_are_those_of_the_orthonormal_fft(shape):
    y, x = np.meshgrid(*((np.arange(n) - n // 2) / n for n in shape), indexing="ij")
    weights = density_weights(np.stack([x.ravel(), y.ravel()]).astype(np.float32), shape)
    np.testing.assert_allclose(weights, 1 / np.sqrt(shape[0] * shape[1]), rtol=3e-3)


@pytest.mark.parametrize(("matrix", "interleaves", "samples"), [(32, 4, 600), (33, 6, 500), (32, 1, 2600)])
def test_a_constant_object_comes_out_with_its_value(matrix, interleaves, samples):
    points, shape = spiral(matrix, interleaves, samples), (matrix, matrix)
    y, x = np.mgrid[:matrix, :matrix] - matrix // 2
    disc = x**2 + y**2 < (0.4 * matrix) ** 2
    k = np.einsum("yx,myx->m", disc, phases(points, shape).conj()) / matrix
    weights = density_weights(points, shape).astype(np.complex64)
    image = AdjointTransform(1, shape)(k[np.newaxis].astype(np.complex64), points, weights)[0]
    assert np.mean(image[x**2 + y**2 < (0.3 * matrix) ** 2]) == pytest.approx(1, abs=0.02)


def test_samples_that_come_twice_count_half():
    points = spiral(16, 4, 200)
    once = density_weights(points, (16, 16))
    twice = density_weights(np.concatenate([points, points], axis=1), (16, 16))
    np.testing.assert_allclose(twice[:800] + twice[800:], once, rtol=0.01, atol=1e-4 * once.max())
