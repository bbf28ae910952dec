"""The picture of a scan: mosaics of its maps, as a physicist would lay them out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil, isqrt
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Panel:
    """One map of the picture."""

    title: str
    data: NDArray[np.float32]
    """Shape ``(z, y, x)``, y towards posterior, x towards left; NaN, where there is no answer, is shown black."""
    unit: str
    window: tuple[float, float]
    """Lowest and highest value of the color bar."""
    colors: str = "gray"


def mosaic(data: NDArray[np.float32], columns: int | None = None) -> NDArray[np.float32]:
    """Lay the slices ``(z, y, x)`` side by side, from the lowest, row by row; empty places are NaN."""
    slices, rows, width = data.shape
    columns = columns or max(1, ceil(slices / max(1, isqrt(slices))))
    lines = ceil(slices / columns)
    sheet = np.full((lines * rows, columns * width), np.nan, np.float32)
    for number, image in enumerate(data):
        line, column = divmod(number, columns)
        sheet[line * rows : (line + 1) * rows, column * width : (column + 1) * width] = image
    return sheet


def draw(path: Path, panels: Sequence[Panel], title: str, facts: Mapping[str, str]) -> None:
    """Draw the panels, two in a row, each with a color bar; ``facts`` stand below."""
    columns = 2 if len(panels) > 1 else 1
    rows = ceil(len(panels) / columns)
    figure = Figure(figsize=(7.2 * columns, 5.0 * rows + 0.9), dpi=110, layout="constrained")
    figure.get_layout_engine().set(rect=(0, 0.05, 1, 0.95))  # type: ignore[union-attr]  # it has one: see above
    axes = np.atleast_1d(figure.subplots(rows, columns)).ravel()
    for axis, panel in zip(axes, panels, strict=False):
        sheet = mosaic(panel.data)
        shown = axis.imshow(
            sheet, cmap=panel.colors, vmin=panel.window[0], vmax=panel.window[1], interpolation="nearest"
        )
        axis.set_title(panel.title, fontsize=12)
        axis.set_xticks([])
        axis.set_yticks([])
        axis.set_facecolor("black")
        ink = "black" if panel.colors == "RdBu_r" else "white"  # that one is white where nothing is
        axis.text(0.005, 0.99, "R", color=ink, va="top", transform=axis.transAxes, fontsize=10)
        axis.text(0.995, 0.99, "L", color=ink, va="top", ha="right", transform=axis.transAxes, fontsize=10)
        bar = figure.colorbar(shown, ax=axis, shrink=0.9, pad=0.01)
        bar.set_label(panel.unit)
    for axis in axes[len(panels) :]:
        axis.set_visible(False)
    figure.suptitle(title, fontsize=14)
    figure.text(
        0.5, 0.012, "   ·   ".join(f"{name} {value}" for name, value in facts.items()), ha="center", fontsize=10
    )
    figure.savefig(path)
