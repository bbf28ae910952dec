import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aslive.gadgets.kernels.decay import compensation, times_in_shot


@pytest.mark.parametrize(("shots", "length"), [(1, 12), (3, 4), (6, 2), (12, 1)])
def test_pauses_tell_shots_apart_in_any_order(shots, length):
    start, echo = np.divmod(np.arange(12), length)
    order = np.random.default_rng(0).permutation(12)
    times = 5.0 + 3.5 * start + 0.025 * echo
    np.testing.assert_allclose(times_in_shot(times[order]), 0.025 * echo[order], atol=1e-9)
    assert start[-1] == shots - 1


def test_the_tick_of_the_clock_makes_no_shots():
    times = np.round(np.arange(20) * 0.0231 / 2.5e-3) * 2.5e-3
    np.testing.assert_allclose(times_in_shot(times), times)


def test_without_a_limit_of_the_noise_the_decay_is_undone_exactly():
    since = np.arange(8) * 0.02
    weights, gain = compensation(since, 0.06, 0.08, 100)
    np.testing.assert_allclose(weights, np.exp((since - 0.06) / 0.08), rtol=1e-5)
    assert gain == pytest.approx(np.sqrt(np.mean(weights**2)), rel=1e-5)


@given(st.integers(2, 40), st.floats(0.005, 0.05), st.floats(0.03, 0.3), st.floats(1.0, 3.0), st.integers(0, 39))
def test_the_center_keeps_its_weight_and_the_noise_its_limit(count, spacing, t2, limit, center):
    since = np.arange(count) * spacing
    center = min(center, count - 1)
    weights, gain = compensation(since, since[center], t2, limit)
    assert weights[center] == pytest.approx(1, rel=1e-5)
    assert np.isfinite(weights).all()
    assert (weights >= 0).all()
    if center == 0:  # then fewer late partitions cost nothing, and every limit can be kept
        assert gain <= limit
