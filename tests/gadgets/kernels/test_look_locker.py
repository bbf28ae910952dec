import math
from itertools import pairwise

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from aslive.gadgets.kernels.kinetics import Blood, Boluses, tissue_response
from aslive.gadgets.kernels.look_locker import seen_by_small_flips

BLOOD = Blood(1.65, 0.98, 0.9)
T1 = np.array([1.0, 1.3])
ATT = np.array([0.0, 0.65, 1.4, 9.0])


def integrated(att: float, t1: float, boluses: Boluses, flip_angle: float) -> list[float]:
    """Follow the magnetization from readout to readout, each of which leaves its cosine."""
    level, time, seen = 0.0, 0.0, []
    duration = float(boluses.duration[0])

    def arriving(u: float) -> float:
        decay = math.exp(-(u if boluses.pulsed else att) / BLOOD.t1)
        return 2 * BLOOD.labeling_efficiency / BLOOD.partition_coefficient / 6000 * decay

    for readout in boluses.readout:
        corners = sorted({time, *[c for c in (att, att + duration) if time < c < readout], float(readout)})
        for begin, end in pairwise(corners):
            flows = att <= (begin + end) / 2 < att + duration
            slope = lambda u, m, flows=flows: (arriving(u) if flows else 0.0) - m / t1  # noqa: E731  (three lines less)
            level = solve_ivp(slope, (begin, end), [level], rtol=1e-9, atol=1e-15).y[0, -1]
        seen.append(level)
        level, time = level * math.cos(flip_angle), float(readout)
    return seen


@pytest.mark.parametrize("pulsed", [False, True])
@pytest.mark.parametrize("flip_angle", [0.0, math.radians(35), math.radians(90)])
def test_a_train_of_readouts_shows_what_they_leave_to_each_other(flip_angle, pulsed):
    boluses = Boluses(0.2 + 0.3 * np.arange(8, dtype=np.float64), np.full(8, 0.7), pulsed)
    seen = seen_by_small_flips(tissue_response(ATT, T1, boluses, BLOOD), boluses, T1, flip_angle)
    expected = [np.transpose([integrated(att, t1, boluses, flip_angle) for att in ATT]) for t1 in T1]
    np.testing.assert_allclose(seen, expected, atol=1e-6 * np.max(expected))


def test_readouts_without_flip_disturb_nothing():
    boluses = Boluses(np.array([0.5, 1.5, 2.5]), np.full(3, 1.0))
    response = tissue_response(ATT, T1, boluses, BLOOD)
    np.testing.assert_allclose(seen_by_small_flips(response, boluses, T1, 0.0), response, atol=1e-18)


def test_boluses_of_another_duration_are_another_labeling_and_order_does_not_matter():
    readout, duration = np.array([2.5, 0.5, 1.5, 2.0]), np.array([1.0, 1.0, 1.0, 0.4])
    boluses = Boluses(readout, duration)
    response = tissue_response(ATT, T1, boluses, BLOOD)
    seen = seen_by_small_flips(response, boluses, T1, 0.6)
    np.testing.assert_array_equal(seen[:, [1, 3]], response[:, [1, 3]])
    order = [1, 2, 0]
    train = Boluses(readout[order], duration[order])
    alone = seen_by_small_flips(response[:, order], train, T1, 0.6)
    np.testing.assert_array_equal(seen[:, order], alone)
