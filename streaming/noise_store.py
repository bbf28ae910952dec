"""Keeps the noise of each measurement in a small file, because scanners measure it once for many scans.

A file is NumPy's ``.npz``, written whole or not at all. What cannot be read or written is logged, and the scan goes on:
a scan without whitening is better than none.
"""

import logging
import os
import zipfile
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import numpy as np

from .scan import Noise

logger = logging.getLogger(__name__)

SUFFIX = ".noise.npz"
_MOST_COILS = 1024
_LARGEST = 20 << 20
"""Bytes of a file, unpacked: a covariance of 1024 coils takes 16 MiB."""

_BROKEN = (OSError, EOFError, ValueError, KeyError, TypeError, RuntimeError, zipfile.BadZipFile)
"""What a damaged file may raise; a flipped bit can make it look encrypted, or packed in a way that nobody knows."""


@dataclass(frozen=True, slots=True)
class NoiseStore:
    """A folder with the noise of the latest measurements; worker processes share it, and it outlives the server."""

    folder: Path
    most: int = 64
    """Measurements that are kept; the oldest go first."""

    def find(self, measurement: str) -> Noise | None:
        """Give the noise of a measurement by its id; None if it never came, was given up, or cannot be read."""
        return read_noise(self._path(measurement))

    def keep(self, measurement: str, noise: Noise) -> None:
        """Keep the noise of a measurement, instead of what was kept for the same id."""
        with suppress(OSError):  # it shows in the writing; the folder above is not ours to make
            self.folder.mkdir(exist_ok=True)
        write_noise(self._path(measurement), noise)
        with suppress(OSError):  # another process may tidy up at the same time
            files = sorted(self.folder.glob("*.npz*"), key=lambda path: path.stat().st_mtime, reverse=True)
            for path in files[self.most :]:
                path.unlink(missing_ok=True)

    def _path(self, measurement: str) -> Path:
        """Name the file by a hash: ids hold what file names must not, and nobody shall read a patient from them."""
        return self.folder / (sha256(measurement.encode()).hexdigest()[:32] + SUFFIX)


def read_noise(path: Path) -> Noise | None:
    """Read one file; None, and a line in the log, if it is broken."""
    try:
        with zipfile.ZipFile(path) as archive:
            if sum(entry.file_size for entry in archive.infolist()) > _LARGEST:
                raise ValueError(f"it holds more than {_LARGEST >> 20} MiB")
        with np.load(path, allow_pickle=False) as arrays:
            noise = Noise(
                arrays["covariance"].astype(np.complex128),
                int(arrays["samples"]),
                float(arrays["dwell"]),
                tuple(map(str, arrays["coil_names"])),
            )
        _check(noise)
    except FileNotFoundError:
        return None
    except _BROKEN as error:
        logger.warning("the noise in %s cannot be read and is not used: %s", path.name, error)
        return None
    return noise


def write_noise(path: Path, noise: Noise) -> None:
    """Write one file; a line in the log if that fails."""
    unfinished = path.with_name(f"{path.name}.{os.getpid()}")
    try:
        with unfinished.open("wb") as file:
            np.savez(
                file,
                covariance=noise.covariance,
                samples=noise.samples,
                dwell=noise.dwell,
                coil_names=np.array(noise.coil_names, dtype=str),
            )
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)
    except OSError as error:
        logger.error("alarm: the noise of this measurement cannot be kept for later ones: %s", error.strerror)
        with suppress(OSError):
            unfinished.unlink(missing_ok=True)


def _check(noise: Noise) -> None:
    shape = noise.covariance.shape
    if len(shape) != 2 or not 0 < shape[0] == shape[1] <= _MOST_COILS:
        raise ValueError(f"its covariance has the shape {shape}; expected (coils, coils)")
    if not np.isfinite(noise.covariance).all() or not np.isfinite(noise.dwell):
        raise ValueError("it holds values that are no numbers")
