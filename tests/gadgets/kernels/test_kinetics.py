"""The responses against a numerical convolution of the arterial input with what tissue does to it."""

import math
from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
from scipy.integrate import quad

from aslive.gadgets.kernels.dispersion import Dispersion
from aslive.gadgets.kernels.kinetics import Blood, Boluses, arterial_response, tissue_response

PER_SECOND = 6000.0
EVEN = Blood(1.65, 0.85, 0.9)
T1_TISSUE, T1_BLOOD = 1.33, 1.65


def spread(way: Dispersion, extra: float) -> float:
    """Give the density of an extra transit time."""
    s, k = way.sharpness, way.shape
    return s * math.exp((k - 1) * math.log(s * extra) - s * extra - math.lgamma(k)) if extra > 0 else 0.0


def arterial_input(
    blood: Blood, att: float, duration: float, pulsed: bool
) -> tuple[Callable[[float], float], list[float]]:
    """Give the label that arrives at each time, and where it has corners; blood decays all the time it travels."""
    way = blood.dispersion

    def evenly(time: float) -> float:
        return math.exp(-(time if pulsed else att) / blood.t1) if att <= time < att + duration else 0.0

    def unevenly(time: float) -> float:
        def part(extra: float) -> float:
            assert way is not None
            return spread(way, extra) * math.exp(-(time if pulsed else att + extra) / blood.t1)

        first, last = max(time - att - duration, 0.0), max(time - att, 0.0)
        return quad(part, first, last, epsabs=0, epsrel=1e-7)[0] if last > first else 0.0

    return (evenly if way is None else unevenly), [att, att + duration]


def convolved(blood: Blood, att: float, t1: float, readout: float, duration: float, pulsed: bool) -> float:
    arriving, corners = arterial_input(blood, att, duration, pulsed)
    corners = [0.0, *[corner for corner in corners if 0 < corner < readout], readout]
    total = sum(
        quad(lambda u: arriving(u) * math.exp(-(readout - u) / t1), begin, end, epsabs=1e-12, epsrel=1e-7)[0]
        for begin, end in pairwise(corners)
    )
    return 2 * blood.labeling_efficiency / blood.partition_coefficient / PER_SECOND * total


WAYS = {
    "none": None,
    "usual": Dispersion.of_peak(7.4, 0.1),
    "broad": Dispersion.of_peak(0.6, 0.5),
    "as fast as tissue": Dispersion.of_peak(1 / T1_TISSUE - 1 / T1_BLOOD, 0.0),
    "narrow": Dispersion.of_peak(60.0, 0.05),
}


@pytest.mark.parametrize("duration", [1.8, 0.01])
@pytest.mark.parametrize("pulsed", [False, True])
@pytest.mark.parametrize("way", WAYS.values(), ids=list(WAYS))
def test_tissue_shows_the_convolution_of_arterial_input_and_residue(way, pulsed, duration):
    blood = EVEN._replace(dispersion=way)
    att = np.array([0.0, 0.8])
    t1 = np.array([0.6, T1_TISSUE, T1_BLOOD]) if way else np.array([0.6, T1_TISSUE, T1_BLOOD, 4.3])
    readout = np.array([0.5, 2.0, 3.6])
    found = tissue_response(att, t1, Boluses(readout, np.full(3, duration), pulsed), blood)
    expected = [[[convolved(blood, a, t, r, duration, pulsed) for a in att] for r in readout] for t in t1]
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6 * np.max(expected))


@pytest.mark.parametrize("pulsed", [False, True])
@pytest.mark.parametrize("way", [None, WAYS["usual"]])
def test_arteries_show_the_arterial_input(way, pulsed):
    blood = EVEN._replace(dispersion=way)
    att, readout = np.array([0.0, 0.5, 1.1, 5.0]), np.array([0.3, 1.2, 2.5])
    found = arterial_response(att, Boluses(readout, np.full(3, 0.9), pulsed), blood)
    expected = [[arterial_input(blood, a, 0.9, pulsed)[0](r) for a in att] for r in readout]
    np.testing.assert_allclose(found, 2 * 0.85 / 0.9 * np.array(expected), rtol=1e-6, atol=1e-9)


# deltam / M0 in % (asldro's signal model, computed apart): LD 1.4
@pytest.mark.parametrize(
    ("cbf", "att", "t1", "expected"),
    [
        (60, 0.8, 1.33, [0.728, 0.866, 0.980, 0.859, 0.710, 0.587]),
        (20, 1.2, 0.83, [0.106, 0.144, 0.172, 0.193, 0.193, 0.143]),
    ],
)
def test_the_reference_brain_has_its_known_differences(cbf, att, t1, expected):
    delays = np.array([0.25, 0.5, 0.75, 1.0, 1.25, 1.5])
    apparent = np.array([1 / (1 / t1 + cbf / PER_SECOND / 0.9)])
    response = tissue_response(np.array([att]), apparent, Boluses(delays + 1.4, np.full(6, 1.4)), EVEN)
    np.testing.assert_allclose(100 * cbf * response[0, :, 0], expected, atol=6e-4)


