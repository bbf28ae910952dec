"""Flow and arterial blood volume of one voxel at each pair of a transit time and an arrival in the arteries."""

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from .flow_given_transit import MIXTURES

_TABLE = "float64[:,::1]"
_SAME = 1e-9
_ALIKE = 1e-6  # of the product of both squares: flow and arterial blood show nearly the same
_FAINTEST = 1e-37  # of the largest weight; float32, which weights are kept in, ends there
_FAST = {"reassoc", "contract", "arcp", "nsz", "nnan", "ninf"}  # all that comes in here is finite


@njit([f"void(float32[:,::1], float64, float64, int64, {_TABLE})"], cache=True, nogil=True, error_model="numpy")
def read_between(table: NDArray[np.float32], begin: float, pace: float, number: int, read: NDArray[np.float64]) -> None:
    """Read a table ``(boluses, A)`` at ``number`` places, ``pace`` steps apart from ``begin``, along straight lines."""
    last = table.shape[1] - 2
    for i in range(number):
        place = begin + i * pace
        index = min(int(place), last)
        share = place - index
        for b in range(table.shape[0]):
            read[b, i] = table[b, index] + share * (np.float64(table[b, index + 1]) - table[b, index])


@njit(
    [
        f"float64({_TABLE}, {_TABLE}, {_TABLE}, float64[::1], int64, float64[::1], int64, float64, float64, float64,"
        "float64, float64, float64, float64[:,:,::1])"
    ],
    cache=True,
    nogil=True,
    error_model="numpy",
)
def both_at_each(
    slopes: NDArray[np.float64],
    residuals: NDArray[np.float64],
    arterial: NDArray[np.float64],
    att: NDArray[np.float64],
    transits: int,
    abat: NDArray[np.float64],
    arrivals: int,
    information: float,
    pull: float,
    arterial_information: float,
    att_mean: float,
    att_deviation: float,
    earliest: float,
    found: NDArray[np.float64],
) -> float:
    """Integrate flow and arterial blood volume out at each pair of times; gives the largest log weight.

    With K the slopes of the model in flow, P those in arterial blood volume, e the residuals, all ``(boluses, times)``
    in standard deviations of the data, both together are normal, of mean ``H^-1 g`` and covariance ``H^-1``:

        H = [[K.K + information, K.P], [K.P, P.P + arterial information]],    g = [K.e + pull, P.e]
        log weight = (g^T H^-1 g - e.e - ln det H) / 2 + log prior

    Blood is in the arteries before it is in tissue: its arrival is as probable anywhere from ``earliest`` to the
    transit time. Planes of ``found`` ``(6, transits, arrivals)``: log weight, mean and variance of flow, mean and
    variance of volume, covariance.
    """
    largest = -math.inf
    for j in range(transits):
        flow_flow, flow_rest, rest_rest = information, pull, 0.0
        for b in range(slopes.shape[0]):
            flow_flow += slopes[b, j] * slopes[b, j]
            flow_rest += slopes[b, j] * residuals[b, j]
            rest_rest += residuals[b, j] * residuals[b, j]
        late = (att[j] - att_mean) / att_deviation
        log_prior = -0.5 * late * late - math.log(att[j] - earliest)
        for k in range(arrivals):
            if abat[k] > att[j] + _SAME:
                found[0, j, k] = -math.inf
                continue
            blood_blood, blood_flow, blood_rest = arterial_information, 0.0, 0.0
            for b in range(slopes.shape[0]):
                blood_blood += arterial[b, k] * arterial[b, k]
                blood_flow += arterial[b, k] * slopes[b, j]
                blood_rest += arterial[b, k] * residuals[b, j]
            determinant = flow_flow * blood_blood - blood_flow * blood_flow
            if (
                determinant < _ALIKE * flow_flow * blood_blood
            ):  # what rounding leaves of it may be negative: a sum of squares
                alike, apart = blood_flow / flow_flow, arterial_information
                apart += alike * alike * information
                for b in range(slopes.shape[0]):
                    apart += (arterial[b, k] - alike * slopes[b, j]) ** 2
                determinant = flow_flow * apart
            flow = (blood_blood * flow_rest - blood_flow * blood_rest) / determinant
            blood = (flow_flow * blood_rest - blood_flow * flow_rest) / determinant
            weight = 0.5 * (flow_rest * flow + blood_rest * blood - rest_rest - math.log(determinant)) + log_prior
            found[0, j, k] = weight
            found[1, j, k], found[2, j, k] = flow, blood_blood / determinant
            found[3, j, k], found[4, j, k] = blood, flow_flow / determinant
            found[5, j, k] = -blood_flow / determinant
            largest = max(largest, weight)
    return largest


@njit(
    [f"void(float64[:,:,::1], int64, float64[::1], int64, float64, {MIXTURES}, float64[:,::1])"],
    cache=True,
    nogil=True,
    error_model="numpy",
)
def collapse(
    joint: NDArray[np.float64],
    transits: int,
    abat: NDArray[np.float64],
    arrivals: int,
    largest: float,
    mixtures: NDArray[np.float32],
    blood: NDArray[np.float64],
) -> None:
    """Sum over the arrivals, so that flow is one normal distribution at each transit time, of the right moments.

    That is the first of the ``mixtures``. Rows of ``blood``: mean and mean square of the volume, mean arrival (s).
    """
    for j in range(transits):
        weight, flow, square, volume, volume_square, arrival = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
        for k in range(arrivals):
            share = math.exp(joint[0, j, k] - largest)
            if share > _FAINTEST:
                weight += share
                flow += share * joint[1, j, k]
                square += share * (joint[2, j, k] + joint[1, j, k] ** 2)
                volume += share * joint[3, j, k]
                volume_square += share * (joint[4, j, k] + joint[3, j, k] ** 2)
                arrival += share * abat[k]
        scale = 1 / weight if weight > 0 else 0.0
        mean = flow * scale
        mixtures[0, 0, j] = mean
        mixtures[0, 1, j] = square * scale - mean * mean if weight > 0 else 1.0
        mixtures[0, 2, j] = weight
        blood[0, j], blood[1, j], blood[2, j] = volume * scale, volume_square * scale, arrival * scale
