"""Decoding time-encoded images: from the images of a cycle to the signal of each sub-bolus.

Image k shows static tissue less the blood of the sub-boluses that it labels, ``I_k = S - sum_b L_bk deltam_b``. With as
many images as unknowns that is solved exactly; for the rows of a Hadamard matrix it is ``deltam_b = 2/N sum_k D_bk
I_k`` with D = 1 - 2 L, of variance ``4 sigma^2 / N`` (Guenther, Proc ISMRM 15:380 (2007)).
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

_ZERO = 1e-9  # singular values and remainders below it are rounding, as entries are 0 and 1


class Run(NamedTuple):
    """Neighboring sub-boluses that some images show as one longer bolus."""

    first: int
    last: int
    """The last of them, itself included."""
    weights: NDArray[np.float64]
    """Of the images, in their order; they sum to 0, so that static tissue goes."""

    @property
    def variance(self) -> float:
        """Variance of the decoded signal over that of one image."""
        return float(np.square(self.weights).sum())


def decoding(labeled: NDArray[np.int64]) -> NDArray[np.float64]:
    """Give the weights of the images of a whole cycle for each sub-bolus, by least squares.

    ``labeled``: shape ``(sub-boluses, images)``, 1 where a sub-bolus is labeled, else 0. The result has the same shape:
    ``deltam = weights @ images``.
    """
    return np.asarray(np.linalg.pinv(_design(labeled), rcond=_ZERO)[1:], np.float64)


def determined(labeled: NDArray[np.int64], seen: Sequence[int]) -> list[Run]:
    """Give what a part of the images tells: runs of neighboring sub-boluses, none overlapping, as short as may be.

    Sub-boluses that these images label alike count as one bolus as long as all of them; its signal is their sum. A run
    counts if it is a combination of the images without static tissue or any other sub-bolus (least squares of minimum
    norm, so of least variance). In the order of Walsh the first 2, 4, ... images are a cycle of longer sub-boluses (von
    Samson-Himmelstjerna et al., MRM 76:1814 (2016)); in other orders there may be nothing to tell.
    """
    count = labeled.shape[0]
    design = _design(labeled[:, list(seen)])
    inverse = np.linalg.pinv(design, rcond=_ZERO)
    ends = [(first, last) for first in range(count) for last in range(first, count)]
    wanted = np.zeros((len(ends), count + 1))
    for row, (first, last) in enumerate(ends):
        wanted[row, first + 1 : last + 2] = 1
    weights = wanted @ inverse
    told = np.abs(weights @ design - wanted).max(axis=1) < 1e-6
    runs = [Run(*end, row) for end, row, sure in zip(ends, weights, told, strict=True) if sure]
    runs.sort(key=lambda run: (run.last - run.first, round(run.variance, 9), run.first))
    chosen: list[Run] = []
    for run in runs:
        if all(run.last < other.first or other.last < run.first for other in chosen):
            chosen.append(run)
    return sorted(chosen, key=lambda run: run.first)


def information(weights: NDArray[np.float64], lent: Sequence[bool], cycles: int) -> float:
    """Tell how much a decoded signal adds to the mean over cycles, where that of an orthogonal cycle is 1.

    ``lent``: which images were not its own, but the mean of the same encoding in ``cycles`` others. With them the cycle
    is decoded as by least squares over all cycles, in which an encoding of this one is missing: then the variance of
    the mean is ``sum_own w^2 / (cycles + 1) + sum_lent w^2 / cycles``. What the others had told before is not told
    twice: ``1 / variance - cycles / variance of one cycle``, times ``4 / N``.
    """
    squares = np.square(weights)
    usual = 4 / len(weights)
    own, others = squares[~np.asarray(lent)].sum(), squares[np.asarray(lent)].sum()
    if others == 0:
        return float(usual / own)
    return float(usual / (own / (cycles + 1) + others / cycles) - usual * cycles / (own + others))


def combine(weights: NDArray[np.float64], images: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
    """Give sums of images, shape ``(sums, z, y, x)``, for weights ``(sums, images)`` of which each row sums to 0.

    All images are taken against the first: what is left is as small as the blood, and loses nothing in float32.
    """
    first = images[0].ravel()
    changes = np.stack([image.ravel() - first for image in images[1:]])
    sums = np.asarray(weights[:, 1:].astype(np.float32) @ changes, np.float32)
    return sums.reshape(len(weights), *images[0].shape)


def _design(labeled: NDArray[np.int64]) -> NDArray[np.float64]:
    """Give what each image shows: shape ``(images, 1 + sub-boluses)``, static tissue first."""
    return np.column_stack([np.ones(labeled.shape[1]), -labeled.T.astype(np.float64)])
