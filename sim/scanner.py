"""The scanner: raw k-space of a whole ASL scan, message by message."""

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ..streaming.errors import ConfigError
from ..streaming.layouts import ACQUISITION_HEADER, flag
from ..streaming.messages import NO_TRAJECTORY, Acquisition, Close, Header, Message
from ..streaming.scan import Role
from .anatomy import Anatomy, brain
from .coils import noise_covariance, sensitivities
from .fourier import to_kspace, widen
from .header import header_text
from .magnetization import object_phase, relaxed_signal, signal
from .protocol import Protocol
from .sequence import Train, line_steps, trains

TYPICAL_SNR = 450.0
"""Makes ``deltam`` of gray matter in one pair about as large as its noise, as in patients: 0.9 in 2-D, 1.3 in 3-D."""
_TICK = 2.5e-3
"""Of the acquisition time stamp, s."""
_NOON = 12 * 3600.0
"""When the scan starts, s after midnight."""
_HELD_STATES = 2
"""k-space volumes held: one of control and one of label; each may have 100 MB."""
_NOISE = flag(19)
_FIRST_IN_SLICE, _LAST_IN_SLICE, _FIRST_IN_REPETITION, _LAST_IN_REPETITION = (flag(n) for n in (7, 8, 13, 14))
_LAST_IN_MEASUREMENT = flag(25)


