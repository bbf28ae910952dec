"""What is subtracted is chosen once, and along the phase of the m0scan the sign is right whatever suppression left."""

import numpy as np
import pytest

from aslive.gadgets.calibration.subtraction import RunSubtraction
from aslive.gadgets.kernels.subtraction_choice import Subtraction
from aslive.streaming.notices import Level
from aslive.streaming.scan import Role

SHAPE = (2, 6, 5)
PHASE = np.exp(1j * np.linspace(0, 1, 60).reshape(SHAPE)).astype(np.complex64)


def seen(value: float) -> np.ndarray:
    return (value * PHASE).astype(np.complex64)


def test_along_the_phase_of_the_m0scan_inverted_tissue_is_negative(make_volume):
    run = RunSubtraction(Subtraction.COMPLEX)
    run.look_at(make_volume(seen(100), Role.M0SCAN, 0))
    (notice,) = run.choose(seen(-5), seen(-6))
    assert notice.level is Level.INFO
    assert run.complex
    np.testing.assert_allclose(run.difference(seen(-5), seen(-6), 1), 1, atol=0.05)
    np.testing.assert_allclose(run.difference(seen(-5), seen(-6), -1), -1, atol=0.05)
    np.testing.assert_allclose(run.real(seen(-5)), -5, atol=0.05)


def test_of_magnitudes_the_sign_is_lost():
    run = RunSubtraction(Subtraction.MAGNITUDE)
    list(run.choose(seen(-5), seen(-6)))
    assert not run.complex
    np.testing.assert_allclose(run.real(seen(-5)), 5, rtol=1e-5)


@pytest.mark.parametrize(("one_phase", "sign"), [(True, 1), (False, -1)])
def test_without_an_m0scan_the_first_two_can_give_the_phase_of_the_whole_run(one_phase, sign):
    """Else each pair has its own, along which all tissue is positive."""
    run = RunSubtraction(Subtraction.COMPLEX)
    (notice,) = run.choose(seen(6), seen(5), one_phase)
    assert notice.level is Level.WARNING
    np.testing.assert_allclose(run.difference(seen(-5), seen(-6), 1), sign, atol=0.05)


def test_only_the_first_whole_m0scan_tells_the_phase(make_volume):
    run = RunSubtraction(Subtraction.COMPLEX)
    for volume in (
        make_volume(seen(-100), Role.M0SCAN, 0, missing=3),
        make_volume(seen(100), Role.M0SCAN, 1),
        make_volume(seen(-100), Role.M0SCAN, 2),
    ):
        run.look_at(volume)
    list(run.choose(seen(5), seen(4)))
    np.testing.assert_allclose(run.real(seen(5)), 5, atol=0.05)
