"""Stops many simulated scans when they are said to be enough, and counts how often that was too early.

Differences of control and label are drawn for a small brain: noise of each voxel alone, and fluctuation that all of it
shares. They go through the gadgets that average, quantify and advise; what is said is held against the noise they were
drawn with. Every scan has a seed of its own, the same in each run. Example:

    python benchmarks/stopping.py --scans 1000 --seed 0
    python benchmarks/stopping.py --scans 50 --kind usual --workers 2 --json stopping.json
"""

import json
import math
import os
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from functools import cache, partial
from multiprocessing import get_context
from pathlib import Path

import click
import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track
from rich.table import Table
from scipy.ndimage import gaussian_filter

from aslive.gadgets.average import Average
from aslive.gadgets.cbf import CBF
from aslive.gadgets.enough import AdviseEnough
from aslive.gadgets.outliers import RejectOutliers
from aslive.sim.anatomy import Anatomy, brain
from aslive.sim.grid import Grid
from aslive.streaming.flow import Mask, Place
from aslive.streaming.gadget import Gadget
from aslive.streaming.notices import Measurement
from aslive.streaming.perfusion import M0, Constant, Difference, Map, Physiology, SliceTimes
from aslive.streaming.quality import Action, Advice, Regions, Verdict
from aslive.streaming.readouts import Counters, Geometry
from aslive.streaming.scan import Encoding, Labeling, LabelingType, Role, Scan, Source

_THREADS = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "NUMBA_NUM_THREADS")
GRID = Grid((26, 32, 6), (0.143, 0.176, 0.036))
"""5.5 x 5.5 x 6 mm through the middle of the brain: 1,200 voxels that are almost all gray matter."""
PAIRS, MINIMUM = 60, 6
_GRAY = 0.7  # share of a voxel from which on `enough` counts it as gray matter
_FACTOR = 6000 * 0.9 * math.exp(1.8 / 1.65) / (2 * 0.85 * 1.65 * (1 - math.exp(-1.8 / 1.65)))
"""CBF over deltam / M0; Alsop et al., MRM 73:102 (2015), eq. 1."""
_CONSTANTS = {"t1_blood": 1.65, "t1_tissue": 1.607, "partition_coefficient": 0.9, "labeling_efficiency": 0.85}
_DRAWN = 400  # noise maps that tell what smoothing leaves
_FWHM = math.sqrt(8 * math.log(2))  # full width at half maximum of a Gaussian, in standard deviations
_CLOSE = 0.2


@dataclass(frozen=True, slots=True)
class Kind:
    """How noisy pairs are, and what is to be reached."""

    own: float = 48.0
    """Standard deviation of one pair in the median voxel of gray matter, mL/100 g/min; as in the reference object."""
    common: float = 0.1
    """What all flow varies by together from pair to pair, share."""
    unevenness: float = 0.0
    """Standard deviation of the logarithm of the voxels' own noise."""
    target: float = 10.0
    scale: float = 0.0
    """Full width at half maximum that voxels are judged after, m."""
    outliers: bool = False
    """Whether pairs may be left out."""
    spoiled: float = 0.0
    """Share of pairs with three times the noise."""


KINDS = {
    "usual": Kind(),
    "strong fluctuation": Kind(common=0.3),
    "uneven noise": Kind(unevenness=0.3),
    "smoothed by 10 mm": Kind(target=4.0, scale=0.01),
    "spoiled pairs left out": Kind(common=0.2, outliers=True, spoiled=0.1),
}


@dataclass(frozen=True, slots=True)
class Stopped:
    """What was said of one scan, and what was true."""

    true: int
    """Pairs at which the true precision is at the target."""
    stop: int | None
    """Pairs at which it was said to be enough first."""
    early: bool
    """Whether the true precision was worse then."""
    early_by_value: bool
    """Whether it was when the value itself was at the target first, without its bound."""
    missed: bool
    """Whether any interval of gray-matter CBF missed the truth, of all looks at 60 pairs."""
    predicted: float
    """Pairs at which the target was predicted to be reached, at a third of the scan."""
    sure: float
    """Pairs at which that was predicted to be sure, and said."""
    milliseconds: float
    """That `enough` took per pair."""


@cache
def head() -> Anatomy:
    """Cut the brain."""
    return brain(GRID)


def gray_matter() -> NDArray[np.bool_]:
    """Give the voxels that count as gray matter."""
    return head().gray_matter > _GRAY


def inside() -> NDArray[np.bool_]:
    """Give the brain: voxels that are at least a quarter tissue."""
    return head().m0 > 0.25 * head().m0.max()


@cache
def scan() -> Scan:
    """Give the header of all scans."""
    labeling = Labeling(
        arterial_spin_labeling_type=LabelingType.PCASL,
        context=(Role.M0SCAN, *(Role.CONTROL, Role.LABEL) * PAIRS),
        labeling_duration=(1.8,),
        post_labeling_delay=(1.8,),
        labeling_efficiency=0.85,
        mr_acquisition_type="3D",
    )
    return Scan((Encoding(GRID.matrix, GRID.field_of_view, GRID.matrix, GRID.field_of_view, {}),), labeling)