@dataclass
class Scanner:
    """A scanner that never scanned anyone: plays a protocol on a simulated head.

    Each volume is the noise-free image times coil sensitivities and a smooth object phase, Fourier transformed
    (centered, orthonormal) onto the sampled lines, plus complex noise of the coils, drawn line by line.
    """

    protocol: Protocol
    seed: int = 0
    """Same seed, same noise."""
    snr: float | None = TYPICAL_SNR
    """Mean signal of gray matter in a fully relaxed image over the standard deviation of its noise, with the best
    combination of the coils; ``None`` or infinite is noise-free, and then there are no noise readouts either."""
    anatomy: Anatomy | None = None
    """The head; by default the MNI brain."""
    maps: NDArray[np.complex64] = field(init=False, repr=False)
    """Coil sensitivities, shape ``(coils, z, y, x)``."""
    covariance: NDArray[np.complex128] = field(init=False, repr=False)
    """Of the noise of one sample, shape ``(coils, coils)``; zero if noise-free."""

    def __post_init__(self) -> None:
        grid = self.protocol.grid
        self.head = brain(grid) if self.anatomy is None else self.anatomy
        if self.head.grid != grid:
            raise ConfigError(f"the anatomy lies on {self.head.grid}, the protocol images {grid}")
        if self.snr is not None and not self.snr > 0:
            raise ConfigError(f"the SNR must be above 0, not {self.snr:g}; leave it out for a scan without noise")
        self.noisy = self.snr is not None and np.isfinite(self.snr)
        self._generator = np.random.default_rng(self.seed)
        self.maps = sensitivities(grid, self.protocol.coils)
        self.covariance = self._scaled_covariance()
        factor = np.linalg.cholesky(self.covariance) if self.noisy else self.covariance
        # Real and imaginary part each carry half of the variance.
        self._factor = (factor / np.sqrt(2)).astype(np.complex64)
        self._phase = object_phase(grid)
        self._states: OrderedDict[tuple[Role, float], NDArray[np.complex64]] = OrderedDict()
        self._counter = 0

    @property
    def readouts(self) -> int:
        """Readouts of the whole scan, noise included."""
        return self.protocol.readouts + (self.protocol.noise_readouts if self.noisy else 0)

    def messages(self) -> Iterator[Message]:
        """Play the scan: header, noise, every line in the order of time, close; the same each time it is asked."""
        self._generator = np.random.default_rng([self.seed, 1])
        self._counter = 0
        yield Header(header_text(self.protocol))
        if self.noisy:
            yield from self._noise_readouts()
        volumes = len(self.protocol.context)
        for train in trains(self.protocol):
            yield from self._lines(train, last=train.last and train.volume == volumes - 1)
        yield Close()

    def images(self, role: Role, delay: float = 0.0) -> NDArray[np.complex64]:
        """Give the noise-free images of all coils, shape ``(coils, z, y, x)``."""
        return (self.maps * self._image(role, delay)).astype(np.complex64)

    def _image(self, role: Role, delay: float) -> NDArray[np.complex64]:
        return signal(self.head, self.protocol, role, delay) * self._phase

    def _scaled_covariance(self) -> NDArray[np.complex128]:
        """Scale the noise so that gray matter has the wanted SNR, sqrt(2 s^H Psi^-1 s) times its signal."""
        coils = self.protocol.coils
        if not self.noisy:
            return np.zeros((coils, coils), np.complex128)
        covariance = noise_covariance(coils, self._generator)
        relaxed = relaxed_signal(self.head, self.protocol)
        share = self.head.gray_matter
        gray = share > 0.5 if np.any(share > 0.5) else relaxed > 0
        if not gray.any():
            raise ConfigError("no brain lies in the field of view; center it on the head, or ask for no noise")
        whitened = np.linalg.solve(np.linalg.cholesky(covariance), self.maps[:, gray])
        snr = relaxed[gray] * np.sqrt(2 * np.sum(np.abs(whitened) ** 2, axis=0))
        return covariance * (np.mean(snr) / self.snr) ** 2

    def _noise(self, lines: int) -> NDArray[np.complex64]:
        """Draw noise, shape ``(lines, coils, samples)``."""
        shape = (lines, self.protocol.coils, self.protocol.encoded_matrix[0])
        white = self._generator.standard_normal((*shape, 2), np.float32).view(np.complex64)[..., 0]
        return self._factor @ white

    def _noise_readouts(self) -> Iterator[Acquisition]:
        count = self.protocol.noise_readouts
        headers = self._headers(count)
        headers["flags"] = _NOISE
        headers["acquisition_time_stamp"] = round(_NOON / _TICK)
        yield from self._acquisitions(headers, self._noise(count))

    def _lines(self, train: Train, last: bool) -> Iterator[Acquisition]:
        """Play one echo train."""
        protocol = self.protocol
        steps = list(line_steps(protocol))
        data = self._state(train.role, train.delay)[train.plane, steps]
        if self.noisy:
            data += self._noise(len(steps))
        headers = self._headers(len(steps))
        counters = headers["idx"]
        counters["kspace_encode_step_1"] = steps
        counters["average"] = train.average
        counters["repetition"] = train.volume
        counters["segment"] = train.shot
        counters["kspace_encode_step_2" if protocol.three_dimensional else "slice"] = train.plane
        times = _NOON + train.time + protocol.echo_spacing * np.arange(len(steps))
        headers["acquisition_time_stamp"] = np.floor(times / _TICK + 1e-6)
        if not protocol.three_dimensional:
            headers["position"] = np.multiply(protocol.grid.slice_center(train.plane), 1e3)
        whole = not protocol.three_dimensional
        flags = headers["flags"]
        flags[0] |= _FIRST_IN_SLICE * (whole or train.first) | _FIRST_IN_REPETITION * train.first
        flags[-1] |= _LAST_IN_SLICE * (whole or train.last) | _LAST_IN_REPETITION * train.last
        flags[-1] |= _LAST_IN_MEASUREMENT * last
        yield from self._acquisitions(headers, data)

    def _headers(self, count: int) -> NDArray[np.void]:
        """Prepare MRD headers with all that does not change during a scan."""
        protocol = self.protocol
        samples = protocol.encoded_matrix[0]
        headers = np.zeros(count, ACQUISITION_HEADER)
        headers["version"] = 1
        headers["measurement_uid"] = 1
        headers["scan_counter"] = self._counter + 1 + np.arange(count)
        self._counter += count
        headers["number_of_samples"] = samples
        headers["center_sample"] = samples // 2
        headers["available_channels"] = headers["active_channels"] = protocol.coils
        headers["channel_mask"] = _channel_mask(protocol.coils)
        headers["sample_time_us"] = protocol.dwell * 1e6
        headers["position"] = np.multiply(protocol.center, 1e3)
        headers["read_dir"] = (1, 0, 0)
        headers["phase_dir"] = (0, 1, 0)
        headers["slice_dir"] = (0, 0, 1)
        return headers

    @staticmethod
    def _acquisitions(headers: NDArray[np.void], data: NDArray[np.complex64]) -> Iterator[Acquisition]:
        packed = headers.tobytes()
        size = ACQUISITION_HEADER.itemsize
        for number, line in enumerate(data):
            yield Acquisition(packed[number * size : (number + 1) * size], NO_TRAJECTORY, line)

    def _state(self, role: Role, delay: float) -> NDArray[np.complex64]:
        """Give the noise-free k-space of a volume, shape ``(slices or partitions, lines, coils, samples)``.

        It is made once per role and delay; only the latest are held.
        """
        key = (role, delay if role is Role.LABEL else 0.0)  # only label images know the delay
        if key not in self._states:
            while len(self._states) >= _HELD_STATES:
                self._states.popitem(last=False)
            self._states[key] = self._kspace(role, delay)
        self._states.move_to_end(key)
        return self._states[key]

    def _kspace(self, role: Role, delay: float) -> NDArray[np.complex64]:
        """Sample the k-space of a volume coil by coil, so that little memory is needed beside the result."""
        protocol = self.protocol
        samples, lines, partitions = protocol.encoded_matrix
        axes = (0, 1, 2) if protocol.three_dimensional else (1, 2)
        planes = protocol.partition_count if protocol.three_dimensional else partitions
        image = self._image(role, delay)
        sampled = np.empty((planes, protocol.line_count, protocol.coils, samples), np.complex64)
        for coil in range(protocol.coils):
            full = to_kspace(widen(image * self.maps[coil], (partitions, lines, samples)), axes)
            # Partial Fourier leaves out the lowest lines and partitions.
            sampled[:, :, coil] = full[partitions - planes :, lines - protocol.line_count :]
        return sampled


def _channel_mask(coils: int) -> NDArray[np.uint64]:
    """Set one bit per channel in the 1024 that MRD has."""
    bits = np.zeros(1024, np.uint8)
    bits[:coils] = 1
    return np.packbits(bits, bitorder="little").view("<u8")
