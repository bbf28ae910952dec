"""How good the demo's maps are: figures, picture and closing words."""

import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from ..streaming.errors import AsliveError
from ..streaming.perfusion import MapName
from .choices import ReadoutType
from .demo_progress import Progress
from .picture import Panel, draw
from .protocol import Protocol
from .scanner import Scanner
from .truth import expected_cbf

_UNIT = "mL/100 g/min"
_LATEST = 2.5
"""Upper end of the color bar of transit times, s."""
_WIDEST = 1.0
"""Upper end of the color bar of their errors, s: what the prior says."""
_NAMES = {
    ReadoutType.CARTESIAN: "Cartesian lines",
    ReadoutType.EPI: "EPI",
    ReadoutType.GRASE: "3-D GRASE",
    ReadoutType.SPIRAL: "stack of spirals",
}
_ONE_DELAY = (
    "The formula for one delay reads low: it lets label decay with the T1 of blood until the readout, and that of "
    "tissue is shorter. What it gives on noise-free images is in the second column."
)
_MANY_DELAYS = (
    "Flow and transit time are estimated together; the truth of a voxel is about as far away as its standard errors "
    "say. Few noisy pairs hardly tell early transit times apart, and the mean of flow then reads a few percent high. "
    "Voxels that mix tissues have no single transit time; theirs is weighted by flow."
)


def judge(scanner: Scanner, progress: Progress) -> dict[str, float]:
    """Compare the maps with what they should be on noise-free images, and with their own standard errors.

    With one delay that is what the formula gives, with more the truth. Means over gray matter.
    """
    if MapName.CBF not in progress.maps:
        raise AsliveError("the server sent no CBF map; its notices: " + " | ".join(progress.notices))
    cbf, stderr = progress.maps[MapName.CBF], _map(progress, MapName.CBF_STDERR)
    expected = scanner.head.cbf if _many(scanner) else expected_cbf(scanner.head, scanner.protocol)
    inside = (scanner.head.gray_matter > 0.8) & np.isfinite(cbf) & np.isfinite(stderr) & np.isfinite(expected)
    error = cbf[inside] - expected[inside]
    figures = {
        "gray matter CBF": float(np.mean(cbf[inside])),
        "expected": float(np.mean(expected[inside])),
        "true": float(np.mean(scanner.head.cbf[inside])),
        "standard error": float(np.median(stderr[inside])),
        "error of a voxel": float(np.std(error)),
    }
    if MapName.ATT in progress.maps:
        att, uncertain = progress.maps[MapName.ATT], _map(progress, MapName.ATT_STDERR)
        inside &= np.isfinite(att)
        figures |= {
            "gray matter ATT": float(np.mean(att[inside])),
            "true ATT": float(np.mean(scanner.head.att[inside])),
            "standard error of ATT": float(np.median(uncertain[inside])),
            "error of ATT": float(np.std((att - scanner.head.att)[inside])),
        }
    return figures


def draw_maps(path: Path, scanner: Scanner, progress: Progress, figures: dict[str, float]) -> None:
    """Draw the maps; those of CBF and ATT beside the truth if there are many delays."""
    panels = _beside_truth(scanner, progress) if MapName.ATT in progress.maps else _of_one_delay(progress)
    facts = {"gray matter: CBF": f"{figures['gray matter CBF']:.1f} {_UNIT} (true {figures['true']:.1f})"}
    if "true ATT" in figures:
        facts["ATT"] = f"{figures['gray matter ATT']:.2f} s (true {figures['true ATT']:.2f})"
    else:
        facts["formula on perfect data"] = f"{figures['expected']:.1f}"
    facts["pair to map"] = f"{1e3 * figures.get('latency median', float('nan')):.1f} ms"
    protocol = scanner.protocol
    size, name = "x".join(map(str, protocol.matrix)), _NAMES[protocol.readout]
    title = f"aslive demo: simulated {_labeling(protocol)}, {name}, {size}, {protocol.coils} coils"
    draw(path, panels, title, facts)