def ahead() -> list[object]:
    """Give what comes before the pairs: constants, M0, and where the brain and its gray matter are."""
    constants = {name: Constant(value, "s", Source.DEFAULT) for name, value in _CONSTANTS.items()}
    gray, white, fluid = head().fractions
    labels = np.zeros(GRID.shape, np.uint8)
    return [
        Physiology(constants),
        SliceTimes((0.0,) * GRID.shape[0], Source.HEADER),
        M0(head().m0, {}),
        Mask(inside()),
        Regions(gray, white, fluid, labels, (), "sent"),
    ]


def deviations(kind: Kind, generator: np.random.Generator) -> NDArray[np.float64]:
    """Draw the standard deviation of each voxel's own noise in one difference, in units of the images."""
    usual = kind.own / _FACTOR * float(np.median(head().m0[gray_matter()]))
    return usual * np.exp(kind.unevenness * generator.standard_normal(GRID.shape))


def differences(
    kind: Kind, deviation: NDArray[np.float64], worse: NDArray[np.float64], generator: np.random.Generator
) -> Iterator[Difference]:
    """Draw the differences of a scan; ``worse`` is by how much the voxels' own noise of each is larger."""
    signal = head().m0 * head().cbf / _FACTOR
    for pair in range(PAIRS):
        noise = worse[pair] * deviation * generator.standard_normal(GRID.shape, np.float32)
        data = signal * (1 + kind.common * generator.standard_normal()) + noise
        number = 2 * pair + 2
        place = Place(number, Counters(), 9.0 * (pair + 1), Geometry(), Role.LABEL, number=number)
        yield Difference(data.astype(np.float32), place, pair)


def true_variance(kind: Kind, deviation: NDArray[np.float64], worse: float = 1.0) -> float:
    """Give the true variance of one pair in the median voxel of gray matter, (mL/100 g/min)^2.

    ``worse`` is the mean square of that of the pairs in use.
    """
    gray, within = gray_matter(), inside()
    own = np.divide(_FACTOR * deviation, head().m0, out=np.zeros(GRID.shape), where=within)
    common = np.where(within, kind.common * head().cbf, 0.0)
    if not kind.scale:
        return float(np.median((worse * own**2 + common**2)[gray]))
    width = [kind.scale / _FWHM / size for size in reversed(GRID.voxel)]
    weight = gaussian_filter(within.astype(np.float64), width, mode="constant", truncate=5)

    def smoothed(values: NDArray[np.float64]) -> NDArray[np.float64]:
        return gaussian_filter(values, width, mode="constant", truncate=5)[gray] / weight[gray]

    generator = np.random.default_rng(0)
    squares = [smoothed(own * generator.standard_normal(GRID.shape)) ** 2 for _ in range(_DRAWN)]
    return float(np.median(worse * np.mean(squares, axis=0) + smoothed(common) ** 2))


def push(line: list[tuple[tuple[type, ...], Gadget]], message: object) -> Iterator[object]:
    """Send a message down a line of gadgets, depth first."""
    for stage, (takes, gadget) in enumerate(line, start=1):
        if isinstance(message, takes):
            for made in gadget.process(message):
                yield from push(line[stage:], made)
            return
    yield message


@dataclass(frozen=True, slots=True)
class Look:
    """What was said after a pair."""

    advice: Advice
    used: tuple[int, ...]
    """Pairs in the map."""


def looks(kind: Kind, messages: Iterator[object]) -> tuple[list[Look], float]:
    """Give all advice of a scan, and the seconds that it took."""
    gadget, seconds, given = AdviseEnough(target=kind.target, scale=kind.scale, minimum_pairs=MINIMUM), 0.0, []
    accepted: dict[int, bool] = {}
    line: list[Gadget] = [*([RejectOutliers()] if kind.outliers else []), Average(), CBF()]
    for each in (*line, gadget):
        each.start(scan())
    taking = [(each.takes(), each) for each in line]
    for message in (*ahead(), *messages):
        for made in push(taking, message):
            if isinstance(made, Verdict):
                accepted[made.pair] = made.accepted
            if isinstance(made, Map | Regions | Mask | Verdict | Measurement):
                begin = time.perf_counter()
                advice = [one for one in gadget.process(made) if isinstance(one, Advice)]
                seconds += time.perf_counter() - begin
                used = tuple(pair for pair, kept in accepted.items() if kept)
                given += [Look(one, used or tuple(range(one.pairs))) for one in advice]
    return given, seconds


