"""What the difference of one pair looks like beside those of the others: level, spread, and likeness."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .pair_sums import Sums

_FOLLOWING = 6  # pairs that each is compared with for the noise


class Features(NamedTuple):
    """Of each pair, shape ``(pairs,)``."""

    mean: NDArray[np.float64]
    """Over gray matter, or over all of the brain where nobody knows it; units of the images."""
    deviation: NDArray[np.float64]
    """Standard deviation over the brain."""
    correlation: NDArray[np.float64]
    """With the mean of the other pairs, over the brain; NaN where there is no other."""
    share: NDArray[np.float64]
    """How much of what the mean of the others shows it shows too: slope of the regression of it on them."""
    share_noise: NDArray[np.float64]
    """Standard error of the share for noise of 1."""


def noise_of(sums: Sums, slices: bool) -> NDArray[np.float64]:
    """Give the standard deviation of the noise of one difference, from the median distance of two of them.

    Each is compared with the six that follow it, behind the last one the first. Half of these distances are those of
    good ones as long as 4 of 5 are good. Shape ``(slices,)``, or one for all of the brain; 0 with fewer than 2 pairs.
    """
    squares, voxels = np.einsum("zii->zi", sums.products), sums.counts.sum(axis=1)
    pairs = squares.shape[1]
    if pairs < 2:
        return np.zeros(voxels.shape if slices else ())
    first = np.tile(np.arange(pairs), min(pairs - 1, _FOLLOWING))
    second = (first + 1 + np.arange(first.size) // pairs) % pairs
    apart = squares[:, first] + squares[:, second] - 2 * sums.products[:, first, second]
    if not slices:
        apart, voxels = apart.sum(axis=0), voxels.sum()
    return np.sqrt(np.maximum(np.median(apart, axis=-1), 0) / (2 * np.maximum(voxels, 1)))


def level_of(sums: Sums) -> NDArray[np.float64]:
    """Give the mean of each pair over gray matter, or over all of the brain where nobody knows it."""
    gray = sums.counts[:, 1].sum()
    totals, voxels = (sums.totals[:, 1], gray) if gray else (sums.totals.sum(axis=1), sums.counts.sum())
    return totals.sum(axis=0) / max(voxels, 1)


def mean_and_deviation(sums: Sums) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Give mean and standard deviation of each slice over the brain, shape ``(pairs, slices)``; NaN without any."""
    voxels = sums.counts.sum(axis=1).astype(np.float64)
    mean = _over(sums.totals.sum(axis=1).T, voxels)
    squares = np.einsum("zii->iz", sums.products)
    return mean, np.sqrt(np.maximum(_over(squares, voxels) - mean**2, 0))


def features_of_pairs(sums: Sums, kept: NDArray[np.bool_]) -> Features:
    """Give the features of each pair over the slices of it that are not left out.

    ``kept``, shape ``(pairs, slices)``, tells which slices of which pairs make the mean that others are compared with.
    A pair that lacks slices is taken to have the usual sums there, so that it can be compared with others.
    """
    voxels = float(sums.counts.sum())
    gray = sums.totals[:, 1] if sums.counts[:, 1].any() else sums.totals.sum(axis=1)
    in_gray = float(sums.counts[:, 1].sum()) or voxels
    whole = kept | ~kept.any(axis=1, keepdims=True)  # a pair that is left out is still compared as a whole
    totals = sums.totals.sum(axis=1).T
    products = sums.products
    squares = np.einsum("zii->iz", products)
    mean = _usual_where_lacking(gray.T, whole).sum(axis=1) / in_gray
    average = _usual_where_lacking(totals, whole).sum(axis=1) / voxels
    deviation = np.sqrt(np.maximum(_usual_where_lacking(squares, whole).sum(axis=1) / voxels - average**2, 0))
    cross, other_squares, other_totals = _with_others(products, totals, kept)
    seen = whole & np.isfinite(cross)
    number = (seen * sums.counts.sum(axis=1)).sum(axis=1).astype(np.float64)

    def added(values: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.where(seen, values, 0.0).sum(axis=1)

    own, other = added(totals), added(other_totals)
    covariance = added(cross) - _over(own * other, number)
    variances = added(squares) - _over(own**2, number), added(other_squares) - _over(other**2, number)
    return Features(mean, deviation, *_likeness(covariance, *variances))


def variance_of_mean(sums: Sums, kept: NDArray[np.bool_]) -> float:
    """Give the pooled variance within tissues of the mean of some pairs, over the brain.

    V of Dolui et al., JMRI 45:1786 (2017): ``[sum over tissues of the squares about the mean of each] / (voxels -
    tissues)``; over gray matter, white matter and fluid, or over all of the brain where nobody knows them. ``kept`` has
    shape ``(pairs, slices)``; slices without any pair do not count.
    """
    known = sums.counts[:, 1:].any()
    tissues = slice(1, None) if known else slice(0, 1)
    number = kept.sum(axis=0)
    weights = np.divide(kept, number, out=np.zeros(kept.shape), where=number > 0).T  # (slices, pairs)
    counts = sums.counts[:, tissues] * (number > 0)[:, np.newaxis]
    totals = np.einsum("zci,zi->c", sums.totals[:, tissues], weights)
    mixed = np.matmul(sums.by_tissue[:, tissues], weights[:, np.newaxis, :, np.newaxis])[..., 0]
    squares = np.einsum("zci,zi->c", mixed, weights)
    voxels = counts.sum(axis=0).astype(np.float64)
    there = voxels > 0
    within = squares[there] - totals[there] ** 2 / voxels[there]
    return float(within.sum() / max(voxels.sum() - np.count_nonzero(there), 1.0))


def _with_others(
    products: NDArray[np.float64], totals: NDArray[np.float64], kept: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Give of each pair and slice the sums of D_i R, R^2 and R, R the mean of all other kept pairs; NaN without any."""
    weights = kept.astype(np.float64)
    others = weights.sum(axis=0) - weights
    mixed = np.matmul(products, weights.T[:, :, np.newaxis])[:, :, 0].T  # sum over j of w_j D_i D_j
    own = np.einsum("zii->iz", products) * weights
    all_squares = (mixed * weights).sum(axis=0)
    cross = _over(mixed - own, others)
    squares = _over(all_squares - 2 * weights * mixed + weights * own, others**2)
    return cross, squares, _over((totals * weights).sum(axis=0) - weights * totals, others)


def _usual_where_lacking(values: NDArray[np.float64], there: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Put the median over the pairs in place of slices that are left out."""
    if there.all():
        return values
    found = values.copy()
    for z in np.flatnonzero(~there.all(axis=0)):
        some = there[:, z] if there[:, z].any() else ~there[:, z]
        found[~there[:, z], z] = np.median(values[some, z])
    return found


def _likeness(
    covariance: NDArray[np.float64], own: NDArray[np.float64], other: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Give correlation, slope, and the standard error of the slope; from sums of squares about the means."""
    other = np.maximum(np.nan_to_num(other), 0.0)
    correlation = _over(covariance, np.sqrt(np.maximum(own, 0.0) * other))
    return np.clip(correlation, -1, 1), _over(covariance, other), _over(np.ones(other.shape), np.sqrt(other))


def _over(values: NDArray[np.float64], counts: NDArray[np.float64]) -> NDArray[np.float64]:
    counts = np.broadcast_to(counts, values.shape)
    return np.divide(values, counts, out=np.full(values.shape, np.nan), where=counts > 0)
