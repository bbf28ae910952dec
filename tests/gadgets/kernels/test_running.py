import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aslive.gadgets.kernels.running import RunningMean, summarize


def batch(values, weights):
    """Give mean, standard error and sum of squares in one go, in float64."""
    values, weights = np.asarray(values, np.float64), np.asarray(weights)
    mean = np.average(values, axis=0, weights=weights)
    squares = (weights[:, None] * (values - mean) ** 2).sum(axis=0)
    n = len(values)
    stderr = np.sqrt(squares / (n - 1) / weights.sum()) if n > 1 else np.full(mean.shape, np.nan)
    return mean, stderr, squares


@settings(max_examples=30, deadline=None)
@given(st.data(), st.lists(st.floats(0.1, 10), min_size=1, max_size=12), st.integers(0, 10_000))
def test_the_running_result_equals_the_batch_also_after_removals(data, weights, seed):
    n = len(weights)
    values = (np.random.default_rng(seed).standard_normal((n, 20)) + 3).astype(np.float32)
    running = RunningMean(20)
    for count in range(1, n + 1):
        running.add(values[count - 1], weights[count - 1])
        mean, stderr, _, freedom = summarize([running])
        wanted = batch(values[:count], weights[:count])
        assert freedom == count - 1
        np.testing.assert_allclose(mean[0], wanted[0], rtol=1e-6)
        np.testing.assert_allclose(stderr[0], wanted[1], rtol=1e-6)
    kept = list(range(n))
    for index in data.draw(st.lists(st.sampled_from(range(n)), unique=True, max_size=n - 1)):
        kept.remove(index)
        running.remove(values[index], weights[index])
    mean, _, squares = batch(values[kept], np.array(weights)[kept])
    assert running.weight == pytest.approx(sum(weights[k] for k in kept), rel=1e-12)
    np.testing.assert_allclose(running.mean, mean, rtol=1e-10)
    np.testing.assert_allclose(running.squares, squares, rtol=1e-7, atol=1e-9)


@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(1, 5), min_size=1, max_size=5), st.integers(0, 10_000))
def test_the_variance_is_pooled_over_all_means(counts, seed):
    random = np.random.default_rng(seed)
    means, squares = [], np.zeros(7)
    for number, count in enumerate(counts):
        running = RunningMean(7)
        values = random.normal(number, 1, (count, 7)).astype(np.float32)
        for row in values:
            running.add(row)
        means.append(running)
        squares += batch(values, np.ones(count))[2]
    _, _, variance, freedom = summarize(means)
    assert freedom == sum(counts) - len(counts)
    if freedom:
        assert variance is not None
        np.testing.assert_allclose(variance, squares / freedom, rtol=1e-5)
    else:
        assert variance is None


def test_weights_are_information():
    """The spread of differences of unlike weight tells the variance of one of weight 1."""
    random = np.random.default_rng(5)
    weights = np.tile([0.25, 1.0, 4.0], 10)
    running = RunningMean(20_000)
    for weight in weights:
        running.add(random.normal(0, 2 / np.sqrt(weight), 20_000).astype(np.float32), weight)
    mean, stderr, variance, _ = summarize([running])
    assert variance is not None
    assert variance.mean() == pytest.approx(4, rel=0.01)
    assert np.sqrt((stderr**2).mean()) == pytest.approx(mean.std(), rel=0.02)


def test_without_any_image_left_it_begins_anew():
    running = RunningMean(3)
    values = np.array([1, 2, 3e30], np.float32)
    running.add(values, 2.0)
    running.remove(values, 2.0)
    assert not running.mean.any()
    assert not running.squares.any()
    assert running.weight == running.count == 0
