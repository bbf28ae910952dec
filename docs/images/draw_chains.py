"""Draws chains.png: the line of gadgets of the chain asl, and what each readout leaves of it.

The gadgets are asked, with the headers that the simulator writes. Example:

    python docs/images/draw_chains.py
"""

from pathlib import Path

import matplotlib

matplotlib.use("Agg")

from matplotlib import pyplot
from matplotlib.axes import Axes
from matplotlib.patches import FancyBboxPatch

from aslive.sim.choices import ReadoutType
from aslive.sim.header import header_text
from aslive.sim.protocol import Protocol
from aslive.sim.time_encoding import TimeEncoded
from aslive.streaming.config import build, xml_recipe
from aslive.streaming.header import read_header
from aslive.streaming.registry import Registry

READOUTS: dict[str, Protocol] = {
    "Cartesian": Protocol(),
    "EPI": Protocol(readout=ReadoutType.EPI),
    "EPI, GRAPPA": Protocol(readout=ReadoutType.EPI, acceleration=(2, 1)),
    "3-D GRASE": Protocol(readout=ReadoutType.GRASE),
    "3-D GRASE, CAIPIRINHA": Protocol(readout=ReadoutType.GRASE, acceleration=(2, 2), caipi_shift=1),
    "stack of spirals": Protocol(readout=ReadoutType.SPIRAL, three_dimensional=True),
    "EPI, several delays": Protocol(readout=ReadoutType.EPI, post_labeling_delay=(1.0, 1.5, 2.0), pairs=3),
    "3-D GRASE, Hadamard": Protocol(readout=ReadoutType.GRASE, time_encoding=TimeEncoded()),
}
OPTIONS = {
    "all options on": {
        "compress": {"coils": 8},
        "decay": {"t2": 0.1},
        "partial_fourier": {"method": "pocs"},
        "stabilize": {"mode": "on"},
    }
}
FLOORS = {
    "lines": ("signal", "readout", "shots", "ghost", "gather"),
    "k-space": ("prewhiten", "compress", "role", "decay"),
    "images of the coils": ("fourier", "nufft", "combine", "unmix"),
    "images": ("partial_fourier", "stack", "ghost_level", "stabilize", "motion", "mask", "dvars"),
    "what flow needs": ("tissue", "atlas", "physiology", "slice_timing", "m0_ratio", "m0"),
    "maps": ("pair", "decode", "labeling", "outliers", "average", "publish", "cbf", "kinetics", "partial_volume"),
    "quality": ("indices", "enough", "next_delay", "alarms"),
}
COLORS = {
    "lines": "#0072b2",
    "k-space": "#009e73",
    "images of the coils": "#d55e00",
    "images": "#cc79a7",
    "what flow needs": "#e69f00",
    "maps": "#6b6b6b",
    "quality": "#1a7fb8",
}
"""Colors that color-blind people tell apart: Okabe and Ito (2008)."""


def needed(protocol: Protocol, settings: dict[str, object]) -> list[str]:
    """Ask the chain what it keeps for a scan."""
    registry = Registry()
    chain = build(xml_recipe(registry.chain("asl") or ""), registry, settings)
    chain.start(read_header(header_text(protocol), settings))
    return [timing.name for timing in chain.timings]


def draw_row(axes: Axes, row: float, title: str, line: list[str], kept: list[str]) -> None:
    """Draw one readout: a filled box for each gadget that stays, a faint one for each that is left out."""
    axes.text(-0.6, row, title, ha="right", va="center", fontsize=11)
    places = [n for n, name in enumerate(line) if name in kept]
    axes.plot([places[0], places[-1]], [row, row], color="#999999", lw=1.2, zorder=0)
    for place, name in enumerate(line):
        color = next(COLORS[floor] for floor, names in FLOORS.items() if name in names)
        stays = name in kept
        box = FancyBboxPatch(
            (place - 0.42, row - 0.3),
            0.84,
            0.6,
            boxstyle="round,pad=0,rounding_size=0.08",
            facecolor=color if stays else "white",
            edgecolor=color if stays else "#dddddd",
        )
        axes.add_patch(box)
        text = name.replace("_", "\n")
        axes.text(place, row, text, ha="center", va="center", fontsize=6.0, color="white" if stays else "#cccccc")


def draw(target: Path) -> None:
    """Draw all readouts below each other."""
    everything: dict[str, object] = OPTIONS["all options on"]  # pyright: ignore[reportAssignmentType] (JSON values)
    line = [step.name for step in xml_recipe(Registry().chain("asl") or "").steps]
    rows = {name: needed(protocol, {}) for name, protocol in READOUTS.items()}
    rows["3-D GRASE, all options"] = needed(
        Protocol(readout=ReadoutType.GRASE, acceleration=(2, 1), partial_fourier_slice=0.75), everything
    )
    figure, axes = pyplot.subplots(figsize=(30, 0.72 * len(rows) + 1.3))
    for number, (title, kept) in enumerate(rows.items()):
        draw_row(axes, -number, title, line, kept)
    for floor, names in FLOORS.items():
        places = [n for n, name in enumerate(line) if name in names]
        axes.plot([places[0] - 0.42, places[-1] + 0.42], [0.62, 0.62], color=COLORS[floor], lw=3)
        middle = (places[0] + places[-1]) / 2
        axes.text(middle, 0.78, floor, ha="center", va="bottom", fontsize=10, color=COLORS[floor])
    axes.set_xlim(-3.6, len(line) - 0.4)
    axes.set_ylim(-len(rows) + 0.5, 1.3)
    axes.axis("off")
    figure.savefig(target, dpi=110, bbox_inches="tight")


if __name__ == "__main__":
    draw(Path(__file__).parent / "chains.png")
