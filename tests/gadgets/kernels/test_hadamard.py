from itertools import pairwise

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from aslive.gadgets.kernels.hadamard import combine, decoding, determined, information
from aslive.streaming.labeling import read_labeling
from aslive.streaming.statements import Statements

MATRICES = [("Hadamard", 4), ("Hadamard", 8), ("Hadamard", 12), ("Walsh", 4), ("Walsh", 8)]


def labeled(kind, size, sign=-1):
    header = {
        "TimeEncodedMatrixType": kind,
        "TimeEncodedMatrixSize": size,
        "TimeEncodedLabelSign": sign,
        "PostLabelingDelay": 1,
        "LabelingDuration": 2,
    }
    encoding = read_labeling(Statements(header)).time_encoding
    assert encoding is not None
    return np.array(encoding.matrix)


@st.composite
def any_matrix(draw, most=7):
    """Draw which sub-boluses are labeled in which image, such that all can be told apart."""
    count = draw(st.integers(1, most))
    found = np.array(
        draw(
            st.lists(
                st.lists(st.integers(0, 1), min_size=count + 1, max_size=count + 1), min_size=count, max_size=count
            )
        )
    )
    assume(np.linalg.matrix_rank(np.vstack([np.ones(count + 1), found])) == count + 1)
    return found


def images_of(matrix, seed=0, static=100.0, sigma=0.0, shape=(1, 2, 3)):
    """Give the true signals and the images that show them."""
    rng = np.random.default_rng(seed)
    signals = rng.uniform(-1, 2, (matrix.shape[0], *shape))
    images = static - np.tensordot(matrix.T, signals, 1) + sigma * rng.standard_normal((matrix.shape[1], *shape))
    return signals, list(images.astype(np.float32))


@pytest.mark.parametrize("sign", [-1, 1])
@pytest.mark.parametrize(("kind", "size"), MATRICES)
def test_a_hadamard_matrix_is_decoded_by_sums_and_differences(kind, size, sign):
    matrix = labeled(kind, size, sign)
    np.testing.assert_allclose(decoding(matrix), 2 / size * (1 - 2 * matrix), atol=1e-12)


@given(any_matrix(), st.integers(0, 99))
@settings(max_examples=50, deadline=None)
def test_any_matrix_gives_back_what_was_encoded(matrix, seed):
    signals, images = images_of(matrix, seed)
    np.testing.assert_allclose(combine(decoding(matrix), images), signals, atol=2e-3)


@pytest.mark.parametrize("size", [4, 8, 12])
def test_the_variance_of_a_decoded_signal_is_4_over_n(size):
    matrix = labeled("Hadamard", size)
    shape = (1, 100, 100)
    signals, images = images_of(matrix, sigma=1.0, shape=shape)
    errors = combine(decoding(matrix), images) - signals
    assert errors.var() == pytest.approx(4 / size, rel=5 * (2 / errors.size) ** 0.5)


def test_the_first_images_in_the_order_of_walsh_are_a_smaller_cycle():
    matrix = labeled("Walsh", 8)
    assert [(run.first, run.last) for run in determined(matrix, (0, 1))] == [(0, 3)]
    runs = determined(matrix, (0, 1, 2, 3))
    assert [(run.first, run.last) for run in runs] == [(0, 1), (2, 3), (4, 5)]
    np.testing.assert_allclose([run.variance for run in runs], 4 / 4)


@given(any_matrix(), st.data())
@settings(max_examples=100, deadline=None)
def test_what_a_part_of_the_images_tells_is_the_sum_of_true_signals(matrix, data):
    count = matrix.shape[1]
    seen = data.draw(st.lists(st.integers(0, count - 1), min_size=1, unique=True))
    signals, images = images_of(matrix)
    runs = determined(matrix, seen)
    for run in runs:
        found = np.tensordot(run.weights, np.stack([images[n] for n in seen]), 1)
        np.testing.assert_allclose(found, signals[run.first : run.last + 1].sum(axis=0), atol=2e-3)
        assert abs(run.weights.sum()) < 1e-9
    for before, after in pairwise(runs):
        assert before.last < after.first


@given(any_matrix())
@settings(max_examples=50, deadline=None)
def test_all_images_tell_every_sub_bolus(matrix):
    runs = determined(matrix, range(matrix.shape[1]))
    assert [(run.first, run.last) for run in runs] == [(n, n) for n in range(matrix.shape[0])]
    np.testing.assert_allclose([run.weights for run in runs], decoding(matrix), atol=1e-9)


@given(st.sampled_from([4, 8, 12]), st.integers(1, 6), st.data())
@settings(max_examples=50, deadline=None)
def test_the_weights_add_up_to_the_information_of_least_squares_over_all_cycles(size, cycles, data):
    lost = data.draw(st.sets(st.integers(0, size - 1), min_size=1, max_size=size // 2))
    matrix = labeled("Hadamard", size)
    design = np.column_stack([np.ones(size), -matrix.T])
    whole = np.vstack([design] * cycles + [np.delete(design, sorted(lost), axis=0)])
    variance = np.diag(np.linalg.inv(whole.T @ whole))[1:]
    lent = [n in lost for n in range(size)]
    for weights, expected in zip(decoding(matrix), variance, strict=True):
        weight = information(weights, lent, cycles)
        assert cycles + weight == pytest.approx(4 / size / expected, rel=1e-9)
        assert 0 <= weight < 1


def test_a_whole_orthogonal_cycle_has_the_weight_1():
    for weights in decoding(labeled("Walsh", 8)):
        assert information(weights, [False] * 8, 0) == pytest.approx(1)
