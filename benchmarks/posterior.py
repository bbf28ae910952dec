"""Times the posterior of flow and transit time on one thread, beside least squares of the same voxels.

python benchmarks/posterior.py --voxels 100000 --repeats 9
"""

import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import click
import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from scipy.optimize import least_squares

from aslive.gadgets.kernels.kinetics import Blood, Boluses, tissue_response
from aslive.gadgets.kernels.posterior import Prior, posterior
from aslive.gadgets.kernels.response import Response, make_response
from aslive.gadgets.kernels.response_axes import apparent_t1, transit_times

_THREADS = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "NUMBA_NUM_THREADS")
_BLOOD, _T1_TISSUE, _M0 = Blood(1.65, 0.85, 0.9), 1.33, 64.0
_LABELING = Boluses(1.5 + np.array([0.25, 0.5, 1.0, 1.5, 2.0, 2.5]), np.full(6, 1.5))
_NOISE = 0.35  # standard deviation of one difference; that of the digital reference object
_BLOCK = 2_000  # voxels of the NumPy fit at once: what fits into the cache
_TOGETHER = 100_000  # voxels that all figures are given for
_FEW = 2_000  # voxels of what takes long
_FITTED_AGAIN = 5  # runs of the NumPy fit

Work = Callable[[], object]


@dataclass(frozen=True, slots=True)
class Brain:
    """Voxels of gray and white matter, measured with noise."""

    data: NDArray[np.float32]
    """Mean differences, ``(boluses, 1, 1, voxels)``."""
    deviation: float
    """Of one difference."""
    pairs: int
    """Of each delay."""

    @classmethod
    def measured(cls, voxels: int, deviation: float, pairs: int) -> "Brain":
        """Draw flows of 15 to 90 mL/100 g/min and transit times of 0.5 to 2 s."""
        generator = np.random.default_rng(0)
        cbf, att = generator.uniform(15, 90, voxels), generator.uniform(0.5, 2.0, voxels)
        expected = np.empty((6, voxels))
        for low in range(15, 90):  # flows of the same T1'
            here = (cbf >= low) & (cbf < low + 1)
            expected[:, here] = _M0 * cbf[here] * tissue_response(att[here], _t1(low + 0.5), _LABELING, _BLOOD)[0]
        noise = generator.standard_normal(expected.shape) * deviation / np.sqrt(pairs)
        return cls((expected + noise).astype(np.float32)[:, np.newaxis, np.newaxis], deviation, pairs)


def _t1(cbf: float) -> NDArray[np.float64]:
    return np.array([1 / (1 / _T1_TISSUE + cbf / 6000 / _BLOOD.partition_coefficient)])


def make_posterior(brain: Brain, response: Response, prior: Prior) -> Work:
    """Prepare what `kinetics` does after each pair: means, deviations and intervals of all voxels."""
    shape = brain.data.shape[1:]
    return partial(
        posterior,
        brain.data,
        np.full((6, 1), float(brain.pairs)),
        np.full(shape, brain.deviation**2, np.float32),
        np.inf,
        np.full(shape, _M0, np.float32),
        np.full(shape, _T1_TISSUE, np.float32),
        response,
        np.zeros(1, np.int64),
        _BLOOD.partition_coefficient,
        prior,
    )


