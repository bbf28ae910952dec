import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from aslive.gadgets.kernels.atlas_agreement import explained, overlap
from aslive.gadgets.kernels.head_model import BRIGHTNESS, COLUMNS, MAP


def places(count: int = 4000) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Rows of places in a brain, gray or white by chance, and their shading."""
    rng = np.random.default_rng(0)
    x, y, z = rng.uniform(-0.8, 0.8, (3, count))
    shades = np.column_stack([x, y, z, x * x, y * y, z * z, x * y, x * z, y * z])
    gray = rng.random(count)
    rows = np.zeros((count, COLUMNS), np.float32)
    rows[:, MAP] = 1
    rows[:, MAP + 1], rows[:, MAP + 2] = gray, 1 - gray
    rows[:, MAP + 4 : MAP + BRIGHTNESS] = shades
    return rows, 1 + shades @ rng.uniform(-0.3, 0.3, 9)


def test_a_brain_in_two_tissues_is_explained_and_a_bottle_is_not():
    rows, shading = places()
    noise = 0.05 * np.random.default_rng(1).standard_normal(len(rows))
    nothing = np.zeros(BRIGHTNESS)
    brain = shading + 0.5 * rows[:, MAP + 1]
    assert explained(rows, (brain + noise).astype(np.float32), nothing) > 0.8
    assert explained(rows, (shading + noise).astype(np.float32), nothing) < 0.1


def test_scalp_in_some_places_changes_little():
    rows, shading = places()
    rng = np.random.default_rng(1)
    image = shading + 0.5 * rows[:, MAP + 1] + 0.05 * rng.standard_normal(len(rows))
    clean = explained(rows, image.astype(np.float32), np.zeros(BRIGHTNESS))
    image[rng.random(len(rows)) < 0.1] = 5.0
    assert explained(rows, image.astype(np.float32), np.zeros(BRIGHTNESS)) > 0.6 * clean


def test_too_few_places_explain_nothing():
    rows, shading = places(20)
    assert explained(rows, shading.astype(np.float32), np.zeros(BRIGHTNESS)) == 0


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1))
def test_overlap_is_symmetric_and_1_for_the_same(pairs: list[tuple[bool, bool]]):
    one, other = np.array(pairs).T
    assert overlap(one, other) == overlap(other, one) <= 1
    assert overlap(one, one) == pytest.approx(1.0 if one.any() else 0.0)
