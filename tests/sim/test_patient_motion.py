from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nilearn.datasets import load_mni152_gm_template
from numpy.typing import NDArray
from scipy.ndimage import affine_transform

from aslive.sim.anatomy import Anatomy, brain
from aslive.sim.arteries import arterial_blood_volume
from aslive.sim.cutting import cut_moved
from aslive.sim.grid import Grid
from aslive.sim.patient import Patient
from aslive.sim.pose import STILL, Pose, head_places
from aslive.sim.protocol import Protocol
from aslive.sim.territories import territories
from aslive.streaming.errors import ConfigError

POSE = Pose((3e-3, -2e-3, 4e-3), (0.06, -0.04, 0.08))
LENGTHS = st.tuples(*[st.floats(-5e-3, 5e-3)] * 3)
ANGLES = st.tuples(*[st.floats(-0.1, 0.1)] * 3)
POSES = st.builds(Pose, LENGTHS, ANGLES)


def about(axis: int, angle: float) -> NDArray[np.float64]:
    """A rotation as textbooks write it."""
    one, two = (axis + 1) % 3, (axis + 2) % 3
    matrix = np.eye(3)
    matrix[one, one] = matrix[two, two] = np.cos(angle)
    matrix[two, one], matrix[one, two] = np.sin(angle), -np.sin(angle)
    return matrix


@given(ANGLES)
def test_the_head_turns_about_x_then_y_then_z(angles: tuple[float, float, float]):
    wanted = about(2, angles[2]) @ about(1, angles[1]) @ about(0, angles[0])
    np.testing.assert_allclose(Pose(rotation=angles).matrix, wanted, atol=1e-12)


@given(POSES, POSES)
def test_a_pose_seen_from_another_takes_points_from_there(pose: Pose, reference: Pose):
    seen = pose.seen_from(reference)
    points = np.random.default_rng(0).uniform(-0.1, 0.1, (5, 3))
    there = points @ reference.matrix.T + reference.translation
    np.testing.assert_allclose(
        there @ seen.matrix.T + seen.translation, points @ pose.matrix.T + pose.translation, atol=1e-8
    )


@given(POSES, POSES)
def test_one_pose_after_another_takes_points_there_in_two_steps(pose: Pose, earlier: Pose):
    points = np.random.default_rng(0).uniform(-0.1, 0.1, (5, 3))
    both = pose.after(earlier)
    between = points @ earlier.matrix.T + earlier.translation
    np.testing.assert_allclose(
        points @ both.matrix.T + both.translation, between @ pose.matrix.T + pose.translation, atol=1e-8
    )


@settings(max_examples=8, deadline=None)
@given(
    pose=POSES,
    matrix=st.tuples(st.integers(17, 30), st.integers(17, 30), st.integers(10, 14)),
)
def test_a_blob_moves_and_turns_by_exactly_the_pose(pose: Pose, matrix: tuple[int, int, int]):
    """Its center and its covariance, to which each voxel adds the variance of an even spread over its edges."""
    covariance = np.array([[144.0, 30.0, 10.0], [30.0, 64.0, -12.0], [10.0, -12.0, 81.0]]) * 1e-6
    place = np.array([6e-3, -4e-3, 5e-3])
    grid = Grid(matrix, (0.13, 0.12, 0.11), center=(0.004, -0.003, 0.002))
    right, anterior, superior = np.meshgrid(*[np.arange(-54, 55) * 1e-3] * 3, indexing="ij")
    points = np.stack([-right, -anterior, superior], axis=-1) - grid.center - place
    blob = np.exp(-((points @ np.linalg.inv(covariance)) * points).sum(axis=-1) / 2)
    affine = np.eye(4)
    affine[:3, 3] = -54
    shares = np.stack([blob, blob, blob], axis=-1).astype(np.float32)
    found = cut_moved(shares, np.ones(blob.shape, np.bool_), affine, grid, pose)[1].astype(float)
    here = np.stack(np.broadcast_arrays(*head_places(grid)), axis=-1) - grid.center
    weights = found / found.sum()
    center = np.einsum("zyx,zyxi->i", weights, here)
    np.testing.assert_allclose(center, pose.matrix @ place + pose.translation, atol=1e-5)
    spread = np.einsum("zyx,zyxi,zyxj->ij", weights, here - center, here - center)
    wanted = pose.matrix @ covariance @ pose.matrix.T + np.diag(np.square(grid.voxel)) / 12
    np.testing.assert_allclose(spread, wanted, atol=1e-6)


def test_a_head_that_does_not_move_is_cut_as_ever(coarse_brain: Anatomy, fine_brain: Anatomy):
    assert coarse_brain.cut is not None
    for head in (coarse_brain, fine_brain, brain(Protocol(matrix=(33, 21, 7)).grid)):
        np.testing.assert_allclose(coarse_brain.cut(head.grid, STILL), head.fractions, atol=1e-6)


