"""What a measurement of noise holds beside noise, and which coils it shows to be dead or noisy."""

import numpy as np
from numpy.typing import NDArray

_STANDS_OUT = 6.0  # standard deviations of what white noise makes of a spectrum
_NEIGHBORS = 8  # on each side, that tell the height of the spectrum: the receiver's filter is smooth
_LINE = 3.0  # times the height beside it
_FEWEST = 8  # readouts
_NOISY = 5.0  # times the power of the median coil
_SILENT = 1e-4


class NoiseScan:
    """Sums up readouts without signal ``(coils, samples)``: their mean, and the power of their spectrum."""

    def __init__(self) -> None:
        self.readouts = 0
        self.dwell = 0.0
        """Time of one sample, s; 0 for unknown."""
        self._sum = np.zeros((0, 0), np.complex128)
        self._spectrum = np.zeros((0, 0))

    def add(self, line: NDArray[np.complex64], dwell: float) -> None:
        """Take one more readout; what is not finite, or of another shape than the first, is left out."""
        if not np.isfinite(line).all():
            return
        if self.readouts == 0:
            self._sum, self._spectrum = np.zeros(line.shape, np.complex128), np.zeros(line.shape)
            self.dwell = dwell
        if line.shape == self._sum.shape:
            self._sum += line
            self._spectrum += np.square(np.abs(np.fft.fft(line, axis=1, norm="ortho")))
            self.readouts += 1

    @property
    def power(self) -> NDArray[np.float64]:
        """Mean power of a sample of each coil, shape ``(coils,)``."""
        return self._spectrum.mean(axis=1) / max(1, self.readouts)

    @property
    def dead(self) -> int:
        """Coils that do not even show noise."""
        return int((self.power <= _SILENT * np.median(self.power)).sum())

    @property
    def noisy(self) -> int:
        """Coils with more than 5 times the noise power of the median coil."""
        return int((self.power > _NOISY * np.median(self.power)).sum())

    def signal(self) -> float:
        """Give the share of the power that is no white noise; NaN with too few readouts to tell.

        It is the larger of two: what all readouts have in common, and what stands out in their spectrum. Each coil
        counts alike.
        """
        heard, n = self.power > 0, self.readouts
        if n < _FEWEST or not heard.any():
            return float("nan")
        scale = self.power[heard, np.newaxis]
        common = np.square(np.abs(self._sum[heard])) / scale / n  # 1 in the mean if it is noise
        spectrum = self._spectrum[heard] / scale / n  # the same
        return max(_common(float(common.mean()), n, common.shape[1]), _lines(spectrum.mean(axis=0), n))


def _common(height: float, readouts: int, samples: int) -> float:
    """Give the share of what readouts have in common, by how far their mean exceeds that of noise.

    Coils may be linked, so that only samples count as independent.
    """
    return (height - 1) / (readouts - 1) if height - 1 > _STANDS_OUT / np.sqrt(samples) else 0.0


def _lines(spectrum: NDArray[np.float64], readouts: int) -> float:
    """Give the share of what stands out from its neighbors in a spectrum."""
    samples = spectrum.size
    if samples <= 2 * _NEIGHBORS:
        return 0.0
    around = [by for by in range(-_NEIGHBORS, _NEIGHBORS + 1) if abs(by) > 1]
    level = np.median([np.roll(spectrum, by) for by in around], axis=0)
    found = spectrum > max(_LINE, 1 + _STANDS_OUT / np.sqrt(readouts)) * level
    return float((spectrum - level)[found].sum() / samples)
