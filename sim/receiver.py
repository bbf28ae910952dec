"""What the coils really receive of a patient with faults, excitation by excitation."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .course import Course
from .sampler import Sampler, Sight
from .sequence import Train


@dataclass
class Receiver:
    """Lays the faults of a patient over the signal of a head; where there are none, it is passed on as it is."""

    course: Course
    sampler: Sampler

    def signal(self, train: Train) -> NDArray[np.complex64]:
        """Give the noise-free samples of one excitation, shape ``(lines, coils, samples)``."""
        sight = self.course.sight(train.volume)
        data = self._seen(train, sight)
        twitch = self.course.twitches.get(train.volume)
        if twitch is not None:
            late = self._numbers(train) >= twitch.line
            if late.any():
                data[late] = self._seen(train, sight._replace(pose=twitch.pose))[late]
        if self.course.patient.respiratory is not None:
            data *= np.complex64(self.course.breath(train.volume, train.average, train.place))
        self.silence(data, train.volume)
        return data

    def silence(self, data: NDArray[np.complex64], volume: int = 0) -> None:
        """Take the signal from a coil that is dead; by default ahead of all volumes."""
        dead = self.course.patient.dead_coil
        if dead is not None and volume >= dead.volume:
            data[:, dead.coil] = 0

    def noise(self, data: NDArray[np.complex64], volume: int = 0) -> NDArray[np.complex64]:
        """Give the noise of all coils as broken ones have it; by default ahead of all volumes."""
        noisy = self.course.patient.noisy_coil
        if noisy is not None and volume >= noisy.volume:
            data[:, noisy.coil] *= np.float32(noisy.factor)
        return data

    def amplify(self, data: NDArray[np.complex64], train: Train) -> None:
        """Add sparks to what was received, and set the gain."""
        for spike in self.course.spikes.get(train.volume, ()):
            for line in np.flatnonzero(train.played.lines.imaging & (self._numbers(train) == spike.line)):
                sample = int(spike.place * data.shape[-1])
                data[line, :, sample] += self._largest(train) * np.exp(1j * spike.phases)
        gain = self.course.gain(train.volume)
        if gain != 1:
            data *= np.float32(gain)

    def come(self, train: Train) -> NDArray[np.bool_]:
        """Tell which lines of an excitation reach the wire; navigators always do."""
        lost = self.course.lost.get(train.volume, range(0))
        return ~(train.played.lines.imaging & np.isin(self._numbers(train), lost))

    def _seen(self, train: Train, sight: Sight) -> NDArray[np.complex64]:
        data = self.sampler.volume(sight)[train.place].copy()
        if self.course.patient.cardiac is not None:
            beat = np.float32(self.course.pulse(train.volume, train.average, train.place))
            data += beat * self.sampler.volume(sight._replace(pulsating=True))[train.place]
        return data

    def _numbers(self, train: Train) -> NDArray[np.int64]:
        """Count the imaging lines of the volume before each line."""
        imaging = train.played.lines.imaging
        earlier = self.course.lines_before(train.average, train.place)
        return earlier + np.cumsum(imaging) - imaging

    def _largest(self, train: Train) -> NDArray[np.float32]:
        """Give how high a spike is in each coil of a volume."""
        fault = self.course.patient.spikes
        height = 0.0 if fault is None else fault.height
        shots = self.sampler.volume(self.course.sight(train.volume))
        return np.float32(height) * np.max([np.abs(shot).max(axis=(0, 2)) for shot in shots], axis=0)
