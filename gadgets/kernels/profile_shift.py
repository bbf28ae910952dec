"""How far one profile along x lies from another, by a fraction of a voxel."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

_STEPS = 8
_SETTLED = 1e-4  # voxels
_FARTHEST = 0.25  # of the field of view


class ProfileShift(NamedTuple):
    """How far a profile lies from its reference."""

    voxels: float
    stderr: float
    """Of it, by what is left when the reference is moved and scaled, voxels."""


def profile(lines: NDArray[np.complex64]) -> NDArray[np.float64]:
    """Give the root sum of squares ``(x,)`` of navigator lines ``(lines, coils, x)``."""
    return np.sqrt(np.square(np.abs(lines.astype(np.complex128))).sum(axis=(0, 1)))


def profile_shift(reference: NDArray[np.float64], moved: NDArray[np.float64]) -> ProfileShift | None:
    """Give the shift d that makes ``a reference(x - d)`` fit a profile best; None where they have nothing in common.

    Gauss-Newton over d and a; the reference is moved by its Fourier transform. It begins at the peak of the
    correlation, which finds the whole voxels.
    """
    size = reference.size
    if size < 4 or moved.shape != reference.shape or not (np.isfinite(reference).all() and np.isfinite(moved).all()):
        return None
    spectrum, frequencies = np.fft.rfft(reference), np.fft.rfftfreq(size)
    correlation = np.fft.irfft(np.fft.rfft(moved - moved.mean()) * spectrum.conj(), size)
    peak = int(np.argmax(correlation))
    shift = float(peak - size if peak > size // 2 else peak)
    slope_left, residual, amplitude = 0.0, np.inf, 0.0
    for _ in range(_STEPS):
        turned = spectrum * np.exp(-2j * np.pi * frequencies * shift)
        there = np.fft.irfft(turned, size)
        inclination = np.fft.irfft(-2j * np.pi * frequencies * turned, size)  # with the shift, and not with x
        power = float(there @ there)
        if not power > 0:
            return None
        amplitude = float(there @ moved) / power
        left = moved - amplitude * there
        slope = amplitude * (inclination - (inclination @ there) / power * there)
        slope_left, residual = float(slope @ slope), float(left @ left)
        if not slope_left > 0:
            return None
        step = float(np.clip(slope @ left / slope_left, -1, 1))
        shift += step
        if abs(step) < _SETTLED:
            break
    if not amplitude > 0 or abs(shift) > _FARTHEST * size:
        return None
    return ProfileShift(shift, float(np.sqrt(residual / (size - 2) / slope_left)))