def tell(console: Console, output: Path, scanner: Scanner, figures: dict[str, float], begin: float) -> None:
    """Print the closing summary."""
    many = _many(scanner)
    table = Table("", "measured", "expected", title=f"gray matter, mL/100 g/min{' and s' if many else ''}")
    expected = "the truth" if many else f"true {figures['true']:.1f}"
    table.add_row("CBF, mean", f"{figures['gray matter CBF']:.1f}", f"{figures['expected']:.1f} ({expected})")
    table.add_row(
        "error of a voxel, SD", f"{figures['error of a voxel']:.1f}", f"{figures['standard error']:.1f} (its map)"
    )
    if "true ATT" in figures:
        table.add_row("ATT, mean", f"{figures['gray matter ATT']:.2f}", f"{figures['true ATT']:.2f} (the truth)")
        table.add_row(
            "error of a voxel's ATT, SD",
            f"{figures['error of ATT']:.2f}",
            f"{figures['standard error of ATT']:.2f} (its map)",
        )
    console.print()
    console.print(table)
    console.print(_MANY_DELAYS if many else _ONE_DELAY, style="dim")
    if "latency median" in figures:
        median, worst = 1e3 * figures["latency median"], 1e3 * figures["latency worst"]
        console.print(f"pair to map: median {median:.1f} ms, worst {worst:.1f} ms")
    console.print(f"{int(figures['readouts'])} readouts, {time.monotonic() - begin:.0f} s in all")
    console.print(f"maps, truth and picture: {output}/   (open {output / 'maps.png'})")


def _many(scanner: Scanner) -> bool:
    return len(scanner.protocol.boluses) > 1


def _labeling(protocol: Protocol) -> str:
    """Tell how blood is labeled, as a title says it: "PCASL, 5 delays"."""
    if protocol.time_encoding:
        return f"time-encoded {protocol.labeling_type}, {len(protocol.boluses)} sub-boluses"
    delays = len(set(protocol.post_labeling_delay))
    return f"{protocol.labeling_type}, {delays} delays" if delays > 1 else str(protocol.labeling_type)


def _map(progress: Progress, name: MapName) -> NDArray[np.float32]:
    """Give a map; NaN everywhere where the server sent none."""
    return progress.maps.get(name, np.full(progress.scanner.head.grid.shape, np.nan, np.float32))


def _of_one_delay(progress: Progress) -> tuple[Panel, ...]:
    maps = progress.maps
    control, deltam = maps[MapName.CONTROL], maps[MapName.DELTAM]
    bright = float(np.percentile(control, 99.5))
    spread = float(np.percentile(np.abs(deltam), 99.5))
    return (
        Panel("control", control, "signal, noise units", (0, bright)),
        Panel(f"deltam, mean of {progress.pairs} pairs", deltam, "signal, noise units", (-spread, spread), "RdBu_r"),
        Panel("CBF", maps[MapName.CBF], _UNIT, (0, 80), "inferno"),
        Panel("CBF, standard error", maps[MapName.CBF_STDERR], _UNIT, (0, 30), "viridis"),
    )


def _beside_truth(scanner: Scanner, progress: Progress) -> tuple[Panel, ...]:
    head = scanner.head
    shown = {name: _map(progress, name) for name in (MapName.CBF, MapName.CBF_STDERR, MapName.ATT, MapName.ATT_STDERR)}
    nothing_flows = head.cbf <= 5  # and so no blood arrives at any time
    att, true, uncertain = (
        np.where(nothing_flows, np.nan, time).astype(np.float32)
        for time in (shown[MapName.ATT], head.att, shown[MapName.ATT_STDERR])
    )
    return (
        Panel("CBF", shown[MapName.CBF], _UNIT, (0, 80), "inferno"),
        Panel("CBF, truth", np.where(head.cbf > 0, head.cbf, np.nan).astype(np.float32), _UNIT, (0, 80), "inferno"),
        Panel("ATT", att, "s", (0, _LATEST), "YlGnBu_r"),
        Panel("ATT, truth", true, "s", (0, _LATEST), "YlGnBu_r"),
        Panel("CBF, standard error", shown[MapName.CBF_STDERR], _UNIT, (0, 30), "viridis"),
        Panel("ATT, standard error", uncertain, "s", (0, _WIDEST), "viridis"),
    )
