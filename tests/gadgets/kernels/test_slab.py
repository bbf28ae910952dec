import numpy as np
import pytest

from aslive.gadgets.kernels.slab import PartitionTransform


def centred(k):
    return np.fft.fftshift(np.fft.ifft(np.fft.ifftshift(k, axes=1), axis=1, norm="ortho"), axes=1)


def noise(shape, seed=0):
    rng = np.random.default_rng(seed)
    return (rng.standard_normal(shape) + 1j * rng.standard_normal(shape)).astype(np.complex64)


@pytest.mark.parametrize("partitions", [1, 4, 5])
@pytest.mark.parametrize("backend", ["fftw", "scipy"])
def test_weighted_partitions_become_images_whatever_their_order(partitions, backend):
    transform = PartitionTransform((2, partitions, 3, 4), backend)
    taper = np.linspace(0.1, 1, partitions).astype(np.float32)
    transform.weigh(taper)
    for number in range(4):
        k = noise((2, partitions, 3, 4), number)
        for index in np.random.default_rng(number).permutation(partitions):
            transform.add(number, index, k[:, index : index + 1])
        expected = centred(k * taper[:, np.newaxis, np.newaxis])
        np.testing.assert_allclose(transform.finish(number), expected, atol=2e-6)


def test_a_volume_that_lacks_partitions_is_not_spoilt_by_the_one_before():
    transform = PartitionTransform((1, 6, 2, 2))
    for number, given in enumerate(([0, 1, 2, 3, 4, 5], [0, 1, 2, 3, 4, 5], [5, 1], [0, 2, 3, 4, 1, 5], [2])):
        k = noise((1, 6, 2, 2), number)
        came = np.zeros_like(k)
        for index in given:
            transform.add(number, index, k[:, index : index + 1])
            came[:, index] = k[:, index]
        np.testing.assert_allclose(transform.finish(number), centred(came), atol=2e-6)


def test_volumes_one_after_the_other_share_one_memory():
    transform = PartitionTransform((1, 3, 2, 2))
    images = []
    for number in range(3):
        k = noise((1, 3, 2, 2), number)
        for index in range(3):
            transform.add(number, index, k[:, index : index + 1])
        images.append(transform.finish(number))
        np.testing.assert_allclose(images[-1], centred(k), atol=2e-6)
    assert all(np.shares_memory(images[0], image) for image in images)


def test_volumes_open_at_once_have_memory_of_their_own():
    transform = PartitionTransform((1, 3, 2, 2))
    ks = [noise((1, 3, 2, 2), number) for number in range(3)]
    for index in range(3):
        for number, k in enumerate(ks):
            transform.add(number, index, k[:, index : index + 1])
    for number, k in enumerate(ks):
        np.testing.assert_allclose(transform.finish(number), centred(k), atol=2e-6)
