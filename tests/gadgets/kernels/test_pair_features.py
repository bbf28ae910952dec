"""Features from sums against NumPy on the images themselves."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from aslive.gadgets.kernels.pair_features import (
    features_of_pairs,
    level_of,
    mean_and_deviation,
    noise_of,
    variance_of_mean,
)
from aslive.gadgets.kernels.pair_sums import Layout, PairSums, Sums

SHAPE = (3, 8, 9)
TISSUE = np.random.default_rng(9).integers(-1, 4, SHAPE).astype(np.int8)
BRAIN = TISSUE >= 0


def images(count: int, seed: int) -> NDArray[np.float32]:
    random = np.random.default_rng(seed)
    return (random.standard_normal(SHAPE) + random.standard_normal((count, *SHAPE)) + 0.5).astype(np.float32)


def sums_of(pairs: NDArray[np.float32], by_slice: bool = True) -> Sums:
    sums = PairSums(Layout.of(TISSUE, by_slice))
    for number, image in enumerate(pairs):
        assert sums.add(number, image)
    return sums.of(list(range(len(pairs))))


@settings(max_examples=20, deadline=None)
@given(st.integers(2, 20), st.booleans(), st.integers(0, 1000))
def test_features_of_pairs_are_those_of_the_images(count, by_slice, seed):
    pairs = images(count, seed)
    sums = sums_of(pairs, by_slice)
    kept = np.random.default_rng(seed).random(count) < 0.7
    kept[:2] = True
    found = features_of_pairs(sums, np.repeat(kept[:, np.newaxis], len(sums.counts), axis=1))
    for number, image in enumerate(pairs):
        others = pairs[[n for n in np.flatnonzero(kept) if n != number]].mean(axis=0, dtype=np.float64)
        assert found.mean[number] == pytest.approx(image[TISSUE == 1].mean(dtype=np.float64), abs=1e-6)
        assert found.deviation[number] == pytest.approx(image[BRAIN].std(dtype=np.float64), rel=1e-5)
        assert found.correlation[number] == pytest.approx(np.corrcoef(image[BRAIN], others[BRAIN])[0, 1], abs=1e-5)
        assert found.share[number] == pytest.approx(np.polyfit(others[BRAIN], image[BRAIN], 1)[0], abs=1e-5)
    np.testing.assert_allclose(level_of(sums), found.mean)


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 12), st.integers(0, 1000))
def test_mean_and_deviation_are_those_of_each_slice_alone(count: int, seed: int):
    pairs = images(count, seed)
    mean, deviation = mean_and_deviation(sums_of(pairs))
    for z in range(SHAPE[0]):
        own = pairs[:, z, BRAIN[z]].astype(np.float64)
        np.testing.assert_allclose(mean[:, z], own.mean(axis=1), atol=1e-6)
        np.testing.assert_allclose(deviation[:, z], own.std(axis=1), rtol=1e-5)


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 12), st.integers(0, 1000))
def test_v_is_the_pooled_variance_within_tissues_of_the_mean(count, seed):
    pairs = images(count, seed)
    kept = np.random.default_rng(seed).random((count, SHAPE[0])) < 0.6
    kept[0] = True
    mean = np.stack([pairs[kept[:, z], z].mean(axis=0, dtype=np.float64) for z in range(SHAPE[0])])
    within = [mean[TISSUE == tissue] for tissue in (1, 2, 3)]
    wanted = sum(values.var() * values.size for values in within) / (sum(v.size for v in within) - 3)
    assert variance_of_mean(sums_of(pairs), kept) == pytest.approx(wanted, rel=1e-4)


@pytest.mark.parametrize("count", [5, 10, 40])
@pytest.mark.parametrize("slices", [True, False])
def test_noise_is_told_from_pairs_of_which_one_in_five_is_spoilt(count: int, slices: bool):
    pairs = images(count, 1) * np.float32(2)
    spoilt = np.random.default_rng(5).permutation(count)[: count // 5]
    pairs[spoilt] += np.linspace(40, 60, len(spoilt), dtype=np.float32)[:, np.newaxis, np.newaxis, np.newaxis]
    found = noise_of(sums_of(pairs), slices=slices)
    assert found.shape == ((SHAPE[0],) if slices else ())
    np.testing.assert_allclose(found, 2, rtol=0.2)


def test_one_pair_tells_no_noise():
    assert noise_of(sums_of(images(1, 0)), slices=True).tolist() == [0, 0, 0]


@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(0, 30), min_size=1, max_size=60), st.integers(0, 1000))
def test_pairs_come_and_go_without_a_trace(order, seed):
    pairs, sums = images(31, seed), PairSums(Layout.of(TISSUE, True))
    there: set[int] = set()
    for number in order:
        if number in there:
            sums.forget(number)
        else:
            sums.add(number, pairs[number])
        there ^= {number}
    left = sorted(there)
    found = sums.of(left)
    wanted = sums_of(pairs[left])
    np.testing.assert_array_equal(found.products, wanted.products)
    np.testing.assert_array_equal(found.by_tissue, wanted.by_tissue)
    np.testing.assert_array_equal(found.totals, wanted.totals)


def test_a_pair_that_is_no_number_is_refused():
    sums, bad = PairSums(Layout.of(TISSUE, True)), images(2, 0)
    bad[0][BRAIN.nonzero()[0][0], BRAIN.nonzero()[1][0], BRAIN.nonzero()[2][0]] = np.nan
    assert not sums.add(0, bad[0])
    assert sums.add(1, bad[1])
    assert np.isfinite(sums.of([1]).products).all()
