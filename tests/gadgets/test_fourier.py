import numpy as np
import pytest

from aslive.gadgets.fourier import Fourier
from aslive.streaming.flow import CoilImages, Counters, Geometry, KSpace, Place


def centred(k, axes):
    return np.fft.fftshift(np.fft.ifftn(np.fft.ifftshift(k, axes=axes), axes=axes, norm="ortho"), axes=axes)


def noise(*shape, seed=0):
    rng = np.random.default_rng(seed)
    return (rng.standard_normal(shape) + 1j * rng.standard_normal(shape)).astype(np.complex64)


def planes(k, number=0, order=None, missing=0):
    place = Place(number, Counters(), 0.0, Geometry(), missing=missing)
    order = list(range(k.shape[1]) if order is None else order)
    return [KSpace(k[:, z : z + 1].copy(), place, z, z == order[-1]) for z in order]


@pytest.mark.parametrize("rows", [8, 9])
def test_a_slice_is_transformed_along_y(run, make_scan, rows):
    k = noise(3, 2, rows, 5)
    out = run([Fourier()], planes(k), make_scan(matrix=(5, rows, 2)))
    for z, images in enumerate(out):
        np.testing.assert_allclose(images.data, centred(k[:, z : z + 1], (2,)), atol=1e-5)
    assert [images.last for images in out] == [False, True]


@pytest.mark.parametrize("backend", ["fftw", "scipy"])
@pytest.mark.parametrize("partitions", [1, 2, 5, 6])
def test_volumes_are_transformed_along_y_and_z_in_any_order_of_partitions(run, make_scan, partitions, backend):
    scan = make_scan(matrix=(4, 6, partitions), three_dimensional=True)
    messages, truth = [], []
    for number in range(3):  # from the second volume on, z is done before the last partition
        k = noise(2, partitions, 6, 4, seed=number)
        messages += planes(k, number, np.random.default_rng(number).permutation(partitions))
        truth.append(centred(k, (1, 2)))
    fourier = Fourier(backend=backend)
    fourier.start(scan)
    for message in messages:
        for images in fourier.process(message):
            np.testing.assert_allclose(images.data, truth[images.place.volume], atol=1e-5)
            truth[images.place.volume] = None
    assert truth == [None] * 3


def test_what_lies_outside_of_the_field_of_view_is_cut_off(run, make_scan):
    k = noise(2, 10, 12, 4)
    (images,) = run([Fourier()], planes(k), make_scan((4, 12, 10), (4, 8, 6), three_dimensional=True))
    np.testing.assert_allclose(images.data, centred(k, (1, 2))[:, 2:8, 2:10], atol=1e-5)


def test_partitions_that_never_came_are_zero(run, make_scan):
    k = noise(2, 6, 4, 4)
    scan = make_scan(matrix=(4, 4, 6), three_dimensional=True)
    (images,) = run([Fourier()], planes(k, order=(0, 4, 5), missing=2), scan)
    k[:, 1:4] = 0
    np.testing.assert_allclose(images.data, centred(k, (1, 2)), atol=1e-5)
    assert images.place.missing == 6


def test_interleaved_volumes_stay_apart(run, make_scan):
    first, second = noise(2, 4, 4, 4, seed=1), noise(2, 4, 4, 4, seed=2)
    mixed = [m for pair in zip(planes(first, 0), planes(second, 1), strict=True) for m in pair]
    one, two = run([Fourier()], mixed, make_scan((4, 4, 4), three_dimensional=True))
    np.testing.assert_allclose(one.data, centred(first, (1, 2)), atol=1e-5)
    np.testing.assert_allclose(two.data, centred(second, (1, 2)), atol=1e-5)


def test_images_of_a_volume_outlive_the_next_one(run, make_scan):
    scan = make_scan((4, 4, 4), three_dimensional=True)
    ks = [noise(2, 4, 4, 4, seed=n) for n in range(2)]
    out = run([Fourier()], [m for n in range(2) for m in planes(ks[n], n)], scan)
    np.testing.assert_allclose(out[0].data, centred(ks[0], (1, 2)), atol=1e-5)


def test_the_transform_keeps_the_energy(run, make_scan):
    k = noise(2, 5, 7, 4)
    (images,) = run([Fourier()], planes(k), make_scan((4, 7, 5), three_dimensional=True))
    assert isinstance(images, CoilImages)
    assert np.linalg.norm(images.data) == pytest.approx(np.linalg.norm(k), rel=1e-5)
