"""Precision now and later: against distributions of scipy, and over simulated scans with optional stopping."""

import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chi2, ncx2

from aslive.gadgets.kernels.pair_values import PairValues
from aslive.gadgets.kernels.precision import Precision, own_variance, pairs_until

FLOW, MOST_PAIRS, MINIMUM = 50.0, 36, 6


class Patient(NamedTuple):
    """How noisy pairs are, mL/100 g/min: each voxel alone, and all together by breathing and pulse."""

    own: float = 45.0
    common: float = 6.0
    unevenness: float = 0.0
    """Standard deviation of the logarithm of the voxels' own noise."""


def scans(patient: Patient, count: int, voxels: int = 1000, seed: int = 0) -> Iterator[tuple[float, list[Precision]]]:
    """Simulate scans voxel by voxel; give the true variance of the median voxel, and what is known after each pair."""
    generator = np.random.default_rng(seed)
    pairs = np.arange(1, MOST_PAIRS + 1)
    for _ in range(count):
        deviation = patient.own * np.exp(patient.unevenness * generator.standard_normal(voxels, np.float32))
        noise = deviation[:, np.newaxis] * generator.standard_normal((voxels, MOST_PAIRS), np.float32)
        data = noise + patient.common * generator.standard_normal(MOST_PAIRS, np.float32)
        sums = np.cumsum(data, axis=1)
        squares = np.cumsum(data * data, axis=1) - sums**2 / pairs
        medians = np.median(squares[:, 1:] / pairs[:-1], axis=0)
        values, known = PairValues(), []
        for n, mean in zip(pairs.tolist(), FLOW + sums.mean(axis=0) / pairs, strict=True):
            values.follow(n, float(mean))
            if n >= 2:
                common = values.variance()
                own = own_variance(float(medians[n - 2]), common, n - 1)
                known.append(Precision(float(mean), own, common, voxels))
        yield float(np.median(deviation**2)) + patient.common**2, known


@pytest.mark.parametrize("degrees", [2, 5, 12, 40])
@pytest.mark.parametrize("ratio", [0.0, 0.05, 0.5])
def test_the_own_noise_of_voxels_comes_back_from_their_median(degrees: int, ratio: float) -> None:
    median = float(ncx2.median(degrees, max(degrees * ratio, 1e-12))) / degrees  # of own variance 1
    assert own_variance(median, ratio, degrees) == pytest.approx(1.0, rel=0.02 if degrees > 2 else 0.05)


@pytest.mark.parametrize(
    "patient", [Patient(), Patient(common=12.0), Patient(unevenness=0.3)], ids=["usual", "restless", "uneven"]
)
def test_enough_is_said_too_early_in_at_most_5_percent_of_1000_scans(patient: Patient) -> None:
    early, scan_count = 0, 1000 if patient == Patient() else 100
    for truth, known in scans(patient, scan_count, voxels=250):
        stop = next(n for n, now in enumerate(known, start=2) if n >= MINIMUM and now.voxel_error_bound(n) <= 12.0)
        early += math.sqrt(truth / stop) > 12.0
    assert early <= 0.05 * scan_count


def test_without_the_bound_enough_would_be_said_too_early_in_a_third_of_scans() -> None:
    early = 0
    for truth, known in scans(Patient(common=12.0), 100, voxels=250):
        stop = next(n for n, now in enumerate(known, start=2) if n >= MINIMUM and now.voxel_error(n) <= 12.0)
        early += math.sqrt(truth / stop) > 12.0
    assert early > 0.3 * 100


def test_the_interval_of_gray_matter_holds_the_truth_at_all_looks_in_95_percent_of_scans() -> None:
    missed = sum(
        any(abs(now.flow - FLOW) > now.mean_half_width(n) for n, now in enumerate(known, start=2))
        for _, known in scans(Patient(), 300, voxels=20)
    )
    assert missed <= 0.05 * 300


@pytest.mark.parametrize("patient", [Patient(), Patient(common=9.0), Patient(unevenness=0.3)])
def test_a_third_of_the_scan_predicts_its_end_within_20_percent(patient: Patient) -> None:
    right = 0
    for _, known in scans(patient, 60, voxels=1500, seed=3):
        bound = [now.voxel_error_bound(n) for n, now in enumerate(known, start=2)]
        end = next(n for n, value in enumerate(bound, start=2) if n >= MINIMUM and value <= 10.0)
        now = known[round(end / 3) - 2]
        predicted = pairs_until(lambda n, now=now: now.voxel_error_bound(n) <= 10.0, round(end / 3))
        right += abs(predicted / end - 1) <= 0.2
    assert right >= 0.95 * 60


def test_the_prediction_is_close_to_the_number_that_the_true_noise_needs() -> None:
    for truth, known in scans(Patient(), 20, voxels=4000, seed=4):
        predicted = pairs_until(lambda n, now=known[6]: now.voxel_error_bound(n) <= 10.0, 8)
        assert predicted == pytest.approx(truth / 10.0**2, rel=0.2)


def test_what_is_hopeless_at_best_is_hopeless_indeed() -> None:
    wrong = 0
    for truth, known in scans(Patient(own=20.0, common=9.0), 200, voxels=100, seed=5):
        best = known[MINIMUM - 2].at_best(MINIMUM)
        wrong += pairs_until(lambda n, best=best: best.voxel_error(n) <= 5.0, MINIMUM) > truth / 5.0**2 + 1
    assert wrong <= 0.07 * 200


@pytest.mark.parametrize("pairs", [2, 6, 40])
def test_the_least_noise_is_that_of_chi2(pairs: int) -> None:
    best = Precision(50.0, 45.0**2, 6.0**2, 2000).at_best(pairs)
    assert best.common == pytest.approx(36 * (pairs - 1) / chi2.ppf(0.95, pairs - 1))


def test_the_half_width_is_bounded_by_less_flow_and_more_noise() -> None:
    known = Precision(50.0, 45.0**2, 6.0**2, 2000)
    assert known.half_width(20) == pytest.approx(1.96 * math.sqrt(45**2 + 36) / math.sqrt(20) / 50)
    assert known.half_width_bound(20) > known.half_width(20)
    assert math.isinf(Precision(0.0, 1.0, 1.0, 2000).half_width(20))
    assert math.isinf(Precision(0.0, 1.0, 1.0, 2000).half_width_bound(20))


def test_nothing_is_bounded_before_the_spread_is_known() -> None:
    known = Precision(50.0, 45.0**2, 0.0, 2000, skipped=6)
    assert math.isinf(known.voxel_error_bound(6))
    assert known.at_best(6).voxel_error(6) == 0.0


def test_smoothing_takes_away_what_voxels_do_not_share() -> None:
    known = Precision(50.0, 40.0**2, 6.0**2, 2000, share=0.1)
    assert known.voxel_error(10) == pytest.approx(math.sqrt((160 + 36) / 10))


@settings(max_examples=50)
@given(st.integers(1, 3000), st.integers(1, 50))
def test_the_first_number_that_reaches_is_found(limit: int, first: int) -> None:
    assert pairs_until(lambda n: n >= limit, first) == max(limit, first)


def test_what_is_never_reached_takes_forever() -> None:
    assert math.isinf(pairs_until(lambda n: False, 6))
