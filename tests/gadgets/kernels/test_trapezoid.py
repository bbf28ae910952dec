import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aslive.gadgets.kernels.trapezoid import RampLines, line_operator, sample_positions

GRADIENTS = [(150e-6, 400e-6, 150e-6), (190e-6, 160e-6, 190e-6), (100e-6, 300e-6, 200e-6), (0.0, 500e-6, 0.0)]


def placed(gradient: tuple[float, float, float], dwell: float, samples: int, columns: int) -> np.ndarray:
    return sample_positions(gradient[0], gradient[1], gradient[2], dwell, samples, columns)


FORTH, BACK = np.array([False]), np.array([True])


@pytest.mark.parametrize("gradient", GRADIENTS)
def test_positions_are_the_integral_of_the_gradient(gradient):
    rise, flat, _ = gradient
    total, samples, columns = sum(gradient), 120, 96
    dwell = 0.9 * total / samples
    fine = np.linspace(0, total, 200_001)
    corners = ([0, rise, rise + flat, total], [0, 1, 1, 0]) if rise else ([0, total], [1, 1])
    strength = np.interp(fine, *corners)
    area = np.concatenate(([0], np.cumsum((strength[1:] + strength[:-1]) / 2)))
    start = (total - dwell * samples) / 2
    swept = np.interp(start + dwell * samples, fine, area) - np.interp(start, fine, area)
    times = start + (np.arange(samples) + 0.5) * dwell
    expected = (np.interp(times, fine, area) - area[-1] / 2) * columns / swept
    np.testing.assert_allclose(placed(gradient, dwell, samples, columns), expected, atol=1e-4)


def test_without_a_flat_top_the_samples_are_even():
    positions = sample_positions(100e-6, 0.0, 100e-6, 5e-6, 64, 64)
    np.testing.assert_allclose(positions, np.arange(64) - 31.5)


@settings(max_examples=15, deadline=None)
@given(
    gradient=st.sampled_from(GRADIENTS),
    columns=st.sampled_from((31, 48, 64)),
    place=st.floats(-0.18, 0.18),
    backwards=st.booleans(),
)
def test_a_smooth_object_is_drawn_where_it_is_from_either_direction(gradient, columns, place, backwards):
    samples = 2 * columns
    positions = placed(gradient, 0.95 * sum(gradient) / samples, samples, columns)
    x = np.arange(columns) - columns // 2
    center, width = place * columns, columns / 12
    k = (-positions if backwards else positions) / columns
    # the Fourier transform of a Gaussian is known; its values between the lines are what a scanner reads
    signal = np.sqrt(2 * np.pi) * width * np.exp(-2 * (np.pi * k * width) ** 2 - 2j * np.pi * k * center)
    expected = np.exp(-((x - center) ** 2) / (2 * width**2))
    lines = np.tile(signal, (3, 2, 1)).astype(np.complex64)
    image = RampLines(positions, columns)(lines, np.full(len(lines), backwards))
    assert image.shape == (3, 2, columns)
    brightness = np.vdot(expected, image[2, 1]) / np.vdot(expected, expected)
    np.testing.assert_allclose(image[2, 1] / brightness, expected, atol=0.02)
    assert brightness.real > 0.99 * np.sqrt(columns)


@pytest.mark.parametrize(("samples", "columns"), [(150, 32), (64, 32), (65, 33), (48, 48)])
@pytest.mark.parametrize("gradient", GRADIENTS)
def test_white_noise_keeps_its_variance(gradient, samples, columns):
    positions = placed(gradient, 0.95 * sum(gradient) / samples, samples, columns)
    for direction in (1, -1):
        operator = line_operator(direction * positions, columns)
        assert np.mean(np.sum(np.abs(operator) ** 2, axis=1)) == pytest.approx(1, abs=1e-4)


def test_moving_brings_a_distant_field_of_view_into_the_middle():
    columns, samples, away = 48, 96, 5
    positions = sample_positions(100e-6, 300e-6, 100e-6, 5e-6, samples, columns)
    there, here = RampLines(positions, columns), RampLines(positions, columns)
    here.move(away)
    k = positions / columns
    signal = np.exp(-2 * (np.pi * k * 4) ** 2)[np.newaxis, np.newaxis]
    moved = (signal * np.exp(-2j * np.pi * k * away)).astype(np.complex64)
    np.testing.assert_allclose(here(moved, FORTH), there(signal.astype(np.complex64), FORTH), atol=1e-4)
    np.testing.assert_allclose(here(moved.conj(), BACK), there(signal.astype(np.complex64), BACK), atol=1e-4)


@pytest.mark.parametrize(("samples", "columns"), [(64, 32), (65, 32), (64, 33), (65, 33), (48, 48)])
@pytest.mark.parametrize("backwards", [False, True])
def test_the_quick_way_by_symmetry_is_the_whole_matrix(samples, columns, backwards):
    positions = sample_positions(100e-6, 300e-6, 100e-6, 480e-6 / samples, samples, columns)
    rng = np.random.default_rng(0)
    lines = (rng.standard_normal((5, 70, samples)) + 1j * rng.standard_normal((5, 70, samples))).astype(np.complex64)
    whole = lines @ line_operator(-positions if backwards else positions, columns).T
    lines.flags.writeable = False  # as received bytes are
    np.testing.assert_allclose(RampLines(positions, columns)(lines, np.full(len(lines), backwards)), whole, atol=1e-4)


def test_even_samples_give_the_discrete_fourier_transform():
    columns = 33
    rng = np.random.default_rng(0)
    line = (rng.standard_normal((1, 1, columns)) + 1j).astype(np.complex64)
    expected = np.fft.fftshift(np.fft.ifft(np.fft.ifftshift(line), norm="ortho"))
    made = RampLines(np.arange(columns) - 16.0, columns)(line, np.array([False]))
    np.testing.assert_allclose(made, expected, atol=1e-5)
