"""A whole scan as images, without coils and raw data: for studies of thousands of scans."""

from collections.abc import Iterator
from dataclasses import dataclass
from dataclasses import field as dataclass_field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..streaming.errors import ConfigError
from ..streaming.scan import Role
from .anatomy import Anatomy, brain
from .course import Course
from .fourier import to_image, to_kspace
from .magnetization import object_phase, relaxed_signal
from .patient import Patient
from .protocol import Protocol
from .raster import Raster
from .references import reference_shots
from .sampler import Sampler, Sight
from .scanner import TYPICAL_SNR, gray_of

_MOST_HELD = 64
"""Noise-free images that are kept."""


class ImagedVolume(NamedTuple):
    """One volume of a scan, as a reconstruction would give it."""

    number: int
    role: Role
    """As the header says."""
    image: NDArray[np.complex64]
    """Shape ``(z, y, x)``."""


@dataclass
class ImagedScan:
    """A scanner that gives images: what ``Scanner`` plays, reconstructed perfectly from fully sampled k-space.

    The patient's faults are those of ``Scanner`` where an image can show them. Motion within a volume, pulse,
    breathing, spikes and lost lines act on the image's own k-space, line by line in the order of the readout. Noise is
    white, and as strong in gray matter as the best combination of the coils leaves it without acceleration.
    """

    protocol: Protocol
    patient: Patient = dataclass_field(default_factory=Patient)
    seed: int = 0
    """Same seed, same noise."""
    snr: float | None = TYPICAL_SNR
    """Mean signal of gray matter in a fully relaxed image over the standard deviation of its noise, in real and in
    imaginary part; ``None`` or infinite is noise-free."""
    anatomy: Anatomy | None = None
    """The head; by default the MNI brain."""

    def __post_init__(self) -> None:
        self.head = brain(self.protocol.grid) if self.anatomy is None else self.anatomy
        if self.head.grid != self.protocol.grid:
            raise ConfigError(f"the anatomy lies on {self.head.grid}, the protocol images {self.protocol.grid}")
        if self.snr is not None and not self.snr > 0:
            raise ConfigError(f"the SNR must be above 0, not {self.snr:g}; leave it out for a scan without noise")
        if self.protocol.averages > 1:
            raise ConfigError("a scan as images has no averages: each volume is read once")
        for name in ("dead-coil", "noisy-coil"):
            if name in self.patient.faults:
                raise ConfigError(f"{name}: a scan as images has no coils; Scanner has them")
        protocol = self.protocol
        self._course = Course(self.patient, protocol, reference_shots(protocol)[1])
        no_maps = np.ones((0, *protocol.grid.shape), np.complex64)
        phase = object_phase(protocol.grid)
        self._sampler = Sampler(protocol, self.head, no_maps, phase, None, (), self.patient.cardiac)
        self._held: dict[Sight, NDArray[np.complex64]] = {}
        self._raster = Raster.of(protocol) if self.patient.faults else None
        self.noise = 0.0 if self.snr is None else self._noise_for(self.snr)
        """Standard deviation of real and of imaginary part."""

    def __iter__(self) -> Iterator[ImagedVolume]:
        """Give every volume in the order of time; the same each time it is asked."""
        generator = np.random.default_rng([self.seed, 5])
        shape, context = self.protocol.grid.shape, self.protocol.context
        for number in range(self._course.end):
            image = self.volume(number)
            if self.noise:
                white = generator.standard_normal((*shape, 2), np.float32).view(np.complex64)[..., 0]
                image += np.float32(self.noise) * white
            gain = self._course.gain(number)
            if gain != 1:
                image *= np.float32(gain)
            yield ImagedVolume(number, context[number], image)

    def volume(self, number: int) -> NDArray[np.complex64]:
        """Give one volume without noise, at the gain of the begin, shape ``(z, y, x)``."""
        course, patient = self._course, self.patient
        rhythmic = patient.cardiac is not None or patient.respiratory is not None
        spoiled = number in course.twitches or number in course.lost or number in course.spikes
        if self._raster is None or not (rhythmic or spoiled):
            return self._image(course.sight(number)).copy()
        return self._disturbed(number, self._raster)

    def _disturbed(self, number: int, raster: Raster) -> NDArray[np.complex64]:
        course = self._course
        axes = (0, 1, 2) if self.protocol.three_dimensional else (1, 2)
        sight = course.sight(number)
        kspace = self._kspace(sight, number, raster, axes)
        if number in course.twitches:
            twitch = course.twitches[number]
            late = raster.number >= twitch.line
            kspace[late] = self._kspace(sight._replace(pose=twitch.pose), number, raster, axes)[late]
        if self.patient.respiratory is not None:
            places = range(int(raster.excitation.max()) + 1)
            breath = np.array([course.breath(number, 0, place) for place in places], np.complex64)
            kspace *= breath[raster.excitation][..., None]
        if number in course.spikes and self.patient.spikes is not None:
            largest = self.patient.spikes.height * np.abs(to_kspace(self._image(sight), axes)).max()
            for spike in course.spikes[number]:
                plane, row = np.argwhere(raster.number == spike.line)[0]
                sample = int(spike.place * kspace.shape[2])
                kspace[plane, row, sample] += np.complex64(largest * np.exp(1j * spike.phases[0]))
        kspace[np.isin(raster.number, course.lost.get(number, range(0)))] = 0
        return to_image(kspace, axes)

    def _kspace(self, sight: Sight, number: int, raster: Raster, axes: tuple[int, ...]) -> NDArray[np.complex64]:
        """Give k-space of a head in one pose, with the pulse of each excitation."""
        kspace = to_kspace(self._image(sight), axes)
        if self.patient.cardiac is None:
            return kspace
        places = range(int(raster.excitation.max()) + 1)
        beats = np.array([self._course.pulse(number, 0, place) for place in places], np.float32)
        kspace += beats[raster.excitation][..., None] * to_kspace(self._image(sight._replace(pulsating=True)), axes)
        return kspace

    def _image(self, sight: Sight) -> NDArray[np.complex64]:
        if sight not in self._held:
            if len(self._held) >= _MOST_HELD:
                self._held.pop(next(iter(self._held)))
            self._held[sight] = self._sampler.image(sight).astype(np.complex64)
        return self._held[sight]

    def _noise_for(self, snr: float) -> float:
        relaxed = relaxed_signal(self.head, self.protocol)
        return float(relaxed[gray_of(self.head, relaxed)].mean() / snr)
