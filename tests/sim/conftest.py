import numpy as np
import pytest

from aslive.sim.anatomy import Anatomy, brain
from aslive.sim.grid import Grid
from aslive.sim.protocol import Protocol


@pytest.fixture(scope="session")
def coarse_brain() -> Anatomy:
    """The MNI brain on the grid of the standard protocol with a quarter of its matrix."""
    return brain(Protocol(matrix=(16, 16, 6)).grid)


@pytest.fixture(scope="session")
def fine_brain() -> Anatomy:
    return brain(Protocol(matrix=(64, 64, 24)).grid)


@pytest.fixture
def any_head():
    """Make a head of random tissue on any grid, so that no test leans on symmetry."""

    def make(grid: Grid, seed: int = 0) -> Anatomy:
        fractions = np.random.default_rng(seed).dirichlet((1, 1, 1, 1), grid.shape)
        return Anatomy(grid, np.ascontiguousarray(np.moveaxis(fractions[..., :3], -1, 0), np.float32))

    return make
