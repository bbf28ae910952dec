"""Every number of the page that derives a voxel by hand is what its arithmetic, the simulator and the code give."""

import math
import re
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from aslive.gadgets.kernels.kinetics import Blood, Boluses, tissue_response
from aslive.gadgets.kernels.perfusion import pcasl_factor
from aslive.gadgets.kernels.posterior import Posterior, Prior, posterior
from aslive.gadgets.kernels.response import make_response
from aslive.gadgets.kernels.response_axes import apparent_t1, transit_times
from aslive.gadgets.kernels.weighted_delay import weighted_delay_att
from aslive.sim.anatomy import brain
from aslive.sim.protocol import Protocol
from aslive.sim.scanner import Scanner
from aslive.streaming.messages import ConfigFile
from aslive.streaming.perfusion import Map, MapName
from aslive.streaming.registry import Registry
from aslive.streaming.session import Session

PAGE = (Path(__file__).resolve().parents[1] / "docs" / "how-to" / "derive-a-voxel-by-hand.md").read_text()
_EQUATION = re.compile(r"^    (\w+) = (.+) = (-?[\d.]+)$", re.MULTILINE)
_MATHEMATICS = {name: getattr(math, name) for name in ("exp", "log", "sqrt")}
EQUATIONS = _EQUATION.findall(PAGE)
VALUES = {name: float(result) for name, _, result in EQUATIONS}
ROWS = np.array(
    [[float(cell) for cell in row.split("|")[1:-1]] for row in re.findall(r"^\| \d\.\d \|.*$", PAGE, re.MULTILINE)]
)
"""Of the grid: ATT, both responses, mean, deviation, log weight, weight."""
VOXEL = (2, 14, 19)
NOISE = 0.001
PRIOR_FLOW, PRIOR_ATT = (50.0, 100.0), (1.3, 1.0)
DATA = np.array([VALUES["early"], VALUES["late"]])


@cache
def scanned(**changes: object) -> tuple[Scanner, dict[MapName, list[NDArray[np.float32]]]]:
    """Play the scan of the page, and give all its maps."""
    size = {"matrix": (32, 32, 8), "field_of_view": (0.22, 0.22, 0.12), "coils": 4, "pairs": 2}
    protocol = Protocol(**size, three_dimensional=True, **changes)  # pyright: ignore[reportArgumentType] (fields of it)
    scanner = Scanner(protocol, snr=None, anatomy=brain(protocol.grid))
    maps: dict[MapName, list[NDArray[np.float32]]] = {}

    def watch(output: object) -> None:
        if isinstance(output, Map):
            maps.setdefault(output.name, []).append(output.data)

    session = Session(Registry(), watch=watch)
    for message in (ConfigFile("asl"), *scanner.messages()):
        list(session.receive(message))
    return scanner, maps


@pytest.mark.parametrize(("name", "expression", "result"), EQUATIONS, ids=[name for name, *_ in EQUATIONS])
def test_each_line_of_arithmetic_gives_its_result(name, expression, result):
    """To half a unit of the last digit."""
    assert set(re.sub(r"exp|log|sqrt", "", expression)) <= set("0123456789.+-*/() ")
    digits = len(result.partition(".")[2])
    value = eval(expression, {"__builtins__": {}}, dict(_MATHEMATICS))  # noqa: S307  (our own page, arithmetic only)
    assert float(result) == pytest.approx(value, abs=0.51 * 10**-digits)


def test_the_voxel_of_one_delay_is_that_of_the_scan():
    scanner, maps = scanned(m0_repetition_time=4.0)
    for name, text in ((MapName.M0SCAN, "50.283"), (MapName.CONTROL, "51.760"), (MapName.LABEL, "51.490")):
        assert maps[name][-1][VOXEL] == pytest.approx(float(text), abs=6e-4)
        assert text in PAGE
    assert maps[MapName.M0][-1][VOXEL] == pytest.approx(VALUES["m0"], abs=0.01)
    assert maps[MapName.CBF][-1][VOXEL] == pytest.approx(VALUES["cbf"], abs=0.06)
    assert scanner.head.gray_matter[VOXEL] == pytest.approx(0.95, abs=0.005)
    assert (scanner.head.cbf[VOXEL], scanner.head.att[VOXEL]) == (
        pytest.approx(57.4, abs=0.05),
        pytest.approx(0.80, abs=0.005),
    )


