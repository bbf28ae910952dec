from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from aslive.sim.choices import Order
from aslive.sim.lattice import Lattice, acquired, arranged

lattices = st.builds(
    lambda lines, partitions, fraction, step_y, step_z, shift, block: Lattice(
        lines, partitions, acquired(lines, fraction), acquired(partitions, fraction), step_y, step_z, shift, block
    ),
    st.integers(1, 40),
    st.integers(1, 12),
    st.floats(0.55, 1),
    st.integers(1, 4),
    st.integers(1, 3),
    st.integers(0, 3),
    st.tuples(st.integers(0, 10), st.integers(0, 5)),
)


@given(lattice=lattices)
def test_the_middle_of_k_space_is_always_acquired(lattice):
    assert 0 in lattice.planes()
    assert 0 in lattice.rows(0)


@given(lattice=lattices)
def test_every_line_of_the_lattice_is_a_step_from_the_next(lattice):
    for kz in lattice.planes():
        image = [ky for ky in lattice.rows(kz) if lattice.on_lattice(ky, kz)]
        assert all(b - a == lattice.step_y for a, b in pairwise(image))
        assert all(0 <= ky + lattice.line_center < lattice.line_count for ky in lattice.rows(kz))
    shifted = [ky for ky in lattice.rows(lattice.step_z) if lattice.on_lattice(ky, lattice.step_z)]
    assert all((ky - lattice.shift) % lattice.step_y == 0 for ky in shifted)


@given(values=st.sets(st.integers(-20, 20)), order=st.sampled_from(Order))
def test_every_order_plays_each_line_once(values, order):
    played = arranged(sorted(values), order)
    assert sorted(played) == sorted(values)
    if order is Order.CENTRIC and values:
        assert abs(played[0]) == min(map(abs, values))
