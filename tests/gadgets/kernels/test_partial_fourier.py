from functools import cache

import numpy as np
import pytest

from aslive.gadgets.kernels.partial_fourier import homodyne, in_phase, project, smooth_phase
from aslive.gadgets.kernels.taper import edge_weights
from aslive.sim.anatomy import brain
from aslive.sim.grid import Grid


def forward(image, axes=(0, 1, 2)):
    return np.fft.fftshift(np.fft.fftn(np.fft.ifftshift(image, axes=axes), axes=axes, norm="ortho"), axes=axes)


def backward(k, axes=(0, 1, 2)):
    return np.fft.fftshift(np.fft.ifftn(np.fft.ifftshift(k, axes=axes), axes=axes, norm="ortho"), axes=axes)


def cut(image, weights):
    """Give the image as it is made of weighted k-space."""
    k = forward(image)
    for axis, values in weights.items():
        k = k * np.expand_dims(values, [other for other in range(3) if other != axis])
    return backward(k).astype(np.complex64)


@cache
def brain_of(matrix, thickness):
    return brain(Grid(matrix, (0.22, 0.22, thickness * matrix[2]))).m0


def head(matrix=(48, 48, 1), thickness=0.005):
    """Give a simulated slice or slab with a smooth phase."""
    magnitude = brain_of(matrix, thickness)
    z, y, x = (np.indices(magnitude.shape).T / magnitude.shape - 0.5).T
    return (magnitude * np.exp(1j * (1.5 * np.cos(3 * y + 1) + 2 * x * y + 1.2 * x**2 + 0.8 * z))).astype(np.complex64)


def deviation(image, truth):
    return np.linalg.norm(np.abs(image) - np.abs(truth)) / np.linalg.norm(truth)


METHODS = {
    "homodyne": homodyne,
    "pocs": lambda image, phase, weights: project(image, phase, weights, 8),
}


@pytest.mark.parametrize(("method", "better"), [("homodyne", 2.5), ("pocs", 6)])
@pytest.mark.parametrize("matrix", [(48, 48, 1), (49, 47, 1)])
def test_with_a_smooth_phase_the_missing_part_is_found_again(method, better, matrix):
    truth = head(matrix)
    weights = {1: edge_weights(matrix[1], (-0.5, 1.0), 0.1)}
    zero_filled = cut(truth, weights)
    phase = smooth_phase(zero_filled, {1: 0.5, 2: 0.5})
    filled = METHODS[method](zero_filled, phase, weights)
    assert deviation(filled, truth) < deviation(zero_filled, truth) / better


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    ("matrix", "cuts"),
    [
        ((48, 48, 1), {1: (-0.5, 1.0)}),
        ((48, 48, 1), {1: (-1.0, 0.5)}),
        ((48, 48, 1), {2: (-0.6, 1.0)}),
        ((48, 48, 1), {1: (-0.5, 1.0), 2: (-1.0, 0.75)}),
        ((24, 24, 16), {0: (-0.5, 1.0)}),
    ],
)
def test_any_edge_may_be_cut_off(method, matrix, cuts):
    truth = head(matrix, thickness=0.01)
    weights = {axis: edge_weights(truth.shape[axis], sampled, 0.1) for axis, sampled in cuts.items()}
    reach = {axis: min(-low, high) for axis, (low, high) in cuts.items()}
    zero_filled = cut(truth, weights)
    filled = METHODS[method](zero_filled, smooth_phase(zero_filled, reach), weights)
    assert deviation(filled, truth) < 0.75 * deviation(zero_filled, truth)


@pytest.mark.parametrize("method", METHODS)
def test_the_difference_is_filled_up_as_the_images_are_and_may_have_any_sign(method):
    control = head()
    rng = np.random.default_rng(0)
    blood = rng.standard_normal(control.shape).astype(np.float32) * np.abs(control) * 0.01  # of both signs
    label = control - blood * np.exp(1j * np.angle(control))
    weights = {1: edge_weights(48, (-0.5, 1.0), 0.1)}
    control, label = cut(control, weights), cut(label, weights)
    phase = smooth_phase(control, {1: 0.5})
    fill = METHODS[method]
    apart = fill(control, phase, weights) - fill(label, phase, weights)
    together = fill(control - label, phase, weights)
    np.testing.assert_allclose(apart, together, atol=2e-6 * np.abs(control).max())
    np.testing.assert_allclose(fill(-3 * control, phase, weights), -3 * fill(control, phase, weights), atol=1e-3)


@pytest.mark.parametrize("method", METHODS)
def test_what_has_the_phase_and_was_sampled_in_full_stays(method):
    truth = head()
    phase = np.exp(1j * np.angle(truth)).astype(np.complex64)
    filled = METHODS[method](truth, phase, {1: np.ones(48, np.float32)})
    np.testing.assert_allclose(filled, truth, atol=1e-6 * np.abs(truth).max())


def test_the_part_in_phase_is_what_it_was_when_taken_again():
    rng = np.random.default_rng(0)
    image = (rng.standard_normal((1, 5, 6)) + 1j * rng.standard_normal((1, 5, 6))).astype(np.complex64)
    phase = np.exp(1j * rng.standard_normal((1, 5, 6))).astype(np.complex64)
    once = in_phase(image, phase)
    np.testing.assert_allclose(in_phase(once, phase), once, atol=1e-6)
    np.testing.assert_allclose((once * phase.conj()).imag, 0, atol=1e-6)


def test_where_there_is_no_signal_the_phase_is_none():
    np.testing.assert_array_equal(smooth_phase(np.zeros((1, 8, 9), np.complex64), {1: 0.5}), 1)
