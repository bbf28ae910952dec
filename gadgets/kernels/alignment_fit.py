"""One step of the registration: pose and brightness together, by linear least squares."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .alignment import FEWEST
from .rigid import RADIUS

ONE, LINE, GAIN = 6, 7, (8, 9, 10)
"""Columns of `observe`: brightness that is the same everywhere, the reference, and the reference times the place."""
_LEAST_SAMPLES = 50
_SINGULAR = 1e-6  # smallest eigenvalue of the scaled normal matrix
_CORRELATED = 1.5  # times the errors of white noise: neighbors were averaged (1.35 to 1.65 in simulations)


class Fit(NamedTuple):
    """How well a reference explains an image, and what would explain it better."""

    step: NDArray[np.float64]
    """Of the numbers of the pose that are free: m, then rad."""
    slope: NDArray[np.float32]
    """Derivative of the polynomial of intensities."""
    agreement: float
    """Correlation of image and reference before the step, -1 to 1."""
    explained: float
    """Share of the image's variance that is explained before the step, 0 to 1."""
    stderr: float
    """Root mean square of the framewise displacement that noise alone looks like, m."""


def fit(columns: NDArray[np.float32], free: list[int], nuisance: list[int]) -> Fit | None:
    """Fit the last of the columns that `observe` writes by those that are named; None where they do not tell.

    ``free`` are columns of the pose, 0 to 5, ``nuisance`` those of the brightness, ``LINE`` and all its powers with
    them.
    """
    normal = (columns.T @ columns).astype(float)
    count = np.count_nonzero(columns[:, ONE])
    if count < _LEAST_SAMPLES or not np.isfinite(normal).all():
        return None
    image, constant = normal[-1], normal[ONE]
    variance = image[-1] - image[ONE] ** 2 / constant[ONE]
    of_reference = normal[LINE, LINE] - constant[LINE] ** 2 / constant[ONE]
    if not (variance > 0 and of_reference > 0):
        return None
    plain = _solve(normal, nuisance)
    moved = _solve(normal, [*free, *nuisance]) if free else plain
    if plain is None or moved is None:
        return None
    moves, powers = len(free), len(columns[0]) - FEWEST
    line = moved.values[moves + nuisance.index(LINE)]
    curved = moved.values[len(moved.values) - powers :] * np.arange(2, powers + 2)
    lengths = np.where(np.array(free) < 3, 1.0, RADIUS)
    covariance = moved.left / count * moved.inverse[:moves, :moves] * np.outer(lengths, lengths)
    product = image[LINE] - image[ONE] * constant[LINE] / constant[ONE]
    return Fit(
        moved.values[:moves],
        np.array([line, *curved], np.float32),
        float(np.clip(product / np.sqrt(of_reference * variance), -1, 1)),
        float(1 - plain.left / variance),
        _CORRELATED * _of_sum(covariance),
    )


def _of_sum(covariance: NDArray[np.float64]) -> float:
    """Give the root mean square of the sum of the magnitudes of normal numbers that may be correlated.

    ``E|a b| = 2 / pi (sqrt(1 - r^2) + r arcsin r)`` times both standard deviations, r their correlation (Nabeya, Ann
    Inst Stat Math 3:2 (1951)).
    """
    deviation = np.sqrt(np.diag(covariance))
    if not (deviation > 0).all():
        return 0.0
    both = np.outer(deviation, deviation)
    r = np.clip(covariance / both, -1, 1)
    return float(np.sqrt(2 / np.pi * np.sum(both * (np.sqrt(1 - r**2) + r * np.arcsin(r)))))


class _Solution(NamedTuple):
    values: NDArray[np.float64]
    left: float
    """Sum of squares that is left of the last column."""
    inverse: NDArray[np.float64]


def _solve(normal: NDArray[np.float64], chosen: list[int]) -> _Solution | None:
    """Fit the last column by some others, from all their products; None where these are not independent."""
    a, b = normal[np.ix_(chosen, chosen)], normal[chosen, -1]
    scale = np.sqrt(np.diag(a))
    if not (scale > 0).all():
        return None
    values, vectors = np.linalg.eigh(a / scale / scale[:, np.newaxis])
    if values[0] < _SINGULAR:
        return None
    inverse = (vectors / values) @ vectors.T / scale / scale[:, np.newaxis]
    solution = inverse @ b
    return _Solution(solution, float(max(normal[-1, -1] - b @ solution, 0.0)), inverse)
