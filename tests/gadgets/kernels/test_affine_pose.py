import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from aslive.gadgets.kernels.affine_pose import USUAL_STRETCH, Pose, rotated, usual_heads

STEPS = st.lists(st.floats(-0.3, 0.3), min_size=12, max_size=12).map(lambda numbers: np.array(numbers, np.float64))


def usual() -> Pose:
    return Pose(np.zeros(3), np.eye(3), USUAL_STRETCH * np.eye(3))


@given(turn=st.tuples(*[st.floats(-3, 3)] * 3))
def test_turns_are_those_of_scipy(turn: tuple[float, float, float]):
    np.testing.assert_allclose(rotated(np.array(turn)), Rotation.from_rotvec(turn).as_matrix(), atol=1e-9)


@given(begin=STEPS, step=STEPS)
def test_derivatives_are_those_of_small_steps(begin: NDArray[np.float64], step: NDArray[np.float64]):
    pose, small = usual().moved(begin), 1e-5
    found = (pose.moved(small * step).matrix - pose.moved(-small * step).matrix) / (2 * small)
    np.testing.assert_allclose(found, pose.derivatives() @ step, atol=1e-7)


@given(step=STEPS)
def test_only_the_size_and_the_shears_of_a_head_are_odd(step: NDArray[np.float64]):
    odd = usual().moved(step).oddity()
    np.testing.assert_allclose(odd[:6], 0)
    np.testing.assert_allclose(odd[6:], step[6:], atol=1e-12)


def test_a_large_head_is_less_odd_than_a_long_one():
    precision = usual_heads()
    large, long = (
        usual().moved(np.array([0.0] * 6 + stretch + [0.0] * 3)).oddity() for stretch in ([0.1] * 3, [0.17, 0, 0])
    )
    np.testing.assert_allclose(np.linalg.norm(large), np.linalg.norm(long), rtol=0.02)
    assert large @ precision @ large < long @ precision @ long / 2
