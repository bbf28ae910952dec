"""Times the kernels alone, on one thread: what each costs for one line, shot, slice or volume.

python benchmarks/kernels.py
"""

import os
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial

import click
import finufft
import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track
from rich.table import Table

from aslive.gadgets.kernels.combination import combine
from aslive.gadgets.kernels.fft import CentredInverse, add_partition
from aslive.gadgets.kernels.grappa import calibrate
from aslive.gadgets.kernels.lattice import Lattice
from aslive.gadgets.kernels.navigator import compare
from aslive.gadgets.kernels.nonuniform import AdjointTransform, density_weights
from aslive.gadgets.kernels.odd_even import half_turns, straighten
from aslive.gadgets.kernels.stabilization import double_phase, fit, phases, turn
from aslive.gadgets.kernels.trapezoid import RampLines
from aslive.gadgets.kernels.unmixing import low_resolution, unmix
from aslive.gadgets.kernels.walsh import coil_maps
from aslive.sim.epi import EchoPlanar
from aslive.sim.spiral import Spiral

_THREADS = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "NUMBA_NUM_THREADS")
_COILS = 32
_LEAST = 0.3  # s that each kernel is run for, at least
_MOST = 200

Kernel = tuple[str, str, Callable[[], object], int]
"""What it does, with what, the call, and how many of the units it does at once."""


def noise(*shape: int) -> NDArray[np.complex64]:
    """Give complex noise."""
    generator = np.random.default_rng(0)
    values = generator.standard_normal(shape, np.float32) + 1j * generator.standard_normal(shape, np.float32)
    return values.astype(np.complex64)


def echo_planar() -> Iterator[Kernel]:
    """Give what an EPI needs for every shot: 64 columns, 35 lines."""
    gradient = EchoPlanar()
    lines, columns = 32, 64
    regrid = RampLines(gradient.positions(columns), columns)
    samples = noise(lines, _COILS, gradient.samples)
    size = f"{_COILS} x {gradient.samples} samples to {columns} columns"
    yield "regrid, per line", size, partial(regrid, samples, np.zeros(lines, np.bool_)), lines
    operator = noise(gradient.samples, columns)
    rows, made = samples.reshape(-1, gradient.samples), np.empty((lines * _COILS, columns), np.complex64)
    yield "regrid as a plain matrix product, per line", size, partial(np.matmul, rows, operator, made), lines
    navigators, backward = noise(3, _COILS, columns), np.array([True, False, True])
    yield "compare navigators, per shot", f"3 x {_COILS} x {columns}", partial(compare, navigators, backward), 1
    train, directions = noise(lines, _COILS, columns), np.arange(lines) % 2 == 1
    turns = half_turns(np.linspace(-0.1, 0.1, columns))
    shape = f"{lines} x {_COILS} x {columns}"
    yield "straighten lines, per shot", shape, partial(straighten, train, directions, turns, 0.01, 0), 1


def cartesian() -> Iterator[Kernel]:
    """Give what every plane of lines needs, and a volume of 96x96x40."""
    plane = noise(_COILS, 1, 96, 96)
    yield "FFT along y, per slice", f"{_COILS} x 96 x 96", partial(CentredInverse(plane.shape, 2), plane), 1
    weights, images = noise(_COILS, 8, 96, 96), noise(_COILS, 8, 96, 96)
    yield "combine or unmix, per slice", f"{_COILS} x 96 x 96", partial(combine, images, weights), 8
    volume, rows = noise(_COILS, 40, 96 * 96), noise(_COILS, 96, 96)
    yield "last partition, per volume", f"{_COILS} x 40 x 96 x 96", partial(add_partition, volume, rows, noise(40)), 1
    yield "coil maps, per slice", f"{_COILS} x 96 x 96", partial(coil_maps, plane), 1


def parallel_imaging() -> Iterator[Kernel]:
    """Give what GRAPPA learns once for each slice: R = 2, 24 reference lines."""
    block, lattice = noise(_COILS, 1, 24, 96), Lattice(2)
    size = f"{_COILS} x 24 x 96"
    yield "GRAPPA calibration, per slice", size, partial(calibrate, block, lattice), 1
    kernel, maps = calibrate(block, lattice), noise(_COILS, 1, 96, 96)
    assert kernel is not None
    yield "unmixing maps, per slice", f"{_COILS} x 96 x 96", partial(unmix, kernel, maps, (1, 96, 96)), 1
    low = partial(low_resolution, block, (1, 96, 96), (1, 96, 96))
    yield "low-resolution images, per slice", f"{_COILS} x 96 x 96", low, 1


def spirals() -> Iterator[Kernel]:
    """Give what a plane of spirals needs: 96x96, 8 arms."""
    points = Spiral(interleaves=8).trajectory((96, 96), 0.22 / 96).reshape(-1, 2).T.astype(np.float32).copy()
    samples, weights = noise(_COILS, points.shape[1]), np.ones(points.shape[1], np.complex64)
    size = f"{_COILS} x {points.shape[1]} samples to 96 x 96"
    ours = AdjointTransform(_COILS, (96, 96))
    yield "non-uniform FFT, per plane", size, partial(ours, samples, points, weights), 1
    plan = finufft.Plan(1, (96, 96), _COILS, 1e-4, 1, dtype="complex64", nthreads=1)
    x, y = np.ascontiguousarray(2 * np.pi * points)
    plan.setpts(y, x)
    images = np.empty((_COILS, 96, 96), np.complex64)
    yield "the same by finufft, per plane", size, partial(plan.execute, samples, images), 1
    yield "density weights, per trajectory", f"{points.shape[1]} samples", partial(density_weights, points, (96, 96)), 1


def stabilization() -> Iterator[Kernel]:
    """Give what every volume needs before complex subtraction: 64x64x24."""
    reference = noise(24, 64, 64)
    volume, conjugate = (
        (reference * np.exp(0.3j)).astype(np.complex64),
        np.exp(-1j * np.angle(reference)).astype(np.complex64),
    )
    p = np.empty_like(volume)

    def stabilize() -> None:
        double_phase(volume, conjugate, p)
        found = fit(p, 8.0)
        assert found is not None
        turn(volume, *phases(found, volume.shape), p)

    yield "stabilize, per volume", "24 x 64 x 64", stabilize, 1


@click.command()
def main() -> None:
    """Time the kernels, each as the median and the best of many calls."""
    if any(os.environ.get(name) != "1" for name in _THREADS):  # read when the libraries are loaded
        os.execve(sys.executable, [sys.executable, *sys.argv], os.environ | dict.fromkeys(_THREADS, "1"))  # noqa: S606
    groups = (echo_planar, cartesian, parallel_imaging, spirals, stabilization)
    table = Table(title="kernels on one thread")
    for name in ("kernel", "data"):
        table.add_column(name)
    for name in ("median", "best"):
        table.add_column(name, justify="right")
    for name, size, action, count in track([kernel for group in groups for kernel in group()], transient=True):
        seconds = np.array(timed(action)) / count
        table.add_row(name, size, *(f"{1e3 * value:.3f} ms" for value in (np.median(seconds), np.min(seconds))))
    Console(width=120).print(table)


def timed(action: Callable[[], object]) -> list[float]:
    """Give the seconds of each of many calls, after one that fills caches."""
    action()
    found: list[float] = []
    while len(found) < 3 or (sum(found) < _LEAST and len(found) < _MOST):
        begin = time.perf_counter()
        action()
        found.append(time.perf_counter() - begin)
    return found


if __name__ == "__main__":
    main()
