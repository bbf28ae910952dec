"""How much noise one difference of control and label has, learned from the data."""

import math

import numpy as np
from numpy.typing import NDArray
from scipy.special import digamma, polygamma
from scipy.stats import chi2

from .residuals import best_fit_residuals
from .response import Response

_NEWTON_STEPS = 50
_SPREAD = 1.482602218505602  # standard deviations in a median absolute deviation of normal noise
_FEWEST = 10  # voxels that say anything about how variances differ
_FITTED = 2  # flow and transit time
_MOST_VOXELS = 10_000  # that are asked; their median is known to 1 %
_USUAL_FLOW = 50 / 6000 / 0.9  # 1/s; flow over the partition coefficient


def moderated(
    variance: NDArray[np.float32], degrees: int | NDArray[np.int64], where: NDArray[np.bool_]
) -> tuple[NDArray[np.float32], float]:
    """Draw the variance of each voxel towards what is usual in the brain, as far as the voxels look alike.

    With few repetitions the variance of a single voxel is hardly known, and all voxels together know it well. If true
    variances are spread as ``d0 s0^2 / chi^2_d0``, the best estimate is ``(d0 s0^2 + d s^2) / (d0 + d)``, with
    ``d0 + d`` degrees of freedom. Both are found from the logarithms of the sample variances: their variance is
    ``psi'(d/2) + psi'(d0/2)``, and their mean gives s0 (Smyth, Stat Appl Genet Mol Biol 3:3 (2004), section 6.2). Where
    they vary no more than chance, d0 is infinite: one variance for all, taken for known.

    ``variance`` has shape ``(z, y, x)``, with ``degrees`` degrees of freedom, one number or one for each slice;
    ``where`` tells the voxels that are asked. A slice with none gets what is usual. Gives the variance and its degrees
    of freedom, those of the slice that had the fewest, but some; both as they were where fewer than 10 voxels, or less
    than half of them, have any noise: there is no usual one.
    """
    of_slice = np.broadcast_to(np.asarray(degrees, np.int64).reshape(-1, 1, 1), (len(variance), 1, 1))
    fewest = float(of_slice[of_slice > 0].min(initial=of_slice.max()))
    asked = where & np.isfinite(variance) & (of_slice > 0)
    known = asked & (variance > 0)
    count = np.count_nonzero(known)
    if fewest < 1 or count < max(_FEWEST, np.count_nonzero(asked) / 2):
        return variance.astype(np.float32), fewest
    half = of_slice / 2
    shares = np.count_nonzero(known, axis=(1, 2)) / count  # of the voxels that are asked, by slice
    bias = np.where(of_slice > 0, digamma(half) - np.log(half, where=half > 0, out=np.zeros(half.shape)), 0.0)
    logarithms = np.log(variance[known], dtype=np.float64) - np.broadcast_to(bias, variance.shape)[known]
    chance = polygamma(1, np.maximum(half, 0.5)).ravel() @ shares
    excess = float(np.var(logarithms, ddof=1)) - float(chance)
    usual = math.exp(float(np.mean(logarithms)))
    unknown = np.isnan(variance) & (of_slice > 0)
    if excess <= 0:
        return np.where(unknown, np.float32(np.nan), np.float32(usual)), math.inf
    prior_half = trigamma_inverse(excess)
    usual *= math.exp(float(digamma(prior_half)) - math.log(prior_half))
    total = 2 * prior_half + of_slice
    own = np.where(of_slice > 0, variance, np.float32(0)) * (of_slice / total).astype(np.float32)
    return own + (2 * prior_half * usual / total).astype(np.float32), 2 * prior_half + fewest


def from_residuals(
    mean: NDArray[np.float32],
    weights: NDArray[np.float64],
    m0: NDArray[np.float32],
    t1_tissue: NDArray[np.float32],
    response: Response,
    group: NDArray[np.int64],
    where: NDArray[np.bool_],
) -> tuple[NDArray[np.float32], float]:
    """Estimate the variance of one difference while no bolus has come twice, from what the model cannot explain.

    With three boluses or more: the median over the brain of what the best fit of each voxel leaves, over (boluses -
    2), and over the median of chi^2 of as many degrees. It takes the model for true, with T1' at a flow of 50, and
    noise for the same everywhere; neither can be told yet. With one or two boluses nothing is left over, and the
    spread of the difference over the brain stands in (1.48 times the median absolute deviation, squared): flow that
    varies from voxel to voxel is then counted as noise, so that intervals are too wide rather than too narrow.

    ``mean`` has shape ``(boluses, z, y, x)``, ``weights`` ``(boluses, z)``, M0, T1 of tissue (s) and ``where`` have
    ``(z, y, x)``. Gives the variance of a difference of weight 1, the same for all voxels and NaN where none can tell,
    and its degrees of freedom: those of all voxels together.
    """
    seen = np.broadcast_to(weights, (mean.shape[0], mean.shape[1])).T > 0
    usable = where & np.isfinite(m0) & (m0 > 0) & np.isfinite(t1_tissue) & (t1_tissue > 0)
    usable &= np.all(np.isfinite(mean) | ~seen.T[:, :, np.newaxis, np.newaxis], axis=0)
    usable &= np.any(seen, axis=1)[:, np.newaxis, np.newaxis]
    places = np.argwhere(usable)
    places = places[:: max(1, len(places) // _MOST_VOXELS)]
    z, y, x = places.T
    data = np.ascontiguousarray(mean[:, z, y, x].T)
    weights_of = np.ascontiguousarray(np.broadcast_to(weights, (mean.shape[0], mean.shape[1])).T[z], np.float64)
    degrees = np.count_nonzero(weights_of > 0, axis=1) - _FITTED
    fitted = degrees > 0
    if np.count_nonzero(fitted) >= _FEWEST:
        rate = 1 / t1_tissue[z, y, x].astype(np.float64) + _USUAL_FLOW
        t1_of = np.clip(np.searchsorted(response.t1_apparent, 1 / rate), 0, len(response.t1_apparent) - 1)
        left = best_fit_residuals(
            data, weights_of, np.asarray(group, np.int64)[z], t1_of, np.ascontiguousarray(response.tissue)
        )
        estimates = left[fitted] / chi2.median(degrees[fitted])
        return _uniform(float(np.median(estimates)), mean), float(degrees[fitted].sum())
    spreads = [_spread(data[on, b] * np.sqrt(weights_of[on, b])) for b, on in enumerate((weights_of > 0).T) if on.any()]
    known = [spread for spread in spreads if math.isfinite(spread)]
    return _uniform(min(known, default=math.nan) ** 2, mean), float(max(len(places) - 1, 1))


def _uniform(variance: float, mean: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.full(mean.shape[1:], variance, np.float32)


def _spread(values: NDArray[np.floating]) -> float:
    """Give a standard deviation that outliers do not move; NaN of too few values."""
    if len(values) < _FEWEST:
        return math.nan
    return _SPREAD * float(np.median(np.abs(values - np.median(values))))


def trigamma_inverse(value: float) -> float:
    """Find x with ``psi'(x) = value > 0``, by Newton's steps on 1/psi', which is convex (Smyth, appendix)."""
    if value > 1e7:
        return 1 / math.sqrt(value)
    if value < 1e-6:
        return 1 / value
    x = 0.5 + 1 / value
    for _ in range(_NEWTON_STEPS):
        trigamma = float(polygamma(1, x))
        change = trigamma * (1 - trigamma / value) / float(polygamma(2, x))
        x += change
        if -change / x < 1e-8:
            break
    return x
