"""The matrix that makes the noise of all coils equal and independent."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

_ENOUGH = 10  # samples per coil; with fewer the covariance is too rough to invert as it is
_FEW = 2  # samples per coil; with fewer only the coils' own variances mean anything
_LOADING = 1e-2
_SINGULAR = 1e-9


class Whitening(NamedTuple):
    """A whitening matrix, and how it came about."""

    matrix: NDArray[np.complex64]
    """Shape ``(coils, coils)``."""
    condition: float
    """Largest over smallest eigenvalue of the covariance that was inverted."""
    method: str
    """``full``, ``loaded`` or ``diagonal``."""


def whiten(covariance: NDArray[np.complex128], samples: int, scaling: float) -> Whitening | None:
    """Give ``W = scaling * L^-1`` with ``Psi = L L^H``; None where there is no noise at all.

    With too few samples, or a dead coil, ``trace(Psi) / coils`` times 0.01 is added to the diagonal; with fewer than
    two samples per coil only the diagonal is used, each coil by its own variance.
    """
    coils = covariance.shape[0]
    mean = float(np.trace(covariance).real) / coils
    if mean <= 0:
        return None
    identity = np.eye(coils)
    if samples < _FEW * coils:
        variance = np.diag(covariance).real
        psi, method = np.diag(np.where(variance > _SINGULAR * mean, variance, mean)).astype(complex), "diagonal"
    else:
        eigenvalues = np.linalg.eigvalsh(covariance)
        rough = samples < _ENOUGH * coils or eigenvalues[0] <= _SINGULAR * eigenvalues[-1]
        psi, method = (covariance + _LOADING * mean * identity, "loaded") if rough else (covariance, "full")
    eigenvalues = np.linalg.eigvalsh(psi)
    matrix = scaling * np.linalg.solve(np.linalg.cholesky(psi), identity)
    return Whitening(matrix.astype(np.complex64), float(eigenvalues[-1] / eigenvalues[0]), method)
