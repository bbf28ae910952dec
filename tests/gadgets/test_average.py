import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aslive.gadgets.average import Average
from aslive.streaming.flow import Place
from aslive.streaming.notices import Notice
from aslive.streaming.perfusion import Difference, MeanDifference, Remove
from aslive.streaming.readouts import Counters, Geometry
from aslive.streaming.scan import Scan

PLACE = Place(0, Counters(), 0.0, Geometry())


def differences(count, seed=0):
    data = np.random.default_rng(seed).standard_normal((count, 2, 3, 4)).astype(np.float32)
    return [Difference(data[n], PLACE, n) for n in range(count)]


def means(out):
    return [m for m in out if isinstance(m, MeanDifference)]


@settings(max_examples=20, deadline=None)
@given(st.integers(2, 8), st.data())
def test_each_mean_equals_the_batch_also_after_removals(run, count, data):
    pairs = differences(count)
    gone = data.draw(st.lists(st.sampled_from(range(count)), unique=True, max_size=count - 2))
    out = means(run([Average()], [*pairs, *map(Remove, gone)], Scan()))
    kept = list(range(count))
    for n, mean in enumerate(out):
        if n >= count:
            kept.remove(gone[n - count])
        used = np.stack([pairs[k].data for k in (kept if n >= count else range(n + 1))]).astype(np.float64)
        assert mean.pairs == len(used)
        np.testing.assert_allclose(mean.data, used.mean(0), rtol=1e-6, atol=1e-7)
        if len(used) > 1:
            np.testing.assert_allclose(mean.stderr, used.std(0, ddof=1) / np.sqrt(len(used)), rtol=1e-5)
        else:
            assert np.isnan(mean.stderr).all()


def test_a_pair_that_is_not_in_the_mean_cannot_be_taken_out(run):
    out = run([Average()], [*differences(2), Remove(7), Remove(1), Remove(1)], Scan())
    assert [type(m) for m in out] == [MeanDifference, MeanDifference, Notice, MeanDifference, Notice]


def test_taking_the_last_pair_out_is_said(run):
    out = run([Average()], [*differences(1), Remove(0), *differences(1)], Scan())
    assert [type(m) for m in out] == [MeanDifference, Notice, MeanDifference]
    np.testing.assert_array_equal(out[0].data, out[2].data)


def test_only_the_latest_pairs_are_kept_for_removal(run):
    out = run([Average(kept_pairs=2)], [*differences(3), Remove(0)], Scan())
    assert isinstance(out[-1], Notice)
    assert out[-2].pairs == 3


@pytest.mark.parametrize("shape", [(2, 3, 5), (1, 3, 4)])
def test_another_shape_is_left_out(run, shape):
    odd = Difference(np.zeros(shape, np.float32), PLACE, 9)
    assert [type(m) for m in run([Average()], [*differences(1), odd], Scan())] == [MeanDifference, Notice]


def test_means_that_were_given_away_stay_as_they_are(run):
    pairs = differences(3)
    first = means(run([Average()], pairs, Scan()))[0]
    np.testing.assert_array_equal(first.data, pairs[0].data)
