"""Which pairs, and which slices of them, are like the others: SCORE in its right order, pair by pair."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .pair_features import Features, features_of_pairs, level_of, mean_and_deviation, noise_of, variance_of_mean
from .pair_sums import Sums
from .robust import FEWEST, deviations, middle_and_spread, shared_limit

_USUAL_MEAN = 0.03  # share by which flow differs from pair to pair without anybody minding
_USUAL_DEVIATION = 0.02
_USUAL_CORRELATION = 0.03
_DOUBT = 2.0  # standard errors
_FEWEST_VOXELS = 30  # in a slice that can be judged by itself


@dataclass(frozen=True, slots=True)
class Judgment:
    """What was found; z are robust, those of slices with a limit of their own."""

    kept: NDArray[np.bool_]
    """Shape ``(pairs, slices)``; nothing of a pair that is left out."""
    features: Features
    """Of pairs."""
    z: Features
    """Positive for large values; NaN as long as nothing can be told."""
    worst: NDArray[np.float64]
    """Largest z of each pair that speaks against it."""
    slice_z: NDArray[np.float64]
    """The same of each slice, shape ``(pairs, slices)``; 0 where slices are not judged."""
    slice_limit: float
    bloodless: NDArray[np.bool_]
    """Which pairs hardly show the blood that the others show."""
    uneven: NDArray[np.bool_]
    """Which pairs are left out because the mean is more even without them."""

    def of_spread_alone(self, reference: NDArray[np.bool_], usual: float, limit: float) -> "Judgment":
        """Give what the standard deviation over the brain tells by itself, of pairs that differ in all else."""
        z = z_of_spread(self.features.deviation, reference, usual, limit)
        nothing = np.full(z.shape, np.nan)
        kept = np.broadcast_to(~(z > limit)[:, np.newaxis], self.kept.shape)
        worst, slice_z = np.maximum(np.nan_to_num(z), 0.0), np.zeros(self.slice_z.shape)
        no = np.zeros(z.shape, np.bool_)
        unlike = Features(nothing, z, nothing, nothing, nothing)
        return Judgment(kept, self.features, unlike, worst, slice_z, self.slice_limit, no, no)

    def named(self, number: int) -> dict[str, float]:
        """Give the features of one pair by name."""
        features, z = self.features, self.z
        return {
            "gm_mean": float(features.mean[number]),
            "spatial_sd": float(features.deviation[number]),
            "corr_loo": float(features.correlation[number]),
            "share_loo": float(features.share[number]),
            "robust_z_gm_mean": float(z.mean[number]),
            "robust_z_spatial_sd": float(z.deviation[number]),
            "robust_z_corr_loo": float(z.correlation[number]),
        }


def judge(
    sums: Sums,
    sound: NDArray[np.bool_],
    reference: NDArray[np.bool_],
    suspects: NDArray[np.bool_],
    limit: float,
    *,
    least_blood: float = 0.4,
    slice_wise: bool = False,
) -> Judgment:
    """Judge all pairs of one kind together; what of them, ``(pairs, slices)``, is not ``sound`` is left out already.

    As SCORE (Dolui et al., JMRI 45:1786 (2017)): first what lies far from the median of ``reference`` in mean or
    standard deviation goes, by z of ``limit``, and what shows less than the share ``least_blood`` of the blood; then,
    one by one and the most unlike first, pairs whose correlation with the mean of the others is low, or which are
    suspects for another reason; but those only if the pooled variance V of the mean over the tissues falls without
    them, and never more than a half. The spread of a feature is at least what the noise of the data predicts. With
    fewer than 4 pairs in reference nothing is left out.
    """
    pairs, slices = reference.size, len(sums.counts)
    kept, slice_z, slice_limit = _judge_slices(sums, reference, limit, slice_wise)
    kept &= sound
    noise = float(noise_of(sums, slices=False))
    voxels = max(float(sums.counts.sum()), 1.0)
    in_gray = float(sums.counts[:, 1].sum()) or voxels
    features = features_of_pairs(sums, kept & reference[:, np.newaxis])
    signal_squared = np.maximum(np.median(features.deviation) ** 2 - noise**2, 0) if pairs else 0.0
    of_deviation = _deviation_noise(noise, signal_squared, np.median(features.deviation), voxels)
    middle = abs(float(np.median(features.mean[reference]))) if reference.any() else 0.0
    usual = float(np.median(features.deviation[reference])) if reference.any() else 0.0
    z_mean = deviations(features.mean, reference, max(noise / np.sqrt(in_gray), _USUAL_MEAN * middle), limit)
    z_deviation = deviations(features.deviation, reference, max(of_deviation, _USUAL_DEVIATION * usual), limit)
    bloodless = _bloodless(features, reference, noise, in_gray, limit, least_blood)
    good = sound.any(axis=1) & ~((np.abs(z_mean) > limit) | (z_deviation > limit) | bloodless)
    kept &= good[:, np.newaxis]
    uneven = np.zeros(pairs, np.bool_)
    same = bool(reference.all() and good.all())  # then the mean that pairs are compared with is still that of above
    while True:
        if not same:
            features = features_of_pairs(sums, kept)
        same = False
        z_correlation = _z_of_correlation(features.correlation, kept.any(axis=1) & reference, voxels, limit)
        candidates = kept.any(axis=1) & ((z_correlation < -limit) | suspects)
        found = _more_even_without(sums, kept, candidates, z_correlation, np.count_nonzero(sound.any(axis=1)) / 2)
        if found is None:
            break
        kept[found], uneven[found] = False, True
    nothing = np.full(pairs, np.nan)
    z = Features(z_mean, z_deviation, z_correlation, nothing, nothing)
    against = np.stack([np.abs(z_mean), z_deviation, -z_correlation])
    worst = np.max(np.where(np.isfinite(against) | np.isinf(against), against, 0.0), axis=0, initial=0.0)
    return Judgment(kept, features, z, worst, slice_z.reshape(pairs, slices), slice_limit, bloodless, uneven)


def majority(sums: Sums, sound: NDArray[np.bool_], used: NDArray[np.bool_], least_blood: float) -> NDArray[np.bool_]:
    """Tell which pairs say what is usual: those in use, until those that were left out are more than a half.

    Then what has changed has changed for good, and the others take over: unless they hardly show the blood that those
    in use show. Flow does not stop, so labeling has failed. All shapes are ``(pairs,)``.
    """
    others = sound & ~used
    if np.count_nonzero(others) <= np.count_nonzero(used):
        return used
    level = level_of(sums)
    before, after = (abs(float(np.median(level[some]))) if some.any() else 0.0 for some in (used, others))
    return used if np.count_nonzero(used) >= FEWEST and after < least_blood * before else others


def z_of_spread(values: NDArray[np.float64], reference: NDArray[np.bool_], usual: float, limit: float) -> NDArray:
    """Give the robust z of positive values that differ by a share of ``usual`` without anybody minding."""
    known = values[reference & np.isfinite(values)]
    floor = usual * abs(float(np.median(known))) if known.size else 0.0
    return deviations(values, reference & np.isfinite(values), floor, limit)


def _judge_slices(
    sums: Sums, reference: NDArray[np.bool_], limit: float, slice_wise: bool
) -> tuple[NDArray[np.bool_], NDArray[np.float64], float]:
    """Leave out slices by mean and standard deviation."""
    shape = reference.size, len(sums.counts)
    kept, worst = np.ones(shape, np.bool_), np.zeros(shape)
    voxels = sums.counts.sum(axis=1).astype(np.float64)
    judged = voxels >= _FEWEST_VOXELS
    of_slice = shared_limit(limit, int(np.count_nonzero(judged)))
    if not slice_wise or np.count_nonzero(reference) < FEWEST or not judged.any():
        return kept, worst, of_slice
    mean, deviation = mean_and_deviation(sums)
    noise = noise_of(sums, slices=True)
    usual, _ = middle_and_spread(deviation[reference])
    signal_squared = np.maximum(usual**2 - noise**2, 0)
    middle = np.abs(middle_and_spread(mean[reference])[0])
    at_least = np.maximum(voxels, 1.0)
    z_mean = deviations(mean, reference, np.maximum(noise / np.sqrt(at_least), _USUAL_MEAN * middle), of_slice)
    floor = np.maximum(_deviation_noise(noise, signal_squared, usual, at_least), _USUAL_DEVIATION * usual)
    z_deviation = deviations(deviation, reference, floor, of_slice)
    worst = np.where(judged, np.maximum(np.abs(z_mean), z_deviation), 0.0)
    kept = ~(worst > of_slice)
    lost = np.count_nonzero(~kept, axis=1) * 2 > np.count_nonzero(judged)
    kept[lost] = True  # not a slice of it is bad, but the pair: that is told of the whole
    return kept, worst, of_slice


def _bloodless(
    features: Features,
    reference: NDArray[np.bool_],
    noise: float,
    in_gray: float,
    limit: float,
    least: float,
) -> NDArray[np.bool_]:
    """Tell which pairs show less than a share of the blood of the others, in level and, as far as one sees, in pattern.

    Flow does not stop for one pair. So the spread of the others, which few pairs hardly tell, need not be multiplied;
    but noise and spread must not explain the level, and the pattern of the others must not be there.
    """
    if np.count_nonzero(reference) < FEWEST:
        return np.zeros(reference.size, np.bool_)
    middle, spread = (float(value) for value in middle_and_spread(features.mean[reference]))
    lacking = abs(middle) - features.mean * np.sign(middle)
    low = (lacking > (1 - least) * abs(middle)) & (lacking > limit * max(noise / np.sqrt(in_gray), spread))
    share, doubt = float(np.median(features.share[reference])), _DOUBT * noise * features.share_noise
    return low & (features.share < least * share + doubt)


def _deviation_noise(
    noise: NDArray[np.float64] | float,
    signal_squared: NDArray[np.float64] | float,
    usual: NDArray[np.float64] | float,
    voxels: NDArray[np.float64] | float,
) -> NDArray[np.float64]:
    """Tell how much a standard deviation over so many voxels varies by noise alone."""
    variance = (2 * np.square(noise) ** 2 + 4 * np.square(noise) * signal_squared) / voxels
    usual = np.asarray(usual, np.float64)
    return np.divide(np.sqrt(variance), 2 * usual, out=np.zeros(usual.shape), where=usual > 0)


def _z_of_correlation(
    correlation: NDArray[np.float64], reference: NDArray[np.bool_], voxels: float, limit: float
) -> NDArray[np.float64]:
    """Give the robust z of correlations on Fisher's scale, on which their noise is the same for all."""
    scaled = np.arctanh(np.clip(np.nan_to_num(correlation), -0.999999, 0.999999))
    return deviations(scaled, reference, max(1 / np.sqrt(voxels), _USUAL_CORRELATION), limit)


def _more_even_without(
    sums: Sums, kept: NDArray[np.bool_], candidates: NDArray[np.bool_], z: NDArray[np.float64], fewest: float
) -> int | None:
    """Find the most unlike candidate without which V of the mean falls; none where fewer than ``fewest`` would stay."""
    left = np.count_nonzero(kept.any(axis=1))
    if not candidates.any() or left - 1 < max(fewest, FEWEST - 1):
        return None
    with_all = variance_of_mean(sums, kept)
    for number in sorted(np.flatnonzero(candidates), key=lambda number: float(np.nan_to_num(z[number]))):
        without = kept.copy()
        without[number] = False
        if variance_of_mean(sums, without) < with_all:
            return int(number)
    return None
