import numpy as np
import pytest
from numpy.typing import NDArray

from aslive.gadgets.kernels.combination import combine
from aslive.gadgets.kernels.grappa import Kernel, calibrate
from aslive.gadgets.kernels.grid import central
from aslive.gadgets.kernels.lattice import Lattice
from aslive.gadgets.kernels.unmixing import g_factor, low_resolution, to_kspace, unmix
from aslive.gadgets.kernels.walsh import coil_maps
from aslive.sim import fourier
from aslive.sim.coils import sensitivities
from aslive.sim.grid import Grid


def random(rng: np.random.Generator, *shape: int) -> NDArray[np.complex64]:
    return (rng.standard_normal(shape) + 1j * rng.standard_normal(shape)).astype(np.complex64)


def learned(block: NDArray[np.complex64], lattice: Lattice, *settings: float) -> Kernel:
    kernel = calibrate(block, lattice, *settings)  # pyright: ignore[reportArgumentType] (columns, sources, lambda)
    assert kernel is not None
    return kernel


def images(kspace: NDArray[np.complex64]) -> NDArray[np.complex64]:
    shifted = np.fft.ifftn(np.fft.ifftshift(kspace, (1, 2, 3)), axes=(1, 2, 3), norm="ortho")
    return np.fft.fftshift(shifted, (1, 2, 3)).astype(np.complex64)


@pytest.mark.parametrize("grid", [(1, 12, 10), (1, 13, 9), (5, 12, 9), (6, 11, 8)])
def test_weights_in_the_image_do_what_the_kernel_does_in_kspace(grid):
    rng = np.random.default_rng(0)
    offsets = ((0, 0), (0, 3), (-1 if grid[0] > 1 else 0, -1))
    kernel = Kernel(random(rng, 3, 3, 4, 4), offsets, 1, 1.0)
    kspace, maps = random(rng, 4, *grid), random(rng, 4, *grid)
    whole = np.zeros_like(kspace)
    for weights, (z, y) in zip(kernel.weights, offsets, strict=True):
        for x, weight in zip((-1, 0, 1), weights, strict=True):
            whole += np.einsum("szyx,st->tzyx", np.roll(kspace, (-z, -y, -x), (1, 2, 3)), weight)
    expected = (maps.conj() * images(whole)).sum(0)
    inside = central(grid[0], max(1, grid[0] - 2)), central(grid[1], grid[1] - 3)
    for rows in ((slice(None), slice(None)), inside):
        weights = np.ascontiguousarray(maps.conj()[:, rows[0], rows[1]])
        unmix(kernel, weights, grid)
        unfolded = combine(np.ascontiguousarray(images(kspace)[:, rows[0], rows[1]]), weights)
        np.testing.assert_allclose(unfolded, expected[rows], atol=2e-4)


@pytest.fixture(scope="module")
def head():
    """A head of 50 in 12 coils, (maps of unit length, image), 48 x 48."""
    grid = Grid((48, 48, 1), (0.22, 0.22, 0.005))
    maps = sensitivities(grid, 12)
    maps /= np.sqrt((np.abs(maps) ** 2).sum(0))
    y, x = np.meshgrid(np.linspace(-1, 1, 48), np.linspace(-1, 1, 48), indexing="ij")
    shape = np.where((x / 0.7) ** 2 + (y / 0.85) ** 2 < 1, 1 + 0.3 * np.sin(9 * x) * np.cos(11 * y), 0)
    return maps, (50 * shape).astype(np.complex64)


@pytest.mark.parametrize("lines", [16, 24, 48])
def test_maps_of_few_lines_are_the_true_ones(head, lines):
    maps, image = head
    kspace = fourier.to_kspace(maps * image, (2, 3))[:, :, 24 - lines // 2 : 24 + lines // 2]
    found = coil_maps(low_resolution(kspace, (1, 48, 48), (1, 48, 48)))
    assert np.abs((maps.conj() * found).sum(0))[0][image.real > 0].min() > 0.99


@pytest.mark.parametrize("columns", [31, 64])
def test_maps_do_not_depend_on_the_resolution_of_the_reference_along_x(head, columns):
    maps, image = head
    kspace = fourier.to_kspace(maps * image, (2, 3))[:, :, 12:36]
    other = np.zeros((12, 1, 24, columns), np.complex64)
    width = min(columns, 48)
    other[..., columns // 2 - width // 2 :][..., :width] = kspace[..., 24 - width // 2 :][..., :width]
    ours, theirs = (coil_maps(low_resolution(block, (1, 48, 48), (1, 48, 48))) for block in (kspace, other))
    assert np.abs((ours.conj() * theirs).sum(0))[0][image.real > 0].min() > 0.999


def test_to_kspace_is_the_inverse_of_the_transform_of_a_readout():
    for size in (8, 9):
        rows = random(np.random.default_rng(1), 2, 1, 3, size)
        np.testing.assert_allclose(to_kspace(rows), fourier.to_kspace(rows, (3,)), atol=1e-6)


@pytest.mark.parametrize("step", [2, 3])
def test_the_g_factor_is_that_of_sense(step):
    """Pruessmann et al., MRM 42:952 (1999), eq. 23, with coils that see smoothly over the edge of the image."""
    size, coils, rng = 48, 8, np.random.default_rng(2)
    angle, at = 2 * np.pi * np.arange(size) / size, 2 * np.pi * np.arange(coils)[:, np.newaxis, np.newaxis] / coils
    along_y = 0.5 * np.cos(angle[:, np.newaxis] - at) + 1j * np.sin(angle[:, np.newaxis] + at)
    maps = np.exp(along_y + 0.25 * np.cos(angle - 3 * at))[:, np.newaxis]
    maps = (maps / np.sqrt((np.abs(maps) ** 2).sum(0))).astype(np.complex64)
    image = 50 * rng.uniform(0.5, 1, (size, size)).astype(np.complex64)
    kspace = (fourier.to_kspace(maps * image, (2, 3)) + 0.02 * random(rng, coils, 1, size, size)).astype(np.complex64)
    weights = maps.conj().copy()
    unmix(learned(kspace, Lattice(step)), weights, (1, size, size))
    seen = maps[:, 0].reshape(coils, step, size // step, size).transpose(2, 3, 0, 1)
    gram = seen.conj().swapaxes(2, 3) @ seen
    squared = np.diagonal(np.linalg.inv(gram), axis1=2, axis2=3) * np.diagonal(gram, axis1=2, axis2=3)
    sense = np.sqrt(np.real(squared)).transpose(2, 0, 1).reshape(1, size, size)
    np.testing.assert_allclose(g_factor(weights, step), sense, rtol=2e-3)


def test_the_g_factor_tells_the_noise_that_is_left(head):
    maps, image = head
    step, rng = 3, np.random.default_rng(3)
    kspace = fourier.to_kspace(maps * image, (2, 3))
    weights = maps.conj().copy()
    unmix(learned(kspace[:, :, 8:40], Lattice(step)), weights, (1, 48, 48))
    noise = random(rng, 150, 12, 1, 48, 48)
    noise[:, :, :, np.arange(48) % step != 1] = 0
    left = np.std([combine(images(one), weights) for one in noise], axis=0)
    full = np.sqrt(2)  # of a fully sampled image, combined with maps of unit length
    np.testing.assert_allclose(left / full / np.sqrt(step), g_factor(weights, step), rtol=0.3)
    assert np.mean(left / full / np.sqrt(step) / g_factor(weights, step)) == pytest.approx(1, rel=0.01)