def test_the_voxel_of_two_delays_is_that_of_the_scan():
    _, maps = scanned(post_labeling_delay=(0.4, 1.8))
    (m0,) = maps[MapName.M0SCAN]
    for pair, expected in enumerate(DATA):
        difference = maps[MapName.CONTROL][pair] - maps[MapName.LABEL][pair]
        assert difference[VOXEL] / m0[VOXEL] == pytest.approx(expected, abs=2e-6)


def test_the_factor_is_that_of_the_code():
    assert VALUES["k"] == pytest.approx(pcasl_factor(1.8, 1.8, 1.65, 0.9, 0.85), abs=0.05)


def test_the_responses_are_those_of_the_code():
    boluses = Boluses(np.array([2.2, 3.6]), np.array([1.8, 1.8]))
    response = tissue_response(ROWS[:, 0], np.array([VALUES["t1"]]), boluses, Blood(1.65, 0.85, 0.9))[0]
    np.testing.assert_allclose(ROWS[:, 1:3], response.T, atol=6e-9)


def test_the_grid_follows_from_its_responses():
    att, responses = ROWS[:, 0], ROWS[:, 1:3]
    precision = (responses**2).sum(axis=1) / NOISE**2 + PRIOR_FLOW[1] ** -2
    moment = responses @ DATA / NOISE**2 + PRIOR_FLOW[0] / PRIOR_FLOW[1] ** 2
    log_weight = moment**2 / (2 * precision) - np.log(precision) / 2 - ((att - PRIOR_ATT[0]) / PRIOR_ATT[1]) ** 2 / 2
    weight = np.exp(log_weight - log_weight.max())
    expected = np.stack([moment / precision, precision**-0.5, log_weight, weight / weight.sum()], axis=1)
    assert np.all(np.abs(ROWS[:, 3:] - expected) < [0.06, 0.06, 0.006, 6e-4])


def _posterior() -> tuple[Posterior, float]:
    """Run the kernels of the gadget on the two numbers of the page; also the transit time by the weighted delay."""
    voxel, group = (1, 1, 1), np.zeros(1, np.int64)
    boluses = Boluses(np.array([2.2, 3.6]), np.array([1.8, 1.8]))
    att, times = transit_times(0.1, 3.3, 0.02), apparent_t1(1.33, 1.33, 0.9)
    response = make_response(att, times, boluses, np.zeros(1), Blood(1.65, 0.85, 0.9))
    data, t1 = DATA.astype(np.float32).reshape(2, *voxel), np.full(voxel, 1.33, np.float32)
    variance, m0 = np.full(voxel, NOISE**2, np.float32), np.ones(voxel, np.float32)
    prior = Prior(*PRIOR_FLOW, *PRIOR_ATT)
    found = posterior(data, np.ones((2, 1)), variance, np.inf, m0, t1, response, group, 0.9, prior)
    crossed = weighted_delay_att(data, np.array([[0.4, 1.8]]), t1, response, group)
    return found, float(crossed.ravel()[0])


