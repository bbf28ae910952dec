"""Flow and arterial blood volume at pairs of times, summed over the arrivals."""

import numpy as np
import pytest

from aslive.gadgets.kernels.arteries import collapse


def collapsed(log_weights):
    """Sum over arrivals; flow is 3 +- 0.5 and blood volume 0.02 at each pair."""
    transits, arrivals = np.shape(log_weights)
    joint = np.empty((6, transits, arrivals))
    joint[0], joint[1], joint[2], joint[3], joint[4], joint[5] = log_weights, 3.0, 0.25, 0.02, 1e-6, 0.0
    mixtures, blood = np.empty((1, 3, transits), np.float32), np.empty((3, transits))
    arrival = np.linspace(0.2, 0.6, arrivals)
    collapse(joint, transits, arrival, arrivals, float(np.max(log_weights)), mixtures, blood)
    return mixtures[0], blood


@pytest.mark.parametrize("depth", [50.0, 88.0, 700.0, 709.5, 720.0, 744.0, 800.0, np.inf])
def test_a_transit_time_that_is_all_but_impossible_changes_nothing(depth):
    (mean, variance, weight), blood = collapsed([[-5.0, -5.0], [-5.0 - depth, -6.0 - depth]])
    assert np.isfinite([mean, variance, weight]).all()
    assert np.isfinite(blood).all()
    assert variance.min() > 0
    assert mean[0] == pytest.approx(3)
    assert variance[0] == pytest.approx(0.25)
    assert weight[0] == pytest.approx(2)
    assert blood[:, 0] == pytest.approx([0.02, 1e-6 + 0.02**2, 0.4])
    assert weight[1] == pytest.approx(0, abs=1e-20)
