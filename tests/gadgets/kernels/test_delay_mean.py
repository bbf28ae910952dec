import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from aslive.gadgets.kernels.delay_mean import mean_over_boluses


@settings(max_examples=30)
@given(st.integers(1, 6), st.integers(0, 2**32 - 1), st.booleans())
def test_the_mean_over_boluses_is_that_of_all_differences(boluses, seed, by_slice):
    random = np.random.default_rng(seed)
    mean = random.standard_normal((boluses, 3, 2, 4)).astype(np.float32)
    weights = random.integers(1, 9, (boluses, 3 if by_slice else 1)).astype(np.float64)
    variance = random.random((3, 2, 4)).astype(np.float32)
    together, stderr = mean_over_boluses(mean, weights, variance)
    for z in range(3):
        of_slice = weights[:, z % weights.shape[1]]
        np.testing.assert_allclose(together[z], np.average(mean[:, z], axis=0, weights=of_slice), atol=1e-5)
        np.testing.assert_allclose(stderr[z], np.sqrt(variance[z] / of_slice.sum()), rtol=1e-5)


def test_without_a_variance_there_is_no_standard_error():
    together, stderr = mean_over_boluses(np.ones((2, 1, 2, 2), np.float32), np.ones((2, 1)), None)
    np.testing.assert_array_equal(together, 1)
    assert np.isnan(stderr).all()


def test_a_slice_without_differences_has_no_mean():
    weights = np.array([[1.0, 0.0], [2.0, 0.0]])
    mean = np.ones((2, 2, 2, 2), np.float32)
    together, stderr = mean_over_boluses(mean, weights, np.ones((2, 2, 2), np.float32))
    assert np.isfinite(together[0]).all()
    assert np.isnan(together[1]).all()
    assert np.isnan(stderr[1]).all()


def test_a_bolus_that_has_nothing_in_a_slice_leaves_the_others_as_they_are():
    mean = np.ones((2, 2, 2, 2), np.float32)
    mean[0, 1] = np.nan
    together, stderr = mean_over_boluses(mean, np.array([[1.0, 0.0], [2.0, 2.0]]), np.ones((2, 2, 2), np.float32))
    np.testing.assert_array_equal(together, 1)
    np.testing.assert_allclose(stderr[1], np.sqrt(0.5))