def project(data: NDArray[np.float32], table: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Fit flow and transit time on the grid, without errors: variable projection by matrix products."""
    size = np.sum(table * table, axis=0)
    flow, place = np.empty(data.shape[1], np.float32), np.empty(data.shape[1], np.int64)
    for begin in range(0, data.shape[1], _BLOCK):
        some = slice(begin, begin + _BLOCK)
        along = data[:, some].T @ table
        place[some] = np.argmax(np.maximum(along, 0) ** 2 / size, axis=1)
        flow[some] = along[np.arange(len(along)), place[some]] / size[place[some]]
    return flow / _M0, place


def fit_each(data: NDArray[np.float32]) -> list[NDArray[np.float64]]:
    """Fit flow and transit time of each voxel by SciPy's least squares, from one start."""

    def misfit(guess: NDArray[np.float64], seen: NDArray[np.float64]) -> NDArray[np.float64]:
        cbf, att = guess
        return _M0 * cbf * tissue_response(np.array([att]), _t1(cbf), _LABELING, _BLOOD)[0, :, 0] - seen

    bounds = ([0.0, 0.1], [200.0, 3.0])
    return [
        least_squares(misfit, (50.0, 1.3), bounds=bounds, x_scale=(50.0, 1.0), args=(seen,)).x
        for seen in data.T.astype(np.float64)
    ]


def timed(work: Work, repeats: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Give the CPU seconds of the thread and the seconds that passed, of each run after a first one."""
    work()
    cpu, passed = [], []
    for _ in range(repeats):
        begin_cpu, begin = time.thread_time(), time.perf_counter()
        work()
        cpu.append(time.thread_time() - begin_cpu)
        passed.append(time.perf_counter() - begin)
    return np.array(cpu), np.array(passed)


@click.command(epilog="Example: python benchmarks/posterior.py --voxels 20000 --repeats 5")
@click.option("--voxels", default=_TOGETHER, show_default=True, help="Voxels of each run; figures are for 100,000.")
@click.option("--repeats", default=9, show_default=True, help="Runs of each posterior.")
@click.option("--sample", default=150, show_default=True, help="Voxels that SciPy fits.")
def main(voxels: int, repeats: int, sample: int) -> None:
    """Time the posterior of flow and transit time: six delays, one thread, 100,000 voxels."""
    if any(os.environ.get(name) != "1" for name in _THREADS):  # read when the libraries are loaded
        os.execve(sys.executable, [sys.executable, *sys.argv], os.environ | dict.fromkeys(_THREADS, "1"))  # noqa: S606
    grid, t1 = transit_times(0.1, 3.0, 0.02), apparent_t1(_T1_TISSUE, _T1_TISSUE, _BLOOD.partition_coefficient)
    plain, arterial = (
        make_response(grid, t1, _LABELING, np.zeros(1), _BLOOD, macrovascular=found) for found in (False, True)
    )
    usual = Brain.measured(voxels, _NOISE, 4)
    few = Brain.measured(min(voxels, _FEW), _NOISE, 4)
    table = np.ascontiguousarray(plain.tissue[0, int(np.argmin(np.abs(t1 - _t1(50.0))))])
    flat, scipys = usual.data[:, 0, 0], usual.data[:, 0, 0, :sample]
    first = Brain.measured(voxels, _NOISE, 1)
    clear = Brain.measured(voxels, _NOISE / 10, 4)
    rows: list[tuple[str, int, Work, int]] = [
        ("posterior, 4 pairs of each delay", voxels, make_posterior(usual, plain, Prior()), repeats),
        ("posterior, 1 pair of each delay", voxels, make_posterior(first, plain, Prior()), repeats),
        ("posterior, a tenth of the noise", voxels, make_posterior(clear, plain, Prior()), repeats),
        (
            "posterior, no flow below 0",
            few.data.shape[-1],
            make_posterior(few, plain, Prior(nonnegative=True)),
            repeats,
        ),
        ("posterior with arterial blood", few.data.shape[-1], make_posterior(few, arterial, Prior()), repeats),
        ("NumPy, variable projection", voxels, partial(project, flat, table), _FITTED_AGAIN),
        ("SciPy, least_squares", scipys.shape[1], partial(fit_each, scipys), 1),
    ]
    before, drawn = os.getloadavg()[0], _columns()
    usual_seconds = 0.0
    for name, count, work, runs in rows:
        cpu, passed = (_TOGETHER / count * seconds for seconds in timed(work, runs))
        usual_seconds = usual_seconds or float(np.median(cpu))
        spread = f"{1e3 * cpu.min():,.0f} - {1e3 * cpu.max():,.0f} ms" if runs > 1 else ""
        ratio = f"{np.median(cpu) / usual_seconds:,.2f}"
        cells = (f"{1e3 * np.median(cpu):,.0f} ms", spread, f"{1e3 * np.median(passed):,.0f} ms", ratio)
        drawn.add_row(name, f"{count:,}", *cells)
    drawn.caption = f"load of the machine before {before:.1f}, after {os.getloadavg()[0]:.1f}; {os.cpu_count()} cores"
    Console(width=120).print(drawn)


def _columns() -> Table:
    drawn = Table(title="flow and transit time of 100,000 voxels from 6 delays, on one thread")
    drawn.add_column("what")
    for name in ("voxels timed", "CPU, median", "CPU, range", "passed, median", "ratio"):
        drawn.add_column(name, justify="right")
    return drawn


if __name__ == "__main__":
    main()
