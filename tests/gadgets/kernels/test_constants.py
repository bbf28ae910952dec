import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aslive.gadgets.kernels import constants

TESLA = st.floats(0.1, 10)


@pytest.mark.parametrize(
    ("tesla", "blood", "tissue", "gray", "white"),
    [
        (1.5, 1.35, 1.197, 1.197, 0.646),
        (2.89, 1.65, 1.607, 1.33, 0.83),
        (7.0, 2.087, 1.939, 1.939, 1.126),
        (None, 1.65, 1.607, 1.33, 0.83),
    ],
)
def test_usual_field_strengths_have_the_numbers_of_the_literature(tesla, blood, tissue, gray, white):
    assert constants.t1_blood(tesla) == blood
    assert constants.t1_tissue(tesla) == tissue
    assert constants.t1_gray_matter(tesla) == gray
    assert constants.t1_white_matter(tesla) == white


@given(TESLA)
def test_white_matter_relaxes_faster_than_gray_and_gray_faster_than_fluid(tesla):
    assert constants.t1_white_matter(tesla) < constants.t1_gray_matter(tesla) < constants.T1_FLUID


@given(TESLA, TESLA)
def test_t1_of_tissue_never_falls_with_the_field(a, b):
    low, high = sorted((a, b))
    if high - low > 0.3:  # the plateaus of the usual fields
        assert constants.t1_tissue(low) <= constants.t1_tissue(high) + 0.06


@given(st.floats(0.1, 0.6), st.floats(0.1, 0.6))
def test_thin_blood_relaxes_slowly(a, b):
    if abs(a - b) > 1e-6:
        thin, thick = (constants.t1_blood_of_hematocrit(share, 3.0) for share in sorted((a, b)))
        assert thin > thick


def test_a_usual_hematocrit_gives_about_the_white_papers_t1():
    found = [constants.t1_blood_of_hematocrit(share, 3.0) for share in (0.40, 0.45)]
    np.testing.assert_allclose(found, 1.75, atol=0.05)
    assert constants.t1_blood_of_hematocrit(0.42, None) == constants.t1_blood_of_hematocrit(0.42, 3.0)
