import numpy as np
import pytest

from aslive.gadgets.kernels.trajectory import (
    Third,
    Unit,
    cycles_per_voxel,
    delayed,
    recognise_unit,
    third_coordinate,
    voxels_per_unit,
)

MATRIX, LENGTHS = (64, 48), (0.22, 0.165)


def circle(interleaves=2, samples=50):
    angle = np.linspace(0, 2 * np.pi, samples)
    radius = np.linspace(0, 0.5, samples)
    arm = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=-1)
    return np.stack([arm * sign for sign in np.linspace(1, -1, interleaves)]).astype(np.float32)


@pytest.mark.parametrize("unit", list(Unit))
@pytest.mark.parametrize("reach", [0.7, 1.0, 1.1])
def test_the_unit_is_known_by_the_largest_coordinate(unit, reach):
    factors = np.asarray(voxels_per_unit(unit, MATRIX, LENGTHS), np.float32)
    assert recognise_unit(reach * circle() / factors, MATRIX, LENGTHS) is unit


def test_coordinates_that_are_too_large_for_all_units_have_none():
    assert recognise_unit(circle() * 1e6, MATRIX, LENGTHS) is None


@pytest.mark.parametrize("unit", list(Unit))
def test_every_unit_gives_the_same_points(unit):
    factors = voxels_per_unit(unit, MATRIX, LENGTHS)
    points, counts, outside = cycles_per_voxel(circle() / np.asarray(factors, np.float32), factors)
    np.testing.assert_allclose(points, circle().reshape(-1, 2).T, atol=1e-6)
    assert counts.all()
    assert outside == 0


def test_points_outside_of_the_grid_and_interleaves_that_never_came_do_not_count():
    trajectory = circle(3)
    trajectory[1] = 0
    trajectory[2, 7] = np.nan
    trajectory[0, 9] = 0.6
    _, counts, outside = cycles_per_voxel(trajectory, (1.0, 1.0))
    expected = np.ones((3, 50), np.bool_)
    expected[1], expected[2, 7], expected[0, 9] = False, False, False
    np.testing.assert_array_equal(counts, expected.ravel())
    assert outside == 1


def with_third(values):
    trajectory = circle()
    return np.concatenate([trajectory, np.broadcast_to(values, (2, 50))[..., np.newaxis]], axis=-1).astype(np.float32)


@pytest.mark.parametrize(
    ("values", "meaning"),
    [
        (0.25, Third.PARTITION),
        (np.linspace(0, 1, 50), Third.DENSITY),
        (np.linspace(-0.5, 0.5, 50), Third.UNKNOWN),
    ],
)
def test_a_third_coordinate_that_changes_is_no_kz(values, meaning):
    assert third_coordinate(with_third(values)) is meaning
    assert third_coordinate(circle()) is Third.NONE


@pytest.mark.parametrize("delay", [-1.5, 0.0, 0.25, 3.0])
def test_a_delay_shifts_along_the_samples(delay):
    steps = np.arange(20.0)
    line = np.stack([steps, 2 * steps], axis=-1)[np.newaxis].astype(np.float32)
    np.testing.assert_allclose(delayed(line, delay)[0, :, 0], np.interp(steps - delay, steps, steps), atol=1e-5)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_coordinates_that_are_no_numbers_do_not_tell_the_unit_or_the_kind(value):
    broken = with_third(0.25)
    broken[0, 3] = value
    assert recognise_unit(broken, (64, 64), (0.2, 0.2)) is recognise_unit(circle(), (64, 64), (0.2, 0.2))
    assert third_coordinate(broken) is Third.PARTITION
