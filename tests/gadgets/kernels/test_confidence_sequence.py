"""Bounds that hold at all looks: against the martingales they come from, integrated, and over simulated scans."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.stats import nct, norm, t

from aslive.gadgets.kernels.confidence_sequence import FEW, MANY, mean_half_width, variance_inflation

SCANS, PAIRS = 1000, 60


@pytest.mark.parametrize("count", [6, 12, 40])
def test_the_mean_is_bounded_where_the_mixture_of_t_is_20_times_as_likely(count: int) -> None:
    bound = mean_half_width(1.0, count) * math.sqrt(count)
    mixed, _ = quad(
        lambda effect: nct.pdf(bound, count - 1, math.sqrt(count) * effect) * norm.pdf(effect), -8, 8, points=(0.0, 1.0)
    )
    assert mixed / t.pdf(bound, count - 1) == pytest.approx(20, rel=1e-4)


@pytest.mark.parametrize(("degrees", "rate"), [(5, FEW), (25, FEW), (800, MANY)])
def test_the_variance_is_bounded_where_the_mixture_is_20_times_as_likely(degrees: int, rate: float) -> None:
    q = degrees / variance_inflation(degrees, 0.05, rate)

    def likelihood(r: float) -> float:
        return rate * math.exp(degrees / 2 * math.log(r) - (r - 1) * (q / 2 + rate))

    peak = max(degrees / (q + 2 * rate), 1.0)
    mixed = quad(likelihood, 1, peak)[0] + quad(likelihood, peak, 3 * peak, limit=200)[0]
    mixed += quad(likelihood, 3 * peak, 40 * peak, limit=200)[0]
    assert mixed == pytest.approx(20, rel=1e-4)


def test_the_interval_of_the_mean_holds_at_all_looks_and_students_does_not() -> None:
    values = np.random.default_rng(1).normal(50, 6, (SCANS, PAIRS))
    count = np.arange(1, PAIRS + 1)
    mean = np.cumsum(values, axis=1) / count
    squares = np.cumsum(values**2, axis=1) - count * mean**2
    deviation = np.sqrt(squares[:, 1:] / (count[1:] - 1))
    off = np.abs(mean[:, 1:] - 50) / deviation
    ours = np.array([mean_half_width(1.0, int(n)) for n in count[1:]])
    students = t.ppf(0.975, count[1:] - 1) / np.sqrt(count[1:])
    assert (off > ours).any(axis=1).mean() <= 0.05
    assert (off > students).any(axis=1).mean() > 0.15


def test_the_bound_of_the_variance_holds_at_all_looks_and_that_of_chi2_does_not() -> None:
    values = np.random.default_rng(2).normal(0, 1, (SCANS, PAIRS))
    count = np.arange(2, PAIRS + 1)
    squares = np.cumsum(values**2, axis=1)[:, 1:] - np.cumsum(values, axis=1)[:, 1:] ** 2 / count
    sample = squares / (count - 1)
    ours = np.array([variance_inflation(int(n) - 1, 0.05) for n in count])
    assert (sample * ours < 1).any(axis=1).mean() <= 0.05
    assert (sample < 0.5).any(axis=1).mean() > 0.15  # as any bound that does not widen when it is few


@given(st.integers(2, 500), st.floats(0.001, 0.2))
def test_less_uncertainty_is_wider(count: int, uncertainty: float) -> None:
    assert mean_half_width(1.0, count, uncertainty / 2) >= mean_half_width(1.0, count, uncertainty)
    assert variance_inflation(count, uncertainty / 2) >= variance_inflation(count, uncertainty) > 1


def test_too_few_values_bound_nothing() -> None:
    assert math.isinf(mean_half_width(1.0, 1))
    assert math.isinf(mean_half_width(1.0, 3))
    assert math.isinf(variance_inflation(0, 0.05))
    assert math.isinf(variance_inflation(1, 0.05))


def test_many_degrees_of_freedom_leave_no_doubt() -> None:
    assert 1 < variance_inflation(1_000_000, 0.05, MANY) < 1.006
    assert mean_half_width(1.0, 5) == 1.0 * mean_half_width(2.0, 5) / 2
