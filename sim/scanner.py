"""The scanner: raw k-space of a whole ASL scan, message by message."""

from collections.abc import Iterator
from dataclasses import dataclass
from dataclasses import field as dataclass_field

import numpy as np
from numpy.typing import NDArray

from ..streaming.errors import ConfigError
from ..streaming.layouts import ACQUISITION_HEADER, flag
from ..streaming.messages import NO_TRAJECTORY, Acquisition, Close, Header, Message
from ..streaming.scan import Role
from .anatomy import Anatomy, brain
from .choices import NoiseScan
from .coils import noise_covariance, sensitivities
from .course import Course
from .effects import off_resonance
from .header import header_text, noise_header_text
from .lines import Lines
from .magnetization import object_phase, relaxed_signal
from .patient import Patient
from .preparation import Preparation
from .protocol import Protocol, ReadoutType
from .receiver import Receiver
from .references import reference_shots
from .sampler import Sampler, Sight, played_trajectory
from .sequence import Shot, Train, shots, trains

TYPICAL_SNR = 450.0
"""Makes ``deltam`` of gray matter in one pair about as large as its noise, as in patients: 0.9 in 2-D, 1.3 in 3-D."""
_TICK = 2.5e-3
"""Of the acquisition time stamp, s."""
_NOON = 12 * 3600.0
"""When the scan starts, s after midnight."""
_NOISE = flag(19)
_FIRST_IN_SLICE, _LAST_IN_SLICE, _FIRST_IN_REPETITION, _LAST_IN_REPETITION = (flag(n) for n in (7, 8, 13, 14))
_LAST_IN_MEASUREMENT = flag(25)


