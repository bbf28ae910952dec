"""How long a pair takes."""

import math

from aslive.gadgets.kernels.pace import Pace


def paced(*times: float) -> float:
    pace = Pace()
    for volume, time in enumerate(times):
        pace.count(volume, time)
    return pace.step(math.nan)


def test_the_pace_is_the_mean_time_from_pair_to_pair() -> None:
    assert paced(100.0, 108.0, 117.0, 126.5) == 26.5 / 3


def test_pauses_and_midnight_are_left_out() -> None:
    assert paced(86380.0, 86390.0, 5.0, 15.0, 600.0, 610.0) == 10.0


def test_a_pair_that_comes_again_is_not_counted() -> None:
    pace = Pace()
    for volume, time in ((1, 10.0), (3, 20.0), (1, 10.0), (5, 30.0)):
        pace.count(volume, time)
    assert pace.step(math.nan) == 10.0


def test_without_time_stamps_the_pace_is_what_is_stated() -> None:
    pace = Pace()
    pace.count(1, 0.0)
    pace.count(3, 0.0)
    assert pace.step(8.0) == 8.0
