import numpy as np
import pytest

from aslive.gadgets.fourier import Fourier
from aslive.gadgets.kernels.taper import edge_weights
from aslive.streaming.flow import FULL, CoilImages, KSpace, Place, Sampling
from aslive.streaming.readouts import Counters, Geometry


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


def test_the_transform_keeps_the_energy(run, make_scan):
    k = noise(2, 5, 7, 4)
    (images,) = run([Fourier()], planes(k), make_scan((4, 7, 5), three_dimensional=True))
    assert isinstance(images, CoilImages)
    assert np.linalg.norm(images.data) == pytest.approx(np.linalg.norm(k), rel=1e-5)


def sampled(k, sampling, number=0):
    place = Place(number, Counters(), 0.0, Geometry(), sampling=sampling)
    count = k.shape[1]
    return [KSpace(k[:, z : z + 1].copy(), place, z, z == count - 1) for z in range(count)]


@pytest.mark.parametrize("size", [8, 9])
def test_the_edge_that_was_cut_off_fades_out_along_every_axis(run, make_scan, size):
    k = noise(2, size, size, size)
    sampling = Sampling(x=(-0.5, 1.0), y=(-1.0, 0.5), z=(-0.5, 1.0))
    weights = [edge_weights(size, share, 0.3) for share in (sampling.z, sampling.y, sampling.x)]
    along_x = centred(k, (3,)).astype(np.complex64)
    scan = make_scan((size, size, size), three_dimensional=True)
    (images,) = run([Fourier(taper=0.3)], sampled(along_x, sampling), scan)
    weighted = np.einsum("czyx,z,y,x->czyx", k, *weights)
    np.testing.assert_allclose(images.data, centred(weighted, (1, 2, 3)), atol=2e-6)
    slices = run([Fourier(taper=0.3)], sampled(along_x, sampling), make_scan((size, size, size)))
    in_plane = centred(np.einsum("czyx,y,x->czyx", k, *weights[1:]), (2, 3))
    np.testing.assert_allclose(slices[2].data[:, 0], in_plane[:, 2], atol=2e-6)


@pytest.mark.parametrize("three_dimensional", [False, True])
def test_what_was_sampled_in_full_does_not_feel_the_taper(run, make_scan, three_dimensional):
    k, scan = noise(2, 6, 8, 4), make_scan((4, 8, 6), three_dimensional=three_dimensional)
    cut = sampled(k, Sampling(y=(-0.5, 1.0), z=(-0.5, 1.0)), 0)
    with_taper = run([Fourier(taper=0.5)], [*cut, *sampled(k, FULL, 1)], scan)
    without = run([Fourier(taper=0.0)], [*planes(k, 0), *planes(k, 1)], scan)
    for one, two in zip(with_taper[len(with_taper) // 2 :], without[len(without) // 2 :], strict=True):
        np.testing.assert_array_equal(one.data, two.data)


def test_more_volumes_may_be_open_than_there_is_memory_for(run, make_scan):
    ks = [noise(2, 4, 4, 4, seed=n) for n in range(4)]
    mixed = [m for group in zip(*(planes(k, n) for n, k in enumerate(ks)), strict=True) for m in group]
    fourier = Fourier()
    fourier.start(make_scan((4, 4, 4), three_dimensional=True))
    for message in mixed:
        for images in fourier.process(message):
            np.testing.assert_allclose(images.data, centred(ks[images.place.volume], (1, 2)), atol=1e-5)
