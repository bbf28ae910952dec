import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from aslive.gadgets.kernels.rigid import Pose, pose, still, turned_by

angles = st.lists(st.floats(-1.2, 1.2), min_size=3, max_size=3)
ways = st.lists(st.floats(-0.02, 0.02), min_size=3, max_size=3)


@given(ways, angles)
def test_a_rotation_is_that_of_scipy_and_gives_its_angles_back(way: list[float], turns: list[float]) -> None:
    made = pose(way, turns)
    np.testing.assert_allclose(made.rotation, Rotation.from_euler("xyz", turns).as_matrix(), atol=1e-12)
    np.testing.assert_allclose(made.angles, turns, atol=1e-9)


@given(ways, angles, ways, angles)
def test_one_motion_after_another_moves_points_one_after_another(
    way: list[float], turns: list[float], more: list[float], further: list[float]
) -> None:
    first, second, point = pose(way, turns), pose(more, further), np.array([0.03, -0.05, 0.07])
    there = second.rotation @ (first.rotation @ point + first.translation) + second.translation
    both = second.after(first)
    np.testing.assert_allclose(both.rotation @ point + both.translation, there, atol=1e-12)


@given(ways, angles)
def test_there_and_back_is_no_motion(way: list[float], turns: list[float]) -> None:
    made = pose(way, turns)
    back: Pose = made.after(made.inverse)
    assert back.displacement(still()) < 1e-12


@given(ways)
def test_a_turn_about_an_axis_is_that_of_scipy(vector: list[float]) -> None:
    made = turned_by(50 * np.array(vector), np.zeros(3))
    np.testing.assert_allclose(made.rotation, Rotation.from_rotvec(50 * np.array(vector)).as_matrix(), atol=1e-12)
