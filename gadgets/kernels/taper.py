"""Soft edges for k-space that was acquired in part only."""

import numpy as np
from numpy.typing import NDArray


def edge_weights(size: int, sampled: tuple[float, float], taper: float) -> NDArray[np.float32]:
    """Weigh the lines of k-space so that they fade out where the acquisition was cut off.

    Shape ``(size,)``, for a centred grid. ``sampled`` is the range that was acquired and ``taper`` the width over which
    the weights rise as sin^2 from 0 to 1, both in shares of the half width. Lines outside of the range have 0; an edge
    that is no cut has 1 to the end, and so has the center of k-space always.
    """
    middle = size // 2
    offset = np.arange(size) - middle
    weights = np.ones(size)
    sides = (
        (-sampled[0] * middle, 1 - sampled[0] * middle + offset, middle),
        (sampled[1] * (size - middle), sampled[1] * (size - middle) - offset, size - middle),
    )
    for reach, inside, whole in sides:  # inside: lines between each one and the first that was not acquired
        if reach < whole - 0.5:
            width = max(0.0, min(taper * whole, reach))
            weights *= np.sin(np.pi / 2 * np.clip(inside / (width + 1), 0, 1)) ** 2
    weights[middle] = 1
    return weights.astype(np.float32)


def filter_of(weights: NDArray[np.float32]) -> NDArray[np.complex64]:
    """Give what weights in k-space do to a centred image, as a matrix: ``image @ filter`` along the last axis.

    Shape ``(n, n)``: ``F^T diag(weights) conj(F)`` with the centred, orthonormal Fourier matrix F.
    """
    size = len(weights)
    offset = np.arange(size) - size // 2
    forward = np.exp(-2j * np.pi * np.outer(offset, offset) / size) / np.sqrt(size)
    return np.ascontiguousarray((forward.T * weights) @ forward.conj()).astype(np.complex64)
