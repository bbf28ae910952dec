"""Maps as 16-bit integers, for consoles that know nothing else: what one step means, and what the display shows."""

import numpy as np
from numpy.typing import NDArray

from ..perfusion import MapName

_SCALED_MAXIMUM = 4095
_FLOW = (0.1, 100.0)
_TIME = (1e-3, 3.0)
_SHARE = (1e-4, 0.05)
_SCALES = {
    MapName.CBF: _FLOW,
    MapName.CBF_STDERR: _FLOW,
    MapName.CBF_LOWER: _FLOW,
    MapName.CBF_UPPER: _FLOW,
    MapName.CBF_GRAY_MATTER: _FLOW,
    MapName.CBF_WHITE_MATTER: _FLOW,
    MapName.ATT: _TIME,
    MapName.ATT_STDERR: _TIME,
    MapName.ATT_LOWER: _TIME,
    MapName.ATT_UPPER: _TIME,
    MapName.ATT_WEIGHTED_DELAY: _TIME,
    MapName.ABAT: _TIME,
    MapName.DELAY: _TIME,
    MapName.ABV: _SHARE,
    MapName.ABV_STDERR: _SHARE,
}
"""What one integer means, and what the display shows from black to white, in the unit of the map."""


def step(name: MapName, data: NDArray[np.float32]) -> float:
    """Choose the unit of the integers: by the range of the data, but fixed for flow, times and shares.

    So no wild voxel coarsens a map. Steps are 0.1 mL/100 g/min, 1 ms and 0.0001; what is beyond 3276.7 mL/100 g/min,
    32.767 s or 3.2767, which no tissue has, is cut to that.
    """
    if name in _SCALES:
        return _SCALES[name][0]
    finite = np.abs(data[np.isfinite(data)])
    largest = float(finite.max()) if finite.size else 0.0
    return largest / _SCALED_MAXIMUM if largest else 1.0


def window(name: MapName, slope: float, pixels: NDArray[np.generic]) -> dict[str, str | list[str]]:
    """Give the display window in stored units, as whole numbers."""
    width = round(_SCALES[name][1] / slope) if name in _SCALES else int(np.max(pixels, initial=1))
    return {"WindowCenter": str(width // 2), "WindowWidth": str(max(1, width))}