def stopped(kind: Kind, seed: int) -> Stopped:
    """Simulate a scan, and hold what was said of it against the truth."""
    generator = np.random.default_rng(seed)
    deviation = deviations(kind, generator)
    worse = np.where(generator.random(PAIRS) < kind.spoiled, 3.0, 1.0)
    variance = true_variance(kind, deviation) if kind.unevenness else _even_variance(kind)
    given, seconds = looks(kind, differences(kind, deviation, worse, generator))
    flow = float(head().cbf[gray_matter()].mean(dtype=np.float64))
    spans = [one.advice.interval for one in given if math.isfinite(one.advice.interval[0])]
    true = max(math.ceil(variance / kind.target**2), MINIMUM)
    end = next((one for one in given if one.advice.action is Action.ENOUGH), None)
    value = next((one for one in given if one.advice.pairs >= MINIMUM and one.advice.value <= kind.target), None)
    missed = not all(lower <= flow <= upper for lower, upper in spans)
    milliseconds = 1e3 * seconds / PAIRS

    def early(look: Look | None) -> bool:
        if look is None:
            return False
        extra = float(np.mean(worse[list(look.used)] ** 2))
        now = true_variance(kind, deviation, extra) if extra > 1 else variance
        return math.sqrt(now / look.advice.pairs) > kind.target

    if end is None:
        return Stopped(true, None, False, early(value), missed, math.nan, math.nan, milliseconds)
    stop = end.advice.pairs
    third = next(one.advice for one in given if one.advice.pairs >= round(stop / 3))
    sure = third.details["sure_pairs"]
    return Stopped(true, stop, early(end), early(value), missed, third.pairs_needed, sure, milliseconds)


@cache
def _even_variance(kind: Kind) -> float:
    return true_variance(kind, deviations(kind, np.random.default_rng(0)))


def summary(scans: list[Stopped]) -> dict[str, object]:
    """Give the figures of a study."""
    ended = [one for one in scans if one.stop is not None]
    stop, true, predicted, sure = (
        np.array([getattr(one, name) for one in ended], float) for name in ("stop", "true", "predicted", "sure")
    )

    def close(values: NDArray[np.float64], end: NDArray[np.float64]) -> float:
        return float(np.mean(np.abs(values / end - 1) <= _CLOSE)) if len(ended) else math.nan

    return {
        "scans": len(scans),
        "never": len(scans) - len(ended),
        "early": sum(one.early for one in scans) / len(scans),
        "early_by_value": sum(one.early_by_value for one in scans) / len(scans),
        "missed": sum(one.missed for one in scans) / len(scans),
        "true": float(np.median([one.true for one in scans])),
        "stop_over_true": np.quantile(stop / true, [0.5, 0.05, 0.95]).tolist() if len(ended) else [math.nan] * 3,
        "predicted_close_to_true": close(predicted, true),
        "predicted_close_to_stop": close(predicted, stop),
        "sure_close_to_true": close(sure, true),
        "sure_close_to_stop": close(sure, stop),
        "milliseconds": float(np.median([one.milliseconds for one in scans])),
        "each": [asdict(one) for one in scans],
    }


def table(studies: dict[str, dict]) -> Table:
    """Draw what came out."""
    drawn = Table(title="Scans of up to 60 pairs, stopped when it was enough")
    drawn.add_column("noise")
    for name in ("early", "without bound", "missed", "true", "stop / true", "never"):
        drawn.add_column(name, justify="right")
    for name in ("about / true", "about / stop", "sure / true", "sure / stop", "ms"):
        drawn.add_column(name, justify="right")
    for name, study in studies.items():
        middle, least, most = study["stop_over_true"]
        drawn.add_row(
            name,
            f"{study['early']:.1%}",
            f"{study['early_by_value']:.1%}",
            f"{study['missed']:.1%}",
            f"{study['true']:.0f}",
            f"{middle:.2f} ({least:.2f}-{most:.2f})",
            f"{study['never']}",
            *(f"{study[f'{which}_close_to_{end}']:.1%}" for which in ("predicted", "sure") for end in ("true", "stop")),
            f"{study['milliseconds']:.2f}",
        )
    drawn.caption = "predicted at a third of the scan, within 20 %: about is pairs_needed, sure is sure_pairs"
    return drawn


@click.command()
@click.option("--scans", default=1000, show_default=True, type=click.IntRange(1), help="Of each kind.")
@click.option("--seed", default=0, show_default=True, help="Of the first scan; the others follow.")
@click.option("--kind", "kinds", multiple=True, type=click.Choice([*KINDS]), help="May be given again; default all.")
@click.option("--workers", default=1, show_default=True, type=click.IntRange(1), help="Processes.")
@click.option("--json", "target", type=click.Path(dir_okay=False, path_type=Path), help="Write the figures, too.")
def main(scans: int, seed: int, kinds: tuple[str, ...], workers: int, target: Path | None) -> None:
    """Stop simulated scans when they are said to be enough."""
    if any(os.environ.get(name) != "1" for name in _THREADS):  # read when NumPy is loaded: too late for this process
        os.execve(sys.executable, [sys.executable, *sys.argv], os.environ | dict.fromkeys(_THREADS, "1"))  # noqa: S606
    studies, begin, errors = {}, time.perf_counter(), Console(stderr=True)
    with ProcessPoolExecutor(workers, get_context("spawn")) as pool:
        for name in kinds or KINDS:
            found = pool.map(partial(stopped, KINDS[name]), range(seed, seed + scans), chunksize=5)
            studies[name] = summary(list(track(found, name, scans, console=errors)))
    Console(width=150).print(table(studies), f"{time.perf_counter() - begin:.0f} s")
    if target:
        target.write_text(json.dumps(studies, indent=1) + "\n")


if __name__ == "__main__":
    main()
