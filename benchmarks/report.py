"""The table of what was measured, with the goals beside it."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from bounds import Bare
from measure import AtScanPace, FullSpeed
from numpy.typing import NDArray
from presets import Stream
from rich.table import Table

from aslive.sim.choices import ReadoutType

_RATE = 20_000  # readouts/s
_PAIR_TO_MAP = {50: 0.020, 99: 0.050}  # s, by percentile
_VOLUME = {ReadoutType.GRASE: 0.150, ReadoutType.SPIRAL: 0.300}  # s
_UNMIXING = 2e-3  # s per slice of 96x96 voxels and 32 coils


@dataclass(frozen=True, slots=True)
class Figures:
    """All that was measured of one scan."""

    stream: Stream
    size: int
    """Bytes of the stream."""
    fast: FullSpeed
    paced: AtScanPace
    bare: Bare
    wire: dict[str, float]
    """Readouts/s of what only moves or decodes bytes."""

    def as_json(self) -> dict[str, Any]:  # Any: JSON values
        """Give everything as plain numbers."""
        paced = {name: getattr(self.paced, name).tolist() for name in ("maps", "controls", "m0scan")}
        told = {"protocol": repr(self.stream.protocol), "readouts": self.stream.readouts, "bytes": self.size}
        return told | {"full_speed": asdict(self.fast), "latencies": paced, "bare": self.bare.parts, "wire": self.wire}


def table(name: str, figures: Figures) -> Table:
    """Draw the table of one scan."""
    protocol, fast = figures.stream.protocol, figures.fast
    shape = "x".join(map(str, protocol.matrix))
    drawn = Table(title=f"{name}: {shape}, {protocol.coils} coils, {protocol.pairs} pairs")
    drawn.add_column("figure")
    drawn.add_column("value", justify="right")
    drawn.add_column("goal", justify="right")
    epi = protocol.readout == ReadoutType.EPI
    slow, quick = np.min(fast.rates), np.max(fast.rates)
    rate = float(np.median(fast.rates))
    readouts = f"{figures.stream.readouts} readouts, {figures.size / 1e6:.0f} MB"
    drawn.add_row("data", readouts)
    drawn.add_row(
        f"full speed, median of {len(fast.seconds)}", f"{rate:.0f} readouts/s ({slow:.0f}-{quick:.0f})", _rate_goal(epi)
    )
    if fast.later:
        after = [volumes * figures.bare.readouts for volumes in fast.later]
        span = f"({min(after):.0f}-{max(after):.0f})"
        drawn.add_row("from the first control on", f"{np.median(after):.0f} readouts/s {span}", _rate_goal(epi))
    drawn.add_row("", f"{figures.size / 1e6 / np.median(fast.seconds):.0f} MB/s")
    cpu = float(np.median(fast.cpu))
    drawn.add_row("CPU, server and worker", f"{cpu:.1f} s of {np.median(fast.seconds):.1f} s")
    drawn.add_row("", f"{fast.readouts / cpu:.0f} readouts for each second of it")
    parts = " + ".join(f"{one:.0f}" for one in fast.memory)
    drawn.add_row("peak memory, worker + server", f"{sum(fast.memory):.0f} MB ({parts})")
    drawn.add_row("images received", f"{fast.images}")
    drawn.add_section()
    _add_latencies(drawn, "pair to map", figures.paced.maps, {} if protocol.refocused else _PAIR_TO_MAP)
    whole = {100: _VOLUME[protocol.readout]} if protocol.refocused else {}
    _add_latencies(drawn, "control volume to image", figures.paced.controls, whole)
    _add_latencies(drawn, "first volume to image", figures.paced.m0scan, {})
    drawn.add_section()
    _add_gadgets(drawn, fast)
    drawn.add_section()
    _add_bare(drawn, figures, rate)
    return drawn


def _rate_goal(epi: bool) -> str:
    return f"> {_RATE}" if epi else ""


def _add_latencies(drawn: Table, what: str, seconds: NDArray[np.float64], goals: dict[int, float]) -> None:
    if not seconds.size:
        drawn.add_row(what, "none came")
        return
    for share in (50, 95, 99, 100) if seconds.size > 4 else (50, 100) if seconds.size > 1 else (50,):
        name = {50: "median", 100: "longest"}.get(share, f"p{share}")
        goal = f"< {1e3 * goals[share]:.0f} ms" if share in goals else ""
        label = f"{what}, {name} of {seconds.size}" if seconds.size > 1 else what
        drawn.add_row(label, f"{1e3 * np.percentile(seconds, share):.1f} ms", goal)


def _add_gadgets(drawn: Table, fast: FullSpeed) -> None:
    total = sum(gadget["seconds"] for gadget in fast.gadgets)
    for gadget in fast.gadgets:
        each = 1e6 * gadget["seconds"] / max(1, gadget["messages"])
        share = f"{100 * gadget['seconds'] / total:.1f} %"
        drawn.add_row(f"gadget {gadget['name']}", f"{share}  ({each:.1f} us x {gadget['messages']})")


def _add_bare(drawn: Table, figures: Figures, rate: float) -> None:
    """Say how the whole chain compares with its transforms, and with bytes that are only moved."""
    x, y, z = figures.stream.protocol.matrix
    for what, seconds in figures.bare.parts.items():
        goal, each = "", ""
        if what.startswith("unmixing"):
            voxels = 96 * 96 * 32 / (x * y * figures.stream.protocol.coils)
            each, goal = f", {1e3 * seconds / z * voxels:.2f} ms per 96x96x32", f"< {1e3 * _UNMIXING:.0f} ms"
        drawn.add_row(f"bare: {what}", f"{1e3 * seconds:.1f} ms per volume{each}", goal)
    bare = figures.bare.readouts / figures.bare.seconds
    drawn.add_row("bare transforms together", f"{bare:.0f} readouts/s (whole chain: {rate / bare:.2f} of it)")
    for what, limit in figures.wire.items():
        drawn.add_row(f"limit: {what}", f"{limit:.0f} readouts/s (whole chain: {rate / limit:.2f} of it)")
