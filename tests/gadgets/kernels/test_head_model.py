import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates

from aslive.gadgets.kernels.head_model import BRIGHTNESS, COLUMNS, MAP, gram, linearize

Array = NDArray[np.float64]


def columns(shares: NDArray[np.float32], affine: Array, places: Array) -> Array:
    """The model's columns by brightness, the plain way."""
    at = (places @ affine[:, :3].T + affine[:, 3]).T[::-1]
    tissues = np.array([map_coordinates(shares[..., t].astype(float), at, order=1, cval=0.0) for t in range(3)])
    x, y, z = places.T
    shades = np.array([x, y, z, x * x, y * y, z * z, x * y, x * z, y * z]) * tissues.sum(axis=0)
    return np.column_stack([np.ones(len(places)), tissues.T, shades.T])


@pytest.fixture
def head() -> tuple[NDArray[np.float32], Array, Array, Array]:
    rng = np.random.default_rng(3)
    shares = rng.random((9, 8, 7, 3)).astype(np.float32)
    places = rng.uniform(-3, 3, (2000, 3)).astype(np.float32).astype(float)
    affine = np.column_stack([np.diag([2.1, 2.2, 2.3]) + 0.1 * rng.standard_normal((3, 3)), [3.0, 3.5, 4.0]])
    return shares, affine, places, rng.standard_normal(BRIGHTNESS)


def run(
    shares: NDArray[np.float32], affine: Array, places: Array, brightness: Array, values: Array, sigma: float
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    rows, left = np.empty((len(places), COLUMNS), np.float32), np.empty(len(places), np.float32)
    linearize(
        shares, affine, brightness, sigma, places.astype(np.float32), values.astype(np.float32), rows, left
    )  # fmt: skip
    return rows, left


def test_the_model_is_the_plain_one(head: tuple[NDArray[np.float32], Array, Array, Array]):
    shares, affine, places, brightness = head
    expected = columns(shares, affine, places)
    at = places @ affine[:, :3].T + affine[:, 3]
    inside = np.all((at >= 0) & (at < [6, 7, 8]), axis=1)
    outside = np.any((at < -1) | (at > [7, 8, 9]), axis=1)
    assert inside.sum() > 100
    assert outside.sum() > 20
    values = np.linspace(-1, 1, len(places))
    rows, left = run(shares, affine, places, brightness, values, 1e6)
    sure = np.logical_or(inside, outside)  # scipy fades out within one voxel of the rim; here nothing is outside of it
    np.testing.assert_allclose(rows[sure, MAP:-1], expected[sure], atol=1e-5)
    np.testing.assert_allclose(left[sure], (values - expected @ brightness)[sure], atol=1e-4)
    np.testing.assert_allclose(rows[:, -1], left, atol=1e-4)


def test_derivatives_are_those_of_small_changes(head: tuple[NDArray[np.float32], Array, Array, Array]):
    shares, affine, places, brightness = head
    at = places @ affine[:, :3].T + affine[:, 3]
    fraction = at - np.floor(at)  # not at the kinks between voxels
    sure = np.all((at > 0) & (at < [6, 7, 8]) & (fraction > 0.01) & (fraction < 0.99), axis=1)
    rows, _ = run(shares, affine, places, brightness, np.zeros(len(places)), 1e6)
    for number in range(MAP):
        change = np.zeros(MAP)
        change[number] = 1e-4
        ahead, behind = (
            columns(shares, affine + sign * change.reshape(3, 4), places) @ brightness for sign in (1.0, -1.0)
        )
        np.testing.assert_allclose(rows[sure, number], ((ahead - behind) / 2e-4)[sure], rtol=1e-3, atol=1e-3)


def test_rows_carry_the_root_of_the_robust_weight(head: tuple[NDArray[np.float32], Array, Array, Array]):
    shares, affine, places, brightness = head
    values = np.linspace(-4, 4, len(places))
    plain, left = run(shares, affine, places, brightness, values, 1e6)
    rows, _ = run(shares, affine, places, brightness, values, 0.5)
    weights = 1 / (1 + np.square(left / 0.5))
    np.testing.assert_allclose(rows, plain * weights[:, None], rtol=2e-4, atol=1e-5)


@pytest.mark.parametrize("count", [0, 3, 4, 501, 502, 503])
def test_products_are_those_of_the_rows(count: int):
    rows = np.random.default_rng(0).standard_normal((count, 7)).astype(np.float32)
    products = np.empty((7, 7))
    gram(rows, products)
    np.testing.assert_allclose(products, rows.astype(float).T @ rows.astype(float), atol=1e-4)
