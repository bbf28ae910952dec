"""Where an image is compared with the model of a head."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, maximum_filter1d

from .average_brain import SIGMA_PER_WIDTH
from .head_model import PLACE_UNIT

_MARGIN = 0.012
"""m; so far around the mask there is background, which tells where the brain ends."""
_OWN_WIDTH = 0.010
"""m; what the model leaves over is alike over such a length, as anatomy is."""


class Lattice(NamedTuple):
    """The blurred image in and around the brain, at places that lie some mm apart."""

    places: NDArray[np.float32]
    """From the middle of the image, along the patient's left, posterior and superior, shape ``(places, 3)``, in
    ``PLACE_UNIT``."""
    values: NDArray[np.float32]
    """Shape ``(places,)``."""
    inside: NDArray[np.bool_]
    """Which of them are in the mask."""
    information: float
    """Share of the values that tell something of their own, 0 to 1."""


def sample_head(
    image: NDArray[np.float32],
    mask: NDArray[np.bool_],
    axes: NDArray[np.float64],
    width: float,
    spacing: float,
) -> Lattice:
    """Blur an image, shape ``(z, y, x)``, and take about one voxel in every ``spacing`` along each axis, m.

    ``axes`` has the way from one voxel to the next along x, y and z in its rows, m. ``width`` is the full width of the
    blur at half maximum, m.
    """
    size = np.linalg.norm(axes, axis=1)[::-1]  # along z, y, x
    blurred = np.empty(image.shape, np.float32)
    gaussian_filter(image, width * SIGMA_PER_WIDTH / size, output=blurred, mode="nearest", truncate=2.5)
    every = np.maximum(1, np.round(spacing / size)).astype(int)
    chosen = tuple(slice(length // 2 % step, None, step) for length, step in zip(image.shape, every, strict=True))
    near = mask.astype(np.uint8)
    for axis, length in enumerate(size):
        near = maximum_filter1d(near, 2 * int(np.ceil(_MARGIN / length)) + 1, axis=axis, mode="constant")
    z, y, x = np.nonzero(near[chosen])
    numbers = np.column_stack([x, y, z]) * every[::-1] + [part.start for part in chosen[::-1]]
    places = (numbers - np.array(image.shape[::-1]) // 2) @ axes / PLACE_UNIT
    information = min(1.0, float(np.prod(every * size)) / max(width, _OWN_WIDTH) ** 3)
    return Lattice(
        np.ascontiguousarray(places, np.float32), blurred[chosen][z, y, x], mask[chosen][z, y, x], information
    )
