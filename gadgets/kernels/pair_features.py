"""What the difference of one pair looks like beside those of the others: level, spread, and likeness."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .pair_sums import Sums


class Features(NamedTuple):
    """Of each pair, shape ``(pairs,)``, or of each pair and slice, ``(pairs, slices)``."""

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

    Half of all distances between pairs are those of good ones as long as 7 of 10 are good. Shape ``(slices,)``, or
    one for all of the brain; 0 with fewer than two pairs.
    """
    products, voxels = sums.products, sums.counts.sum(axis=1)
    if not slices:
        products, voxels = products.sum(axis=0), voxels.sum()
    squares = np.einsum("...ii->...i", products)
    apart = squares[..., :, np.newaxis] + squares[..., np.newaxis, :] - 2 * products
    first, second = np.triu_indices(squares.shape[-1], 1)
    if not len(first):
        return np.zeros(voxels.shape)
    return np.sqrt(np.maximum(np.median(apart[..., first, second], axis=-1), 0) / (2 * np.maximum(voxels, 1)))


def level_of(sums: Sums) -> NDArray[np.float64]:
    """Give the mean of each pair over gray matter, or over all of the brain where nobody knows it."""
    gray = sums.counts[:, 1].sum()
    totals, voxels = (sums.totals[:, 1], gray) if gray else (sums.totals.sum(axis=1), sums.counts.sum())
    return totals.sum(axis=0) / max(voxels, 1)


def features_of_slices(sums: Sums, kept: NDArray[np.bool_]) -> Features:
    """Give the features of each slice by itself; ``kept`` has shape ``(pairs, slices)``."""
    voxels = sums.counts.sum(axis=1).astype(np.float64)
    totals = sums.totals.sum(axis=1).T
    products = sums.products
    squares = np.einsum("zii->iz", products)
    mean = _over(totals, voxels)
    cross, other_squares, other_totals = _with_others(products, totals, kept)
    covariance = cross - _over(totals * other_totals, voxels)
    variances = squares - _over(totals**2, voxels), other_squares - _over(other_totals**2, voxels)
    deviation = np.sqrt(np.maximum(_over(squares, voxels) - mean**2, 0))
    return Features(mean, deviation, *_likeness(covariance, *variances))


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
    usual = np.nanmedian(np.where(there | ~there.any(axis=0), values, np.nan), axis=0)
    return np.where(there, values, usual)


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
