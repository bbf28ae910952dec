"""The average brain: which share of each place is gray matter, white matter and fluid.

ICBM 2009a nonlinear symmetric (Fonov et al., NeuroImage 54:313 (2011)), averaged over cubes of 3 mm; its terms are in
``gadgets/average_brain/COPYRIGHT.txt``. Coordinates are left, posterior and superior of the anterior commissure, m.
"""

from dataclasses import dataclass
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

SIGMA_PER_WIDTH = float(1 / np.sqrt(8 * np.log(2)))
"""Standard deviation of a Gaussian over its full width at half maximum."""


@dataclass(frozen=True, slots=True)
class AverageBrain:
    """Shares of the tissues on a regular grid of cubes; outside of it there is nothing."""

    shares: NDArray[np.float32]
    """Of gray matter, white matter and fluid, shape ``(z, y, x, 3)``, 0 to 1."""
    first: NDArray[np.float64]
    """Middle of voxel 0: left, posterior, superior, m."""
    step: float
    """Side of a voxel, m."""

    @property
    def center(self) -> NDArray[np.float64]:
        """Where the middle of all tissue lies: left, posterior, superior, m."""
        brain = self.shares.sum(axis=-1, dtype=np.float64)
        weights = brain.sum(axis=(0, 1)), brain.sum(axis=(0, 2)), brain.sum(axis=(1, 2))
        middle = [np.average(np.arange(len(weight)), weights=weight) for weight in weights]
        return self.first + self.step * np.array(middle)

    def blurred(self, width: float, every: int) -> "AverageBrain":
        """Give the brain as coarse images show it, on every n-th voxel; ``width`` is that at half maximum, m."""
        sigma = width * SIGMA_PER_WIDTH / self.step
        blurred = np.empty_like(self.shares)
        gaussian_filter(self.shares, sigma, output=blurred, axes=(0, 1, 2), mode="constant", truncate=3.0)
        thinned = np.ascontiguousarray(blurred[::every, ::every, ::every])
        return AverageBrain(thinned, self.first, self.step * every)

    def voxels(self, matrix: NDArray[np.float64]) -> NDArray[np.float64]:
        """Turn an affine map to places in the brain, shape ``(3, 4)``, into one to its voxel numbers (x, y, z)."""
        return np.column_stack([matrix[:, :3], matrix[:, 3] - self.first]) / self.step


def load_average_brain() -> AverageBrain:
    """Read the average brain that is packed with the gadgets."""
    with files("aslive").joinpath("gadgets", "average_brain", "shares.npz").open("rb") as file, np.load(file) as packed:
        shares = packed["shares"].astype(np.float32) / np.float32(packed["levels"])
        return AverageBrain(np.ascontiguousarray(np.moveaxis(shares, 0, -1)), packed["first"], float(packed["step"]))