# what the white-paper formula makes of these differences
@pytest.mark.parametrize(
    ("duration", "delay", "pulsed", "factor", "cbf", "t1", "expected"),
    [
        (1.8, 1.8, False, 8630.0, 60, 1.33, {0.8: 45.81, 1.2: 48.8, 1.6: 51.9, 2.0: 44.8, 2.4: 29.9, 2.8: 17.9}),
        (1.8, 1.8, False, 8630.0, 20, 0.83, {1.2: 9.33}),
        (1.8, 2.0, False, 9742.1, 60, 1.33, {0.8: 44.4, 1.2: 47.3, 1.6: 50.3, 2.0: 53.6, 2.4: 37.0, 2.8: 23.6}),
        (3.0, 3.0, False, 14158.2, 60, 1.33, {0.8: 36.2, 1.2: 38.5, 1.6: 41.0, 2.0: 43.7, 2.4: 46.5, 2.8: 49.5}),
        (0.8, 1.8, True, 10252.4, 60, 1.33, {0.8: 54.64}),
        (0.8, 1.8, True, 10252.4, 20, 0.83, {1.2: 12.59}),
    ],
)
def test_the_white_paper_formula_reads_low_by_the_known_amount(duration, delay, pulsed, factor, cbf, t1, expected):
    readout = delay if pulsed else delay + duration
    blood = EVEN._replace(labeling_efficiency=0.98) if pulsed else EVEN
    apparent = np.array([1 / (1 / t1 + cbf / PER_SECOND / 0.9)])
    boluses = Boluses(np.array([readout]), np.array([duration]), pulsed)
    response = tissue_response(np.array(list(expected)), apparent, boluses, blood)
    np.testing.assert_allclose(factor * cbf * response[0, 0], list(expected.values()), atol=0.06)


@pytest.mark.parametrize("pulsed", [False, True])
@pytest.mark.parametrize("way", [None, WAYS["usual"]])
def test_blood_that_is_still_on_its_way_shows_nothing(way, pulsed):
    blood = EVEN._replace(dispersion=way)
    boluses = Boluses(np.array([2.0]), np.array([1.8]), pulsed)
    late = np.array([2.0, 3.0, 1000.0])
    assert not tissue_response(late, np.array([0.3, 1.3]), boluses, blood).any()
    assert not arterial_response(late[1:], boluses, blood).any()


@pytest.mark.parametrize("pulsed", [False, True])
def test_equal_relaxation_of_blood_and_tissue_is_no_special_case(pulsed):
    near = np.array([T1_BLOOD - 1e-3, T1_BLOOD, T1_BLOOD + 1e-3])
    boluses = Boluses(np.array([2.6, 3.6]), np.array([1.8, 1.8]), pulsed)
    for way in (None, WAYS["usual"]):
        response = tissue_response(np.linspace(0, 3, 7), near, boluses, EVEN._replace(dispersion=way))
        np.testing.assert_allclose(response[1], response[[0, 2]].mean(axis=0), rtol=1e-6)


def test_blood_that_hardly_spreads_travels_evenly():
    att, t1 = np.linspace(0, 3, 31), np.array([1.3])
    boluses = Boluses(np.array([2.0, 3.6]), np.array([1.8, 1.8]))
    even = tissue_response(att, t1, boluses, EVEN)
    hardly = tissue_response(att, t1, boluses, EVEN._replace(dispersion=Dispersion.of_peak(1e4, 0.0)))
    np.testing.assert_allclose(hardly, even, atol=3e-4 * even.max())


@pytest.mark.parametrize("pulsed", [False, True])
def test_dispersion_averages_over_transit_times(pulsed):
    way = WAYS["usual"]
    assert way is not None
    boluses, t1 = Boluses(np.array([2.0, 3.6]), np.array([1.5, 1.5]), pulsed), np.array([1.3])
    extra = np.arange(5e-4, 6, 1e-3)
    weights = np.array([spread(way, float(v)) for v in extra]) * 1e-3
    averaged = tissue_response(0.7 + extra, t1, boluses, EVEN)[0] @ weights
    found = tissue_response(np.array([0.7]), t1, boluses, EVEN._replace(dispersion=way))[0, :, 0]
    np.testing.assert_allclose(found, averaged, rtol=1e-4)
