"""Draws several-delays.png: what one voxel shows at each delay, and what it tells of flow and transit time.

The curves, the tables and the posterior are those of the gadget ``kinetics``; the clouds are the same posterior, drawn
over both. Example:

    python docs/images/draw_kinetics.py
"""

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from aslive.gadgets.kernels.kinetics import Blood, Boluses, tissue_response
from aslive.gadgets.kernels.posterior import Posterior, Prior, posterior
from aslive.gadgets.kernels.response import make_response
from aslive.gadgets.kernels.response_axes import apparent_t1, transit_times

DELAYS = np.array([1.0, 2.5, 0.5, 1.5, 2.0, 3.0])
"""In the order in which they are measured, s."""
DURATION, T1_TISSUE, M0 = 1.8, 1.33, 100.0
BLOOD = Blood(t1=1.65, labeling_efficiency=0.85, partition_coefficient=0.9)
PRIOR = Prior(50.0, 100.0, 1.3, 1.0, False)
FLOW, ATT = 60.0, 1.2
"""True, mL/100 g/min and s."""
NOISE = 0.1
"""Of one difference, % of M0: that of a region of some voxels."""
STAGES = (1, 2, 6)
COLORS = {0.6: "tab:blue", 1.2: "tab:orange", 2.0: "tab:green"}


def boluses(delays: NDArray[np.float64]) -> Boluses:
    """Give the boluses that are seen after some delays."""
    return Boluses(delays + DURATION, np.full(len(delays), DURATION))


def signal(flow: float, att: NDArray[np.float64], delays: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give deltam in % of M0, shape ``(delays, transit times)``."""
    t1 = np.array([1 / (1 / T1_TISSUE + flow / 6000 / BLOOD.partition_coefficient)])
    return 100 * flow * tissue_response(att, t1, boluses(delays), BLOOD)[0]


def infer(data: NDArray[np.float64], delays: NDArray[np.float64]) -> Posterior:
    """Run the kernel of the gadget on one voxel."""
    att = transit_times(0.1, DURATION + DELAYS.max() - 0.3, 0.02)
    times = apparent_t1(T1_TISSUE, T1_TISSUE, BLOOD.partition_coefficient)
    response = make_response(att, times, boluses(delays), np.zeros(1), BLOOD)
    voxel = (1, 1, 1)
    return posterior(
        data.astype(np.float32).reshape(-1, *voxel),
        np.ones((len(delays), 1)),
        np.full(voxel, NOISE**2, np.float32),
        np.inf,  # the noise is known here
        np.full(voxel, M0, np.float32),
        np.full(voxel, T1_TISSUE, np.float32),
        response,
        np.zeros(1, np.int64),
        BLOOD.partition_coefficient,
        PRIOR,
    )


def draw_curves(axes: Axes, data: NDArray[np.float64]) -> None:
    """Draw what each delay shows of the same flow, by transit time, and the data of the voxel."""
    delays = np.linspace(0, 3.4, 200)
    for att, color in COLORS.items():
        axes.plot(delays, signal(FLOW, np.array([att]), delays)[:, 0], color=color, label=f"ATT {att:g} s")
    axes.errorbar(DELAYS, data, NOISE, fmt="ko", markersize=4, capsize=2, label="one pair each")
    for number, delay in enumerate(DELAYS, start=1):
        axes.annotate(str(number), (delay, 0.01), ha="center", fontsize=9, color="0.4")
        axes.axvline(delay, color="0.85", linewidth=0.8, zorder=0)
    axes.set(xlabel="post-labeling delay, s", ylabel="deltam, % of M0", ylim=(0, None), xlim=(0, 3.4))
    axes.set_title(f"{FLOW:g} mL/100 g/min that arrives after ...", fontsize=11)
    axes.legend(frameon=False, fontsize=9)


def draw_posterior(axes: Axes, data: NDArray[np.float64], delays: NDArray[np.float64]) -> None:
    """Draw how probable each flow and transit time is after some pairs, with the answer of the gadget."""
    flow, att = np.linspace(0, 160, 241), np.linspace(0.1, 3.4, 166)
    fit = np.stack([((data[:, np.newaxis] - signal(f, att, delays)) / NOISE) ** 2 for f in flow]).sum(axis=1)
    prior = ((flow[:, np.newaxis] - PRIOR.cbf_mean) / PRIOR.cbf_deviation) ** 2
    prior = prior + ((att - PRIOR.att_mean) / PRIOR.att_deviation) ** 2
    density = np.exp(-0.5 * (fit + prior - (fit + prior).min()))
    axes.imshow(
        density, origin="lower", extent=(att[0], att[-1], flow[0], flow[-1]), aspect="auto", cmap="Blues", vmax=1.2
    )
    found = infer(data, delays)
    numbers = {name: float(value.ravel()[0]) for name, value in found._asdict().items() if value is not None}
    axes.errorbar(
        numbers["att"],
        numbers["cbf"],
        [[numbers["cbf"] - numbers["cbf_lower"]], [numbers["cbf_upper"] - numbers["cbf"]]],
        [[numbers["att"] - numbers["att_lower"]], [numbers["att_upper"] - numbers["att"]]],
        fmt="ks",
        linewidth=1.2,
        capsize=3,
        markersize=4,
    )
    axes.plot(ATT, FLOW, "+", color="tab:red", markersize=13, markeredgewidth=2)
    axes.set(xlabel="ATT, s", xlim=(0.1, 3.4), ylim=(0, 160))
    title = f"after {len(delays)} pair{'s' if len(delays) > 1 else ''}"
    axes.set_title(
        f"{title}: {numbers['cbf']:.0f} ± {numbers['cbf_stderr']:.0f}, "
        f"{numbers['att']:.2f} ± {numbers['att_stderr']:.2f} s",
        fontsize=11,
    )


def main(target: Path) -> None:
    """Draw the curves, and the posterior after each stage."""
    noise = NOISE * np.random.default_rng(2).standard_normal(len(DELAYS))
    data = signal(FLOW, np.array([ATT]), DELAYS)[:, 0] + noise
    figure = Figure(figsize=(15, 4.2), dpi=90, layout="constrained")
    curves, *panels = figure.subplots(1, 1 + len(STAGES))
    draw_curves(curves, data)
    for axes, stage in zip(panels, STAGES, strict=True):
        draw_posterior(axes, data[:stage], DELAYS[:stage])
    panels[0].set_ylabel("CBF, mL/100 g/min")
    figure.savefig(target)


if __name__ == "__main__":
    main(Path(__file__).with_name("several-delays.png"))
