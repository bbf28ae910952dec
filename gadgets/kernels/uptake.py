"""How much of a steady inflow is there."""

import numpy as np
from numpy.typing import NDArray
from scipy.special import exprel


def uptake(since: NDArray[np.float64], growth: NDArray[np.float64]) -> NDArray[np.float64]:
    """Tell how much there is of an inflow of 1 per s that began ``since`` s ago; 0 before it began.

    ``integral from 0 to since of exp(growth * u) du``: what came fades at the rate ``-growth``, 1/s; 0 is no fading.
    """
    time = np.maximum(since, 0.0)
    return time * exprel(growth * time)
