"""One difference of all delays together."""

import numpy as np
from numpy.typing import NDArray


def mean_over_boluses(
    mean: NDArray[np.float32], weights: NDArray[np.float64], variance: NDArray[np.float32] | None
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Give the mean of all differences, ``(z, y, x)``, and its standard error, NaN where there is no variance.

    ``mean`` is that of each bolus, ``(boluses, z, y, x)``, ``weights`` how much went into it, ``(boluses, z)`` or
    ``(boluses, 1)``, ``variance`` that of a difference of weight 1, ``(z, y, x)``.
    """
    weights = np.broadcast_to(weights, mean.shape[:2])
    total = weights.sum(axis=0)
    share = np.divide(weights, total, out=np.full(weights.shape, np.nan), where=total > 0)
    seen = mean if (weights > 0).all() else np.where(weights[:, :, np.newaxis, np.newaxis] > 0, mean, np.float32(0))
    together = np.einsum("bz,bzyx->zyx", share.astype(np.float32), seen)
    if variance is None:
        return together, np.full(together.shape, np.nan, np.float32)
    information = np.where(total > 0, total, np.nan)[:, np.newaxis, np.newaxis]
    return together, np.sqrt(variance / information).astype(np.float32)
