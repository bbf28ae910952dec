"""Numbers that tell how good a map is, from the voxels of one tissue."""

import math

import numpy as np
from numpy.typing import NDArray

from .estimate import Estimate

_EDGE_SLICES = 2  # at each end; they are often noisy
_BEST, _STEP = 0.072, 0.265  # standard error of a rating of 0, and by how much a rating is worse
_UNKNOWN = (math.nan, math.nan)


def spatial_variation(values: NDArray[np.floating], stderr: NDArray[np.floating]) -> tuple[float, float]:
    """Give the standard deviation of finite voxels over their mean, and the same without the share of noise.

    ``sqrt(max(0, Var - mean SE^2)) / mean``; the second is NaN where a standard error is.
    """
    values, stderr = _finite(values, stderr)
    mean = float(values.mean()) if values.size else 0.0
    if mean == 0:
        return _UNKNOWN
    variance, noise = float(values.var()), float(np.square(stderr).mean())
    return math.sqrt(variance) / mean, math.sqrt(max(0.0, variance - noise)) / mean if noise == noise else math.nan


def temporal_snr(mean: NDArray[np.floating], stderr: NDArray[np.floating], pairs: int) -> float:
    """Give the mean over voxels of mean over standard deviation of one pair, ``SE sqrt(n)``; NaN of a single pair."""
    mean, stderr = _finite(mean, stderr)
    told = stderr > 0
    return float((mean[told] / stderr[told]).mean()) / math.sqrt(pairs) if told.any() else math.nan


def rating(
    difference: NDArray[np.floating], stderr: NDArray[np.floating], inside: NDArray[np.bool_]
) -> tuple[int, float]:
    """Rate a mean difference from 1 (excellent) to 4 (poor), 0 where nobody can; give also the error that tells.

    ``SE = mean(stderr) / |mean(difference)|`` over the brain without the two outermost slices that show it at each end,
    if more than 4 do; ``clip(round((SE - 0.072) / 0.265), 1, 4)``, calibrated by its authors on 309 scans (Li et al.,
    NMR Biomed 32:e4051 (2019), ASL-MRICloud). Arrays ``(z, y, x)``.
    """
    slices = np.flatnonzero(inside.any(axis=(1, 2)))
    if len(slices) > 2 * _EDGE_SLICES:
        slices = slices[_EDGE_SLICES:-_EDGE_SLICES]
    within = inside[slices]
    values, errors = _finite(difference[slices][within], stderr[slices][within])
    mean = abs(float(values.mean())) if values.size else 0.0
    error = float(errors.mean()) / mean if mean > 0 else math.nan
    return (min(max(round((error - _BEST) / _STEP), 1), 4) if math.isfinite(error) else 0), error


def means_by_region(
    values: NDArray[np.floating], stderr: NDArray[np.floating], labels: NDArray[np.intp], regions: int, fewest: int
) -> list[Estimate]:
    """Give the mean over finite voxels of each region, from 1; the errors of voxels are taken to be independent.

    NaN for a region of fewer than ``fewest`` voxels.
    """
    known = np.isfinite(values)
    values, stderr, labels = values[known].astype(np.float64), stderr[known].astype(np.float64), labels[known]
    length = regions + 1
    counts, sums, squares = (
        np.bincount(labels, weights, length)[1:length] for weights in (None, values, np.square(stderr))
    )
    many = np.where(counts >= max(fewest, 1), counts, np.nan)
    return [Estimate(*each) for each in np.stack([sums / many, np.sqrt(squares) / many], axis=1).tolist()]


def _finite(
    values: NDArray[np.floating], others: NDArray[np.floating]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Leave out the voxels that are no numbers in the first."""
    known = np.isfinite(values)
    return values[known].astype(np.float64), others[known].astype(np.float64)
