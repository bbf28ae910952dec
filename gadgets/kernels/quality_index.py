"""The quality evaluation index of a map of blood flow: does it look like gray and white matter, smooth and positive.

Dolui et al., J Magn Reson Imaging 60:2497 (2024); constants as in the published code of the same authors.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

TISSUE = 0.7
"""Share above which a voxel counts as one tissue."""
FULL_WIDTH = 0.005
"""Full width at half maximum that the map is smoothed to, m."""
_DEVIATIONS = math.sqrt(8 * math.log(2))  # in a full width at half maximum


class QualityIndex(NamedTuple):
    """The index, 0 to 1, and what it is made of; NaN where there is no answer."""

    value: float
    correlation: float
    """Of the smoothed map with 2.5 gray + white; 0 at least."""
    dispersion: float
    """Variance within the tissues over the mean of gray matter, mL/100 g/min."""
    negative: float
    """Share of gray matter that is below 0 after smoothing."""


UNKNOWN = QualityIndex(math.nan, math.nan, math.nan, math.nan)


class Tissues(NamedTuple):
    """What the index must know of the brain; made once."""

    likeness: NDArray[np.float64]
    """What flow should look like, 2.5 gray + white, shape ``(z, y, x)``."""
    places: tuple[NDArray[np.intp], ...]
    """Voxels that are almost all gray matter, white matter, fluid; places in the flat map."""

    @classmethod
    def of(cls, *shares: NDArray[np.float32]) -> "Tissues":
        """Prepare gray matter, white matter and fluid."""
        gray, white, _ = shares
        return cls(
            2.5 * gray.astype(np.float64) + white, tuple(np.flatnonzero(share.ravel() > TISSUE) for share in shares)
        )


def quality_index(
    flow: NDArray[np.floating], inside: NDArray[np.bool_], tissues: Tissues, voxel: tuple[float, float, float]
) -> QualityIndex:
    """Give the index of a map, ``(z, y, x)``, mL/100 g/min; ``voxel`` is the size of a voxel along z, y, x, m.

    The map is smoothed to 5 mm with 0 outside of the brain and where it is no number, and compared with its tissues
    wherever it is then not 0:

        rho = max(0, corr(map, 2.5 gray + white))
        DI  = sum (n - 1) var / (sum n - 3) / |mean in gray matter|,  summed over gray matter, white matter, fluid
        QEI = ((1 - exp(-3.0126 rho^2.4419)) exp(-(0.054 DI^0.9272 + 2.8478 negative^0.5196)))^(1/3)
    """
    if not all(size > 0 for size in voxel) or len(tissues.places[0]) < 2:
        return UNKNOWN
    known = np.where(inside & np.isfinite(flow), flow, 0).astype(np.float64)
    smooth = gaussian_filter(known, [FULL_WIDTH / _DEVIATIONS / size for size in voxel], mode="constant").ravel()
    gray = smooth[tissues.places[0]]
    mean = float(gray.mean())
    if mean == 0:
        return UNKNOWN
    rho = max(0.0, _correlation(smooth, tissues.likeness.ravel()))
    parts = [smooth[places] for places in tissues.places]
    squares = sum((part.size - 1) * float(part.var()) for part in parts if part.size)
    dispersion = squares / (sum(part.size for part in parts) - len(parts)) / abs(mean)
    negative = float(np.count_nonzero(gray < 0)) / gray.size
    likeness = 1 - math.exp(-3.0126 * rho**2.4419)
    quiet = math.exp(-(0.054 * dispersion**0.9272 + 2.8478 * negative**0.5196))
    return QualityIndex((likeness * quiet) ** (1 / 3), rho, dispersion, negative)


def _correlation(values: NDArray[np.float64], others: NDArray[np.float64]) -> float:
    """Give Pearson's correlation over all places where ``values`` are not 0; 0 where one of the two does not vary."""
    there = values != 0
    values, others = values[there], others[there]
    count = values.size
    if not count:
        return 0.0
    mean, other = float(values.mean()), float(others.mean())
    variances = float(values @ values) / count - mean**2, float(others @ others) / count - other**2
    if not min(variances) > 0:
        return 0.0
    return (float(values @ others) / count - mean * other) / math.sqrt(variances[0] * variances[1])
