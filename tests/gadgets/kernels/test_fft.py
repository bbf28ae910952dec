import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aslive.gadgets.kernels.fft import CentredInverse, add_partition, centring, empty, plan_inverse


def centred(k, axis):
    return np.fft.fftshift(np.fft.ifft(np.fft.ifftshift(k, axes=axis), axis=axis, norm="ortho"), axes=axis)


def noise(shape, seed=0):
    rng = np.random.default_rng(seed)
    return (rng.standard_normal(shape) + 1j * rng.standard_normal(shape)).astype(np.complex64)


@pytest.mark.parametrize("backend", ["fftw", "scipy"])
@pytest.mark.parametrize(("shape", "axis"), [((3, 8), 1), ((3, 9), 1), ((2, 1, 7, 5), 2), ((2, 1, 10, 4), 2)])
def test_the_inverse_is_the_centred_orthonormal_one(backend, shape, axis):
    k = noise(shape)
    np.testing.assert_allclose(CentredInverse(shape, axis, backend)(k), centred(k, axis), atol=2e-6)


@settings(max_examples=25, deadline=None)
@given(st.integers(2, 40), st.integers(0, 1000))
def test_the_inverse_keeps_the_energy(n, seed):
    k = noise((2, n), seed)
    image = CentredInverse((2, n), 1, "scipy")(k)
    assert np.linalg.norm(image) == pytest.approx(np.linalg.norm(k), rel=1e-5)


@settings(max_examples=25, deadline=None)
@given(st.integers(2, 24), st.data())
def test_samples_that_begin_later_are_filled_up_with_zeros(n, data):
    start = data.draw(st.integers(0, n - 1))
    count = data.draw(st.integers(1, n - start))
    k = noise((2, count))
    filled = np.zeros((2, n), np.complex64)
    filled[:, start : start + count] = k
    transform = CentredInverse((2, n), 1, "scipy")
    transform(noise((2, n)))  # leaves something behind that must not shine through
    np.testing.assert_allclose(transform(k, start), centred(filled, 1), atol=2e-6)


def test_received_bytes_are_transformed_though_they_are_read_only_and_unaligned():
    k = noise((3, 8))
    received = np.frombuffer(b"x" + k.tobytes(), np.complex64, offset=1).reshape(k.shape)
    assert not received.flags.writeable
    assert not received.flags.aligned
    np.testing.assert_allclose(CentredInverse((3, 8), 1)(received), centred(k, 1), atol=2e-6)


@pytest.mark.parametrize("n", [1, 4, 5, 9])
def test_a_partition_may_come_after_the_transform(n):
    k = noise((2, n, 3, 4))
    targets, weights = centring(n)
    slab = empty((2, n, 15))
    transform = plan_inverse(slab[:, :, :12], 1)
    late = n - 1
    slab[:] = 0
    for index in range(late):
        slab[:, targets[index], :12] = k[:, index].reshape(2, 12) * weights[index]
    transform(slab[:, :, :12])
    phases = weights[late] * np.exp(2j * np.pi * targets[late] * np.arange(n) / n)
    add_partition(slab, np.ascontiguousarray(k[:, late]), phases.astype(np.complex64))
    np.testing.assert_allclose(slab[:, :, :12].reshape(k.shape), centred(k, 1), atol=3e-6)
