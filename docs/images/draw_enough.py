"""Draws enough.png: what is known of the precision after each pair of a scan, and when it is enough.

The noise of voxels and of all gray matter is simulated; the numbers are those of the gadget ``enough``. Example:

    python docs/images/draw_enough.py
"""

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from aslive.gadgets.kernels.pair_values import PairValues
from aslive.gadgets.kernels.precision import Precision, own_variance, pairs_until

FLOW, OWN, COMMON = 50.0, 45.0, 6.0
"""Of gray matter, and the standard deviation of one pair: of a voxel alone, and of all together; mL/100 g/min."""
PAIRS, VOXELS, TARGET, MINIMUM = 30, 4000, 10.0, 6


def scan() -> dict[int, Precision]:
    """Simulate a scan; give what is known of it by the number of pairs."""
    generator = np.random.default_rng(4)
    data = OWN * generator.standard_normal((VOXELS, PAIRS)) + COMMON * generator.standard_normal(PAIRS)
    values, known = PairValues(), {}
    for pairs in range(1, PAIRS + 1):
        so_far = data[:, :pairs]
        mean = FLOW + float(so_far.mean())
        values.follow(pairs, mean)
        if pairs > 1:
            common = values.variance()
            own = own_variance(float(np.median(so_far.var(axis=1, ddof=1))), common, pairs - 1)
            known[pairs] = Precision(mean, own, common, VOXELS)
    return known


def draw_error(axes: Axes, known: dict[int, Precision], stop: int) -> None:
    """Draw the error of the median voxel, its bound, and the target."""
    pairs = np.array(list(known))
    bound = np.array([now.voxel_error_bound(n) for n, now in known.items()])
    axes.axhline(TARGET, color="tab:red", linewidth=1.2, label="target")
    axes.plot(pairs, np.sqrt((OWN**2 + COMMON**2) / pairs), color="0.6", label="truth")
    axes.plot(pairs, [now.voxel_error(n) for n, now in known.items()], "ko", markersize=4, label="estimate")
    axes.plot(pairs, bound, color="tab:blue", label="at most, at all looks")
    axes.annotate(
        "enough", (stop, bound[stop - 2]), (stop - 1, 22), ha="center", arrowprops={"arrowstyle": "->"}, fontsize=11
    )
    axes.set(xlabel="pairs", ylabel="mL/100 g/min", ylim=(0, 40), xlim=(0, PAIRS + 0.5))
    axes.set_title("standard error of the median voxel", fontsize=11)
    axes.legend(frameon=False, fontsize=9)


def draw_prediction(axes: Axes, known: dict[int, Precision], stop: int) -> None:
    """Draw how many pairs it was thought to take, after each pair."""
    predicted = [pairs_until(lambda n, now=now: now.voxel_error_bound(n) <= TARGET, n) for n, now in known.items()]
    axes.axhspan(0.8 * stop, 1.2 * stop, color="0.93", label="within 20 %")
    axes.axhline(stop, color="tab:red", linewidth=1.2, label="at the end")
    before = np.array([n for n in known if n <= stop])
    axes.plot(before, predicted[: len(before)], "ko", markersize=4, label="predicted")
    axes.axvline(stop / 3, color="0.7", linewidth=0.8, linestyle="--")
    axes.annotate("a third", (stop / 3, 3), (stop / 3 + 0.4, 3), fontsize=9, color="0.4")
    axes.set(xlabel="pairs", ylabel="pairs that it takes", ylim=(0, 40), xlim=(0, PAIRS + 0.5))
    axes.set_title("prediction", fontsize=11)
    axes.legend(frameon=False, fontsize=9)


def draw_interval(axes: Axes, known: dict[int, Precision]) -> None:
    """Draw the interval of gray matter after each pair."""
    finite = {n: now for n, now in known.items() if np.isfinite(now.mean_half_width(n))}
    pairs = np.array(list(finite))
    mean = np.array([now.flow for now in finite.values()])
    half: NDArray[np.float64] = np.array([now.mean_half_width(n) for n, now in finite.items()])
    axes.fill_between(pairs, mean - half, mean + half, color="tab:blue", alpha=0.2, label="95 %, at all looks")
    axes.plot(pairs, mean, "ko", markersize=4, label="mean")
    axes.axhline(FLOW, color="0.6", label="truth")
    axes.set(xlabel="pairs", ylabel="mL/100 g/min", ylim=(20, 80), xlim=(0, PAIRS + 0.5))
    axes.set_title("CBF of gray matter", fontsize=11)
    axes.legend(frameon=False, fontsize=9)


def main(target: Path) -> None:
    """Draw one scan: its error, what was predicted, and its interval."""
    known = scan()
    stop = next(n for n, now in known.items() if n >= MINIMUM and now.voxel_error_bound(n) <= TARGET)
    figure = Figure(figsize=(14, 4.2), dpi=90, layout="constrained")
    error, prediction, interval = figure.subplots(1, 3)
    draw_error(error, known, stop)
    draw_prediction(prediction, known, stop)
    draw_interval(interval, known)
    figure.savefig(target)


if __name__ == "__main__":
    main(Path(__file__).with_name("enough.png"))
