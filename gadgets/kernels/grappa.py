"""Learning how missing points of k-space follow from acquired ones: GRAPPA.

Griswold et al., MRM 47:1202 (2002). A missing point of one coil is a weighted sum of the acquired points around it in
all coils. Where k-space is shifted, the weights stay the same; so they are found where all points are known.

**One kernel serves every offset of the lattice.** Let ``K[target coil, source coil, d]`` be the identity at d = 0 plus
the weights of all kinds of missing points, each at its offsets ``d = source - target``. Convolve zero-filled k-space
with it: at a missing point of kind c only its own weights find acquired points, since ``target + d`` lies on the
lattice for the offsets of kind c and for no others; all the rest of K meets zeros. At an acquired point the identity
alone does: every other d leads off the lattice. So ``k = K * (zero-filled k)``, wherever the lattice begins.
Only at the edges of k-space, where half of the sources lie beyond it, the sum is incomplete.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve
from scipy.linalg.blas import cherk, zherk  # pyright: ignore[reportAttributeAccessIssue] (made when SciPy is built)

from .lattice import Lattice, Neighborhood, Offset, neighborhoods

_EQUATIONS_PER_UNKNOWN = 4  # more change the weights no more than noise does, and cost their share of time
_LEAST_REGULARIZATION = 1e-9  # below it rounding decides
_ROUGH = 1e-5  # regularization beside which the rounding of single precision is nothing; it takes half of the time
_LEAST_EQUATIONS = 1.5  # for each unknown; with fewer a smaller kernel is better
_LEAST_COLUMNS = 32  # of kx from which to learn, however many rows there are


@dataclass(frozen=True, slots=True)
class Kernel:
    """The weights by which acquired points fill the missing ones."""

    weights: NDArray[np.complex64]
    """Shape ``(offsets, columns, source coils, target coils)``; the columns are kx offsets about 0."""
    offsets: tuple[Offset, ...]
    """Where each source lies from its target, (kz, ky); (0, 0) among them, with the identity."""
    sources: int
    """Acquired points of one column for each missing one, at least."""
    equations: float
    """Equations for each unknown, in the scarcest of the fits; below 1 the regularization decides."""

    @property
    def columns(self) -> int:
        """Width along kx."""
        return self.weights.shape[1]


def calibrate(
    block: NDArray[np.complex64], lattice: Lattice, columns: int = 5, sources: int = 4, regularization: float = 5e-4
) -> Kernel | None:
    """Learn the kernel from a block of complete k-space ``(coils, kz, ky, kx)``.

    ``(S^H S + lambda tr(S^H S) / N) w = S^H T`` with N unknowns and ``lambda`` the regularization; it wants data of
    equal noise in all coils. Where the block is too small for ``columns`` and ``sources``, a smaller kernel is
    learned; None where not even the smallest fits, or where there is no signal.
    """
    chosen = None
    for patterns, width, count in _choices(lattice, columns, sources, block.shape[1]):
        equations = min(_positions(block, pattern, width) for pattern in patterns)
        unknowns = max(len(pattern.sources) for pattern in patterns) * width * block.shape[0]
        determined = equations / unknowns
        if determined >= _LEAST_EQUATIONS and all(_has_room(block, pattern) for pattern in patterns):
            chosen = patterns, width, count, determined
            break
        if equations > 0 and (chosen is None or determined > chosen[3]):
            chosen = patterns, width, count, determined
    if chosen is None or not block.any():
        return None
    patterns, width, count, determined = chosen
    weights: dict[Offset, NDArray[np.complex64]] = {(0, 0): _identity(block.shape[0], width)}
    for pattern in patterns:
        weights.update(_learn(block, pattern, width, regularization))
    return Kernel(np.stack(list(weights.values())), tuple(weights), count, determined)


def _choices(
    lattice: Lattice, columns: int, sources: int, partitions: int
) -> Iterator[tuple[list[Neighborhood], int, int]]:
    """Give what kernels may be tried, the best first."""
    for flat in (False, True) if partitions > 1 else (True,):
        for count in range(sources, 0, -2):
            patterns = neighborhoods(lattice, count, flat)
            for width in range(columns, 0, -2) if patterns else ():
                yield patterns, width, count


def _has_room(block: NDArray[np.complex64], pattern: Neighborhood) -> bool:
    """Whether the pattern finds as many places along each axis as it is long, so that it sees k-space on all sides."""
    return all(size >= 2 * extent - 1 for size, extent in zip(block.shape[1:3], pattern.extent, strict=True))


def _positions(block: NDArray[np.complex64], pattern: Neighborhood, width: int) -> int:
    """Count the places in a block where a pattern fits."""
    _, z, y, x = block.shape
    height, length = pattern.extent
    return max(0, z - height + 1) * max(0, y - length + 1) * max(0, x - width + 1)


def _identity(coils: int, width: int) -> NDArray[np.complex64]:
    weights = np.zeros((width, coils, coils), np.complex64)
    weights[width // 2] = np.eye(coils)
    return weights


def _learn(
    block: NDArray[np.complex64], pattern: Neighborhood, width: int, regularization: float
) -> Iterator[tuple[Offset, NDArray[np.complex64]]]:
    """Fit all targets of a pattern; give the weights ``(columns, source coils, target coils)`` of each offset."""
    coils, depth, rows, length = block.shape
    height, span = pattern.extent
    unknowns = len(pattern.sources) * width * coils
    places = (depth - height + 1) * (rows - span + 1)
    used = min(length, width - 1 + max(_LEAST_COLUMNS, -(-_EQUATIONS_PER_UNKNOWN * unknowns // places)))
    middle = block[..., length // 2 - used // 2 :][..., :used]  # where the signal is
    precision, power = (np.complex64, cherk) if regularization >= _ROUGH else (np.complex128, zherk)
    middle = middle.astype(precision) / max(np.abs(middle.real).max(), np.abs(middle.imag).max())
    gram = np.zeros((unknowns, unknowns), np.complex128, order="F")
    right = np.zeros((unknowns, len(pattern.targets) * coils), np.complex128)
    for z in range(depth - height + 1):  # plane by plane, so that neither memory nor rounding grows with the block
        known, wanted = _equations(middle, pattern, width, z)
        gram += power(1, known.T, trans=2)
        right += known.conj() @ wanted.T
    gram[np.diag_indices(unknowns)] += max(regularization, _LEAST_REGULARIZATION) * np.trace(gram).real / unknowns
    factors = cho_factor(gram, overwrite_a=True, check_finite=False)
    solved = cho_solve(factors, right, overwrite_b=True, check_finite=False).astype(np.complex64)
    shaped = solved.reshape(len(pattern.sources), width, coils, len(pattern.targets), coils)
    for i, source in enumerate(pattern.sources):
        for j, target in enumerate(pattern.targets):
            yield (source[0] - target[0], source[1] - target[1]), shaped[i, :, :, j]


def _equations(
    block: NDArray[np.complexfloating], pattern: Neighborhood, width: int, z: int
) -> tuple[NDArray[np.complexfloating], NDArray[np.complexfloating]]:
    """Give all sources ``(unknowns, places)`` and targets ``(targets * coils, places)`` with the pattern at one kz."""
    _, _, rows, length = block.shape
    (low_z, low_y), (_, span) = pattern.corner, pattern.extent
    count_y, count_x = rows - span + 1, length - width + 1

    def moved(point: Offset, x: int) -> NDArray[np.complexfloating]:
        y = point[1] - low_y
        return block[:, z + point[0] - low_z, y : y + count_y, x : x + count_x]

    known = np.stack([moved(source, x) for source in pattern.sources for x in range(width)])
    wanted = np.stack([moved(target, width // 2) for target in pattern.targets])
    return known.reshape(-1, count_y * count_x), wanted.reshape(-1, count_y * count_x)
