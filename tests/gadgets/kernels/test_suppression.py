import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import solve_ivp

from aslive.gadgets.kernels.m0 import TissueT1
from aslive.gadgets.kernels.suppression import Train, remaining, unsuppressed

SHAPE = (3, 2, 2)
TIMES = st.lists(st.floats(-0.5, 4.0), max_size=5)


@pytest.mark.parametrize(("t1", "share"), [(1.33, 0.231), (0.83, 0.329), (4.3, 0.153)])
def test_gray_matter_white_matter_and_fluid_keep_what_is_known_of_them(t1, share):
    assert float(remaining(t1, Train((1.7, 2.9)), 3.6)) == pytest.approx(share, abs=5e-4)


@given(st.floats(0.3, 5.0), st.floats(0.5, 1.0), TIMES, st.floats(0.1, 4.0))
def test_it_is_what_the_bloch_equation_gives(t1, efficiency, pulses, excitation):
    """Integrated from event to event, independently of the closed form."""
    state, since = 0.0, 0.0
    events = [*sorted(pulse for pulse in pulses if 0 < pulse < excitation), excitation]
    for event in events:
        if event > since:
            solution = solve_ivp(lambda _, m: (1 - m) / t1, (since, event), [state], rtol=1e-9, atol=1e-11)
            state = float(solution.y[0, -1])
        since = event
        if event is not excitation:
            state *= -efficiency
    assert float(remaining(t1, Train(tuple(pulses), 0.0, efficiency), excitation)) == pytest.approx(state, abs=1e-7)


def test_without_pulses_it_is_a_saturation_recovery():
    assert float(remaining(1.3, Train(()), 3.6)) == pytest.approx(1 - math.exp(-3.6 / 1.3))


def test_what_came_before_the_presaturation_leaves_no_trace():
    assert remaining(1.3, Train((0.2, 1.7), presaturation=0.5), 3.6) == remaining(1.3, Train((1.7,), 0.5), 3.6)


@given(st.floats(0.3, 5.0))
def test_static_tissue_is_found_again_however_late_it_was_excited(t1):
    excitations = [delay + np.array([0.0, 0.05, 0.1]).reshape(-1, 1, 1) for delay in (3.2, 3.8)]
    train = Train((1.7, 2.9), efficiency=0.95)
    images = [
        (100 * np.abs(remaining(t1, train, time)) * np.ones(SHAPE), count) for count, time in enumerate(excitations, 1)
    ]
    m0 = unsuppressed(images, excitations, train, TissueT1(t1), 0.0)
    np.testing.assert_allclose(m0, 100, rtol=1e-9)


def test_tissue_that_suppression_nulls_has_no_m0():
    excitation = 1.33 * math.log(2)
    null = np.array(2.0 + excitation).reshape(1, 1, 1)
    train = Train((2.0,), presaturation=-100.0)
    assert not unsuppressed([(np.ones(SHAPE), 1)], [null], train, TissueT1(1.33), 0.05).any()
