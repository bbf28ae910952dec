"""Why a pair, or a slice of it, is left out, in sentences with number and limit."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..kernels.keep import Judgment
from .pair_evidence import Evidence

_MILLI = 1e3


class Limits(NamedTuple):
    """Beyond which a pair is left out."""

    displacement: float
    """m, of volumes that were not moved back."""
    corrected_displacement: float
    """m, of those that were."""
    stripes: float
    """Over the standard deviation of noise."""
    z: float
    blood: float
    """Least share of what the other pairs show."""
    gain: float
    """By which the signal may differ from that at the begin."""
    spikes: float
    """Readouts with a spike that may be there where nobody sees it."""


def by_itself(
    evidence: Evidence, stripes: NDArray[np.float64] | None, limits: Limits, spared: bool = False
) -> tuple[str, ...]:
    """Say what is wrong with a pair whatever the others are like; ``spared`` where spikes spoil single slices only."""
    reasons = []
    limit = limits.corrected_displacement if evidence.corrected else limits.displacement
    if evidence.fd_cl > limit:
        reasons.append(
            f"the head moved {evidence.fd_cl * _MILLI:.1f} mm between control and label; limit {limit * _MILLI:.1f} mm"
        )
    if abs(evidence.gain - 1) > limits.gain:
        reasons.append(
            f"all signal is {evidence.gain:.2f} times that of the first volumes, which M0 fits; limit "
            f"{limits.gain:.0%} more or less"
        )
    if spared:
        return tuple(reasons)
    if stripes is not None and float(stripes.max()) > limits.stripes:
        reasons.append(
            f"{evidence.spikes:.0f} readouts with a spike draw stripes of {stripes.max():.2g} times the noise; limit "
            f"{limits.stripes:g}"
        )
    elif evidence.spikes > limits.spikes:
        reasons.append(f"{evidence.spikes:.0f} readouts have a spike; limit {limits.spikes:g}")
    return tuple(reasons)


def of_pair(number: int, judgment: Judgment, evidence: Evidence, limits: Limits) -> tuple[str, ...]:
    """Say what is wrong with a pair beside the others."""
    reasons = []
    z, features = judgment.z, judgment.features
    if judgment.kept[number].any():
        return ()
    usual = float(np.median(features.mean))
    if judgment.bloodless[number]:
        reasons.append(
            f"it hardly shows labeled blood: {features.mean[number] / usual:.0%} of the median of the pairs in gray "
            f"matter; limit {limits.blood:.0%}"
        )
    elif abs(z.mean[number]) > limits.z:
        reasons.append(
            f"control - label is {features.mean[number]:.3g} in gray matter, {usual:.3g} in the median of the pairs "
            f"(robust z {z.mean[number]:.1f}; limit {limits.z:g})"
        )
    if z.deviation[number] > limits.z:
        ratio = features.deviation[number] / float(np.median(features.deviation))
        reasons.append(
            f"control - label varies over the brain {ratio:.2g} times as much as in the median of the pairs (robust z "
            f"{z.deviation[number]:.1f}; limit {limits.z:g})"
        )
    if judgment.uneven[number]:
        causes = [
            f"it looks unlike the other pairs (correlation {features.correlation[number]:.2f}, robust z "
            f"{z.correlation[number]:.1f}; limit {-limits.z:g})"
            if z.correlation[number] < -limits.z
            else "",
            f"{evidence.missing_lines:.0f} lines never came" if evidence.missing_lines > 0 else "",
            f"{evidence.spikes:.0f} readouts have a spike" if evidence.spikes > 0 else "",
        ]
        named = [cause for cause in causes if cause] or ["ghosts or DVARS are above those of the other pairs"]
        reasons.append(f"{' and '.join(named)}, and the mean is more even without it")
    return tuple(reasons)


def of_slices(
    number: int, used: Sequence[bool], judgment: Judgment, stripes: NDArray[np.float64] | None, limits: Limits
) -> tuple[str, ...]:
    """Say what is wrong with single slices of a pair."""
    reasons = []
    for z in np.flatnonzero(np.logical_not(used)):
        if stripes is not None and len(stripes) == len(used) and stripes[z] > limits.stripes:
            reasons.append(
                f"slice {z} has stripes of a spike, {stripes[z]:.2g} times the noise; limit {limits.stripes:g}"
            )
        else:
            reasons.append(
                f"slice {z} differs from that of the other pairs (robust z {judgment.slice_z[number, z]:.1f}; limit "
                f"{judgment.slice_limit:.1f})"
            )
    return tuple(reasons)