def test_the_posterior_of_the_code_is_what_the_page_says():
    """To half a unit of the last digit; the bounds to a hundredth of a standard deviation more."""
    found, crossed = _posterior()
    rows = re.findall(r"^\| (?:CBF|ATT), .*? \| ([\d.]+) \| ([\d.]+) \| ([\d.]+) to ([\d.]+) \|$", PAGE, re.MULTILINE)
    of_flow = found.cbf, found.cbf_stderr, found.cbf_lower, found.cbf_upper
    of_transit = found.att, found.att_stderr, found.att_lower, found.att_upper
    for row, maps, unit in zip(rows, (of_flow, of_transit), (0.1, 0.01), strict=True):
        mean, deviation, *bounds = (float(number) for number in row)
        np.testing.assert_allclose([mean, deviation], np.ravel(maps[:2]), atol=0.51 * unit)
        np.testing.assert_allclose(bounds, np.ravel(maps[2:]), atol=0.51 * unit + 0.01 * deviation)
    assert crossed == pytest.approx(0.79, abs=0.006)


def test_the_posterior_of_the_code_is_that_of_a_brute_force_integration():
    """Sums over a fine grid of both, with the whole model in flow and not its tangent."""
    found, _ = _posterior()
    flow, att = np.linspace(-300, 400, 1401), np.linspace(0.1, 3.3, 801)
    boluses, blood = Boluses(np.array([2.2, 3.6]), np.array([1.8, 1.8])), Blood(1.65, 0.85, 0.9)
    t1 = 1 / (1 / 1.33 + np.clip(flow, 0, 200) / 6000 / 0.9)
    left = DATA[:, np.newaxis] - flow[:, np.newaxis, np.newaxis] * tissue_response(att, t1, boluses, blood)
    log = -0.5 * np.square(left / NOISE).sum(axis=1)
    log -= 0.5 * np.square((flow[:, np.newaxis] - PRIOR_FLOW[0]) / PRIOR_FLOW[1])
    log -= 0.5 * np.square((att - PRIOR_ATT[0]) / PRIOR_ATT[1])
    mass = np.exp(log - log.max())
    of_flow, of_transit = mass.sum(axis=1) / mass.sum(), mass.sum(axis=0) / mass.sum()
    assert found.cbf.item() == pytest.approx(of_flow @ flow, rel=0.02)
    assert found.att.item() == pytest.approx(of_transit @ att, rel=0.02)


def _fitted(cbf: float, att: float, t1: float, assumed: float) -> tuple[float, float]:
    """Give the flow and transit time that fit noise-free data of six delays best, with an assumed T1 of tissue."""
    delays = np.arange(0.5, 3.1, 0.5)
    boluses, blood = Boluses(delays + 1.8, np.full(6, 1.8)), Blood(1.65, 0.85, 0.9)

    def responses(flow: float, times: NDArray[np.float64], relaxation: float) -> NDArray[np.float64]:
        return tissue_response(times, np.array([1 / (1 / relaxation + flow / 6000 / 0.9)]), boluses, blood)[0]

    data, grid, flow, best = cbf * responses(cbf, np.array([att]), t1)[:, 0], np.arange(0.1, 4.5, 0.005), cbf, 0
    for _ in range(20):
        table = responses(flow, grid, assumed)
        explained = table.T @ data
        best = int(np.argmax(explained**2 / np.square(table).sum(axis=0)))
        flow = float(explained[best] / np.square(table[:, best]).sum())
    return flow, float(grid[best])


def test_what_a_wrong_t1_costs_is_what_the_page_on_delays_says():
    page = (Path(__file__).resolve().parents[1] / "docs" / "how-to" / "measure-several-delays.md").read_text()
    rows = re.findall(
        r"^\| \w+ matter: ([\d.]+), ([\d.]+) s, T1 ([\d.]+) s \| (.+?) s \| (.+?) s \|$", page, re.MULTILINE
    )
    assert len(rows) == 2
    for cbf, att, t1, right, wrong in rows:
        for text, assumed in ((right, float(t1)), (wrong, 1.33)):
            flow, time = (float(number) for number in text.split(", "))
            expected = _fitted(float(cbf), float(att), float(t1), assumed)
            assert (flow, time) == (pytest.approx(expected[0], abs=0.06), pytest.approx(expected[1], abs=0.006))
