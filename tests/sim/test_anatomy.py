import numpy as np
import pytest
from nibabel.affines import apply_affine
from nilearn.datasets import load_mni152_gm_template, load_mni152_wm_template

from aslive.sim.anatomy import brain
from aslive.sim.grid import Grid

WHOLE_HEAD = (0.2, 0.24, 0.2)


@pytest.mark.parametrize("matrix", [(20, 24, 20), (7, 9, 5), (3, 64, 1)])
def test_the_volume_of_gray_matter_is_kept_at_any_matrix(matrix):
    anatomy = brain(Grid(matrix, (0.24, 0.3, 0.26)))
    liters = anatomy.gray_matter.sum() * np.prod(anatomy.grid.voxel) * 1e3
    assert anatomy.fractions.shape == (3, *matrix[::-1])
    assert liters == pytest.approx(load_mni152_gm_template().get_fdata().sum() * 1e-6, rel=1e-3)


def test_the_affine_leads_to_the_same_tissue_in_the_template():
    # One side only, and the front only: a flip along any axis would lead to another place.
    grid = Grid((31, 33, 29), (0.031, 0.033, 0.029), center=(-0.031, -0.02, 0.012))
    anatomy = brain(grid)
    template = load_mni152_wm_template()
    indices = np.stack(np.meshgrid(*(np.arange(n) for n in grid.matrix), indexing="ij"), axis=-1)
    places = apply_affine(np.linalg.inv(template.affine) @ grid.affine, indices)
    assert np.allclose(places, np.rint(places))
    wanted = template.get_fdata()[tuple(np.moveaxis(np.rint(places).astype(int), -1, 0))]
    assert wanted.std() > 0.1
    np.testing.assert_allclose(anatomy.white_matter.transpose(), wanted, atol=1e-5)


def test_indices_rise_to_the_left_the_back_and_the_top():
    grid = Grid((4, 5, 6), (0.04, 0.05, 0.06), center=(0.0, 0.0, 0.0))
    assert grid.affine[:3, 3] == pytest.approx([20, 20, -30])
    assert np.diag(grid.affine) == pytest.approx([-10, -10, 10, 1])
    assert grid.slice_center(3) == pytest.approx((0, 0, 0))


def test_the_true_maps_are_those_of_the_tissues(fine_brain):
    assert fine_brain.fractions.min() >= 0
    assert fine_brain.fractions.sum(axis=0).max() <= 1 + 1e-5
    pure = fine_brain.white_matter > 0.995
    assert pure.sum() > 100
    np.testing.assert_allclose(fine_brain.cbf[pure], 20, atol=0.3)
    np.testing.assert_allclose(fine_brain.att[pure], 1.2, atol=0.01)
    assert np.all(fine_brain.segmentation[pure] == 2)
    assert {0, 1, 2, 3} == set(np.unique(fine_brain.segmentation))


def test_where_no_blood_flows_there_is_no_transit_time(fine_brain):
    assert np.array_equal(np.isnan(fine_brain.att), fine_brain.cbf == 0)
    seen = fine_brain.att[fine_brain.cbf > 0]
    assert seen.min() >= 0.8 - 1e-5
    assert seen.max() <= 1.2 + 1e-5


def test_the_corners_of_the_field_of_view_are_empty(fine_brain):
    assert not fine_brain.m0[:, :4, :4].any()
