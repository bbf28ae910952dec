"""What crosses the wire: one frozen dataclass for each message of the MRD streaming protocol."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from .layouts import ACQUISITION_HEADER, IMAGE_HEADER, WAVEFORM_HEADER

NO_TRAJECTORY = np.empty((0, 0), np.float32)
"""What acquisitions without k-space coordinates carry."""
NO_TRAJECTORY.setflags(write=False)


@dataclass(frozen=True, slots=True)
class ConfigFile:
    """The name of the chain that the scanner asks for (id 1)."""

    name: str


@dataclass(frozen=True, slots=True)
class ConfigText:
    """The chain itself, as Gadgetron XML or JSON (id 2)."""

    text: str


@dataclass(frozen=True, slots=True)
class Header:
    """The MRD header of the scan, as the XML text that came (id 3)."""

    text: str


@dataclass(frozen=True, slots=True)
class Close:
    """No more will come from this end (id 4)."""


@dataclass(frozen=True, slots=True)
class Text:
    """A line for people, or JSON parameters towards the server (id 5)."""

    text: str


@dataclass(frozen=True, slots=True)
class Query:
    """A question about the server, asked by Gadgetron's clients (id 6)."""

    correlation_id: int
    text: str
    reserved: int = 0


@dataclass(frozen=True, slots=True)
class Response:
    """The answer to a query (id 7)."""

    correlation_id: int
    text: str


@dataclass(frozen=True, slots=True)
class Acquisition:
    """One readout of all coils, as it came (id 1008).

    The arrays may be read-only views of the received bytes, and need not be aligned.
    """

    header: bytes
    """The 340 bytes of ``layouts.ACQUISITION_HEADER``."""
    trajectory: NDArray[np.float32]
    """k-space coordinates, shape ``(samples, dimensions)``; dimensions may be 0."""
    data: NDArray[np.complex64]
    """Samples, shape ``(coils, samples)``."""

    @property
    def fields(self) -> np.void:
        """The header by field names; convenient, not fast."""
        return np.frombuffer(self.header, ACQUISITION_HEADER)[0]


@dataclass(frozen=True, slots=True)
class Acquisitions:
    """Readouts of one size that came directly one behind the other, as views of the received bytes."""

    headers: NDArray[np.void]
    """Of ``layouts.ACQUISITION_HEADER``, shape ``(readouts,)``."""
    trajectory: NDArray[np.float32]
    """Shape ``(readouts, samples, dimensions)``; dimensions may be 0."""
    data: NDArray[np.complex64]
    """Shape ``(readouts, coils, samples)``."""

    def split(self) -> Iterator[Acquisition]:
        """Give them one by one."""
        for header, trajectory, data in zip(self.headers, self.trajectory, self.data, strict=True):
            yield Acquisition(header.tobytes(), trajectory if trajectory.shape[1] else NO_TRAJECTORY, data)


@dataclass(frozen=True, slots=True)
class Image:
    """One image or map on the wire (id 1022)."""

    header: bytes
    """The 198 bytes of ``layouts.IMAGE_HEADER``."""
    attributes: str
    """MetaAttributes as MRD XML; may be empty."""
    data: NDArray[np.generic]
    """Pixels, shape ``(channels, z, y, x)``."""

    @property
    def fields(self) -> np.void:
        """The header by field names; convenient, not fast."""
        return np.frombuffer(self.header, IMAGE_HEADER)[0]


@dataclass(frozen=True, slots=True)
class Waveform:
    """A stretch of ECG, pulse, respiration or other signal (id 1026)."""

    header: bytes
    """The 40 bytes of ``layouts.WAVEFORM_HEADER``."""
    data: NDArray[np.uint32]
    """Samples, shape ``(channels, samples)``."""

    @property
    def fields(self) -> np.void:
        """The header by field names; convenient, not fast."""
        return np.frombuffer(self.header, WAVEFORM_HEADER)[0]


@dataclass(frozen=True, slots=True)
class Array:
    """An array of any shape (id 1030)."""

    data: NDArray[np.generic]
    """As it came, last axis fastest."""
    version: int = field(default=1)


Message = ConfigFile | ConfigText | Header | Close | Text | Query | Response | Acquisition | Image | Waveform | Array
"""Any message of the protocol."""
