import numpy as np
import pytest

from aslive.sim.time_encoding import TimeEncoded
from aslive.streaming.time_encoding import MatrixType

LISTED = [(MatrixType.WALSH, 4), (MatrixType.WALSH, 8), *((MatrixType.HADAMARD, size) for size in (4, 8, 12))]
EVERY = [TimeEncoded(kind=kind, size=size, label_sign=sign) for kind, size in LISTED for sign in (-1, 1)]
every_encoding = pytest.mark.parametrize("encoding", EVERY, ids=lambda one: f"{one.kind}{one.size}{one.label_sign:+d}")


@every_encoding
def test_the_rows_of_every_listed_matrix_are_orthogonal_and_balanced(encoding):
    matrix = np.array(encoding.matrix)
    size = encoding.size
    assert matrix.shape == (size - 1, size)
    np.testing.assert_array_equal(matrix @ matrix.T, size * np.eye(size - 1))
    assert not matrix.sum(axis=1).any()


@every_encoding
def test_the_textbook_sum_of_a_cycle_gives_each_sub_bolus(encoding):
    size = encoding.size
    deltam = np.arange(1.0, size)
    images = np.array([100.0 - sum(deltam[row] for row in encoding.labeled(image)) for image in range(size)])
    # Where -1 is label, control - label is the sum by the signs; where 1 is, it is the other way around.
    decoded = -encoding.label_sign * 2 / size * np.array(encoding.matrix) @ images
    np.testing.assert_allclose(decoded, deltam)


@pytest.mark.parametrize("kind", list(MatrixType))
def test_the_two_listings_of_eight_images_label_the_same_sets_in_another_order(kind):
    other = next(one for one in MatrixType if one is not kind)
    sets = [{frozenset(TimeEncoded(kind=name).labeled(image)) for image in range(8)} for name in (kind, other)]
    assert all(len(found) == 8 for found in sets)
    assert [sorted(map(len, found)) for found in sets] == [[0, *[4] * 7]] * 2
