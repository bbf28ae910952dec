from dataclasses import replace

import numpy as np
import pytest

from aslive.sim.arteries import ARTERIAL_BLOOD_VOLUME, arterial_blood_volume
from aslive.sim.grid import Grid

FINE = Grid((91, 109, 60), (0.182, 0.218, 0.12), center=(0.0, 0.018, 0.0))


def test_the_circle_of_willis_is_the_brightest_and_most_of_the_brain_has_no_artery():
    blood = arterial_blood_volume(FINE)
    assert 0.8 * ARTERIAL_BLOOD_VOLUME < blood.max() <= ARTERIAL_BLOOD_VOLUME
    assert (blood > 0).mean() < 0.1
    level = int(np.argmin(np.abs(FINE.along(2) + 0.020)))
    assert blood.mean(axis=(1, 2)).argmax() == pytest.approx(level, abs=3)


def test_both_sides_have_the_same_arteries():
    blood = arterial_blood_volume(FINE)  # an odd number of voxels about the midline
    np.testing.assert_allclose(blood, blood[:, :, ::-1], atol=1e-6)


def test_wide_voxels_hold_about_as_much_blood_as_narrow_ones():
    wide = Grid((45, 54, 20), (0.18, 0.216, 0.12), center=FINE.center)
    liters = [float(arterial_blood_volume(grid).sum() * np.prod(grid.voxel)) for grid in (FINE, wide)]
    assert liters[1] == pytest.approx(liters[0], rel=0.3)


def test_a_head_tells_its_blood_inside_the_brain_only(coarse_brain):
    head = replace(coarse_brain, arterial_blood_volume=arterial_blood_volume(coarse_brain.grid))
    assert head.abv.max() > 0.01
    assert not head.abv[coarse_brain.m0 == 0].any()
    np.testing.assert_array_equal(np.isnan(head.abat), head.abv == 0)
    assert np.nanmax(np.abs(head.abat - 0.5)) < 1e-6
    assert not coarse_brain.abv.any()
