import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from aslive.gadgets.kernels.running import RunningMean, summarize

SLICES, VOXELS = 3, 7


def batch(
    values: NDArray[np.floating], weights: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Give mean, standard error and sum of squares in one go, in float64; NaN where there are too few."""
    values = np.asarray(values, np.float64)
    n = len(values)
    if n == 0:
        return np.full(VOXELS, np.nan), np.full(VOXELS, np.nan), np.zeros(VOXELS)
    mean = np.average(values, axis=0, weights=weights)
    squares = (weights[:, None] * (values - mean) ** 2).sum(axis=0)
    stderr = np.sqrt(squares / (n - 1) / weights.sum()) if n > 1 else np.full(VOXELS, np.nan)
    return mean, stderr, squares


def images(count: int, seed: int) -> NDArray[np.float32]:
    return (np.random.default_rng(seed).standard_normal((count, SLICES, VOXELS)) + 3).astype(np.float32)


def assert_equal_to_batch(
    running: RunningMean,
    values: NDArray[np.float32],
    weights: NDArray[np.float64],
    slices: NDArray[np.bool_],
    kept: list[int],
) -> None:
    """Compare every slice with the batch over the kept images that count there."""
    mean, stderr, variance, degrees = summarize([running])
    for z in range(SLICES):
        used = [n for n in kept if slices[n, z]]
        wanted = batch(values[used, z], weights[used])
        assert running.counts[z] == len(used)
        assert degrees[z] == max(len(used) - 1, 0)
        assert running.weights[z] == pytest.approx(weights[used].sum(), rel=1e-12)
        np.testing.assert_allclose(mean[0, z], wanted[0], rtol=1e-6)
        np.testing.assert_allclose(stderr[0, z], wanted[1], rtol=1e-5, atol=1e-7)
        np.testing.assert_allclose(running.squares[z], wanted[2], rtol=1e-7, atol=1e-9)
        if variance is not None:
            own = wanted[2] / (len(used) - 1) if len(used) > 1 else np.full(VOXELS, np.nan)
            np.testing.assert_allclose(variance[z], own, rtol=1e-5, atol=1e-7)
    assert (variance is None) == (degrees.max() == 0)


@settings(max_examples=60, deadline=None)
@given(
    st.data(),
    st.lists(st.tuples(st.floats(0.1, 10), st.tuples(*[st.booleans()] * SLICES).filter(any)), min_size=1, max_size=12),
    st.integers(0, 10_000),
)
def test_the_running_result_equals_the_batch_in_any_order_of_adding_and_removing(data, plan, seed):
    weights, slices = np.array([weight for weight, _ in plan]), np.array([slices for _, slices in plan])
    values, running = images(len(plan), seed), RunningMean(SLICES, VOXELS)
    kept: list[int] = []
    for number in data.draw(st.lists(st.sampled_from(range(len(plan))), max_size=25)):
        if number in kept:
            kept.remove(number)
            running.remove(values[number], float(weights[number]), slices[number])
        else:
            kept.append(number)
            running.add(values[number], float(weights[number]), slices[number])
        assert running.empty == (not kept)
    assert_equal_to_batch(running, values, weights, slices, kept)


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 8), st.integers(0, 10_000))
def test_all_slices_are_what_counts_where_nothing_else_is_said(count, seed):
    values, plain, told = images(count, seed), RunningMean(SLICES, VOXELS), RunningMean(SLICES, VOXELS)
    for image in values:
        plain.add(image)
        told.add(image, 1.0, np.ones(SLICES, np.bool_))
    np.testing.assert_array_equal(plain.mean, told.mean)
    np.testing.assert_array_equal(plain.squares, told.squares)
    np.testing.assert_allclose(plain.mean, values.mean(axis=0, dtype=np.float64), rtol=1e-12)


@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(1, 5), min_size=1, max_size=5), st.integers(0, 10_000))
def test_the_variance_is_pooled_over_all_means(counts, seed):
    random = np.random.default_rng(seed)
    means, squares = [], np.zeros(VOXELS)
    for number, count in enumerate(counts):
        running = RunningMean(1, VOXELS)
        values = random.normal(number, 1, (count, 1, VOXELS)).astype(np.float32)
        for row in values:
            running.add(row)
        means.append(running)
        squares += batch(values[:, 0], np.ones(count))[2]
    _, _, variance, degrees = summarize(means)
    assert degrees[0] == sum(counts) - len(counts)
    if degrees[0]:
        assert variance is not None
        np.testing.assert_allclose(variance[0], squares / degrees[0], rtol=1e-5)
    else:
        assert variance is None


def test_weights_are_information():
    """The spread of differences of unlike weight tells the variance of one of weight 1."""
    random = np.random.default_rng(5)
    weights = np.tile([0.25, 1.0, 4.0], 10)
    running = RunningMean(1, 20_000)
    for weight in weights:
        running.add(random.normal(0, 2 / np.sqrt(weight), (1, 20_000)).astype(np.float32), weight)
    mean, stderr, variance, _ = summarize([running])
    assert variance is not None
    assert variance.mean() == pytest.approx(4, rel=0.01)
    assert np.sqrt((stderr**2).mean()) == pytest.approx(mean.std(), rel=0.02)


def test_without_any_image_left_it_begins_anew():
    running = RunningMean(1, 3)
    values = np.array([[1, 2, 3e30]], np.float32)
    running.add(values, 2.0)
    running.remove(values, 2.0)
    assert running.empty
    assert not running.mean.any()
    assert not running.squares.any()
    assert not running.weights.any()
