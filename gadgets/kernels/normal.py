"""The normal distribution, fast enough to be asked millions of times: compiled, and in float32 without branches."""

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray
from scipy.special import log_ndtr

_FAST = {"reassoc", "contract", "arcp", "nsz", "nnan", "ninf"}  # all that comes into the float32 functions is finite
_REACH = np.float32(4.5)  # beyond it the cumulative distribution is 0 or 1 to 3e-6
_TO_SQUARE = np.float32(2 / 4.5**2)
_ONE, _HALF = np.float32(1), np.float32(0.5)
# (Phi(z) - 1/2) / z as a polynomial in u = 2 z^2 / 4.5^2 - 1: least squares at Chebyshev's points, weighted by z
_C0, _C1, _C2 = np.float32(0.15690589), np.float32(-0.07718428), np.float32(0.05464373)
_C3, _C4, _C5 = np.float32(-0.04026245), np.float32(0.02882025), np.float32(-0.01837736)
_C6, _C7, _C8 = np.float32(0.00972301), np.float32(-0.00623224), np.float32(0.00492284)
_C9 = np.float32(-0.00184967)
# 2^f for -1/2 <= f <= 1/2, likewise
_E0, _E1, _E2 = np.float32(1.0000001), np.float32(0.69314694), np.float32(0.24022122)
_E3, _E4, _E5 = np.float32(0.05550743), np.float32(0.009675460), np.float32(0.001326697)
_LOWEST = np.float32(-87)
_LOG2_E = np.float32(math.log2(math.e))
_BIAS, _MANTISSA = np.float32(127), np.float32(1 << 23)

_FINENESS = 64  # points of the table for every unit
_FROM, _TO = -12, 9
_LOG_CUMULATIVE: NDArray[np.float64] = log_ndtr(np.arange(_FROM * _FINENESS, _TO * _FINENESS + 1) / _FINENESS)
_LOG_CUMULATIVE.flags.writeable = False
_LOG_ROOT = 0.5 * math.log(2 * math.pi)


@njit(["float32(float32)"], cache=True, nogil=True, fastmath=_FAST, error_model="numpy")
def exponential(x: float) -> float:
    """Give e^x for x <= 0 to 3e-7 of itself; 1e-38 below -87."""
    power = max(x, _LOWEST) * _LOG2_E
    whole = np.floor(power + _HALF)
    rest = power - whole
    series = _E0 + rest * (_E1 + rest * (_E2 + rest * (_E3 + rest * (_E4 + rest * _E5))))
    return series * np.int32((whole + _BIAS) * _MANTISSA).view(np.float32)


@njit(["float32(float32)"], cache=True, nogil=True, fastmath=_FAST, error_model="numpy")
def cumulative(z: float) -> float:
    """Give the share of a normal distribution below z standard deviations, to 5e-6."""
    z = min(max(z, -_REACH), _REACH)  # pyright: ignore[reportAssignmentType]  (numba computes in float32)
    u = z * z * _TO_SQUARE - _ONE
    upper = _C4 + u * (_C5 + u * (_C6 + u * (_C7 + u * (_C8 + u * _C9))))
    return _HALF + z * (_C0 + u * (_C1 + u * (_C2 + u * (_C3 + u * upper))))  # pyright: ignore[reportReturnType]  (numba computes in float32)


@njit(["float64(float64)"], cache=True, nogil=True, error_model="numpy")
def _far_hazard(x: float) -> float:
    """Give ``phi(x) / Phi(-x)`` far out, by Laplace's continued fraction."""
    return x + 1 / (x + 2 / (x + 3 / (x + 4 / (x + 5 / (x + 6 / x)))))


@njit(["float64(float64)"], cache=True, nogil=True, error_model="numpy")
def log_cumulative(z: float) -> float:
    """Give ``ln Phi(z)`` to 1e-9, however far out: cubics between the values of a table, beyond it in series."""
    if z < _FROM:
        return -0.5 * z * z - _LOG_ROOT - math.log(_far_hazard(-z))
    if z >= _TO:
        return 0.0
    place = (z - _FROM) * _FINENESS
    index = min(max(int(place), 1), len(_LOG_CUMULATIVE) - 3)
    s = place - index
    before, low, high, after = (
        _LOG_CUMULATIVE[index - 1],
        _LOG_CUMULATIVE[index],
        _LOG_CUMULATIVE[index + 1],
        _LOG_CUMULATIVE[index + 2],
    )
    return (
        -s * (s - 1) * (s - 2) / 6 * before
        + (s + 1) * (s - 1) * (s - 2) / 2 * low
        - (s + 1) * s * (s - 2) / 2 * high
        + (s + 1) * s * (s - 1) / 6 * after
    )


@njit(["float64(float64)"], cache=True, nogil=True, error_model="numpy")
def hazard_above(z: float) -> float:
    """Give ``phi(z) / Phi(z)``, how much the mean rises, in standard deviations, when all below -z is cut off."""
    if z < _FROM:
        return _far_hazard(-z)
    return math.exp(-0.5 * z * z - _LOG_ROOT - log_cumulative(z))
