import numpy as np
import pytest
from numpy.typing import NDArray
from pygrappa import grappa

from aslive.gadgets.kernels.grappa import Kernel, calibrate
from aslive.gadgets.kernels.lattice import Lattice
from aslive.sim.anatomy import brain
from aslive.sim.coils import sensitivities
from aslive.sim.fourier import to_kspace
from aslive.sim.grid import Grid
from aslive.sim.magnetization import object_phase


def random(rng: np.random.Generator, *shape: int) -> NDArray[np.complex64]:
    return (rng.standard_normal(shape) + 1j * rng.standard_normal(shape)).astype(np.complex64)


def learned(block: NDArray[np.complex64], lattice: Lattice, *settings: float) -> Kernel:
    kernel = calibrate(block, lattice, *settings)  # pyright: ignore[reportArgumentType] (columns, sources, lambda)
    assert kernel is not None
    return kernel


def zero_filled(kspace: NDArray[np.complex64], lattice: Lattice, z: int = 0, y: int = 0) -> NDArray[np.complex64]:
    """Leave what the lattice holds of ``(coils, kz, ky, kx)``, where it begins at (z, y)."""
    held = [[lattice.holds((row - z, line - y)) for line in range(kspace.shape[2])] for row in range(kspace.shape[1])]
    return kspace * np.array(held)[:, :, np.newaxis]


