import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from aslive.gadgets.kernels.running import add, remove


def batch(values):
    n = len(values)
    mean = np.mean(values, axis=0, dtype=np.float64)
    stderr = np.std(values, axis=0, ddof=1, dtype=np.float64) / np.sqrt(n) if n > 1 else np.full(mean.shape, np.nan)
    return mean, stderr


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 12), st.data(), st.integers(0, 10_000))
def test_the_running_result_equals_the_batch_also_after_removals(n, data, seed):
    values = (np.random.default_rng(seed).standard_normal((n, 20)) + 3).astype(np.float32)
    mean, squares = np.zeros(20), np.zeros(20)
    out, stderr = np.empty(20, np.float32), np.empty(20, np.float32)
    for count in range(1, n + 1):
        add(mean, squares, values[count - 1], count, out, stderr)
        np.testing.assert_allclose(out, batch(values[:count])[0], rtol=1e-6)
        np.testing.assert_allclose(stderr, batch(values[:count])[1], rtol=1e-6)
    kept = list(range(n))
    for index in data.draw(st.lists(st.sampled_from(range(n)), unique=True, max_size=max(n - 1, 0))):
        kept.remove(index)
        remove(mean, squares, values[index], len(kept), out, stderr)
    np.testing.assert_allclose(out, batch(values[kept])[0], rtol=1e-6)
    np.testing.assert_allclose(stderr, batch(values[kept])[1], rtol=1e-5)
    np.testing.assert_allclose(mean, batch(values[kept])[0], rtol=1e-12)
    np.testing.assert_allclose(
        squares, len(kept) * np.var(values[kept], axis=0, dtype=np.float64), rtol=1e-9, atol=1e-9
    )


def test_without_any_image_left_it_begins_anew():
    mean, squares = np.zeros(3), np.zeros(3)
    out, stderr = np.empty(3, np.float32), np.empty(3, np.float32)
    values = np.array([1, 2, 3], np.float32)
    add(mean, squares, values, 1, out, stderr)
    remove(mean, squares, values, 0, out, stderr)
    assert not mean.any()
    assert not squares.any()
