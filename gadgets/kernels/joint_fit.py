"""From the mean differences of several boluses to the posterior of flow and transit time."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .noise_variance import from_residuals, moderated
from .posterior import Posterior, Prior, posterior
from .relative_scale import relative_scale
from .response import Response


class Differences(NamedTuple):
    """What was measured, and how often."""

    mean: NDArray[np.float32]
    """Of each bolus, ``(boluses, z, y, x)``, in units of the images."""
    weights: NDArray[np.float64]
    """Sum of the weights of the differences in each mean, ``(boluses, z)``."""
    variance: NDArray[np.float32] | None
    """Of one difference of weight 1, ``(z, y, x)``; none while nothing was repeated."""
    degrees_of_freedom: int | NDArray[np.int64]
    """Of the variance; one number, or one for each slice."""


class Model(NamedTuple):
    """What it is explained with."""

    response: Response
    group: NDArray[np.int64]
    """Which table of the response each slice uses."""
    t1_tissue: NDArray[np.float32]
    """Shape ``(z, y, x)``, s."""
    partition_coefficient: float


def fit(
    differences: Differences, model: Model, prior: Prior, m0: NDArray[np.float32] | None, where: NDArray[np.bool_]
) -> Posterior:
    """Give the posterior of flow and transit time of each voxel.

    ``where``, ``(z, y, x)``, is the brain, whose voxels tell each other how much noise there is. Without ``m0`` the
    scale of flow is one that makes it usual, and only transit times mean anything.
    """
    mean, weights, variance, degrees = differences
    if m0 is None:
        scale = relative_scale(mean, weights, model.response, model.group, prior.att_mean, where)
        m0 = np.full(mean.shape[1:], scale, np.float32)
    where = where & (m0 > 0)
    if variance is not None and np.any(np.asarray(degrees) > 0):
        noise, freedom = moderated(variance, degrees, where)
    else:
        noise, freedom = from_residuals(mean, weights, m0, model.t1_tissue, model.response, model.group, where)
    return posterior(
        mean,
        weights,
        noise,
        freedom,
        m0,
        model.t1_tissue,
        model.response,
        model.group,
        model.partition_coefficient,
        prior,
    )
