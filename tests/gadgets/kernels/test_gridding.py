import numpy as np
import pytest

from aslive.gadgets.kernels.gridding import finer_size, kernel_in_the_image, places, spread, steepness

WIDTH = 5


def gridded(points, samples, weights, sizes):
    """Spread samples (coils, points) onto a grid (y, x, coils)."""
    found = [places(k, size, WIDTH, steepness(WIDTH, 0.6)) for k, size in zip(points, sizes, strict=True)]
    first, shares = (np.stack(parts) for parts in zip(*found, strict=True))
    grid = np.zeros((*sizes, samples.shape[0]), np.complex64)
    spread(samples, weights, first, shares, grid)
    return grid


def plainly(points, samples, weights, sizes):
    """Do the same in three lines: each grid point gets each sample by its distance, the short way round."""
    exponent, shares = steepness(WIDTH, 0.6), []
    for k, size in zip(points, sizes, strict=True):
        distance = (np.arange(size)[:, np.newaxis] - k * size + size / 2) % size - size / 2
        root = np.sqrt(np.maximum(1 - (2 * distance / WIDTH) ** 2, 0))
        shares.append(np.exp(exponent * (root - 1)) * (np.abs(distance) <= WIDTH / 2))
    return np.einsum("ym,xm,cm,m->yxc", *shares, samples, weights)


def noise(*shape, seed=0):
    rng = np.random.default_rng(seed)
    return (rng.standard_normal(shape) + 1j * rng.standard_normal(shape)).astype(np.complex64)


@pytest.mark.parametrize("coils", [1, 3, 8])
@pytest.mark.parametrize("sizes", [(12, 15), (10, 10)])
def test_each_sample_goes_to_the_grid_points_around_it(coils, sizes):
    points = np.random.default_rng(1).uniform(-0.5, 0.5, (2, 50)).astype(np.float32)
    samples, weights = noise(coils, 50), noise(50, seed=2)
    np.testing.assert_allclose(
        gridded(points, samples, weights, sizes), plainly(points, samples, weights, sizes), atol=1e-4
    )


def test_the_grid_has_no_end():
    points = np.random.default_rng(1).uniform(-0.5, 0.5, (2, 40)).astype(np.float32)
    samples, weights = noise(2, 40), np.ones(40, np.complex64)
    moved = points + np.array([[3 / 12], [-5 / 15]], np.float32)
    rolled = np.roll(gridded(points, samples, weights, (12, 15)), (3, -5), axis=(0, 1))
    np.testing.assert_allclose(gridded(moved, samples, weights, (12, 15)), rolled, atol=2e-4)


@pytest.mark.parametrize("kept", [12, 13])
def test_what_a_sample_in_the_middle_makes_of_the_image_is_known(kept):
    size, samples = 20, np.ones((1, 1), np.complex64)
    grid = gridded(np.zeros((2, 1), np.float32), samples, samples[0], (size, size))[..., 0]
    image = np.fft.fftshift(np.fft.ifft2(grid, norm="forward"))[size // 2 - kept // 2 :, size // 2 - kept // 2 :]
    along = kernel_in_the_image(kept, size, WIDTH, steepness(WIDTH, 0.6))
    np.testing.assert_allclose(image[:kept, :kept].real, np.outer(along, along), rtol=0.02)


def test_the_finer_size_is_the_next_that_the_fft_likes():
    liked = [1, 2, 3, 4, 5, 6, 8, 9, 10, 12, 15, 16, 18, 20, 24, 25, 27, 30, 32, 36, 40, 45, 48, 50, 54, 60]
    assert [finer_size(least) for least in range(1, 61)] == [min(x for x in liked if x >= n) for n in range(1, 61)]
