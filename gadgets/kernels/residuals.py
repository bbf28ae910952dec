"""What the kinetic model leaves unexplained, whatever flow and transit time it is given."""

import numpy as np
from numba import njit
from numpy.typing import NDArray


@njit(
    ["float32[::1](float32[:,::1], float64[:,::1], int64[::1], int64[::1], float32[:,:,:,::1])"],
    cache=True,
    nogil=True,
    error_model="numpy",
)
def best_fit_residuals(
    data: NDArray[np.float32],
    weights: NDArray[np.float64],
    table_of: NDArray[np.int64],
    t1_of: NDArray[np.int64],
    tables: NDArray[np.float32],
) -> NDArray[np.float32]:
    """Give the least weighted sum of squares that any flow and any transit time of the grid leave of each voxel.

    ``sum w y^2 - max over ATT of (sum w K y)^2 / sum w K^2`` (variable projection: Golub and Pereyra, SIAM J Numer Anal
    10:413 (1973)). ``data`` and ``weights`` have shape ``(voxels, boluses)``, where the data of weight 0 are not
    looked at; ``table_of`` and ``t1_of``, ``(voxels,)``, choose among ``tables``, ``(Z, T, boluses, A)``.
    """
    voxels, boluses = data.shape
    times = tables.shape[3]
    left = np.empty(voxels, np.float32)
    along, size = np.empty(times), np.empty(times)
    for v in range(voxels):
        table = tables[table_of[v], t1_of[v]]
        along[:], size[:] = 0.0, 0.0
        total = 0.0
        for b in range(boluses):
            if weights[v, b] > 0:
                weighted = weights[v, b] * data[v, b]
                total += weighted * data[v, b]
                for i in range(times):
                    along[i] += weighted * table[b, i]
                    size[i] += weights[v, b] * table[b, i] * table[b, i]
        explained = 0.0
        for i in range(times):
            if size[i] > 0:
                explained = max(explained, along[i] * along[i] / size[i])
        left[v] = max(total - explained, 0.0)
    return left
