import math

import pytest

from aslive.gadgets.kernels.reference_region import FLUID, T2_BLOOD, T2_STAR_BLOOD, WHITE_MATTER, blood_m0


def test_the_tissues_are_those_of_oxasl():
    assert FLUID == (4.3, 0.75, 0.4, 1.15)
    assert WHITE_MATTER == (1.0, 0.05, 0.06, 0.82)
    assert (T2_BLOOD, T2_STAR_BLOOD) == (0.15, 0.05)


@pytest.mark.parametrize(("tissue", "t1", "pcr"), [(FLUID, 4.3, 1.15), (WHITE_MATTER, 1.0, 0.82)])
@pytest.mark.parametrize("refocused", [True, False])
def test_the_formula_is_that_of_oxasl(tissue, t1, pcr, refocused):
    repetition_time, echo_time = 3.2, 0.014
    t2r = {FLUID: (0.4, 0.75), WHITE_MATTER: (0.06, 0.05)}[tissue][refocused]
    t2b = 0.15 if refocused else 0.05
    t1_correction = 1 / (1 - math.exp(-repetition_time / t1))
    t2_correction = math.exp(-echo_time / t2b) / math.exp(-echo_time / t2r)
    expected = 200 * t1_correction * t2_correction / pcr
    assert blood_m0(200.0, tissue, repetition_time, echo_time, refocused) == pytest.approx(expected)


def test_what_is_not_known_is_not_corrected():
    assert blood_m0(115.0, FLUID) == pytest.approx(100)


def test_both_tissues_tell_the_same_of_a_head_that_is_made_so():
    """Signals of fluid and of white matter as the Bloch equations give them, around blood of M0 100 with its own T2."""
    repetition_time, echo_time = 5.0, 0.02
    for tissue in (FLUID, WHITE_MATTER):
        equilibrium = 100 * tissue.partition_coefficient
        signal = equilibrium * (1 - math.exp(-repetition_time / tissue.t1)) * math.exp(-echo_time / tissue.t2)
        blood = 100 * math.exp(-echo_time / T2_BLOOD)
        assert blood_m0(signal, tissue, repetition_time, echo_time) == pytest.approx(blood)
