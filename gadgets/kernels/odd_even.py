"""Taking the odd-even phase, and that of a drifting field, out of the lines of an EPI."""

import numpy as np
from numba import njit
from numpy.typing import NDArray


def half_turns(phase: NDArray[np.floating]) -> NDArray[np.complex64]:
    """Give what forward and backward lines are multiplied by, so that they meet half way; ``(x,)`` to ``(2, x)``."""
    return np.exp(0.5j * np.stack((phase, -phase))).astype(np.complex64)


@njit(
    ["void(complex64[:,:,::1], boolean[::1], complex64[:,::1], float64, int64)"],
    cache=True,
    nogil=True,
    fastmath={"contract"},
)
def straighten(
    lines: NDArray[np.complex64],
    backward: NDArray[np.bool_],
    turns: NDArray[np.complex64],
    step: float,
    first: int,
) -> None:
    """Multiply lines ``(lines, coils, x)``, in place, by ``turns[backward, x] exp(-i step echo)``.

    The lines are the echoes ``first``, ``first + 1``, ... of their shot; ``step`` is in rad.
    """
    weights = np.empty(lines.shape[2], np.complex64)
    for number in range(lines.shape[0]):
        angle = step * (first + number)
        drift = np.complex64(complex(np.cos(angle), -np.sin(angle)))
        source = turns[1 if backward[number] else 0]
        for x in range(weights.shape[0]):
            weights[x] = source[x] * drift
        for coil in range(lines.shape[1]):
            line = lines[number, coil]
            for x in range(weights.shape[0]):
                line[x] *= weights[x]
