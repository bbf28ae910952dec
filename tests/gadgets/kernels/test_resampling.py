import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates, spline_filter

from aslive.gadgets.kernels.resampling import Mover
from aslive.gadgets.kernels.rigid import Pose, pose, still
from aslive.gadgets.kernels.splines import BEFORE, BEHIND, Spline

VOXEL = (5e-3, 3e-3, 4e-3)
FAR = 15  # voxels beyond an edge, of which it knows nothing any more
MOTION = pose([2e-3, -3e-3, 4e-3], [0.05, -0.03, 0.08])


def image(shape: tuple[int, int, int], seed: int = 0) -> NDArray[np.complex64]:
    generator = np.random.default_rng(seed)
    return (generator.standard_normal(shape) + 1j * generator.standard_normal(shape)).astype(np.complex64)


def twin(values: NDArray[np.float32], motion: Pose) -> NDArray[np.float64]:
    """Move by SciPy, which has its own splines."""
    middle = np.array(values.shape) // 2
    at = np.moveaxis(np.indices(values.shape), 0, -1) - middle
    there = (at * VOXEL)[..., ::-1] @ motion.rotation.T + motion.translation
    source = np.moveaxis(there[..., ::-1] / VOXEL + middle, -1, 0)
    last = np.array(values.shape).reshape(3, 1, 1, 1) - 1
    at = np.clip(source, 0, last) + FAR
    return map_coordinates(extended(values), at, order=3, prefilter=False)


def extended(values: NDArray[np.float32]) -> NDArray[np.float64]:
    """Give SciPy's coefficients of an image that is turned about its edges: there it is not bent."""
    return spline_filter(np.pad(values.astype(float), FAR, "reflect", reflect_type="odd"), 3, mode="mirror")


@pytest.mark.parametrize("shape", [(8, 12, 15), (2, 9, 8), (1, 16, 11)])
def test_an_image_is_moved_as_scipy_moves_it(shape: tuple[int, int, int]) -> None:
    before = image(shape)
    after, _ = Mover(np.ones(shape, np.bool_), VOXEL).back(before, MOTION)
    np.testing.assert_allclose(after.real, twin(before.real, MOTION), atol=2e-4)
    np.testing.assert_allclose(after.imag, twin(before.imag, MOTION), atol=2e-4)


@pytest.mark.parametrize("shape", [(7, 10, 13), (1, 6, 5), (2, 3, 4)])
def test_coefficients_are_those_of_scipy(shape: tuple[int, int, int]) -> None:
    values = image(shape).real.copy()
    found = Spline(shape).fit(values)[BEFORE:-BEHIND, BEFORE:-BEHIND, BEFORE:-BEHIND]
    np.testing.assert_allclose(found, extended(values)[FAR:-FAR, FAR:-FAR, FAR:-FAR], atol=1e-4)


def test_a_ramp_stays_a_ramp_up_to_the_edge() -> None:
    ramp = np.broadcast_to(np.arange(8, dtype=np.complex64)[:, np.newaxis, np.newaxis], (8, 9, 10))
    after, _ = Mover(np.ones(ramp.shape, np.bool_), VOXEL).back(ramp, pose([0, 0, 0.4 * VOXEL[0]], [0, 0, 0]))
    np.testing.assert_allclose(after[:-1], ramp[:-1] + 0.4, atol=1e-5)


def test_without_motion_an_image_stays() -> None:
    before = image((6, 9, 8))
    after, outside = Mover(np.ones((6, 9, 8), np.bool_), VOXEL).back(before, still())
    np.testing.assert_allclose(after, before, atol=1e-5)
    assert outside == 0


def test_only_the_region_is_moved() -> None:
    before, region = image((6, 9, 8)), np.zeros((6, 9, 8), np.bool_)
    region[2:4, 3:6, 2:5] = True
    after, _ = Mover(region, VOXEL).back(before, MOTION)
    assert np.array_equal(after[~region], before[~region])
    assert not np.any(after[region] == before[region])


def test_what_has_left_the_image_is_counted_and_shows_its_edge() -> None:
    before = image((6, 9, 8))
    after, outside = Mover(np.ones((6, 9, 8), np.bool_), VOXEL).back(before, pose([0, 0, 2 * VOXEL[0]], [0, 0, 0]))
    assert outside == pytest.approx(2 / 6)
    np.testing.assert_allclose(after[:4], before[2:], atol=1e-5)
    np.testing.assert_allclose(after[4:], before[[5, 5]], atol=1e-5)
