import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.ndimage import binary_erosion, gaussian_filter, generic_filter

from aslive.gadgets.kernels.m0_surface import extrapolated, smoothed

SHAPES = st.tuples(st.integers(1, 5), st.integers(1, 11), st.integers(1, 11))


def ball(shape: tuple[int, ...], radius: float = 0.9) -> NDArray[np.bool_]:
    z, y, x = np.meshgrid(*(np.linspace(-1, 1, size) for size in shape), indexing="ij")
    return np.asarray(z**2 + y**2 + x**2 < radius**2)


def inside_of(mask: NDArray[np.bool_], border_value: int = 1) -> NDArray[np.bool_]:
    """Give the voxels of a mask all of whose neighbors are in it."""
    return np.asarray(binary_erosion(mask, np.ones((3, 3, 3)), border_value=border_value)).astype(bool)


@settings(max_examples=25, deadline=None)
@given(SHAPES, st.integers(0, 2**32 - 1), st.tuples(*[st.floats(0, 6)] * 3))
def test_smoothing_keeps_a_constant_constant_up_to_the_edge(shape, seed, widths):
    inside = np.random.default_rng(seed).random(shape) < 0.5
    image = np.where(inside, 70.0, 1000.0)
    np.testing.assert_allclose(smoothed(image, inside, widths), image, rtol=1e-12)


def test_far_from_the_edge_smoothing_is_a_gaussian_of_that_width():
    image = np.random.default_rng(1).random((9, 41, 41))
    sigma = 3 / np.sqrt(8 * np.log(2))
    found = smoothed(image, np.ones(image.shape, bool), (0, 3, 3))
    np.testing.assert_allclose(found[:, 10:-10, 10:-10], gaussian_filter(image, (0, sigma, sigma))[:, 10:-10, 10:-10])


def test_what_lies_outside_stays_as_it_is_and_out():
    inside = np.zeros((1, 8, 8), bool)
    inside[:, :, :4] = True
    image = np.where(inside, 1.0, 1e6)
    found = smoothed(image, inside, (0, 4, 4))
    np.testing.assert_array_equal(found[~inside], 1e6)
    np.testing.assert_allclose(found[inside], 1.0)


@settings(max_examples=25, deadline=None)
@given(SHAPES, st.integers(0, 2**32 - 1))
def test_extrapolation_keeps_a_constant_constant_and_ends_at_the_mask(shape, seed):
    mask = np.random.default_rng(seed).random(shape) < 0.8
    np.testing.assert_allclose(extrapolated(np.full(shape, 70.0), mask), np.where(mask, 70.0, 0.0))


def test_a_dark_edge_gets_the_signal_of_the_inside():
    mask = ball((9, 31, 33))
    core = inside_of(mask, border_value=0)
    found = extrapolated(np.where(core, 100.0, 40.0), mask)
    edge = mask & ~core & np.any(core, axis=(1, 2), keepdims=True)
    assert np.median(found[edge]) == 100
    assert np.mean(found[edge]) > 85


def first_round_of_oxasl(image, mask):
    """Do as oxasl does in the first of its two rounds: median without what lies beyond, erosion, mean of 5x5."""
    median = generic_filter(image, np.nanmedian, size=3, mode="constant", cval=np.nan)
    core = inside_of(mask)
    median[~core] = 0

    def mean_of_known(values):
        middle = values[len(values) // 2]
        known = values[values != 0]
        return middle if middle != 0 or not known.size else known.mean()

    planes = [generic_filter(plane, mean_of_known, footprint=np.ones((5, 5)), mode="constant") for plane in median]
    return np.stack(planes), core


def test_within_reach_of_the_inside_it_is_what_oxasl_gives():
    mask = ball((5, 15, 17), 1.1)
    image = np.random.default_rng(2).random(mask.shape) + 1
    expected, core = first_round_of_oxasl(image, mask)
    near = mask & (expected > 0) & np.any(core, axis=(1, 2), keepdims=True)
    assert np.count_nonzero(near & ~core) > 50
    np.testing.assert_allclose(extrapolated(image, mask)[near], expected[near], rtol=1e-12)


def test_no_voxel_of_the_brain_is_left_without_m0():
    mask = np.zeros((4, 30, 30), bool)
    mask[:, 10:20, 10:20] = True
    mask[1:3, 15, 20:] = True  # a thin tongue, farther out than two rounds reach
    mask[3] = False
    mask[3, 3:5, 3:5] = True  # a slice of which nothing is inside
    found = extrapolated(np.full(mask.shape, 5.0), mask)
    assert (found[mask] > 0).all()
    assert not found[~mask].any()


@pytest.mark.parametrize("mask", [np.zeros((2, 3, 3), bool), np.ones((2, 3, 3), bool)])
def test_an_empty_mask_gives_nothing_and_a_full_one_the_medians(mask):
    image = np.arange(18.0).reshape(2, 3, 3)
    expected = generic_filter(image, np.nanmedian, size=3, mode="constant", cval=np.nan) if mask.any() else 0
    np.testing.assert_allclose(extrapolated(image, mask), expected)
