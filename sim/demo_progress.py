"""What the demo's terminal shows while the scan runs."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from rich.console import Group
from rich.table import Table
from rich.text import Text as Styled

from ..streaming.attributes import read_attributes
from ..streaming.messages import Image, Message, Text
from ..streaming.perfusion import MapName
from .scanner import Scanner

_SHADES = " .:-=+*#%@"


@dataclass
class Progress:
    """What the terminal shows while the scan runs."""

    scanner: Scanner
    maps: dict[str, NDArray[np.float32]] = field(default_factory=dict)
    """Newest map by name, shape ``(z, y, x)``."""
    pairs: int = 0
    notices: list[str] = field(default_factory=list)

    def take(self, message: Message) -> None:
        """Keep the newest maps and the last notices."""
        if isinstance(message, Text):
            self.notices = [*self.notices[-3:], message.text]
        elif isinstance(message, Image):
            attributes = read_attributes(message.attributes)
            name = attributes.get("aslive_map", [""])[0]
            self.maps[name] = np.asarray(message.data[0], np.float32)
            self.pairs = max(self.pairs, int(attributes.get("aslive_pairs", ["0"])[0]))

    def gray(self, name: MapName) -> float:
        """Give the median of a map over gray matter; NaN where there is none yet."""
        data = self.maps.get(name)
        inside = self.scanner.head.gray_matter > 0.8
        values = data[inside & np.isfinite(data)] if data is not None and data.shape == inside.shape else np.empty(0)
        return float(np.median(values)) if values.size else float("nan")

    def show(self, latencies: list[float]) -> Group:
        """Draw the state of the scan for the terminal."""
        table = Table("", "", show_header=False, box=None, pad_edge=False)
        protocol = self.scanner.protocol
        table.add_row("cycles" if protocol.time_encoding else "pairs", f"[bold]{self.pairs}[/] of {protocol.pairs}")
        table.add_row("CBF, gray matter", f"[bold]{self.gray(MapName.CBF):5.1f}[/] mL/100 g/min (median voxel)")
        table.add_row("standard error", f"{self.gray(MapName.CBF_STDERR):5.1f} mL/100 g/min (median voxel)")
        if MapName.ATT in self.maps:
            table.add_row("transit time, gray matter", f"[bold]{self.gray(MapName.ATT):5.2f}[/] s (median voxel)")
        if latencies:
            table.add_row(
                "pair to map", f"{1e3 * latencies[-1]:5.1f} ms (median {1e3 * float(np.median(latencies)):.1f})"
            )
        return Group(table, _drawn(self.maps.get(MapName.CBF)), Styled("\n".join(self.notices), style="dim"))


def _drawn(data: NDArray[np.float32] | None) -> Styled:
    """Draw the middle slice in characters, 0 to 80 mL/100 g/min."""
    if data is None:
        return Styled("waiting for the first pair ...", style="dim")
    image = np.nan_to_num(data[data.shape[0] // 2])
    image = image[: image.shape[0] // 2 * 2].reshape(-1, 2, image.shape[1]).mean(1)
    shades = np.clip(image / 80 * len(_SHADES), 0, len(_SHADES) - 1).astype(int)
    return Styled("\n".join("".join(_SHADES[shade] for shade in row) for row in shades), style="yellow")
