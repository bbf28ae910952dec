"""Draws readouts.png: the blood flow of one simulated brain through four readouts, beside what is right.

Every scan goes from its bytes to its maps by the path of a live scan; no server is needed. Example:

    python docs/images/draw_readouts.py
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from aslive.sim.anatomy import brain
from aslive.sim.choices import Order, ReadoutType
from aslive.sim.epi import EchoPlanar
from aslive.sim.protocol import Protocol
from aslive.sim.scanner import Scanner
from aslive.sim.spiral import Spiral
from aslive.sim.truth import expected_cbf
from aslive.streaming.attributes import read_attributes
from aslive.streaming.messages import ConfigFile, Image
from aslive.streaming.registry import Registry
from aslive.streaming.session import Session
from aslive.streaming.wire import Decoder, encode
from aslive.streaming.worker import converse

MATRIX, FIELD_OF_VIEW = (64, 64, 12), (0.22, 0.22, 0.144)
COILS, PAIRS = 16, 16
SLICES = (3, 6, 9)
WINDOW = (0.0, 80.0)
"""mL/100 g/min."""
GHOST = EchoPlanar(delay=2e-6, phase=0.3)
READOUTS: dict[str, dict[str, object]] = {
    "Cartesian lines": {},
    "EPI, GRAPPA 2, ghost corrected": {
        "readout": ReadoutType.EPI,
        "echo_planar": GHOST,
        "acceleration": (2, 1),
    },
    "3-D GRASE, 4 segments": {
        "readout": ReadoutType.GRASE,
        "echo_planar": GHOST,
        "segments": 4,
        "partition_order": Order.CENTRIC,
    },
    "stack of spirals, 8 arms": {
        "readout": ReadoutType.SPIRAL,
        "three_dimensional": True,
        "spiral": Spiral(interleaves=8),
        "partition_order": Order.CENTRIC,
    },
}


@dataclass(frozen=True, slots=True)
class Found:
    """What one readout gave, and what it should have given."""

    cbf: NDArray[np.float32]
    expected: NDArray[np.float32]
    gray: NDArray[np.bool_]

    def mean(self, values: NDArray[np.float32]) -> float:
        """Give the mean over gray matter."""
        return float(values[self.gray].mean())


def measure(options: dict[str, object]) -> Found:
    """Scan the brain with one readout, and reconstruct it from the bytes."""
    protocol = Protocol(
        matrix=MATRIX,
        field_of_view=FIELD_OF_VIEW,
        coils=COILS,
        pairs=PAIRS,
        **options,  # pyright: ignore[reportArgumentType] (fields of Protocol)
    )
    scanner = Scanner(protocol, anatomy=brain(protocol.grid))
    pieces = (memoryview(encode(message)) for message in (ConfigFile("default"), *scanner.messages()))
    replies = converse(pieces, Session(Registry()), Decoder())
    images = [reply for reply in replies if isinstance(reply, Image)]
    cbf = [image.data[0] for image in images if read_attributes(image.attributes)["aslive_map"] == ["cbf"]][-1]
    gray = (scanner.head.gray_matter > 0.8) & np.isfinite(cbf)
    return Found(np.asarray(cbf, np.float32), expected_cbf(scanner.head, protocol), gray)


def show(axes: Axes, title: str, volume: NDArray[np.float32], below: str) -> None:
    """Draw some slices of a map below each other."""
    sheet = np.concatenate([volume[number, 3:-3, 10:-10] for number in SLICES])
    axes.imshow(np.nan_to_num(sheet), cmap="inferno", vmin=WINDOW[0], vmax=WINDOW[1], interpolation="nearest")
    axes.set_title(title, fontsize=12)
    axes.set_xlabel(below, fontsize=12)
    axes.set_xticks([])
    axes.set_yticks([])


def draw(target: Path) -> None:
    """Draw one column for each readout, behind the truth and what the formula makes of it."""
    found = {name: measure(options) for name, options in READOUTS.items()}
    first = next(iter(found.values()))
    head = brain(Protocol(matrix=MATRIX, field_of_view=FIELD_OF_VIEW).grid)
    figure = Figure(figsize=(16, 9.6), dpi=90, layout="constrained")
    axes = figure.subplots(1, len(found) + 2)
    show(axes[0], "true", head.cbf, f"{first.mean(head.cbf):.1f}\n")
    formula = np.where(np.isfinite(first.cbf), first.expected, np.nan)
    show(axes[1], "formula,\nperfect Cartesian images", formula, f"{first.mean(first.expected):.1f}\n")
    for axis, (name, result) in zip(axes[2:], found.items(), strict=True):
        below = f"{result.mean(result.cbf):.1f}\nexpected {result.mean(result.expected):.1f}"
        show(axis, name.replace(", ", ",\n", 1), result.cbf, below)
    figure.colorbar(axes[0].images[0], ax=axes, location="bottom", shrink=0.35, pad=0.02, label="CBF, mL/100 g/min")
    figure.suptitle(
        f"One simulated brain, four readouts: {PAIRS} pairs, {COILS} coils, {'x'.join(map(str, MATRIX))} voxels; "
        "below each: mean of gray matter, mL/100 g/min",
        fontsize=14,
    )
    figure.savefig(target)


if __name__ == "__main__":
    draw(Path(__file__).with_name("readouts.png"))
