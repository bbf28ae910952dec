"""Which points of k-space a scan acquires: partial Fourier, parallel imaging, reference lines."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from .choices import Order


@dataclass(frozen=True, slots=True)
class Lattice:
    """The lines (ky) and partitions (kz) of one volume, in steps from the middle of k-space.

    Of the partitions every ``step_z``-th is acquired, of their lines every ``step_y``-th, and from one acquired
    partition to the next the lines move by ``shift``: CAIPIRINHA, Breuer et al., MRM 55:549 (2006). The middle of
    k-space is always among them.
    """

    lines: int
    """Of full k-space."""
    partitions: int
    """Of full k-space; 1 in 2-D."""
    line_count: int
    """Extent of what is acquired, after partial Fourier."""
    partition_count: int
    step_y: int = 1
    step_z: int = 1
    shift: int = 0
    block: tuple[int, int] = (0, 0)
    """Lines and partitions about the middle that are acquired without gaps; 0 for none."""

    @property
    def line_center(self) -> int:
        """Which step is the middle of ky, counted from the first line of the extent."""
        return center(self.lines, self.line_count)

    @property
    def partition_center(self) -> int:
        """Which step is the middle of kz."""
        return center(self.partitions, self.partition_count)

    def planes(self) -> tuple[int, ...]:
        """Give the partitions that have any line, ascending."""
        first = -self.partition_center
        return tuple(kz for kz in range(first, first + self.partition_count) if self.rows(kz))

    def rows(self, kz: int) -> tuple[int, ...]:
        """Give the lines of one partition, ascending."""
        first = -self.line_center
        extent = range(first, first + self.line_count)
        return tuple(ky for ky in extent if self.on_lattice(ky, kz) or self.in_block(ky, kz))

    def on_lattice(self, ky: int, kz: int) -> bool:
        """Tell whether a line is acquired for the image, reference lines apart."""
        place, rest = divmod(kz, self.step_z)
        return rest == 0 and (ky - place * self.shift) % self.step_y == 0

    def in_block(self, ky: int, kz: int) -> bool:
        """Tell whether a line belongs to the reference lines."""
        lines, partitions = self.block
        return -(lines // 2) <= ky < lines - lines // 2 and -(partitions // 2) <= kz < partitions - partitions // 2


def acquired(count: int, fraction: float) -> int:
    """Count the lines that partial Fourier leaves; the center is always among them."""
    return max(math.ceil(count * fraction - 1e-9), count // 2 + 1) if count > 1 else count


def center(encoded: int, acquired: int) -> int:
    """Tell which acquired step is the middle of k-space.

    Partial Fourier leaves out the lowest lines, and the steps are counted from the first line that is acquired.
    """
    return encoded // 2 - (encoded - acquired)


def ordered(count: int, order: Order, middle: int = 0) -> tuple[int, ...]:
    """Give 0 ... count - 1 in the order of acquisition.

    >>> ordered(5, Order.INTERLEAVED)
    (0, 2, 4, 1, 3)
    >>> ordered(5, Order.CENTRIC, 2)
    (2, 1, 3, 0, 4)
    """
    steps = range(count)
    match order:
        case Order.LINEAR:
            return tuple(steps)
        case Order.INTERLEAVED:
            return (*steps[::2], *steps[1::2])
        case Order.CENTRIC:
            return tuple(sorted(steps, key=lambda step: (abs(step - middle), step)))


def arranged(values: Sequence[int], order: Order) -> tuple[int, ...]:
    """Put ascending values in the order of acquisition; centric begins with the one nearest to 0.

    >>> arranged((-2, 0, 2, 4), Order.CENTRIC)
    (0, -2, 2, 4)
    """
    nearest = min(range(len(values)), key=lambda place: abs(values[place]), default=0)
    return tuple(values[place] for place in ordered(len(values), order, nearest))
