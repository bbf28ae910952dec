"""How much blood reaches each voxel and how long it takes, and how sure both are."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm, t

from .arterial_inference import ARTERIAL_MAPS, infer_with_arteries
from .inference import MAPS, infer
from .response import Response

_UPPER = 0.975
_READY = ("C_CONTIGUOUS", "WRITEABLE")  # as compiled loops take them; what is read-only is copied


class Prior(NamedTuple):
    """What is expected of any voxel: normal distributions, that of transit time cut off at the ends of the grid."""

    cbf_mean: float = 50.0
    """mL/100 g/min."""
    cbf_deviation: float = 100.0
    """Standard deviation; so wide that it only shows where the data say little."""
    att_mean: float = 1.3
    """s."""
    att_deviation: float = 1.0
    """s."""
    nonnegative: bool = False
    """Whether flow below 0 is impossible. Means over voxels are then biased upwards, as noise cannot cancel out."""
    abv_deviation: float = 0.01
    """Of arterial blood volume, mL/mL, around 0: there is little, or none."""


class Posterior(NamedTuple):
    """What the data and the prior say of each voxel; shape ``(z, y, x)``, NaN where there is no answer.

    Bounds hold the truth between them with a probability of 95 %, 2.5 % outside on either side.
    """

    cbf: NDArray[np.float32]
    """Mean, mL/100 g/min."""
    cbf_stderr: NDArray[np.float32]
    """Standard deviation."""
    cbf_lower: NDArray[np.float32]
    cbf_upper: NDArray[np.float32]
    att: NDArray[np.float32]
    """Mean, s."""
    att_stderr: NDArray[np.float32]
    att_lower: NDArray[np.float32]
    att_upper: NDArray[np.float32]
    edge: NDArray[np.bool_]
    """Where the most probable transit time is the first or the last of the grid: it may well lie outside."""
    abv: NDArray[np.float32] | None = None
    """Mean arterial blood volume, mL/mL; none where the model has no arterial blood."""
    abv_stderr: NDArray[np.float32] | None = None
    abat: NDArray[np.float32] | None = None
    """Mean arrival time of arterial blood, s."""


def posterior(
    mean: NDArray[np.float32],
    weights: NDArray[np.float64],
    variance: NDArray[np.float32],
    degrees_of_freedom: float,
    m0: NDArray[np.float32],
    t1_tissue: NDArray[np.float32],
    response: Response,
    group: NDArray[np.int64],
    partition_coefficient: float,
    prior: Prior,
) -> Posterior:
    """Give the posterior of flow and transit time from the mean differences of several boluses.

    ``deltam_b = M0 f K_b(ATT, T1') + noise`` of variance ``variance / weights_b``, with ``1/T1' = 1/T1t + f/lambda``.
    At each ATT of the grid the model is a straight line in f, and the posterior of f normal: together they are a finite
    mixture, whose moments and quantiles are exact. The line is the tangent first at f = 50, then at the flow found so
    far, in a number of steps that depends on nothing but the data. Where the mixture is narrower than the grid, the
    tables are interpolated.

    ``mean`` has shape ``(boluses, z, y, x)``, ``weights`` ``(boluses, z)``; the variance of one difference of weight 1
    (with ``degrees_of_freedom``, infinite where it is known), M0 and T1 of tissue (s) have shape ``(z, y, x)``;
    ``group`` tells which table each slice uses. A mean of weight 0 is not looked at. Noise below 1e-5 of the signal is
    not believed. With few degrees of freedom the variance is scaled so that a normal distribution is as wide as
    Student's at its 95 % bounds.
    """
    if len(response.att) < 2:
        raise ValueError(
            f"a posterior of transit times needs two of them or more, and the grid has {len(response.att)}"
        )
    boluses, shape = mean.shape[0], mean.shape[1:]
    slices, voxels = shape[0], int(np.prod(shape[1:]))

    def flat(volume: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.require(volume, np.float32, _READY).reshape(slices, voxels)

    settings = np.array([partition_coefficient, *prior[:4], prior.abv_deviation])
    arguments = (
        np.require(mean, np.float32, _READY).reshape(boluses, slices, voxels),
        np.array(np.broadcast_to(weights, (boluses, slices)), np.float64),
        flat(variance) * np.float32(student_inflation(degrees_of_freedom)),
        flat(m0),
        flat(t1_tissue),
        np.require(response.tissue, np.float32, _READY),
        np.require(response.t1_apparent, np.float64, _READY),
        np.require(response.att, np.float64, _READY),
        np.require(group, np.int64, _READY),
        settings,
        prior.nonnegative,
    )
    edge = np.empty((slices, voxels), np.bool_)
    if response.arterial is None:
        maps = np.empty((MAPS, slices, voxels), np.float32)
        infer(*arguments, maps, edge)
    else:
        maps = np.empty((MAPS + ARTERIAL_MAPS, slices, voxels), np.float32)
        infer_with_arteries(*arguments, np.require(response.arterial, np.float32, _READY), maps, edge)
    volumes = maps.reshape(-1, *shape)
    return Posterior(*volumes[:MAPS], edge.reshape(shape), *volumes[MAPS:])  # pyright: ignore[reportCallIssue]  (8 or 11 maps)


def student_inflation(degrees_of_freedom: float) -> float:
    """Tell how many times larger the variance must be, as it is only known with so many degrees of freedom.

    ``(t_0.975 / z_0.975)^2`` with Student's t: 41.9 for 1, 1.72 for 5, 1 for infinity. Less than 1 counts as 1.
    """
    if not np.isfinite(degrees_of_freedom):
        return 1.0
    return float((t.ppf(_UPPER, max(degrees_of_freedom, 1.0)) / norm.ppf(_UPPER)) ** 2)
