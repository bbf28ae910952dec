"""The matrix that makes the noise of all coils equal and independent."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

_ENOUGH = 10  # samples per coil; with fewer the covariance is too rough to invert as it is
_FEW = 2  # samples per coil; with fewer only the coils' own variances mean anything
_LOADING = 1e-2
_SINGULAR = 1e-9
_OFF = 1e4  # in variance: 100 times in amplitude, which no working receiver is away from the others
_EDGE = 2  # columns
_MEDIAN_POWER = 2 * np.log(2)  # of complex noise whose real and imaginary parts have unit variance


class Whitening(NamedTuple):
    """A whitening matrix, and how it came about."""

    matrix: NDArray[np.complex128]
    """Shape ``(coils, coils)``; a silent coil's row and column are zero."""
    condition: float
    """Largest over smallest eigenvalue of the covariance that was inverted."""
    method: str
    """``full``, ``loaded`` or ``diagonal``."""
    silent: tuple[int, ...]
    """Coils with less than a hundredth of the noise of the others, in amplitude."""
    loud: tuple[int, ...]
    """Coils with more than a hundred times the noise of the others, in amplitude."""


def whiten(covariance: NDArray[np.complex128], samples: int) -> Whitening | None:
    """Give ``W = L^-1`` with ``Psi = L L^H``; None where there is no noise at all.

    A silent coil is left out: inverted like the others it would come back as loud as they are, with nothing in it. With
    too few samples, or coils that are copies of each other, ``trace(Psi) / coils`` times 0.01 is added to the diagonal;
    with fewer than two samples per coil only the diagonal is used, each coil by its own variance.
    """
    coils = covariance.shape[0]
    variance = np.diag(covariance).real
    if not variance.max(initial=0.0) > 0:
        return None
    usual = float(np.median(variance[variance > 0]))
    heard = np.flatnonzero(variance * _OFF >= usual)
    psi, method = _steadied(covariance[np.ix_(heard, heard)], samples)
    eigenvalues = np.linalg.eigvalsh(psi)
    matrix = np.zeros((coils, coils), complex)
    matrix[np.ix_(heard, heard)] = np.linalg.solve(np.linalg.cholesky(psi), np.eye(len(heard)))
    silent, loud = np.flatnonzero(variance * _OFF < usual), np.flatnonzero(variance > usual * _OFF)
    condition = float(eigenvalues[-1] / eigenvalues[0])
    return Whitening(matrix, condition, method, tuple(silent.tolist()), tuple(loud.tolist()))


def _steadied(covariance: NDArray[np.complex128], samples: int) -> tuple[NDArray[np.complex128], str]:
    """Give a covariance that can be inverted, and how it was made so."""
    coils = covariance.shape[0]
    if samples < _FEW * coils:
        return np.diag(np.diag(covariance)), "diagonal"
    eigenvalues = np.linalg.eigvalsh(covariance)
    if samples < _ENOUGH * coils or eigenvalues[0] <= _SINGULAR * eigenvalues[-1]:
        return covariance + _LOADING * float(np.trace(covariance).real) / coils * np.eye(coils), "loaded"
    return covariance, "full"


def noise_at_the_edge(plane: NDArray[np.complex64]) -> float:
    """Tell the noise of a whitened plane ``(coils, 1, ky, x)``, as a standard deviation of each part; 1 is right.

    Left and right of the head there is nothing but noise: the quieter of the two edges counts, its median power over
    all coils and rows that were acquired, over ``2 ln 2``. Where the head fills the field of view it reads too high,
    but it never reads too low. NaN where nothing was acquired.
    """
    edges = [np.abs(side[side != 0]) for side in (plane[..., :_EDGE], plane[..., -_EDGE:])]
    if not all(side.size for side in edges):
        return float("nan")
    return float(min(np.median(side) for side in edges) / np.sqrt(_MEDIAN_POWER))
