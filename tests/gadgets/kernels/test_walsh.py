import numpy as np
import pytest

from aslive.gadgets.kernels.combination import combine, root_sum_of_squares
from aslive.gadgets.kernels.walsh import coil_maps


@pytest.fixture(scope="module")
def head():
    """A head seen by 6 coils: (true maps, image, noisy coil images)."""
    rng = np.random.default_rng(1)
    z, y, x = np.meshgrid(np.arange(2), np.linspace(-1, 1, 32), np.linspace(-1, 1, 32), indexing="ij")
    angles = np.arange(6) * np.pi / 3
    maps = np.stack([np.exp(-((y - np.sin(a)) ** 2) - (x - np.cos(a)) ** 2 + 1j * (a + x)) for a in angles])
    maps /= np.sqrt((np.abs(maps) ** 2).sum(0))
    image = np.where(x**2 + y**2 < 0.7, 10.0 + z, 0.0)
    noise = (rng.standard_normal(maps.shape) + 1j * rng.standard_normal(maps.shape)) * 0.05
    return maps, image, (maps * image + noise).astype(np.complex64)


def test_maps_are_the_true_ones_up_to_a_phase(head):
    true, image, images = head
    overlap = np.abs((true.conj() * coil_maps(images)).sum(0))[image > 0]
    assert overlap.min() > 0.99


def test_maps_have_unit_length_everywhere(head):
    np.testing.assert_allclose((np.abs(coil_maps(images := head[2])) ** 2).sum(0), 1, rtol=1e-5)
    assert coil_maps(np.zeros_like(images)).shape == images.shape


def test_the_map_is_the_dominant_eigenvector_of_its_patch(head):
    images = head[2]
    maps = coil_maps(images)
    for z, y, x in ((0, 16, 16), (1, 10, 20), (0, 16, 8)):
        patch = images[:, z, y - 2 : y + 3, x - 2 : x + 3].reshape(6, -1)
        vector = np.linalg.eigh(patch @ patch.conj().T)[1][:, -1]
        assert abs(np.vdot(vector, maps[:, z, y, x])) == pytest.approx(1, abs=1e-3)


def test_the_combination_is_the_weighted_sum_also_of_padded_images(head):
    images = head[2]
    maps = coil_maps(images)
    padded = np.zeros((6, 2, 32 * 32 + 5), np.complex64)
    view = padded[:, :, :1024].reshape(images.shape)
    view[...] = images
    expected = (maps.conj() * images).sum(0)
    np.testing.assert_allclose(combine(images, maps.conj()), expected, atol=1e-4)
    np.testing.assert_allclose(combine(view, maps.conj()), expected, atol=1e-4)
    np.testing.assert_allclose(combine(view[:, :, ::-1], maps[:, :, ::-1].conj()), expected[:, ::-1], atol=1e-4)
    root = np.sqrt((np.abs(images) ** 2).sum(0))
    np.testing.assert_allclose(root_sum_of_squares(view), root, rtol=1e-5)


@pytest.mark.parametrize("scale", [1e-25, 1e-10, 1e10, 1e25])
def test_maps_do_not_depend_on_the_scale(head, scale):
    np.testing.assert_allclose(coil_maps(head[2] * np.complex64(scale)), coil_maps(head[2]), atol=1e-4)


@pytest.mark.parametrize("value", [0.0, np.nan, np.inf])
def test_images_without_numbers_have_maps_of_unit_length_all_the_same(value):
    maps = coil_maps(np.full((3, 1, 6, 5), value, np.complex64))
    np.testing.assert_allclose(np.linalg.norm(maps, axis=0), 1, rtol=1e-5)
