import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aslive.gadgets.kernels.navigator import compare, phase, slope, steps
from aslive.gadgets.kernels.navigator_history import NavigatorHistory
from aslive.gadgets.kernels.odd_even import half_turns, straighten


def navigators(directions, columns, inclination, constant, off_resonance=0.0, coils=3, seed=0):
    """Lines of an object in an off-resonant field, whose backward ones are turned against the forward ones."""
    rng = np.random.default_rng(seed)
    x = np.arange(columns) - columns // 2
    image = np.exp(-((x / (columns / 5)) ** 2)) * np.exp(2j * np.pi * rng.random((coils, 1)))
    turned = np.exp(1j * (inclination * x + constant) / 2)
    lines = [
        image * (turned if backward else turned.conj()) * np.exp(1j * off_resonance * n)
        for n, backward in enumerate(directions)
    ]
    return np.array(lines).astype(np.complex64), np.array(directions, bool)


@settings(max_examples=40, deadline=None)
@given(
    directions=st.sampled_from(([0, 1, 0], [1, 0, 1], [0, 1, 0, 1, 0, 1, 0, 1])),
    columns=st.sampled_from((33, 64)),
    inclination=st.floats(-1.5, 1.5),
    constant=st.floats(-3, 3),
    off_resonance=st.floats(-1.5, 1.5),
)
def test_what_was_put_in_is_found_whatever_the_field(directions, columns, inclination, constant, off_resonance):
    lines, backward = navigators(directions, columns, inclination, constant, off_resonance)
    found = compare(lines, backward)
    assert found is not None
    assert slope(steps(found.profile)) == pytest.approx(inclination, abs=1e-4)
    assert phase(found.profile, inclination)[1] == pytest.approx(constant, abs=1e-4)
    assert np.angle(found.turn * np.exp(-2j * off_resonance)) == pytest.approx(0, abs=1e-4)
    assert found.lines == len(directions)


def test_two_lines_are_compared_and_tell_nothing_of_the_field():
    found = compare(*navigators([1, 0], 32, 0.1, 0.2))
    assert found is not None
    assert slope(steps(found.profile)) == pytest.approx(0.1, abs=1e-5)
    assert found.turn == 0


@pytest.mark.parametrize("directions", [[0, 0], [0, 0, 0], [1, 1, 0], [0], []])
def test_lines_that_do_not_alternate_tell_nothing(directions):
    lines = np.ones((len(directions), 2, 8), np.complex64)
    assert compare(lines, np.array(directions, bool)) is None


@pytest.mark.parametrize("value", [0, np.nan])
def test_empty_lines_and_lines_without_numbers_tell_nothing(value):
    assert compare(np.full((3, 2, 8), value, np.complex64), np.array([False, True, False])) is None


def test_a_higher_order_follows_what_is_not_linear():
    x = np.arange(64) - 32
    bent = 0.05 * x + 0.3 * (x / 32) ** 2 - 0.2 * (x / 32) ** 3
    profile = np.exp(-((x / 14) ** 2)) * np.exp(1j * bent)
    inclination = slope(steps(profile))
    linear, cubic = (phase(profile, inclination, order)[0] for order in (1, 3))
    inside = np.abs(x) < 20
    assert np.abs(linear - bent)[inside].max() > 0.05
    np.testing.assert_allclose(cubic[inside], bent[inside], atol=1e-3)


def straighten_in_numpy(lines, backward, turns, step, first):
    echoes = first + np.arange(len(lines))
    return lines * (turns[backward.astype(int)] * np.exp(-1j * step * echoes)[:, np.newaxis])[:, np.newaxis]


@given(step=st.floats(-0.5, 0.5), first=st.integers(0, 100))
@settings(max_examples=10, deadline=None)
def test_straightening_is_what_numpy_makes_of_it(step, first):
    rng = np.random.default_rng(1)
    lines = (rng.standard_normal((4, 3, 17)) + 1j * rng.standard_normal((4, 3, 17))).astype(np.complex64)
    backward = np.array([False, True, True, False])
    turns = half_turns(rng.standard_normal(17))
    expected = straighten_in_numpy(lines, backward, turns, step, first)
    straighten(lines, backward, turns, step, first)
    np.testing.assert_allclose(lines, expected, atol=1e-5)


def test_straightened_directions_meet():
    lines, backward = navigators([0, 1, 0], 32, 0.2, 0.7)
    x = np.arange(32) - 16
    straighten(lines, backward, half_turns(0.2 * x + 0.7), 0.0, 0)
    np.testing.assert_allclose(lines[1], lines[0], atol=1e-5)


@pytest.mark.parametrize("brightness", [[1, 0, 0, 0, 0, 0, 0, 0, 0], [0, 0, 1]])
def test_navigators_of_dark_volumes_do_not_spoil_what_bright_ones_tell(brightness):
    """Where background suppression leaves nothing, navigators hold noise only."""
    rng = np.random.default_rng(0)
    bright, backward = navigators([1, 0, 1], 64, 0.3, 0.4)
    history = NavigatorHistory(8.0, 1)
    for volume, level in enumerate(brightness):
        noise = 0.02 * (rng.standard_normal((3, 3, 64)) + 1j * rng.standard_normal((3, 3, 64)))
        found = compare((level * bright + noise).astype(np.complex64), backward)
        assert found is not None
        history.add(found, (0, 0), volume)
    estimate = history.estimate((0, 0), None)
    assert estimate is not None
    expected = half_turns(np.asarray(0.3 * (np.arange(64) - 32) + 0.4, np.float64))
    inside = np.abs(bright[0, 0]) > 0.5
    np.testing.assert_allclose(estimate.turns[:, inside], expected[:, inside], atol=0.05)
