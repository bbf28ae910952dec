import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aslive.sim.grid import Grid
from aslive.sim.territories import Supply, Territory, number_of, territories
from aslive.sim.tissue import GRAY_MATTER

WHOLE = Grid((45, 55, 46), (0.18, 0.22, 0.184))


def at(left: float, posterior: float, superior: float) -> int:
    """The territory of one place, mm from the anterior commissure."""
    place = (left * 1e-3, posterior * 1e-3, superior * 1e-3)
    return int(territories(Grid((1, 1, 1), (0.001, 0.001, 0.001), place)).item())


@pytest.mark.parametrize(
    ("place", "territory"),
    [
        ((5, -50, 20), Territory.LEFT_ANTERIOR),  # medial frontal lobe
        ((-5, 0, 60), Territory.RIGHT_ANTERIOR),  # leg area
        ((50, 0, 20), Territory.LEFT_MIDDLE),  # face and hand
        ((-45, 10, 0), Territory.RIGHT_MIDDLE),  # insula
        ((10, 90, 5), Territory.LEFT_POSTERIOR),  # visual cortex
        ((-30, 40, -20), Territory.RIGHT_POSTERIOR),  # lower temporal lobe
    ],
)
def test_textbook_places_lie_in_their_territories(place, territory):
    assert at(*place) == number_of(territory)


@given(left=st.floats(1, 80), posterior=st.floats(-90, 110), superior=st.floats(-60, 90))
def test_the_sides_mirror_each_other(left, posterior, superior):
    assert at(-left, posterior, superior) == at(left, posterior, superior) + 3


def test_every_voxel_has_an_artery_and_every_artery_a_fair_share():
    shares = np.bincount(territories(WHOLE).ravel(), minlength=7) / WHOLE.shape[0] / WHOLE.shape[1] / WHOLE.shape[2]
    assert shares[0] == 0
    assert (shares[1:] > 0.05).all()


def test_a_supply_changes_flow_and_arrival_and_nothing_else():
    fed = Supply(1.2, 0.5).feed(GRAY_MATTER)
    assert (fed.cbf, fed.att) == (30.0, 2.0)
    assert (fed.t1, fed.m0) == (GRAY_MATTER.t1, GRAY_MATTER.m0)
