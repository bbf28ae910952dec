"""Noise after smoothing: against noise that is smoothed by scipy."""

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from aslive.gadgets.kernels.lesion_scale import smoothed_variance

VOXEL = (0.005, 0.0034, 0.0034)
WIDTH = 0.008
DEVIATION = [WIDTH / 2.354820045 / size for size in VOXEL]


def brain() -> NDArray[np.bool_]:
    z, y, x = np.indices((8, 18, 16)) - np.array([4, 9, 8]).reshape(3, 1, 1, 1)
    return (z / 4) ** 2 + (y / 8) ** 2 + (x / 7) ** 2 < 1


def test_the_variance_is_that_of_smoothed_noise() -> None:
    generator, where = np.random.default_rng(0), brain()
    variance = np.where(where, generator.uniform(1, 4, where.shape), 0.0)
    weights = gaussian_filter(where.astype(float), DEVIATION, mode="constant", truncate=3)
    repeats = [
        gaussian_filter(
            np.sqrt(variance) * generator.standard_normal(where.shape), DEVIATION, mode="constant", truncate=3
        )
        for _ in range(1500)
    ]
    measured = np.var(repeats, axis=0)[where] / weights[where] ** 2
    found = smoothed_variance(variance, VOXEL, WIDTH, where)
    predicted = (found.variance * found.share)[where]
    assert np.median(predicted / measured) == pytest.approx(1, abs=0.01)
    np.testing.assert_allclose(predicted, measured, rtol=0.2)


def test_without_smoothing_the_variance_stays() -> None:
    where = brain()
    variance = np.random.default_rng(1).uniform(1, 4, where.shape)
    found = smoothed_variance(variance, VOXEL, 0.0, where)
    np.testing.assert_allclose(found.variance[where], variance[where], rtol=1e-6)
    np.testing.assert_array_equal(found.share[where], 1.0)


def test_what_is_no_number_or_outside_does_not_count() -> None:
    where = brain()
    variance = np.full(where.shape, 2.0)
    variance[~where] = 1e9
    variance[4, 9, 8] = np.nan
    found = smoothed_variance(variance, VOXEL, WIDTH, where)
    rest = where & np.isfinite(variance)
    np.testing.assert_allclose(found.variance[rest], 2.0, rtol=1e-6)
    assert np.isnan(found.variance[~rest]).all()
