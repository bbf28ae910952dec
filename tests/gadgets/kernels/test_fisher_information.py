"""What one more pair tells of flow: against NumPy's inverse, and against scipy's fits of simulated data."""

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares

from aslive.gadgets.kernels.fisher_information import add_variances
from aslive.gadgets.kernels.kinetics import Blood, Boluses, tissue_response
from aslive.sim.kinetics import continuous_difference

BLOOD = Blood(1.65, 0.85, 0.9)
DURATION, T1, FLOW = 1.8, 1.33, 50.0
FLOW_DEVIATION, ATT_DEVIATION = 100.0, 1.0
GRID = np.linspace(0.1, 4.5, 221)


def tables(delays: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    t1 = np.array([1 / (1 / T1 + FLOW / 6000 / BLOOD.partition_coefficient)])
    boluses = Boluses(delays + DURATION, np.full(len(delays), DURATION))
    response = tissue_response(GRID, t1, boluses, BLOOD)
    return response, np.gradient(response, GRID, axis=2)


def variances(
    delays: NDArray[np.float64],
    att: NDArray[np.float64],
    pairs: NDArray[np.float64],
    noise: float,
    deviation: float = 0.0,
) -> NDArray[np.float64]:
    """Give the mean variance of flow: now, then after one more pair of each delay."""
    response, slope = tables(delays)
    totals = np.zeros(1 + len(delays))
    count = len(att)
    add_variances(
        np.full(count, FLOW),
        att,
        np.full(count, deviation),
        np.full(count, noise),
        np.zeros(count, np.int64),
        response,
        slope,
        GRID[0],
        GRID[1] - GRID[0],
        pairs,
        FLOW_DEVIATION**2,
        ATT_DEVIATION**2,
        totals,
    )
    return totals / count


def best(delays: NDArray[np.float64], att: float, pairs: NDArray[np.float64], noise: float = 1e-6) -> float:
    return float(delays[np.argmin(variances(delays, np.array([att]), pairs, noise)[1:])])


def test_the_variance_is_that_element_of_the_inverse_information() -> None:
    delays, pairs, noise = np.array([0.5, 1.5, 2.5]), np.array([2.0, 1.0, 3.0]), 1e-5
    node, deviation = GRID[60], 0.2
    response, slope = tables(delays)
    prior = np.diag([1 / FLOW_DEVIATION**2, 1 / ATT_DEVIATION**2])
    expected = np.zeros(4)
    for weight, place in (
        (2 / 3, node),
        (1 / 6, node - np.sqrt(3) * deviation),
        (1 / 6, node + np.sqrt(3) * deviation),
    ):
        k, change = (np.array([np.interp(place, GRID, row) for row in table[0]]) for table in (response, slope))
        jacobian = np.stack([k, FLOW * change])
        for more in range(4):
            counts = pairs + np.eye(4)[more][1:]
            information = prior + (jacobian * counts / noise) @ jacobian.T
            expected[more] += weight * np.linalg.inv(information)[0, 0]
    np.testing.assert_allclose(variances(delays, np.array([node]), pairs, noise, deviation), expected, rtol=1e-9)


def test_more_pairs_never_tell_less() -> None:
    found = variances(np.array([0.5, 1.5, 2.5]), np.array([0.8, 1.6, 2.4]), np.array([2.0, 2.0, 2.0]), 1e-5, 0.3)
    assert (found[1:] < found[0]).all()


def test_where_blood_is_late_long_delays_tell_most() -> None:
    delays = np.array([0.5, 1.0, 1.5, 2.0, 2.5, 3.0])
    assert best(delays, 2.4, np.full(6, 3.0)) >= 2.0
    assert best(delays, 3.0, np.full(6, 3.0)) == 3.0


def test_where_all_blood_has_arrived_the_shortest_delay_tells_most_of_flow() -> None:
    """With transit time all but known, the signal is largest where the label has faded least."""
    delays = np.array([1.5, 2.0, 2.5, 3.0])
    assert best(delays, 0.5, np.full(4, 3.0)) == 1.5


def test_where_no_blood_has_arrived_a_point_is_blind_and_the_spread_is_not() -> None:
    """A transit time behind all delays but not sure: only by its spread can anything be gained."""
    delays, late = np.array([0.5, 1.0]), np.array([3.2])
    blind = variances(delays, late, np.zeros(2), 1e-6)
    assert (blind[1:] == blind[0]).all()
    spread = variances(delays, late, np.zeros(2), 1e-6, 0.5)
    assert spread[2] < spread[1] == spread[0]


def test_the_delay_that_is_advised_lowers_the_error_of_fits_most() -> None:
    """Voxels are simulated and fitted by scipy with a few more pairs of each delay in turn; noise as it comes."""
    delays, noise, more = np.array([0.7, 1.5, 2.3, 3.0]), 4e-7, 4
    att = np.random.default_rng(0).uniform(1.2, 2.2, 150)
    generator, pairs = np.random.default_rng(1), np.full(4, 2.0)
    constants = {"labeling_efficiency": 0.85, "t1_blood": 1.65, "partition_coefficient": 0.9}

    def shown(flow: float, arrival: float) -> NDArray[np.float64]:
        return continuous_difference(
            flow, arrival, T1, labeling_duration=DURATION, post_labeling_delay=delays, **constants
        )

    errors = np.zeros(4)
    for arrival in att:
        so_far = shown(FLOW, arrival) + generator.standard_normal(4) * np.sqrt(noise / pairs)
        new = shown(FLOW, arrival) + generator.standard_normal(4) * np.sqrt(noise / more)
        for extra in range(4):
            counts = pairs + more * (np.arange(4) == extra)
            data = np.where(np.arange(4) == extra, (pairs * so_far + more * new) / (pairs + more), so_far)

            def misfit(
                guess: NDArray[np.float64], data: NDArray[np.float64] = data, counts: NDArray[np.float64] = counts
            ) -> NDArray[np.float64]:
                return (data - shown(guess[0], guess[1])) * np.sqrt(counts / noise)

            fitted = least_squares(misfit, (FLOW, arrival), x_scale=(50.0, 1.0), diff_step=1e-4)
            errors[extra] += (fitted.x[0] - FLOW) ** 2
    found = variances(delays, att, pairs / more, noise / more, 0.1)  # one pair of so little noise is that many
    assert np.argmin(found[1:]) == np.argmin(errors)
    np.testing.assert_allclose(found[1:], errors / len(att), rtol=0.35)
