import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aslive.gadgets.kernels.taper import edge_weights, filter_of


@given(st.integers(1, 65), st.floats(0, 2))
def test_what_was_sampled_in_full_is_unchanged(n, taper):
    assert (edge_weights(n, (-1.0, 1.0), taper) == 1).all()


@given(st.integers(2, 65), st.floats(0, 1), st.floats(0, 1), st.floats(0, 1))
def test_weights_rise_from_the_cut_to_the_center_and_never_touch_it(n, low, high, taper):
    weights = edge_weights(n, (-low, high), taper)
    assert weights[n // 2] == 1
    assert (np.diff(weights[: n // 2 + 1]) >= 0).all()
    assert (np.diff(weights[n // 2 :]) <= 0).all()


@pytest.mark.parametrize("n", [16, 17])
@pytest.mark.parametrize("first", [0, 2, 4])
def test_a_hard_edge_keeps_every_acquired_line_and_no_other(n, first):
    sampled = ((first - n // 2) / (n // 2), 1.0)
    weights = edge_weights(n, sampled, 0)
    np.testing.assert_array_equal(weights, np.arange(n) >= first)
    mirrored = edge_weights(n, (-1.0, (n - first - n // 2) / (n - n // 2)), 0)
    np.testing.assert_array_equal(mirrored, np.arange(n) < n - first)


def test_a_soft_edge_has_its_width_and_loses_no_acquired_line():
    weights = edge_weights(96, (-0.5, 1.0), 0.125)
    assert (weights[:24] == 0).all()
    assert ((weights[24:30] > 0) & (weights[24:30] < 1)).all()
    np.testing.assert_allclose(weights[30:], 1)


@pytest.mark.parametrize("n", [8, 9])
def test_the_matrix_does_to_the_image_what_the_weights_do_to_k_space(n):
    rng = np.random.default_rng(0)
    weights = rng.random(n).astype(np.float32)
    k = rng.standard_normal((3, n)) + 1j * rng.standard_normal((3, n))

    def image(values):
        return np.fft.fftshift(np.fft.ifft(np.fft.ifftshift(values, axes=1), norm="ortho"), axes=1)

    np.testing.assert_allclose(image(k) @ filter_of(weights), image(k * weights), atol=1e-6)
