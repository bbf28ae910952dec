"""What the best fit leaves, against SciPy's least squares at each transit time."""

import numpy as np
import pytest
from scipy.optimize import lsq_linear
from scipy.stats import chi2

from aslive.gadgets.kernels.kinetics import Blood, Boluses
from aslive.gadgets.kernels.residuals import best_fit_residuals
from aslive.gadgets.kernels.response import make_response

LABELING = Boluses(1.5 + np.array([0.25, 0.5, 1.0, 1.5, 2.0, 2.5]), np.full(6, 1.5))
TABLES = make_response(
    np.linspace(0.1, 3.0, 59), np.array([0.9, 1.2]), LABELING, np.array([0.0, 0.4]), Blood(1.65, 0.85, 0.9)
).tissue


def left_of(data, weights, table=0, t1=0):
    data = np.ascontiguousarray(data, np.float32)
    tables, times = np.full(len(data), table, np.int64), np.full(len(data), t1, np.int64)
    return best_fit_residuals(data, np.ascontiguousarray(weights, np.float64), tables, times, TABLES)


@pytest.mark.parametrize(("table", "t1"), [(0, 0), (0, 1), (1, 0), (1, 1)])
def test_it_is_the_least_of_all_least_squares(table, t1):
    generator = np.random.default_rng(table)
    data = generator.standard_normal((4, 6)).astype(np.float32)
    weights = np.where(generator.random((4, 6)) < 0.2, 0.0, generator.uniform(0.5, 4, (4, 6)))
    found = left_of(data, weights, table, t1)
    for v in range(4):
        roots = np.sqrt(weights[v])
        costs = [lsq_linear((roots * row)[:, np.newaxis], roots * data[v]).cost for row in TABLES[table, t1].T]
        assert found[v] == pytest.approx(2 * min(costs), rel=1e-3)


def test_data_of_the_model_leave_nothing():
    data = 3000 * TABLES[0, 1, :, ::7].T
    np.testing.assert_allclose(left_of(data, np.ones(data.shape), t1=1), 0, atol=1e-5 * np.sum(data**2, axis=1).max())


def test_noise_leaves_a_chi_square_of_as_many_degrees_as_are_not_fitted():
    generator = np.random.default_rng(2)
    data = 60 * 64 * TABLES[0, 0, :, 25] + 0.1 * generator.standard_normal((2000, 6))
    left = left_of(data, np.ones(data.shape)) / 0.1**2
    assert np.median(left) == pytest.approx(chi2.median(4), rel=0.1)
    assert np.mean(left) == pytest.approx(4, rel=0.1)


def test_data_of_weight_zero_are_not_looked_at():
    data = np.random.default_rng(3).standard_normal((3, 6))
    weights = np.array([[1.0, 0.0, 2.0, 1.0, 0.0, 3.0]] * 3)
    spoiled = np.where(weights > 0, data, np.nan)
    np.testing.assert_array_equal(left_of(spoiled, weights), left_of(data, weights))
    np.testing.assert_array_equal(left_of(spoiled, np.zeros((3, 6))), 0)
