"""Making the noise of all coils equal and independent."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from ..streaming.errors import DataError
from ..streaming.flow import KSpace, Reference
from ..streaming.gadget import Gadget
from ..streaming.notices import Level, Notice
from ..streaming.readouts import Kind, Readout
from ..streaming.scan import Noise, Scan
from .kernels.coil_order import matched
from .kernels.whitening import Whitening, noise_at_the_edge, whiten

_NOISE_BANDWIDTH = 0.793  # share of the receiver band that carries noise, where nobody states it
_IMAGES = (Kind.IMAGING, Kind.REFERENCE_AND_IMAGING)
_INLINE = "noise readouts"
_LISTED = 8  # coils in a notice
_TOO_QUIET, _TOO_LOUD = 0.5, 2.0  # of whitened noise, which should have a standard deviation of 1


class MissingNoise(StrEnum):
    """What to do with a scan whose coils cannot be whitened."""

    CONTINUE = "continue"
    REFUSE = "refuse"


@dataclass
class Prewhiten(Gadget):
    """Mixes the coils so that each carries the same noise and none shares it with another.

    From the noise readouts ``n`` (all samples, no mean taken out): ``Psi = n n^H / (M - 1) = L L^H``,
    ``W = L^-1 sqrt(2 dwell_data / dwell_noise * bandwidth)``, so that real and imaginary parts of the data have unit
    variance (Kellman and McVeigh, MRM 54:1439 (2005)). A scan without noise readouts takes the noise of the earlier
    measurement that its header names (``Scan.noise``), coils matched by their names. W is fixed by the first imaging
    line and used for the whole run, so that m0scan, control and label keep one scale even where their bandwidths
    differ; reference lines are scaled by their own dwell. Noise readouts end here, and what they told goes out as
    ``Noise``. It works on lines, or behind ``gather`` on whole planes, which is quicker.
    """

    noise_bandwidth: float | None = None
    """Share of the receiver band that carries noise; by default the header's, else 0.793."""
    missing_noise: MissingNoise = MissingNoise.CONTINUE
    """``continue`` unwhitened, or ``refuse`` a scan whose noise is not known."""

    _scan: Scan = field(default_factory=Scan, init=False, repr=False)
    _bandwidth: float = field(default=_NOISE_BANDWIDTH, init=False, repr=False)
    _sum: NDArray[np.complex128] | None = field(default=None, init=False, repr=False)
    _samples: int = field(default=0, init=False, repr=False)
    _dwell: float = field(default=0.0, init=False, repr=False)
    _unscaled: NDArray[np.complex128] | None = field(default=None, init=False, repr=False)
    _matrix: NDArray[np.complex64] | None = field(default=None, init=False, repr=False)
    _decided: bool = field(default=False, init=False, repr=False)
    _checked: bool = field(default=False, init=False, repr=False)
    _spoilt: int = field(default=0, init=False, repr=False)
    _late: int = field(default=0, init=False, repr=False)
    _other: int = field(default=0, init=False, repr=False)

    def start(self, scan: Scan) -> None:
        """Take the bandwidth from the header where no parameter gives it."""
        self._scan = scan
        chosen = self.noise_bandwidth if self.noise_bandwidth is not None else scan.relative_noise_bandwidth
        self._bandwidth = chosen if chosen is not None and chosen > 0 else _NOISE_BANDWIDTH
        self._sum, self._unscaled, self._matrix, self._decided, self._checked = None, None, None, False, False
        self._samples = self._spoilt = self._late = self._other = 0
        self._dwell = 0.0

    def process(self, message: Readout | KSpace | Reference) -> Iterator[Readout | KSpace | Reference | Noise | Notice]:
        """Collect noise, or whiten a line or a plane."""
        if isinstance(message, Readout) and message.kind is Kind.NOISE:
            self._collect(message)
            return
        coils = message.data.shape[0]
        if not self._decided:
            self._decided = True
            yield from self._decide(coils, message.dwell if isinstance(message, Readout) else message.place.dwell)
        matrix = self._unscaled
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
            return
        whitened = (self._scaled(message, matrix) @ message.data.reshape(coils, -1)).reshape(message.data.shape)
        if isinstance(message, Reference):
            yield Reference(whitened, message.place, message.index, message.center)
            return
        if isinstance(message, KSpace) and not self._checked and message.trajectory is None:
            self._checked = True
            yield from _check(noise_at_the_edge(whitened))
        yield message.with_data(whitened)

    def finish(self) -> Iterator[Noise | Notice]:
        """Say what noise could not be used; a measurement of nothing but noise gives it only now."""
        if not self._decided:
            yield from self._tell_noise()
            if self._samples > 1 and not self._scan.measurement_id:
                yield Notice("The header has no measurementID: this noise cannot be kept for later measurements.")
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

    def _tell_noise(self) -> Iterator[Noise | Notice]:
        """Give what the noise readouts told, if there were enough."""
        if self._spoilt:
            yield Notice(f"{self._spoilt} noise readouts were not finite, or of other coils, and were not used.")
        if self._sum is not None and self._samples > 1:
            names = self._scan.coil_names if len(self._scan.coil_names) == self._sum.shape[0] else ()
            yield Noise(self._sum / (self._samples - 1), self._samples, self._dwell, names)

    def _decide(self, line_coils: int, dwell: float) -> Iterator[Noise | Notice]:
        """Choose the noise, and make the matrix."""
        noise = None
        for told in self._tell_noise():
            noise = told if isinstance(told, Noise) else noise
            yield told
        origin = _INLINE
        if noise is None:
            noise, origin = self._scan.noise, "noise of the earlier measurement"
            if noise is None:
                yield self._unwhitened(*self._why_missing())
                return
            order = matched(self._scan.coil_names, noise.coil_names, line_coils, noise.covariance.shape[0])
            if order is None:
                yield self._unwhitened(_other_coils(self._scan.coil_names, noise, line_coils))
                return
            noise = Noise(noise.covariance[np.ix_(order, order)], noise.samples, noise.dwell)
        coils = noise.covariance.shape[0]
        if line_coils != coils:
            yield self._unwhitened(f"The {origin} have {coils} coils, the lines {line_coils}: nothing is whitened.")
            return
        whitening = whiten(noise.covariance, noise.samples)
        if whitening is None:
            yield self._unwhitened(f"The {origin} hold no noise: the coils are not whitened.")
            return
        self._unscaled, self._samples, self._dwell = whitening.matrix, noise.samples, noise.dwell
        yield from self._tell_whitening(whitening, origin, dwell)

    def _why_missing(self) -> tuple[str, Level]:
        needed = self._scan.noise_measurement
        if not needed:
            return "No noise readouts came: the coils are combined as they are, unwhitened.", Level.INFO
        text = (
            f"The header says that the noise is in measurement {needed}, which did not come here or is no longer kept: "
            "the coils are combined as they are, unwhitened, which loses signal-to-noise, and the images are not in "
            "units of the noise. Send that measurement first."
        )
        return text, Level.WARNING

    def _unwhitened(self, text: str, level: Level = Level.WARNING) -> Notice:
        if self.missing_noise == MissingNoise.REFUSE:
            raise DataError(f"{text} The scan is refused, as missing_noise says.")
        return Notice(text, level)

    def _scaled(self, message: Readout | KSpace | Reference, matrix: NDArray[np.complex128]) -> NDArray[np.complex64]:
        """Give the matrix in the scale of the message; for all images it is that of the first one."""
        dwell = message.dwell if isinstance(message, Readout) else message.place.dwell
        if isinstance(message, Reference) or (isinstance(message, Readout) and message.kind not in _IMAGES):
            return (self._scaling(dwell) * matrix).astype(np.complex64)
        if self._matrix is None:
            self._matrix = (self._scaling(dwell) * matrix).astype(np.complex64)
        return self._matrix

    def _scaling(self, dwell: float) -> float:
        dwells = dwell / self._dwell if 0 < dwell < np.inf and 0 < self._dwell < np.inf else 1.0
        return float(np.sqrt(2 * dwells * self._bandwidth))

    def _tell_whitening(self, whitening: Whitening, origin: str, dwell: float) -> Iterator[Notice]:
        yield Notice(
            f"Noise whitened over {len(whitening.matrix)} coils: {self._samples} samples"
            f"{'' if origin == _INLINE else f' of {origin}'}, scaling {self._scaling(dwell):.3f}, "
            f"condition {whitening.condition:.1f}.",
            Level.INFO,
        )
        if whitening.silent:
            yield Notice(f"Silent coils are left out: {self._named(whitening.silent)}. Are they connected?")
        if whitening.loud:
            yield Notice(
                f"Coils with over 100 times the noise of the others: {self._named(whitening.loud)}; they count little."
            )
        if whitening.method == "loaded":
            yield Notice(
                "Too little noise, or coils that are copies: the noise covariance was steadied before its inversion."
            )
        elif whitening.method == "diagonal":
            yield Notice("Far too little noise: each coil was scaled alone, correlations between coils remain.")

    def _named(self, coils: tuple[int, ...]) -> str:
        names = self._scan.coil_names
        return ", ".join(names[coil] if coil < len(names) and names[coil] else str(coil) for coil in coils)


def _other_coils(names: tuple[str, ...], noise: Noise, coils: int) -> str:
    absent = [name for name in names if name and name not in noise.coil_names]
    which = f" ({', '.join(absent[:_LISTED])} are missing)" if absent and noise.coil_names else ""
    return (
        f"The noise of the earlier measurement is of {noise.covariance.shape[0]} coils, the lines of {coils}, and they "
        f"cannot be matched by their names{which}: nothing is whitened."
    )


def _check(deviation: float) -> Iterator[Notice]:
    """Compare the noise at the edge of the first plane with what whitening should have made of it."""
    if deviation < _TOO_QUIET:
        yield Notice(
            f"The noise of the images is {deviation:.2g} of what the noise readouts foretell: the dwell time of one of "
            "them is wrong, or another receiver gain was used. The images are not in units of their noise."
        )
    elif deviation > _TOO_LOUD:
        yield Notice(
            f"At the edge of the first image there is {deviation:.2g} times the noise that the noise readouts tell: "
            "the object fills the field of view, or a dwell time or the receiver gain is not what the header says.",
            Level.INFO,
        )
