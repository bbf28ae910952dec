"""The spiral: out from the middle of k-space, about as fast as gradients can."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_PROTON = 42.577478518e6
"""Gyromagnetic ratio over 2 pi, Hz/T; CODATA 2018."""
_MOST_SAMPLES = 65535


@dataclass(frozen=True, slots=True, kw_only=True)
class Spiral:
    """Archimedean interleaves, or straight spokes, each turned against the one before."""

    interleaves: int = 4
    """Arms that cover a plane together; each is one excitation."""
    dwell: float = 4e-6
    """Time of one sample, s."""
    gradient: float = 0.03
    """Strongest gradient, T/m."""
    slew_rate: float = 120.0
    """Fastest change of a gradient, T/m/s."""
    radial: bool = False
    """Whether arms are straight lines through the middle instead, turned by pi over their number."""

    def refusals(self) -> Iterator[tuple[bool, str]]:
        """Tell what no gradient could do."""
        yield self.interleaves < 1, "a spiral needs at least 1 interleave"
        yield min(self.dwell, self.gradient, self.slew_rate) <= 0, "dwell, gradient and slew rate must be above 0"

    def arm(self, matrix: tuple[int, int], voxel: float) -> NDArray[np.complex128]:
        """Give the first arm as kx + i ky in cycles per voxel, shape ``(samples,)``, up to 0.5."""
        if self.radial:
            samples = 2 * max(matrix)
            return ((np.arange(samples) - samples // 2) / samples).astype(np.complex128)
        return _archimedean(max(matrix), voxel, self.interleaves, self.dwell, self.gradient, self.slew_rate)

    def angles(self) -> NDArray[np.float64]:
        """Give by how much each arm is turned, rad."""
        return np.arange(self.interleaves) * (np.pi if self.radial else 2 * np.pi) / self.interleaves

    def trajectory(self, matrix: tuple[int, int], voxel: float, late: float = 0.0) -> NDArray[np.float64]:
        """Give (kx, ky) of all samples in cycles per voxel, shape ``(interleaves, samples, 2)``.

        ``late`` is by how many s the gradients lag behind the samples; before they begin, k stays where it was.
        """
        arm = self.arm(matrix, voxel)
        steps = np.arange(len(arm), dtype=np.float64)
        moved = np.interp(steps - late / self.dwell, steps, arm.real) + 1j * np.interp(
            steps - late / self.dwell, steps, arm.imag
        )
        turned = (arm if late == 0 else moved) * np.exp(1j * self.angles())[:, None]
        return np.stack([turned.real, turned.imag], axis=-1)


def _archimedean(
    matrix: int, voxel: float, interleaves: int, dwell: float, gradient: float, slew_rate: float
) -> NDArray[np.complex128]:
    """Walk k = pitch angle exp(i angle), at first as fast as the slew rate allows, then with the strongest gradient.

    angle(t) = (b t^2 / 2) / (1 + b t^(4/3) / (2 a)) with a = (9 b / 4)^(1/3) and b the slew rate over the pitch, until
    the gradient g is reached; from there angle^2 grows by 2 g / pitch per s: Glover, MRM 42:412 (1999).
    """
    pitch = interleaves / (2 * np.pi * matrix)  # cycles per voxel and rad: turns of all arms lie 1 / matrix apart
    fastest = gradient * _PROTON * voxel / pitch
    sharpest = slew_rate * _PROTON * voxel / pitch
    last = 0.5 / pitch
    third = (9 * sharpest / 4) ** (1 / 3)
    # Not even a longest arm takes longer than with both limits one after the other.
    longest = (last / third) ** 1.5 * 2 + last**2 / (2 * fastest) + 4 / sharpest**0.5
    time = np.arange(min(int(longest / dwell) + 2, _MOST_SAMPLES)) * dwell
    angle = sharpest * time**2 / 2 / (1 + sharpest * time ** (4 / 3) / (2 * third))
    too_fast = np.gradient(angle, dwell) * np.sqrt(1 + angle**2) > fastest if len(angle) > 1 else np.zeros(1, np.bool_)
    if too_fast.any():
        switch = int(np.argmax(too_fast))
        later = time[switch:] - time[switch]
        angle[switch:] = np.sqrt(angle[switch] ** 2 + 2 * fastest * later)
    angle = angle[: int(np.searchsorted(angle, last)) + 1]
    angle = np.minimum(angle, last)
    return pitch * angle * np.exp(1j * angle)
