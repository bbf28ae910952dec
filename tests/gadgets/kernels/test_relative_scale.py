import numpy as np
import pytest

from aslive.gadgets.kernels.kinetics import Blood, Boluses
from aslive.gadgets.kernels.relative_scale import relative_scale
from aslive.gadgets.kernels.response import make_response

RESPONSE = make_response(
    np.linspace(0.1, 3.0, 146),
    np.array([1.29, 1.3, 1.31]),
    Boluses(np.array([2.3, 2.9, 3.5]), np.full(3, 1.8)),
    np.array([0.0, 0.4]),
    Blood(1.65, 0.85, 0.9),
)
GROUP = np.array([0, 1, 1])
EVERYWHERE = np.ones((3, 2, 2), np.bool_)
NEAREST = int(np.argmin(np.abs(RESPONSE.att - 1.3)))


def brain(m0, cbf=50.0):
    seen = RESPONSE.tissue[GROUP, 1, :, NEAREST].T
    return np.broadcast_to(m0 * cbf * seen[:, :, None, None], (3, 3, 2, 2)).astype(np.float32)


@pytest.mark.parametrize("m0", [1e-3, 80.0, 1e6])
def test_a_brain_of_usual_flow_gets_its_m0_back(m0):
    assert relative_scale(brain(m0), np.ones((3, 3)), RESPONSE, GROUP, 1.3, EVERYWHERE) == pytest.approx(m0, rel=1e-5)


def test_a_few_bright_vessels_do_not_change_the_scale():
    data = brain(80.0).copy()
    data[:, 0, 0, 0] *= 100
    assert relative_scale(data, np.ones((3, 3)), RESPONSE, GROUP, 1.3, EVERYWHERE) == pytest.approx(80, rel=1e-5)


def test_noise_has_a_positive_scale():
    noise = np.random.default_rng(1).standard_normal((3, 3, 2, 2)).astype(np.float32) - 1
    assert relative_scale(noise, np.ones((3, 3)), RESPONSE, GROUP, 1.3, EVERYWHERE) > 0


def test_without_any_signal_there_is_no_scale():
    zeros = np.zeros((3, 3, 2, 2), np.float32)
    assert np.isnan(relative_scale(zeros, np.ones((3, 3)), RESPONSE, GROUP, 1.3, EVERYWHERE))
    assert np.isnan(relative_scale(brain(80.0), np.ones((3, 3)), RESPONSE, GROUP, 1.3, ~EVERYWHERE))
