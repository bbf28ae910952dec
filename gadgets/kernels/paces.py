"""The tables of one slice, with all transit times and with every second, fourth and eighth of them."""

import numpy as np
from numba import njit
from numpy.typing import NDArray

PACES = 4
"""Of 1, 2, 4 and 8 steps of the table."""
FINEST = 256
"""Most transit times between those of the table."""
_BLOCK = 8  # numbers that loops take at once; tables are filled up, so that loops have no remainder
_ROUNDING = 1e-9
_NOWHERE = np.float32(-1e30)
_LOG_HALF = np.float32(np.log(0.5))


@njit(["int64[:,::1](int64)"], cache=True, nogil=True, error_model="numpy")
def lay_out(count: int) -> NDArray[np.int64]:
    """Tell where the transit times of each pace begin, how many they are, and how many with those that fill up.

    Shape ``(paces + 2, 3)``; behind the paces is room for times in between, and the last row begins where all ends.
    """
    layout = np.zeros((PACES + 2, 3), np.int64)
    for pace in range(PACES):
        layout[pace, 1] = (count - 1) // (1 << pace) + 1
        layout[pace, 2] = -(-layout[pace, 1] // _BLOCK) * _BLOCK
        layout[pace + 1, 0] = layout[pace, 0] + layout[pace, 2]
    layout[PACES, 1:] = FINEST
    layout[PACES + 1, 0] = layout[PACES, 0] + FINEST
    return layout


@njit(["void(float32[:,:,::1], int64, int64[:,::1], float32[:,:,::1])"], cache=True, nogil=True, error_model="numpy")
def spread_out(tables: NDArray[np.float32], t: int, layout: NDArray[np.int64], spread: NDArray[np.float32]) -> None:
    """Write table t of ``(T, boluses, A)`` at each pace into ``spread``, whose rest is 0."""
    for b in range(tables.shape[1]):
        for pace in range(PACES):
            for i in range(layout[pace, 1]):
                spread[t, b, layout[pace, 0] + i] = tables[t, b, i << pace]


@njit(["float32[::1](float64[::1], float64, float64, int64[:,::1])"], cache=True, nogil=True, error_model="numpy")
def prior_of_transit(
    att: NDArray[np.float64], mean: float, deviation: float, layout: NDArray[np.int64]
) -> NDArray[np.float32]:
    """Give the logarithm of a normal prior at each pace, half of it at the ends, so that sums are integrals.

    Nothing is left where tables are filled up.
    """
    log_prior = np.full(layout[PACES + 1, 0], _NOWHERE)
    for pace in range(PACES):
        begin, count = layout[pace, 0], layout[pace, 1]
        for i in range(count):
            log_prior[begin + i] = -0.5 * ((att[i << pace] - mean) / deviation) ** 2
        log_prior[begin] += _LOG_HALF
        log_prior[begin + count - 1] += _LOG_HALF
    return log_prior


@njit(
    ["void(float32[:,:,::1], int64, float64, float64, int64, int64[:,::1])"],
    cache=True,
    nogil=True,
    error_model="numpy",
)
def interpolate(
    spread: NDArray[np.float32], t: int, begin: float, pace: float, number: int, layout: NDArray[np.int64]
) -> None:
    """Write ``number`` values between those of table t into its room, along straight lines.

    The first is at ``begin`` and each next one ``pace`` later, in steps of the table.
    """
    last, room = layout[0, 1] - 2, layout[PACES, 0]
    for b in range(spread.shape[1]):
        table, made = spread[t, b, :room], spread[t, b, room : room + number]
        for i in range(number):
            place = begin + i * pace
            index = min(int(place), last)
            made[i] = table[index] + np.float32(place - index) * (table[index + 1] - table[index])


@njit(
    ["void(float32[::1], float64[::1], float64, float64, float64, float64, int64, int64[:,::1])"],
    cache=True,
    nogil=True,
    error_model="numpy",
)
def prior_between(
    log_prior: NDArray[np.float32],
    att: NDArray[np.float64],
    mean: float,
    deviation: float,
    begin: float,
    pace: float,
    number: int,
    layout: NDArray[np.int64],
) -> None:
    """Write the prior of the times that ``interpolate`` has written."""
    step, room = att[1] - att[0], layout[PACES, 0]
    for i in range(number):
        log_prior[room + i] = -0.5 * ((att[0] + (begin + i * pace) * step - mean) / deviation) ** 2
    if begin <= 0:
        log_prior[room] += _LOG_HALF
    if begin + (number - 1) * pace >= layout[0, 1] - 1 - _ROUNDING:
        log_prior[room + number - 1] += _LOG_HALF