@dataclass
class Scanner:
    """A scanner that never scanned anyone: plays a protocol on a simulated head.

    Each volume is the noise-free image times coil sensitivities and a smooth object phase, Fourier transformed
    (centered, orthonormal) onto the samples, plus complex noise of the coils, drawn line by line. Without noise the
    data are the discrete sum over the voxels, wherever in k-space a sample lies.
    """

    protocol: Protocol
    seed: int = 0
    """Same seed, same noise."""
    snr: float | None = TYPICAL_SNR
    """Mean signal of gray matter in a fully relaxed image over the standard deviation of its noise, with the best
    combination of the coils; ``None`` or infinite is noise-free, and then there are no noise readouts either."""
    anatomy: Anatomy | None = None
    """The head; by default the MNI brain."""
    patient: Patient = dataclass_field(default_factory=Patient)
    """What goes wrong; by default nothing does."""
    maps: NDArray[np.complex64] = dataclass_field(init=False, repr=False)
    """Coil sensitivities, shape ``(coils, z, y, x)``."""
    covariance: NDArray[np.complex128] = dataclass_field(init=False, repr=False)
    """Of the noise of one sample, shape ``(coils, coils)``; zero if noise-free."""

    field: NDArray[np.float32] = dataclass_field(init=False, repr=False)
    """How far each voxel is off resonance, Hz, shape ``(z, y, x)``."""

    def __post_init__(self) -> None:
        grid = self.protocol.grid
        self.head = brain(grid) if self.anatomy is None else self.anatomy
        if self.head.grid != grid:
            raise ConfigError(f"the anatomy lies on {self.head.grid}, the protocol images {grid}")
        if self.snr is not None and not self.snr > 0:
            raise ConfigError(f"the SNR must be above 0, not {self.snr:g}; leave it out for a scan without noise")
        self.noisy = self.snr is not None and np.isfinite(self.snr)
        if self.patient.noisy_coil is not None and not self.noisy:
            raise ConfigError("noisy-coil: a scan without noise has no coil with more of it")
        self._generator = np.random.default_rng(self.seed)
        self.maps = sensitivities(grid, self.protocol.coils)
        self.covariance = self._scaled_covariance()
        factor = np.linalg.cholesky(self.covariance) if self.noisy else self.covariance
        # Real and imaginary part each carry half of the variance.
        self._factor = (factor / np.sqrt(2)).astype(np.complex64)
        self._phase = object_phase(grid)
        peak = self.protocol.effects.off_resonance
        self.field = off_resonance(grid, peak)
        self._field = self.field if peak else None
        self._shots = shots(self.protocol)
        self._references, self._begin = reference_shots(self.protocol)
        self._course = Course(self.patient, self.protocol, self._begin)
        self._sampler = Sampler(
            self.protocol, self.head, self.maps, self._phase, self._field, self._shots, self.patient.cardiac
        )
        self._receiver = Receiver(self._course, self._sampler)
        self._trajectory = self._stated_trajectory()
        self._counter = 0

    @property
    def readouts(self) -> int:
        """Readouts of the whole scan that come, noise, navigators and references included."""
        protocol, course = self.protocol, self._course
        volume = sum(len(shot.lines.ky) for shot in self._shots)
        ahead = sum(len(shot.lines.ky) for shot in self._references)
        noise = protocol.noise_readouts if self._noise_inline else 0
        lost = sum(len(lines) for number, lines in course.lost.items() if number < course.end)
        return volume * protocol.averages * course.end + ahead + noise - lost

    @property
    def _noise_inline(self) -> bool:
        return self.noisy and self.protocol.noise_scan is NoiseScan.INLINE

    def messages(self) -> Iterator[Message]:
        """Play the scan: header, noise, every line in the order of time, close; the same each time it is asked."""
        self._generator = np.random.default_rng([self.seed, 1])
        phases = np.random.default_rng([self.seed, 2])
        self._counter = 0
        yield Header(header_text(self.protocol))
        if self._noise_inline:
            yield from self._noise_readouts()
        yield from self._reference_lines()
        volumes = len(self.protocol.context)
        for train in trains(self.protocol, self._begin):
            if train.volume == self._course.end:
                break
            turn = self.protocol.effects.shot_phase * phases.standard_normal()
            yield from self._lines(train, turn, last=train.last and train.volume == volumes - 1)
        yield Close()

    def noise_messages(self) -> Iterator[Message]:
        """Play the measurement of noise that precedes the scan, for ``NoiseScan.EARLIER``: header, noise, close."""
        if not self.noisy or self.protocol.noise_scan is not NoiseScan.EARLIER:
            raise ConfigError("an earlier noise scan needs noise, and a protocol whose noise_scan is 'earlier'")
        self._generator = np.random.default_rng([self.seed, 3])
        self._counter = 0
        yield Header(noise_header_text(self.protocol))
        yield from self._noise_readouts()
        yield Close()

    def image(self, role: Role, delay: float | None = None) -> NDArray[np.complex64]:
        """Give a noise-free image as a perfect coil would see it of a patient without faults, shape ``(z, y, x)``.

        It is that of the first volume with this role, and with this delay to the first slice if one is given.
        """
        return self._sampler.image(Sight(self._preparation(role, delay)))

    def images(self, role: Role, delay: float | None = None) -> NDArray[np.complex64]:
        """Give the noise-free images of all coils, shape ``(coils, z, y, x)``."""
        return (self.maps * self.image(role, delay)).astype(np.complex64)

    def volume(self, number: int) -> NDArray[np.complex64]:
        """Give the noise-free image of one volume of the scan as a perfect coil would see it, shape ``(z, y, x)``.

        Of the patient's faults it shows what is labeled, and how the head lies when the volume begins.
        """
        return self._sampler.image(self._course.sight(number))

    def _preparation(self, role: Role, delay: float | None) -> Preparation:
        alike = [volume for volume in self.protocol.volumes if volume.preparation.role is role]
        wanted = [volume for volume in alike if delay is None or volume.bolus.post_labeling_delay == delay]
        if role is Role.LABEL and delay is not None and not wanted:
            raise ConfigError(f"no label of this scan has a delay of {delay:g} s")
        found = wanted or alike
        return found[0].preparation if found else Preparation(role)

    def _scaled_covariance(self) -> NDArray[np.complex128]:
        """Scale the noise so that gray matter has the wanted SNR, sqrt(2 s^H Psi^-1 s) times its signal.

        It is the SNR of an image that is fully sampled with as many samples as are read, however they lie.
        """
        coils = self.protocol.coils
        if not self.noisy:
            return np.zeros((coils, coils), np.complex128)
        covariance = noise_covariance(coils, self._generator)
        relaxed = relaxed_signal(self.head, self.protocol)
        gray = gray_of(self.head, relaxed)
        whitened = np.linalg.solve(np.linalg.cholesky(covariance), self.maps[:, gray])
        snr = relaxed[gray] * np.sqrt(2 * np.sum(np.abs(whitened) ** 2, axis=0))
        return covariance * (np.mean(snr) / self.snr) ** 2 * self.protocol.redundancy

    def _noise(self, lines: int, samples: int) -> NDArray[np.complex64]:
        """Draw noise, shape ``(lines, coils, samples)``."""
        shape = (lines, self.protocol.coils, samples)
        white = self._generator.standard_normal((*shape, 2), np.float32).view(np.complex64)[..., 0]
        return self._factor @ white

    def _noise_readouts(self) -> Iterator[Acquisition]:
        count, samples = self.protocol.noise_readouts, self.protocol.samples
        headers = self._headers(count, samples)
        headers["flags"] = _NOISE
        headers["acquisition_time_stamp"] = round(_NOON / _TICK)
        yield from self._acquisitions(headers, self._receiver.noise(self._noise(count, samples)))

    def _reference_lines(self) -> Iterator[Acquisition]:
        """Play what is read once, ahead of the volumes; in the contrast of the m0scan."""
        if not self._references:
            return
        samples = self._sampler.sampled(self._references, Sight(Preparation(Role.M0SCAN)))
        for shot, data in zip(self._references, samples, strict=True):
            lines = shot.lines
            headers = self._shot_headers(shot, data.shape[-1], shot.offset)
            self._receiver.silence(data)
            if self.noisy:
                data += self._receiver.noise(self._noise(len(lines.ky), data.shape[-1]))
            yield from self._acquisitions(headers, data)

    def _lines(self, train: Train, turn: float, last: bool) -> Iterator[Acquisition]:
        """Play one excitation."""
        protocol = self.protocol
        shot = train.played
        lines = shot.lines
        data = self._receiver.signal(train)
        if protocol.effects.drift or turn:
            data *= self._turns(lines, train.time, turn)[:, None, None]
        if self.noisy:
            data += self._receiver.noise(self._noise(len(lines.ky), data.shape[-1]), train.volume)
        self._receiver.amplify(data, train)
        headers = self._shot_headers(shot, data.shape[-1], train.time)
        counters = headers["idx"]
        counters["average"] = train.average
        counters["repetition"] = train.volume
        imaging = np.flatnonzero(lines.imaging)
        begins, ends = imaging[0], imaging[-1]
        begins_slice, ends_slice = train.first, train.last
        if not protocol.three_dimensional:
            begins_slice, ends_slice = train.shot == 0, train.shot == protocol.excitations - 1
        flags = headers["flags"]
        flags[begins] |= _FIRST_IN_SLICE * begins_slice | _FIRST_IN_REPETITION * train.first
        flags[ends] |= _LAST_IN_SLICE * ends_slice | _LAST_IN_REPETITION * train.last
        flags[ends] |= _LAST_IN_MEASUREMENT * last
        come = self._receiver.come(train)
        yield from self._acquisitions(headers[come], data[come])

    def _turns(self, lines: Lines, time: float, turn: float) -> NDArray[np.complex64]:
        """Give by how much drift and the shot's own phase turn each line, shape ``(lines,)``."""
        frequency = self.protocol.effects.drift * time / 60
        since = lines.evolution if self.protocol.refocused else lines.after
        return np.exp(1j * (turn + 2 * np.pi * frequency * since)).astype(np.complex64)

    def _shot_headers(self, shot: Shot, samples: int, time: float) -> NDArray[np.void]:
        """Prepare the headers of one excitation whose first imaging line is read at a time, s."""
        protocol, lines = self.protocol, shot.lines
        headers = self._headers(len(lines.ky), samples)
        headers["flags"] = lines.flags
        headers["encoding_space_ref"] = shot.space
        counters = headers["idx"]
        counters["kspace_encode_step_1"] = lines.step_1
        counters["segment"] = shot.number
        if protocol.three_dimensional:
            counters["kspace_encode_step_2"] = lines.step_2
        else:
            counters["slice"] = shot.plane
            headers["position"] = np.multiply(protocol.grid.slice_center(shot.plane), 1e3)
        begin = lines.after[lines.imaging][0] if lines.imaging.any() else lines.after[0]
        times = _NOON + time + (lines.after - begin)
        headers["acquisition_time_stamp"] = np.floor(times / _TICK + 1e-6)
        if self._trajectory is not None:
            headers["trajectory_dimensions"] = 2
            headers["center_sample"] = samples // 2 if protocol.spiral.radial else 0
        return headers

    def _headers(self, count: int, samples: int) -> NDArray[np.void]:
        """Prepare MRD headers with all that does not change during a scan."""
        protocol = self.protocol
        headers = np.zeros(count, ACQUISITION_HEADER)
        headers["version"] = 1
        headers["measurement_uid"] = 1
        headers["scan_counter"] = self._counter + 1 + np.arange(count)
        self._counter += count
        headers["number_of_samples"] = samples
        headers["center_sample"] = samples // 2
        headers["available_channels"] = headers["active_channels"] = protocol.coils
        headers["channel_mask"] = _channel_mask(protocol.coils)
        headers["sample_time_us"] = protocol.sample_time * 1e6
        headers["position"] = np.multiply(protocol.center, 1e3)
        headers["read_dir"] = (1, 0, 0)
        headers["phase_dir"] = (0, 1, 0)
        headers["slice_dir"] = (0, 0, 1)
        return headers

    def _acquisitions(self, headers: NDArray[np.void], data: NDArray[np.complex64]) -> Iterator[Acquisition]:
        packed = headers.tobytes()
        size = ACQUISITION_HEADER.itemsize
        for number, line in enumerate(data):
            trajectory = NO_TRAJECTORY
            if self._trajectory is not None and headers["trajectory_dimensions"][number]:
                trajectory = self._trajectory[headers["idx"]["kspace_encode_step_1"][number]]
            yield Acquisition(packed[number * size : (number + 1) * size], trajectory, line)

    def _stated_trajectory(self) -> NDArray[np.float32] | None:
        if self.protocol.readout != ReadoutType.SPIRAL:
            return None
        return played_trajectory(self.protocol, 0.0).astype(np.float32)


def gray_of(head: Anatomy, relaxed: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Tell in which voxels SNR is measured: those of gray matter, or of anything that shines, where there is none."""
    share = head.gray_matter
    gray = share > 0.5 if np.any(share > 0.5) else relaxed > 0
    if not gray.any():
        raise ConfigError("no brain lies in the field of view; center it on the head, or ask for no noise")
    return gray


def _channel_mask(coils: int) -> NDArray[np.uint64]:
    """Set one bit per channel in the 1024 that MRD has."""
    bits = np.zeros(1024, np.uint8)
    bits[:coils] = 1
    return np.packbits(bits, bitorder="little").view("<u8")
