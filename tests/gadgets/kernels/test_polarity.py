import numpy as np
import pytest
from numpy.typing import NDArray

from aslive.gadgets.kernels.polarity import Polarity

SHAPE = (4, 10, 10)


def noise(seed: int) -> NDArray[np.float32]:
    return np.random.default_rng(seed).standard_normal(SHAPE).astype(np.float32)


def test_of_one_difference_it_is_the_t_of_its_voxels():
    values = noise(0) + np.float32(0.1)
    t = Polarity().add(values, None)
    assert t == pytest.approx(float(values.mean() / values.std() * np.sqrt(values.size)), rel=1e-5)


def test_delays_that_differ_by_themselves_do_not_hide_the_sign():
    by_kind, as_one = Polarity(), Polarity()
    for n in range(8):
        values = noise(n) - np.float32(0.2 if n % 2 else 2.0)
        by_kind.add(values, None, kind=n % 2)
        as_one.add(values, None)
    assert by_kind.t < -30 < as_one.t
    assert by_kind.turned_over(2)


def test_it_is_told_once_and_not_before_there_are_enough():
    polarity = Polarity()
    polarity.add(noise(0) - 2, None)
    assert not polarity.turned_over(2)
    polarity.add(noise(1) - 2, None)
    assert [polarity.turned_over(2), polarity.turned_over(2)] == [True, False]


def test_what_never_varies_has_no_t():
    assert Polarity().t == 0
    assert Polarity().add(np.ones(SHAPE, np.float32), np.ones(SHAPE, bool)) == 0
