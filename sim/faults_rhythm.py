"""What pulse and breathing do to the signal: it waxes and wanes with the time of each excitation."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .anatomy import Anatomy
from .arteries import arterial_blood_volume
from .faults import Refusals, volumes_from
from .protocol import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Rhythm:
    """A wave whose periods are not quite equal, as those of living things are."""

    frequency: float = 1.0
    """Hz."""
    variability: float = 0.05
    """Standard deviation of the periods, over their mean; at 0 the wave may keep step with TR."""

    def wave(self, times: Sequence[float], generator: np.random.Generator) -> NDArray[np.float64]:
        """Give the cosine of the phase at some times, s: it turns evenly through each period."""
        first = generator.uniform()
        needed = int(max(times, default=0.0) * self.frequency * (1 + self.variability)) + 10
        periods = np.maximum(1 + self.variability * generator.standard_normal(2 * needed), 0.2) / self.frequency
        ends = np.concatenate([[0.0], np.cumsum(periods)])
        return np.cos(2 * np.pi * (first + np.interp(times, ends, np.arange(len(ends)))))

    def refusals(self, protocol: Protocol) -> Refusals:
        """Tell what no body does."""
        yield self.frequency <= 0, f"the frequency must be above 0 Hz, not {self.frequency:g}"
        yield not 0 <= self.variability <= 0.3, f"the variability lies between 0 and 0.3, not {self.variability:g}"

    def affected(self, protocol: Protocol) -> tuple[int, ...]:
        """Give the volumes it changes: all."""
        return volumes_from(0, protocol)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cardiac(Rhythm):
    """The pulse: fluid and what lies about large arteries shine more and less with each beat."""

    frequency: float = 1.1
    fluid: float = 0.06
    """Amplitude in cerebrospinal fluid, share of its signal."""
    arteries: float = 0.10
    """Amplitude on the axis of a large artery; less around it, as arteries are blurred in ``arteries``."""
    tissue: float = 0.01
    """Amplitude in gray and white matter."""

    def amplitude(self, head: Anatomy) -> NDArray[np.float32]:
        """Give the amplitude in each tissue of each voxel, shape ``(tissues, z, y, x)``, share of its signal."""
        near = self.arteries * arterial_blood_volume(head.grid, 1.0, head.pose)
        tissues = np.array([self.tissue, self.tissue, self.fluid], np.float32)
        return (tissues[:, None, None, None] + near).astype(np.float32)


@dataclass(frozen=True, slots=True, kw_only=True)
class Respiratory(Rhythm):
    """Breathing: the field at the head changes with the chest, and with it magnitude and phase of all signal."""

    frequency: float = 0.25
    magnitude: float = 0.02
    """Amplitude, share of the signal."""
    phase: float = 0.1
    """Amplitude, rad."""

    def factors(self, wave: NDArray[np.float64]) -> NDArray[np.complex128]:
        """Give by what each excitation's signal is multiplied."""
        return np.asarray((1 + self.magnitude * wave) * np.exp(1j * self.phase * wave), np.complex128)
