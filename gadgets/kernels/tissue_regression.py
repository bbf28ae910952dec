"""The flow of gray and of white matter from a map in which most voxels hold some of both.

Flow mixes linearly, ``cbf = q_gm CBF_gm + q_wm CBF_wm``, with q the shares of the tissues in what flow is relative to;
fluid has none (Asllani et al., MRM 60:1362 (2008)).
"""

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

_WATER = (0.98, 0.82, 1.15)
"""Of gray matter, white matter and fluid, relative to that of blood; oxasl."""
_OUTLIER = 2.0
"""Robust standard deviations from which on a voxel loses weight; vessels lie far beyond."""
_DEVIATION = 1.4826
"""Standard deviation over median absolute deviation of a normal distribution."""
_ROUNDS = 20
_SETTLED = 1e-4
"""Relative change of the flows at which reweighting ends."""
_DISTINCT = 0.05
"""``1 - cos^2`` of the angle between the two tissues' shares below which they cannot be told apart; it bounds by how
much noise grows against one tissue alone to sqrt(1 / 0.05) = 4.5."""
_ABSENT = 0.01
"""Mean share below which a tissue counts as absent, and the other one is alone."""


def shares_of_m0(
    gray: NDArray[np.float32], white: NDArray[np.float32], fluid: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Give which part of the M0 of each voxel is that of its gray matter, and of its white matter; 0 where it is empty.

    ``q_t = p_t lambda_t / sum p lambda``: M0 counts the water of all tissues, and a voxel that is half empty has half.
    """
    parts = [share * np.float32(water) for share, water in zip((gray, white, fluid), _WATER, strict=True)]
    whole = np.sum(parts, axis=0)
    of_gray, of_white = (np.divide(part, whole, out=np.zeros_like(whole), where=whole > 0) for part in parts[:2])
    return of_gray, of_white


class TissueFlow(NamedTuple):
    """Flow of the two tissues and its standard errors, mL/100 g/min; NaN where there is no answer."""

    gray_matter: float
    gray_matter_stderr: float
    white_matter: float
    white_matter_stderr: float


def whole_brain(
    cbf: NDArray[np.float32], stderr: NDArray[np.float32], gray: NDArray[np.float32], white: NDArray[np.float32]
) -> TissueFlow:
    """Fit one flow of gray and one of white matter to all voxels, each of shape ``(voxels,)``.

    Weighted least squares with ``1 / stderr^2``, where no voxel counts more than one of median ``stderr`` (errors from
    few pairs are uncertain themselves), or with equal weights while there are no errors; voxels beyond 2 robust
    standard deviations lose weight (Huber, Ann Math Stat 35:73 (1964)). Standard errors are those of the sandwich
    ``A^-1 (sum w^2 r^2 x x^T) A^-1`` (White, Econometrica 48:817 (1980)): from the spread about the fit, voxels
    taken as independent.
    """
    used = np.isfinite(cbf) & (gray + white > 0)
    known = used & (stderr > 0) & np.isfinite(stderr)
    used = known if known.any() else used
    shares = np.stack([gray[used], white[used]]).astype(float)
    flow = cbf[used].astype(float)
    errors = stderr[used].astype(float) if known.any() else np.ones(flow.size)
    weights = np.maximum(errors, np.median(errors)) ** -2.0 if flow.size else errors
    if flow.size < 3 or _alike(shares * np.sqrt(weights)):
        return TissueFlow(*(np.nan,) * 4)
    trust, fit = weights, np.zeros(2)
    for _ in range(_ROUNDS):
        before, fit = fit, np.linalg.solve((shares * trust) @ shares.T, (shares * trust) @ flow)
        residual = np.abs(flow - fit @ shares) * np.sqrt(weights)
        limit = _OUTLIER * _DEVIATION * float(np.median(residual))
        if limit == 0 or np.abs(fit - before).max() <= _SETTLED * np.abs(fit).max():
            break
        trust = weights * np.minimum(1, np.divide(limit, residual, out=np.ones_like(residual), where=residual > 0))
    inverse = np.linalg.inv((shares * trust) @ shares.T)
    spread = shares * (trust * (flow - fit @ shares))
    errors = np.sqrt(np.diag(inverse @ (spread @ spread.T) @ inverse))
    return TissueFlow(float(fit[0]), float(errors[0]), float(fit[1]), float(errors[1]))


def _alike(shares: NDArray[np.float64]) -> bool:
    """Tell whether the shares of two tissues, shape ``(2, voxels)``, are too alike to tell their flows apart."""
    products = shares @ shares.T
    return bool(np.linalg.det(products) <= _DISTINCT * products[0, 0] * products[1, 1])


def local_flow(
    cbf: NDArray[np.float32],
    gray: NDArray[np.float32],
    white: NDArray[np.float32],
    brain: NDArray[np.bool_],
    kernel: int,
    least_share: float,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Fit the flow of both tissues to the ``kernel x kernel`` voxels about each voxel in its slice.

    All arrays have the shape ``(z, y, x)``; ``kernel`` is odd. Plain least squares, over the voxels of the brain whose
    flow is known (Asllani et al., MRM 60:1362 (2008)); where the kernel holds one tissue only that one is fitted. NaN
    outside of the brain, where a voxel holds less than ``least_share`` of the tissue, and where both tissues are
    distributed alike, so that nothing tells them apart.
    """
    flows = np.full((2, *cbf.shape), np.nan, np.float32)
    flow, first, second = (np.ascontiguousarray(array, np.float32) for array in (cbf, gray, white))
    _fit_locally(flow, first, second, np.ascontiguousarray(brain), kernel // 2, least_share, flows)
    return flows[0], flows[1]


_MAP = "float32[:,:,::1]"


@njit([f"void({_MAP}, {_MAP}, {_MAP}, boolean[:,:,::1], int64, float64, float32[:,:,:,::1])"], cache=True, nogil=True)
def _fit_locally(
    cbf: NDArray[np.float32],
    gray: NDArray[np.float32],
    white: NDArray[np.float32],
    brain: NDArray[np.bool_],
    reach: int,
    least_share: float,
    flows: NDArray[np.float32],
) -> None:
    """Sum the products of a column of rows, then of columns: each sum is made anew, so that nothing drifts."""
    slices, height, width = cbf.shape
    column = np.empty((8, width))
    total = np.empty(8)
    for z in range(slices):
        for y in range(height):
            column[:] = 0.0
            for row in range(max(0, y - reach), min(height, y + reach + 1)):
                for x in range(width):
                    flow = np.float64(cbf[z, row, x])
                    if brain[z, row, x] and np.isfinite(flow):
                        g, w = np.float64(gray[z, row, x]), np.float64(white[z, row, x])
                        column[0, x] += g * g
                        column[1, x] += w * w
                        column[2, x] += g * w
                        column[3, x] += g * flow
                        column[4, x] += w * flow
                        column[5, x] += g
                        column[6, x] += w
                        column[7, x] += 1.0
            for x in range(width):
                g, w = gray[z, y, x], white[z, y, x]
                if not brain[z, y, x] or not np.isfinite(cbf[z, y, x]) or max(g, w) < least_share:
                    continue
                for i in range(8):
                    total[i] = 0.0
                    for near in range(max(0, x - reach), min(width, x + reach + 1)):
                        total[i] += column[i, near]
                gg, ww, gw, gf, wf = total[0], total[1], total[2], total[3], total[4]
                determinant = gg * ww - gw * gw
                if determinant > _DISTINCT * gg * ww:
                    gray_flow = (ww * gf - gw * wf) / determinant
                    white_flow = (gg * wf - gw * gf) / determinant
                else:
                    gray_flow = gf / gg if gg > 0 and total[6] < _ABSENT * total[7] else np.nan
                    white_flow = wf / ww if ww > 0 and total[5] < _ABSENT * total[7] else np.nan
                if g >= least_share:
                    flows[0, z, y, x] = gray_flow
                if w >= least_share:
                    flows[1, z, y, x] = white_flow