def filled(kspace: NDArray[np.complex64], kernel: Kernel) -> NDArray[np.complex64]:
    """Convolve k-space with a kernel point by point; it wraps round at the edges."""
    out = np.zeros_like(kspace)
    for weights, (z, y) in zip(kernel.weights, kernel.offsets, strict=True):
        for column, weight in enumerate(weights):
            moved = np.roll(kspace, (-z, -y, kernel.columns // 2 - column), (1, 2, 3))
            out += np.einsum("szyx,st->tzyx", moved, weight)
    return out


def harmonics(rng: np.random.Generator, shape: tuple[int, int, int], steps: tuple[int, int]) -> NDArray[np.complex64]:
    """Give coils whose sensitivities are waves: their k-space is one k-space moved, so missing points are known.

    Sodickson and Manning, MRM 38:591 (1997).
    """
    kspace = random(rng, *shape)
    moves = [(z, y) for z in range(steps[0]) for y in range(steps[1])]
    return np.stack([np.roll(kspace, move, (0, 1)) for move in moves])


@pytest.mark.parametrize("step", [2, 3, 4])
@pytest.mark.parametrize("offset", [0, 1, 2, 3])
@pytest.mark.parametrize("lines", [36, 37])
def test_one_kernel_fills_a_lattice_that_begins_anywhere(step, offset, lines):
    kspace = harmonics(np.random.default_rng(0), (1, lines, 24), (1, step))
    kernel = learned(kspace, Lattice(step), 3, 4, 1e-9)
    whole = filled(zero_filled(kspace, Lattice(step), y=offset), kernel)
    edge = 2 * step
    np.testing.assert_allclose(whole[:, :, edge:-edge], kspace[:, :, edge:-edge], atol=2e-3)


@pytest.mark.parametrize(
    "lattice", [Lattice(2, 2), Lattice(2, 2, 1), Lattice(1, 3), Lattice(3, 1, 1), Lattice(3, 2, 1), Lattice(4, 1, 2)]
)
@pytest.mark.parametrize("offset", [(0, 0), (1, 2)])
def test_one_kernel_fills_a_lattice_of_two_directions(lattice, offset):
    steps = lattice.step_z, max(lattice.step_y, 2)
    kspace = harmonics(np.random.default_rng(1), (19, 24, 12), steps)
    kernel = learned(kspace, lattice, 1, 4, 1e-9)
    whole = filled(zero_filled(kspace, lattice, *offset), kernel)
    inside = (slice(None), slice(6, -6), slice(8, -8))
    np.testing.assert_allclose(whole[inside], kspace[inside], atol=2e-3)


def test_acquired_points_stay_as_they_are():
    kspace = random(np.random.default_rng(2), 3, 9, 16, 16)
    lattice = Lattice(2, 2, 1)
    kernel = learned(kspace, lattice)
    acquired = zero_filled(kspace, lattice)
    whole = filled(acquired, kernel)[:, 4:5, 6:10]
    np.testing.assert_allclose(whole[acquired[:, 4:5, 6:10] != 0], kspace[:, 4:5, 6:10][acquired[:, 4:5, 6:10] != 0])


def test_a_wide_block_is_learned_from_plane_by_plane_as_from_all_at_once():
    block = random(np.random.default_rng(3), 2, 5, 12, 34)
    kernel = learned(block, Lattice(2), 3, 4, 1e-3)
    rows = [(z, y, x) for z in range(1, 4) for y in range(1, 11) for x in range(1, 33)]
    sources = sorted({(z, y) for z, y in kernel.offsets if (z, y) != (0, 0)})
    known = np.array([[block[:, z + dz, y + dy, x - 1 : x + 2] for dz, dy in sources] for z, y, x in rows])
    known = known.transpose(0, 1, 3, 2).reshape(len(rows), -1).astype(complex)
    wanted = np.array([block[:, z, y, x] for z, y, x in rows])
    gram = known.conj().T @ known
    gram += 1e-3 * np.trace(gram) / len(gram) * np.eye(len(gram))
    expected = np.linalg.solve(gram, known.conj().T @ wanted).reshape(len(sources), 3, 2, 2)
    for source, weights in zip(sources, expected, strict=True):
        np.testing.assert_allclose(kernel.weights[kernel.offsets.index(source)], weights, atol=1e-4)


@pytest.mark.parametrize("step", [2, 3])
def test_brains_are_filled_as_well_as_by_pygrappa(step):
    size, half = 64, 16
    grid = Grid((size, size, 1), (0.22, 0.22, 0.005))
    image = 50 * (brain(grid).m0 * object_phase(grid)).astype(np.complex64)
    kspace = to_kspace(sensitivities(grid, 8) * image, (2, 3))
    rng = np.random.default_rng(4)
    kspace = (kspace + 0.1 * random(rng, *kspace.shape)).astype(np.complex64)
    block = kspace[:, :, size // 2 - half : size // 2 + half]
    folded = zero_filled(kspace, Lattice(step))
    ours = filled(folded, learned(block, Lattice(step)))
    theirs = np.asarray(grappa(folded[:, 0], block[:, 0], kernel_size=(5, 5), coil_axis=0))[:, np.newaxis]

    def error(whole):
        return np.linalg.norm(whole - kspace) / np.linalg.norm(kspace)

    assert error(ours) < min(1.1 * error(theirs), 0.03)


def test_a_small_block_gives_a_smaller_kernel():
    rng = np.random.default_rng(5)
    full = learned(random(rng, 4, 1, 24, 32), Lattice(3))
    assert (full.columns, full.sources) == (5, 4)
    small = learned(random(rng, 4, 1, 12, 32), Lattice(3))
    assert (small.columns, small.sources) == (5, 2)
    tiny = learned(random(rng, 4, 1, 4, 6), Lattice(3))
    assert tiny.sources == 2
    assert tiny.columns < 5


@pytest.mark.parametrize("shape", [(4, 1, 3, 32), (4, 1, 0, 32), (4, 1, 24, 0)])
def test_a_block_smaller_than_any_kernel_gives_none(shape):
    assert calibrate(np.ones(shape, np.complex64), Lattice(3)) is None


def test_no_signal_gives_none():
    assert calibrate(np.zeros((4, 1, 24, 32), np.complex64), Lattice(2)) is None
    assert calibrate(np.ones((4, 1, 24, 32), np.complex64), Lattice(1, 2)) is None
