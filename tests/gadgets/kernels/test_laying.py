import numpy as np
from scipy.ndimage import map_coordinates

from aslive.gadgets.kernels.laying import average_into, places_within


def test_voxels_get_the_mean_over_the_places_in_them():
    rng = np.random.default_rng(0)
    shares = rng.random((12, 11, 10, 3)).astype(np.float32)
    affine = np.column_stack([np.diag([0.9, 1.1, 2.0]) + 0.05 * rng.standard_normal((3, 3)), [1.5, 2.0, 2.0]])
    within, out = places_within((1, 2, 3)), np.empty((4, 6, 7, 3), np.float32)
    average_into(shares, affine, within, out)
    z, y, x = np.indices(out.shape[:3])
    numbers = np.stack([x, y, z], axis=-1)
    at = [(numbers + place) @ affine[:, :3].T + affine[:, 3] for place in within]
    inside = np.all([np.all((one >= 0) & (one < [9, 10, 11]), axis=-1) for one in at], axis=0)
    assert inside.sum() > 60
    for tissue in range(3):
        values = [map_coordinates(shares[..., tissue], np.moveaxis(one, -1, 0)[::-1], order=1) for one in at]
        np.testing.assert_allclose(out[inside, tissue], np.mean(values, axis=0)[inside], atol=1e-5)


def test_outside_there_is_nothing():
    out = np.ones((2, 2, 2, 3), np.float32)
    average_into(np.ones((3, 3, 3, 3), np.float32), np.eye(3, 4) + 100, places_within((1, 1, 1)), out)
    assert not out.any()


def test_places_lie_evenly_about_the_middle():
    places = places_within((1, 2, 4))
    assert places.shape == (8, 3)
    np.testing.assert_allclose(places.mean(axis=0), 0)
    np.testing.assert_allclose(np.unique(places[:, 2]), [-0.375, -0.125, 0.125, 0.375])
