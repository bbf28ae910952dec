"""Which acquired points of k-space lie around each missing one, where parallel imaging left out a lattice."""

from dataclasses import dataclass
from itertools import product

Offset = tuple[int, int]
"""Steps of k-space along (kz, ky)."""


@dataclass(frozen=True, slots=True)
class Lattice:
    """The points (kz, ky) that are acquired: ``kz = m step_z``, ``ky = n step_y + m shift`` for all whole m and n."""

    step_y: int = 1
    step_z: int = 1
    shift: int = 0

    @property
    def acceleration(self) -> int:
        """How many voxels fold onto each other."""
        return self.step_y * self.step_z

    def holds(self, point: Offset) -> bool:
        """Whether a point is acquired."""
        z, y = point
        return z % self.step_z == 0 and (y - z // self.step_z * self.shift) % self.step_y == 0


@dataclass(frozen=True, slots=True)
class Neighborhood:
    """A pattern of acquired points, and the missing points in it that are filled from them."""

    sources: tuple[Offset, ...]
    """Acquired points, the first of them at (0, 0)."""
    targets: tuple[Offset, ...]
    """Missing points, by the same origin; no two of them lie alike on the lattice."""

    @property
    def corner(self) -> Offset:
        """The lowest (kz, ky) of sources and targets."""
        z, y = zip(*self.sources, *self.targets, strict=True)
        return min(z), min(y)

    @property
    def extent(self) -> Offset:
        """How many rows the pattern covers along (kz, ky)."""
        z, y = zip(*self.sources, *self.targets, strict=True)
        return max(z) - min(z) + 1, max(y) - min(y) + 1


def neighborhoods(lattice: Lattice, count: int, flat: bool) -> list[Neighborhood]:
    """Give the nearest acquired points of every kind of missing point, at least ``count`` of them for each kind.

    A lattice leaves ``acceleration - 1`` kinds of missing points. Distance is measured in steps of the lattice along
    either axis; points at the same distance come together, so that the patterns are balanced. Missing points with the
    same pattern share it. ``flat`` keeps to one partition; the answer is empty where points are missing between
    partitions and so would have no sources.
    """
    if flat and lattice.step_z > 1:
        return []
    by_pattern: dict[tuple[Offset, ...], list[Offset]] = {}
    for target in product(range(lattice.step_z), range(lattice.step_y)):
        if target == (0, 0):
            continue
        sources = _nearest(lattice, target, count, flat)
        z, y = sources[0]
        pattern = tuple((other_z - z, other_y - y) for other_z, other_y in sources)
        by_pattern.setdefault(pattern, []).append((target[0] - z, target[1] - y))
    return [Neighborhood(pattern, tuple(targets)) for pattern, targets in by_pattern.items()]


def _nearest(lattice: Lattice, target: Offset, count: int, flat: bool) -> list[Offset]:
    """Give the acquired points nearest to a missing one, in the order in which they lie in k-space."""
    reach_z, reach_y = 0 if flat else count * lattice.step_z, count * lattice.step_y
    steps = product(range(-reach_z, reach_z + 1), range(-reach_y, reach_y + 1))
    points = [(target[0] + z, target[1] + y) for z, y in steps if lattice.holds((target[0] + z, target[1] + y))]
    distances = {point: _distance(lattice, point, target) for point in points}
    limit = sorted(distances.values())[count - 1] * (1 + 1e-9)  # equal distances may differ in rounding
    return sorted(point for point, distance in distances.items() if distance <= limit)


def _distance(lattice: Lattice, one: Offset, other: Offset) -> float:
    return ((one[0] - other[0]) / lattice.step_z) ** 2 + ((one[1] - other[1]) / lattice.step_y) ** 2
