from collections.abc import Callable
from functools import cache

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation

from aslive.gadgets.kernels.brain import brain_mask
from aslive.gadgets.kernels.pose_link import link
from aslive.gadgets.kernels.registration import Target
from aslive.gadgets.kernels.rigid import Pose, pose, still
from aslive.sim.anatomy import Anatomy, brain
from aslive.sim.grid import Grid
from aslive.sim.pose import Pose as HeadPose

GRID = Grid((64, 64, 24), (64 * 3.4e-3, 64 * 3.4e-3, 24 * 5e-3))
VOXEL = GRID.voxel[2], GRID.voxel[1], GRID.voxel[0]
CONTROL = (75.0, 60.0, 90.0)  # brightness of gray matter, white matter and fluid
MOTIONS = (
    ((1.4e-3, -2.3e-3, -4.6e-3), (-4.8, 3.1, 4.1)),
    ((-5e-3, 5e-3, 5e-3), (5.0, -5.0, 5.0)),
    ((0.3e-3, 0.0, -0.2e-3), (0.2, 0.0, -0.3)),
)


@cache
def head(number: int = -1) -> Anatomy:
    still_head = brain(GRID) if number < 0 else head()
    if number < 0:
        return still_head
    way, degrees = MOTIONS[number]
    x, y, z = np.deg2rad(degrees).tolist()
    return still_head.moved(HeadPose(way, (x, y, z)))


def truth(number: int) -> Pose:
    way, degrees = MOTIONS[number]
    return pose(list(way), np.deg2rad(degrees))


def measured(
    number: int = -1, brightness: tuple[float, ...] = CONTROL, snr: float = 70.0, seed: int = 0
) -> NDArray[np.float32]:
    clean = np.tensordot(brightness, head(number).fractions, axes=1)
    noise = np.random.default_rng(seed).standard_normal((2, *clean.shape)) * max(brightness[:2]) / snr
    return np.abs(clean + noise[0] + 1j * noise[1]).astype(np.float32)


@cache
def region() -> NDArray[np.bool_]:
    return np.asarray(binary_dilation(brain_mask(measured(), 0.3), iterations=2), np.bool_)


@cache
def target() -> Target:
    return Target(measured(), region(), VOXEL)


def found(image: NDArray[np.float32], of: Target | None = None) -> Pose:
    answer = (of or target()).find(image)
    assert answer is not None
    return answer.pose


def over_the_brain(one: Pose, other: Pose) -> float:
    """Give the root mean square distance of two poses over the brain, m."""
    at = np.argwhere(region()) - np.array(GRID.shape) // 2
    places = (at * VOXEL)[:, ::-1]
    way = places @ (one.rotation - other.rotation).T + one.translation - other.translation
    return float(np.sqrt(np.mean(np.sum(way**2, axis=1))))


@pytest.mark.parametrize("number", range(len(MOTIONS)))
def test_motion_is_found(number: int) -> None:
    answer = found(measured(number, seed=1))
    assert over_the_brain(answer, truth(number)) < 0.06e-3
    assert np.sqrt(np.mean((answer.angles - truth(number).angles) ** 2)) < np.deg2rad(0.05)


def test_a_head_that_lies_still_does_not_seem_to_move() -> None:
    poses = [found(measured(snr=50, seed=seed)) for seed in range(1, 21)]
    assert max(over_the_brain(each, still()) for each in poses) < 0.05e-3


@pytest.mark.parametrize(("snr", "slices"), [(25.0, slice(4, 20)), (80.0, slice(4, 20)), (40.0, slice(12, 13))])
def test_the_standard_error_is_what_noise_looks_like(snr: float, slices: slice) -> None:
    of_noise = []
    for seed in range(30):
        reference, image = (measured(snr=snr, seed=100 + 2 * seed + n)[slices].copy() for n in (0, 1))
        answer = Target(reference, region()[slices].copy(), VOXEL).find(image)
        assert answer is not None
        of_noise.append(answer.pose.displacement(still()) / answer.stderr)
    assert 0.7 < np.sqrt(np.mean(np.square(of_noise))) < 1.4
    assert max(of_noise) < 3


def test_the_way_back_is_the_inverse() -> None:
    there = found(measured(0, seed=1))
    back = found(measured(), Target(measured(0, seed=1), region(), VOXEL))
    assert over_the_brain(back.after(there), still()) < 0.1e-3


def test_motions_add_up() -> None:
    from_first = found(measured(2, seed=2), Target(measured(0, seed=1), region(), VOXEL))
    assert over_the_brain(from_first.after(found(measured(0, seed=1))), found(measured(2, seed=2))) < 0.1e-3


@pytest.mark.parametrize("change", [lambda image: 3 * image, lambda image: 0.2 * image + 5])
def test_brightness_does_not_matter(change: Callable[[NDArray[np.float32]], NDArray[np.float32]]) -> None:
    image = measured(0, seed=1)
    assert over_the_brain(found(change(image).astype(np.float32)), found(image)) < 2e-6


def test_coils_that_stand_still_do_not_hold_the_head_back() -> None:
    z, y, x = np.meshgrid(*(GRID.along(axis) for axis in (2, 1, 0)), indexing="ij")
    shading = (0.85 + 0.3 * (x**2 + y**2 + z**2) / 0.09**2).astype(np.float32)
    shaded = Target(measured() * shading, region(), VOXEL)
    assert over_the_brain(found(measured(0, seed=1) * shading, shaded), truth(0)) < 0.06e-3


def test_a_spike_in_one_slice_does_not_matter_much() -> None:
    image = measured(0, seed=1)
    spectrum = np.fft.fft2(image[10])
    spectrum[20, 40] += 0.5 * np.abs(spectrum).max()
    image[10] = np.abs(np.fft.ifft2(spectrum))
    assert over_the_brain(found(image), truth(0)) < 0.1e-3


def test_contrast_that_is_turned_over_is_linked_to_where_it_lies() -> None:
    answer = link(target(), measured(0, (4.0, 9.0, 2.0), 500.0, 1), still())
    assert answer is not None
    assert over_the_brain(answer.pose, truth(0)) < 0.6e-3


@pytest.mark.parametrize("brightness", [(60.0, 57.0, 90.0), (8.0, 5.0, 12.0), (4.0, 9.0, 2.0)])
def test_contrast_alone_is_no_motion(brightness: tuple[float, ...]) -> None:
    answer = link(target(), measured(-1, brightness, 500.0, 1), still())
    assert answer is not None
    assert answer.pose.displacement(still()) == 0


def test_one_slice_is_registered_in_its_plane() -> None:
    whole = measured()
    slices = Target(np.roll(whole[12:13], 0), region()[12:13], VOXEL)
    answer = found(np.ascontiguousarray(np.roll(whole[12:13], (1, -2), axis=(1, 2))), slices)
    np.testing.assert_allclose(answer.translation, (-2 * VOXEL[2], VOXEL[1], 0), atol=1e-5)
    assert answer.angles[:2] == pytest.approx([0, 0], abs=1e-12)


@pytest.mark.parametrize("value", [0.0, np.nan])
def test_nothing_has_no_pose(value: float) -> None:
    assert target().find(np.full(GRID.shape, value, np.float32)) is None


def test_noise_has_no_pose() -> None:
    noise = np.random.default_rng(0).rayleigh(1.0, (10, *GRID.shape)).astype(np.float32)
    assert [target().find(image) for image in noise] == [None] * 10


def test_a_reference_without_a_brain_is_not_usable() -> None:
    assert not Target(measured(), np.zeros(GRID.shape, np.bool_), VOXEL).usable
