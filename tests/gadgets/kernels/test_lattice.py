from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aslive.gadgets.kernels.lattice import Lattice, neighborhoods

lattices = st.builds(Lattice, st.integers(1, 4), st.integers(1, 4), st.integers(0, 3)).filter(
    lambda lattice: lattice.acceleration > 1 and lattice.shift < lattice.step_y
)


def kind(lattice, point):
    """Name the missing points that lie alike on the lattice by the one of them in the first cell."""
    z, y = point
    return z % lattice.step_z, (y - z // lattice.step_z * lattice.shift) % lattice.step_y


@given(lattices, st.integers(1, 8))
def test_every_kind_of_missing_point_is_filled_once_and_from_acquired_points_only(lattice, count):
    found = neighborhoods(lattice, count, flat=False)
    for pattern in found:
        assert pattern.sources[0] == (0, 0)
        assert all(lattice.holds(source) for source in pattern.sources)
        assert len(set(pattern.sources)) == len(pattern.sources) >= count
    kinds = [kind(lattice, target) for pattern in found for target in pattern.targets]
    assert sorted(kinds) == sorted(set(product(range(lattice.step_z), range(lattice.step_y))) - {(0, 0)})


@given(lattices)
def test_the_offsets_of_one_kind_lead_to_the_lattice_from_no_other(lattice):
    found = neighborhoods(lattice, 4, flat=False)
    offsets = {
        kind(lattice, target): [(z - target[0], y - target[1]) for z, y in pattern.sources]
        for pattern in found
        for target in pattern.targets
    }
    for own, other in product(offsets, offsets):
        leads = [lattice.holds((own[0] + z, own[1] + y)) for z, y in offsets[other]]
        assert all(leads) if own == other else not any(leads)
    for point in offsets.values():
        assert not any(lattice.holds(offset) for offset in point)  # from an acquired point none leads to another


@pytest.mark.parametrize("step", [2, 3, 4])
def test_in_one_partition_all_missing_lines_share_the_two_lines_on_either_side(step):
    (pattern,) = neighborhoods(Lattice(step), 4, flat=True)
    assert pattern.sources == tuple((0, n * step) for n in range(4))
    assert sorted(y for _, y in pattern.targets) == list(range(step + 1, 2 * step))
    assert pattern.extent == (1, 3 * step + 1)


def test_in_one_partition_nothing_fills_another():
    assert neighborhoods(Lattice(2, 2), 4, flat=True) == []
