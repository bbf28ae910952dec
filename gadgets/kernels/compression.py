"""From many coils to few virtual ones that hold nearly all of the signal."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Compression(NamedTuple):
    """A compression matrix, and how much it keeps."""

    matrix: NDArray[np.complex64]
    """Shape ``(virtual coils, coils)``, with orthonormal rows: white noise stays white, and as strong."""
    kept: float
    """Share of the energy that the virtual coils hold."""


def covariance(data: NDArray[np.complex64]) -> NDArray[np.complex64]:
    """Give the energy that the coils share, shape ``(coils, coils)``, summed over all samples."""
    flat = data.reshape(data.shape[0], -1)
    return flat @ flat.conj().T


def compression(shared: NDArray[np.complexfloating], coils: int) -> Compression:
    """Give the rows ``v^H`` of the eigenvectors with the most energy (Huang et al., MRI 26:133 (2008))."""
    values, vectors = np.linalg.eigh(shared)
    largest = values[::-1][:coils]
    total = float(values.sum())
    kept = float(largest.sum()) / total if total > 0 else float("nan")
    return Compression(np.ascontiguousarray(vectors[:, ::-1][:, :coils].conj().T, np.complex64), kept)
