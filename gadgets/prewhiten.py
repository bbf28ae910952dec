"""Making the noise of all coils equal and independent."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ..streaming.flow import Kind, KSpace, Level, Notice, Readout
from ..streaming.gadget import Gadget
from ..streaming.scan import Scan
from .kernels.whitening import whiten

_NOISE_BANDWIDTH = 0.793  # share of the receiver band that carries noise, where nobody states it


@dataclass
class Prewhiten(Gadget):
    """Mixes the coils so that each carries the same noise and none shares it with another.

    From the noise readouts ``n`` (all samples, no mean taken out): ``Psi = n n^H / (M - 1) = L L^H``,
    ``W = L^-1 sqrt(2 dwell_data / dwell_noise * bandwidth)``, so that real and imaginary parts of the data have unit
    variance (Kellman and McVeigh, MRM 54:1439 (2005)). W is fixed by the first imaging line and used for the whole run,
    so that m0scan, control and label keep one scale even where their bandwidths differ. Noise readouts end here. It
    works on lines, or behind ``gather`` on whole planes, which is quicker.
    """

    noise_bandwidth: float | None = None
    """Share of the receiver band that carries noise; by default the header's, else 0.793."""

    _bandwidth: float = field(default=_NOISE_BANDWIDTH, init=False, repr=False)
    _sum: NDArray[np.complex128] | None = field(default=None, init=False, repr=False)
    _samples: int = field(default=0, init=False, repr=False)
    _dwell: float = field(default=0.0, init=False, repr=False)
    _matrix: NDArray[np.complex64] | None = field(default=None, init=False, repr=False)
    _decided: bool = field(default=False, init=False, repr=False)
    _spoilt: int = field(default=0, init=False, repr=False)
    _late: int = field(default=0, init=False, repr=False)
    _other: int = field(default=0, init=False, repr=False)

    def start(self, scan: Scan) -> None:
        """Take the bandwidth from the header where no parameter gives it."""
        chosen = self.noise_bandwidth if self.noise_bandwidth is not None else scan.relative_noise_bandwidth
        self._bandwidth = chosen if chosen is not None and chosen > 0 else _NOISE_BANDWIDTH
        self._sum, self._matrix, self._decided = None, None, False
        self._samples = self._spoilt = self._late = self._other = 0
        self._dwell = 0.0

    def process(self, message: Readout | KSpace) -> Iterator[Readout | KSpace | Notice]:
        """Collect noise, or whiten a line or a plane."""
        if isinstance(message, Readout) and message.kind is Kind.NOISE:
            self._collect(message)
            return
        coils = message.data.shape[0]
        if not self._decided:
            yield from self._decide(coils, message.dwell if isinstance(message, Readout) else message.place.dwell)
        matrix = self._matrix
        if matrix is not None and coils != matrix.shape[0]:
            self._other += 1
            if self._other == 1:
                yield Notice(
                    f"A readout of {coils} coils, but noise of {matrix.shape[0]}: it and others like it are not "
                    "whitened."
                )
            matrix = None
        if matrix is None:
            yield message
        elif isinstance(message, Readout):
            yield message.with_data(matrix @ message.data)
        else:
            whitened = (matrix @ message.data.reshape(coils, -1)).reshape(message.data.shape)
            yield KSpace(whitened, message.place, message.index, message.last)

    def finish(self) -> Iterator[Notice]:
        """Say what noise could not be used."""
        if self._late:
            yield Notice(f"{self._late} noise readouts came after the first line and were not used.", Level.INFO)

    def _collect(self, message: Readout) -> None:
        noise = message.data.astype(np.complex128)
        if self._decided:
            self._late += 1
        elif not np.isfinite(noise).all() or (self._sum is not None and noise.shape[0] != self._sum.shape[0]):
            self._spoilt += 1
        else:
            product = noise @ noise.conj().T
            self._sum = product if self._sum is None else self._sum + product
            self._samples += noise.shape[1]
            self._dwell = message.dwell

    def _decide(self, line_coils: int, dwell: float) -> Iterator[Notice]:
        self._decided = True
        if self._spoilt:
            yield Notice(f"{self._spoilt} noise readouts were not finite, or of other coils, and were not used.")
        if self._sum is None or self._samples < 2:
            yield Notice("No noise readouts came: the coils are combined as they are, unwhitened.", Level.INFO)
            return
        coils = self._sum.shape[0]
        if line_coils != coils:
            yield Notice(f"The noise readouts have {coils} coils, the lines {line_coils}: nothing is whitened.")
            return
        dwells = dwell / self._dwell if dwell > 0 and self._dwell > 0 else 1.0
        scaling = float(np.sqrt(2 * dwells * self._bandwidth))
        whitening = whiten(self._sum / (self._samples - 1), self._samples, scaling)
        if whitening is None:
            yield Notice("The noise readouts hold no noise: the coils are not whitened.")
            return
        self._matrix = whitening.matrix
        yield Notice(
            f"Noise whitened over {coils} coils: {self._samples} samples, scaling {scaling:.3f}, "
            f"condition {whitening.condition:.1f}.",
            Level.INFO,
        )
        if whitening.method == "loaded":
            yield Notice("Too little noise, or a silent coil: the noise covariance was steadied before its inversion.")
        elif whitening.method == "diagonal":
            yield Notice("Far too little noise: each coil was scaled alone, correlations between coils remain.")
