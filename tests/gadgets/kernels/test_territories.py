import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aslive.gadgets.kernels.average_brain import load_average_brain
from aslive.gadgets.kernels.territories import NAMES, regions
from aslive.sim.anatomy import brain
from aslive.sim.grid import Grid
from aslive.sim.territories import Territory


def at(left: float, posterior: float, superior: float) -> str:
    """The region of one place, mm from the anterior commissure."""
    place = (np.array([1e-3 * x]) for x in (left, posterior, superior))
    return NAMES[int(regions(*place)[0]) - 1]


@pytest.mark.parametrize(
    ("place", "region"),
    [
        ((5, -50, 20), "left_anterior"),  # medial frontal lobe
        ((-8, 25, 65), "right_anterior"),  # leg area
        ((6, 50, 35), "left_anterior"),  # precuneus
        ((50, 5, 25), "left_middle"),  # face and hand
        ((-40, -5, 2), "right_middle"),  # insula
        ((-50, 50, 35), "right_middle"),  # inferior parietal lobe
        ((10, 85, 5), "left_posterior"),  # visual cortex
        ((-28, 35, -15), "right_posterior"),  # lower temporal lobe
        ((25, 60, -35), "left_posterior"),  # cerebellum
        ((-4, 25, -30), "right_posterior"),  # brain stem
        ((12, 19, 8), "left_thalamus"),
        ((-26, -3, 2), "right_basal_ganglia"),  # putamen
        ((13, -15, 8), "left_basal_ganglia"),  # head of the caudate nucleus
    ],
)
def test_textbook_places_lie_in_their_regions(place: tuple[float, float, float], region: str):
    assert at(*place) == region


@given(left=st.floats(0.1, 80), posterior=st.floats(-90, 110), superior=st.floats(-72, 85))
def test_the_sides_mirror_each_other(left: float, posterior: float, superior: float):
    assert at(-left, posterior, superior) == at(left, posterior, superior).replace("left", "right")


def test_each_region_has_a_fair_share_of_gray_matter():
    average = load_average_brain()
    z, y, x = (average.first[2 - axis] + average.step * np.arange(average.shares.shape[axis]) for axis in range(3))
    labels = regions(*np.broadcast_arrays(x[None, None, :], y[None, :, None], z[:, None, None]))
    liters = np.bincount(labels.ravel(), average.shares[..., 0].ravel(), len(NAMES) + 1) * (average.step * 10) ** 3
    volumes = dict(zip(NAMES, liters[1:], strict=True))
    assert liters[0] == 0
    for side in ("left", "right"):
        for artery, least, most in (("anterior", 0.05, 0.12), ("middle", 0.15, 0.30), ("posterior", 0.10, 0.22)):
            assert least < volumes[f"{side}_{artery}"] < most
        assert 0.001 < volumes[f"{side}_thalamus"] < 0.008
        assert 0.003 < volumes[f"{side}_basal_ganglia"] < 0.015


def test_the_simulators_own_territories_are_much_the_same():
    grid = Grid((60, 72, 60), (0.18, 0.216, 0.18))
    head = brain(grid)
    z, y, x = (grid.along(axis) for axis in (2, 1, 0))
    labels = regions(*np.broadcast_arrays(x[None, None, :], y[None, :, None], z[:, None, None]))
    names = np.array(["", *NAMES])[labels]
    theirs = np.array(["", *(territory.value.replace("-", "_") for territory in Territory)])[head.territories]
    gray = head.gray_matter > 0.5
    assert np.mean(names[gray] == theirs[gray]) > 0.85