def test_the_moved_brain_is_that_of_scipy(coarse_brain: Anatomy):
    """The whole template turned on its own grid by linear interpolation, and then cut without motion."""
    template = load_mni152_gm_template()
    gray = np.asarray(template.dataobj, np.float32)
    affine = np.asarray(template.affine, float)
    flip = np.diag([-1e3, -1e3, 1e3])
    center = flip @ coarse_brain.grid.center
    turn = flip @ POSE.matrix @ np.linalg.inv(flip)
    # scipy asks for each voxel of the result where it comes from: turn^-1 (p - center - t) + center
    source = np.linalg.inv(turn)
    offset = source @ (affine[:3, 3] - center - flip @ POSE.translation) + center - affine[:3, 3]
    turned = affine_transform(gray, source, offset.tolist(), order=1)
    shares = np.repeat(turned[..., None], 3, axis=-1).astype(np.float32)
    wanted = cut_moved(shares, np.ones(gray.shape, np.bool_), affine, coarse_brain.grid, STILL)[0]
    found = coarse_brain.moved(POSE).gray_matter
    assert np.abs(found - coarse_brain.gray_matter).max() > 0.1
    np.testing.assert_allclose(found, wanted, atol=5e-3)


def test_territories_and_arteries_move_with_the_head(coarse_brain: Anatomy):
    grid = coarse_brain.grid
    head = replace(coarse_brain, arterial_blood_volume=arterial_blood_volume(grid, 0.08))
    moved = head.moved(POSE)
    for index in [(8, 7, 2), (4, 11, 1), (11, 4, 4), (9, 13, 3)]:
        x, y, z = index
        center = np.array([grid.along(axis)[at] for axis, at in enumerate(index)])
        place = np.linalg.inv(POSE.matrix) @ (center - grid.center - POSE.translation) + grid.center
        point = Grid((1, 1, 1), grid.voxel, tuple(place.tolist()))
        assert territories(grid, POSE)[z, y, x] == territories(point).item()
        assert arterial_blood_volume(grid, 0.08, POSE)[z, y, x] == pytest.approx(
            arterial_blood_volume(point, 0.08).item(), abs=1e-7
        )
    np.testing.assert_array_equal(moved.abv > 0, (arterial_blood_volume(grid, 0.08, POSE) > 0) & (moved.m0 > 0))
    np.testing.assert_allclose(moved.moved(STILL).fractions, head.fractions, atol=1e-6)
    assert head.arterial_blood_volume is not None
    np.testing.assert_allclose(moved.moved(STILL).abv, head.abv, atol=1e-7)


def test_a_head_without_anatomy_behind_it_cannot_move(any_head):
    with pytest.raises(ConfigError, match="cannot move"):
        any_head(Grid((4, 4, 4), (0.1, 0.1, 0.1))).moved(POSE)


def test_sizes_are_drawn_and_numbers_are_kept():
    protocol = Protocol(pairs=3)
    sizes = []
    for seed in range(20):
        patient = Patient.of(["motion-step"], seed)
        assert patient.motion_step is not None
        sized = replace(patient, motion_step=replace(patient.motion_step, size=5e-3, volume=2))
        pose = sized.poses(protocol)[-1]
        sizes.append(pose)
        norm = np.hypot(np.linalg.norm(pose.translation), 0.05 * np.linalg.norm(pose.rotation))
        assert norm == pytest.approx(5e-3, rel=1e-4)
        assert sized.poses(protocol)[:2] == (STILL, STILL)
        set_pose = replace(patient, motion_step=replace(patient.motion_step, pitch=0.05, volume=2)).poses(protocol)[-1]
        assert set_pose == Pose(rotation=(0.05, 0.0, 0.0))
    assert len(set(sizes)) == 20


def test_a_drift_is_even_and_nodding_periodic():
    protocol = Protocol(pairs=20, m0scan=False)
    drift = np.array([np.ravel(pose) for pose in Patient.of(["motion-drift"], 3).poses(protocol)])
    shares = np.arange(40) / 39
    np.testing.assert_allclose(drift, shares[:, None] * drift[-1], atol=1e-8)
    pitch = np.array([pose.rotation[0] for pose in Patient.of(["nodding"]).poses(protocol)])
    np.testing.assert_allclose(pitch, np.radians(1.5) * np.sin(2 * np.pi * np.arange(40) * 5 / 37), atol=1e-9)


def test_motions_add_up():
    protocol = Protocol(pairs=3)
    both = Patient.of(["motion-step", "motion-drift"], 1).poses(protocol)
    each = [Patient.of([name], 1).poses(protocol) for name in ("motion-step", "motion-drift")]
    summed = [np.add(np.ravel(one), np.ravel(two)) for one, two in zip(*each, strict=True)]
    np.testing.assert_allclose([np.ravel(pose) for pose in both], summed, atol=3e-9)
