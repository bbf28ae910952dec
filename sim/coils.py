"""The receiver coils on the head: what each sees, and how their noise is linked."""

import numpy as np
from numpy.typing import NDArray

from .grid import BRAIN_CENTER, Grid

_HELMET = np.array([0.115, 0.135, 0.125])
"""Half axes of the helmet about the middle of the brain: left, posterior, superior, m."""
_LOWEST = -0.4
"""Where the helmet ends, as part of its height below the middle."""
_WAVELENGTH = 0.27
"""Of radio waves in tissue at 3 T, m."""
_NOISE_REACH = 0.05
"""Distance over which loops share the noise of the head, m."""


def loop_centers(coils: int) -> NDArray[np.float64]:
    """Spread loops evenly over the helmet, shape ``(coils, 3)``: left, posterior, superior, m.

    A spiral by the golden angle; source: Swinbank & Purser, QJRMS 132:1769 (2006).
    """
    number = np.arange(coils) + 0.5
    height = 1 - number / coils * (1 - _LOWEST)
    turn = np.pi * (3 - np.sqrt(5)) * number
    around = np.sqrt(1 - height**2)
    return np.stack([around * np.cos(turn), around * np.sin(turn), height], axis=1) * _HELMET + BRAIN_CENTER


def sensitivities(grid: Grid, coils: int) -> NDArray[np.complex64]:
    """Give what each coil sees of each voxel, shape ``(coils, z, y, x)``; 1 at the middle of a loop.

    Magnitude: the field of a loop of radius a at distance d on its axis, (1 + d^2/a^2)^(-3/2) (Biot-Savart), in every
    direction, so that no voxel is seen by nobody. Radii are such that the loops overlap on the helmet. Phase: the
    azimuth of the loop about the main field, and the way through the tissue.
    """
    radius = 1.5 * np.sqrt((1 - _LOWEST) * 2 * np.mean(_HELMET) ** 2 / coils)
    x, y, z = (grid.along(axis) for axis in range(3))
    maps = np.empty((coils, *grid.shape), np.complex64)
    for coil, (left, posterior, superior) in enumerate(loop_centers(coils)):
        squared = (
            (x - left)[None, None, :] ** 2 + (y - posterior)[None, :, None] ** 2 + (z - superior)[:, None, None] ** 2
        )
        azimuth = np.arctan2(posterior - BRAIN_CENTER[1], left - BRAIN_CENTER[0])
        phase = azimuth + 2 * np.pi * np.sqrt(squared + radius**2) / _WAVELENGTH
        maps[coil] = (1 + squared / radius**2) ** -1.5 * np.exp(1j * phase)
    return maps


def noise_covariance(coils: int, generator: np.random.Generator) -> NDArray[np.complex128]:
    """Give how the noise of the coils is linked, shape ``(coils, coils)``, Hermitian, mean variance 1.

    Neighbors share the noise of the head by exp(-distance/reach), a positive definite kernel; amplifiers differ by up
    to a factor of 2 in gain, and at random in phase.
    """
    centers = loop_centers(coils)
    distance = np.linalg.norm(centers[:, None] - centers[None], axis=-1)
    gain = generator.uniform(0.7, 1.4, coils) * np.exp(2j * np.pi * generator.uniform(size=coils))
    linked = np.exp(-distance / _NOISE_REACH) * np.outer(gain, gain.conj())
    return linked / np.mean(np.abs(gain) ** 2)
