"""Whether the average brain lies where the brain is."""

import numpy as np
from numpy.typing import NDArray

from .head_model import BRIGHTNESS, MAP, gram

_DEEP = 0.7  # share of tissue, from which on a place is in the brain; its rim tells of the skull, not of the brain
_ROUNDS = 8


def explained(rows: NDArray[np.float32], left: NDArray[np.float32], model: NDArray[np.float64]) -> float:
    """Tell how much of the image within the brain only gray, white and fluid explain, and no shading does.

    A partial correlation, 0 to 1: the root of 1 - loss with the tissues / loss with a shaded brain of one tissue, each
    fitted anew. A bottle or a head upside down, which a smooth brightness explains as well, stays near 0. ``rows`` and
    ``left`` are those of ``head_model.linearize`` at ``model``, the brightness; the loss is that of Geman and McClure.
    """
    weight = rows[:, MAP].astype(np.float64)
    columns = rows[:, MAP : MAP + BRIGHTNESS] / weight[:, None]
    brain = columns[:, 1:4].sum(axis=1)
    inside = brain > _DEEP
    if np.count_nonzero(inside) <= 2 * BRIGHTNESS:
        return 0.0
    values = (columns @ model + left)[inside]
    tissues = columns[inside, 1:]
    shaded = np.column_stack([brain[inside], tissues[:, 3:]])
    without, sigma = _loss(shaded, values)
    loss, _ = _loss(tissues, values, sigma)
    return float(np.sqrt(max(0.0, 1 - loss / without))) if without > 0 else 0.0


def overlap(one: NDArray[np.bool_], other: NDArray[np.bool_]) -> float:
    """Give the share that two regions have in common, 0 to 1 (Dice, Ecology 26:297 (1945)); 0 where both are empty."""
    size = np.count_nonzero(one) + np.count_nonzero(other)
    return float(2 * np.count_nonzero(one & other) / size) if size else 0.0


def _loss(columns: NDArray[np.float64], values: NDArray[np.float64], sigma: float = 0.0) -> tuple[float, float]:
    """Fit values robustly, and give the loss; sigma, if it is not given, is twice the spread of what is left over."""
    weights, given = np.ones(len(values)), sigma
    left, products = values, np.empty((columns.shape[1] + 1,) * 2)
    for _ in range(_ROUNDS):
        gram((np.column_stack([columns, values]) * weights[:, None]).astype(np.float32), products)
        found, *_ = np.linalg.lstsq(products[:-1, :-1], products[:-1, -1], rcond=None)
        left = values - columns @ found
        sigma = given or max(2 * 1.4826 * float(np.median(np.abs(left))), 1e-6)
        weights = 1 / (1 + np.square(left / sigma))
    return float(np.sum(np.square(left) * weights)), sigma
