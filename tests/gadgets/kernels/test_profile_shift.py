"""The shift between two profiles, against profiles that were moved exactly."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from aslive.gadgets.kernels.profile_shift import profile_shift


def hill(center: float) -> NDArray[np.float64]:
    x = np.arange(64.0)
    return np.exp(-(((x - center) / 9) ** 2)) + 0.5 * np.exp(-(((x - center + 8) / 4) ** 2))


@given(distance=st.floats(-10, 10), scale=st.floats(0.2, 5))
def test_any_shift_is_found_at_any_brightness(distance, scale):
    found = profile_shift(hill(32), scale * hill(32 + distance))
    assert found is not None
    assert found.voxels == pytest.approx(distance, abs=2e-3)


def test_the_standard_error_is_that_of_many_noisy_profiles():
    generator = np.random.default_rng(0)
    found = [profile_shift(hill(32), hill(33.3) + generator.normal(scale=0.05, size=64)) for _ in range(300)]
    shifts = np.array([one.voxels for one in found if one is not None])
    errors = np.array([one.stderr for one in found if one is not None])
    assert shifts.mean() == pytest.approx(1.3, abs=4 * shifts.std() / np.sqrt(300))
    assert errors.mean() == pytest.approx(shifts.std(), rel=0.15)


@pytest.mark.parametrize("odd", [np.zeros(64), np.full(64, np.nan), np.ones(5)])
def test_a_profile_that_tells_nothing_has_no_shift(odd):
    assert profile_shift(hill(32), odd) is None
