"""What goes back to the scanner: maps as MRD images, notices as lines of text.

Image header and attributes as in the MRD standard; those that begin with ``aslive_`` are ours.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from math import isfinite
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..attributes import write_attributes
from ..gadget import parameters_of
from ..layouts import IMAGE_HEADER, ImageType
from ..messages import Image, Message, Text
from ..notices import Level, Notice, Progress
from ..perfusion import Map, MapName
from ..quality import Advice
from ..scan import Scan
from .acquisition import acquisition
from .integers import step, window

SERIES = {name: number for number, name in enumerate(MapName, start=1)}
"""``image_series_index`` of each map."""

_IMAGES = frozenset((MapName.IMAGE, MapName.M0SCAN, MapName.CONTROL, MapName.LABEL, MapName.MASK, MapName.GFACTOR))
"""Pictures and factors; every other map is a quantity, and may be negative where there is only noise."""
_TICK = 2.5e-3
_INT16 = np.iinfo(np.int16)
_FIRE = {Level.INFO: "DBG", Level.WARNING: "WRN", Level.ERROR: "ERR"}


class PixelFormat(StrEnum):
    """How pixels are sent."""

    FLOAT = "float"
    INT16 = "int16"


class TextStyle(StrEnum):
    """How a notice begins."""

    PLAIN = "plain"
    FIRE = "fire"


@dataclass
class Reply:
    """Turns what leaves the chain into messages for the scanner."""

    maps: tuple[MapName, ...] = (
        MapName.IMAGE,
        MapName.M0SCAN,
        MapName.CONTROL,
        MapName.LABEL,
        MapName.DELTAM,
        MapName.CBF,
        MapName.CBF_STDERR,
        MapName.ATT,
        MapName.ATT_STDERR,
        MapName.ABV,
        MapName.GFACTOR,
    )
    """Which maps are sent."""
    pixel_format: PixelFormat = PixelFormat.FLOAT
    """``float``, or ``int16`` with RescaleSlope for consoles that need it."""
    slices: bool = False
    """Whether every slice is sent as an image of its own."""
    text_style: TextStyle = TextStyle.PLAIN
    """``fire`` begins each line with DBG, WRN or ERR, which colors it in the scanner's log."""
    images: int = field(default=0, init=False)
    """Images made so far."""

    @classmethod
    def parameters(cls) -> dict[str, Any]:  # Any: types as dataclasses state them
        """Tell the parameters by name, with their types."""
        return parameters_of(cls)

    def start(self, scan: Scan) -> None:
        """Learn the geometry of the scan."""
        self._scan = scan
        self._indices: dict[MapName, int] = {}
        self._advice: Advice | None = None

    def messages(self, output: object) -> Iterator[Message]:
        """Give what to send for one thing that left the chain; nothing for what stays inside."""
        match output:
            case Map():
                if output.name in self.maps:
                    yield from self._images(output)
            case Notice(text, level):
                yield self._text(text, level)
            case Progress(place, segment, segments):
                yield self._text(f"Volume {place.volume}: {segment} of {segments} segments.", Level.INFO)
            case Advice():
                self._advice = output
            case Image() | Text():
                yield output

    def _text(self, text: str, level: Level) -> Text:
        return Text(f"{_FIRE[level]} {text}" if self.text_style is TextStyle.FIRE else f"{level}: {text}")

    def _images(self, result: Map) -> Iterator[Image]:
        data = np.ascontiguousarray(result.data, np.float32)
        attributes = _attributes(result, self._scan) | _advised(self._advice)
        pixels: NDArray[np.generic] = data
        if self.pixel_format is PixelFormat.INT16:
            slope = step(result.name, data)
            steps = np.rint(np.nan_to_num(data, posinf=0, neginf=0) / np.float64(slope))
            pixels = np.clip(steps, _INT16.min, _INT16.max).astype(np.int16)
            attributes |= {"RescaleSlope": f"{slope:.9g}", "RescaleIntercept": "0"} | window(result.name, slope, pixels)
        text = write_attributes(attributes)
        header = self._header(result, data.shape)
        parts = range(data.shape[0]) if self.slices else (None,)
        for part in parts:
            chosen = pixels if part is None else pixels[part : part + 1]
            yield Image(self._numbered(header, result, data.shape, part), text, chosen[None])
            self.images += 1

    def _header(self, result: Map, shape: tuple[int, ...]) -> np.ndarray:
        place = result.place
        header = np.zeros((), IMAGE_HEADER)
        header["version"] = 1
        header["data_type"] = 2 if self.pixel_format is PixelFormat.INT16 else 5
        header["matrix_size"] = shape[::-1]
        header["field_of_view"] = [1e3 * length for length in self._field_of_view(result, shape)]
        header["channels"] = 1
        header["position"] = [1e3 * x for x in place.geometry.position]
        header["read_dir"] = place.geometry.read_direction
        header["phase_dir"] = place.geometry.phase_direction
        header["slice_dir"] = place.geometry.slice_direction
        for name in ("average", "contrast", "phase", "repetition", "set"):
            header[name] = getattr(place.counters, name)
        header["acquisition_time_stamp"] = round(place.time / _TICK) % (1 << 32)
        header["image_type"] = ImageType.MAGNITUDE if result.name in _IMAGES else ImageType.REAL
        header["image_series_index"] = SERIES[result.name]
        return header

    def _numbered(self, header: np.ndarray, result: Map, shape: tuple[int, ...], part: int | None) -> bytes:
        header = header.copy()
        self._indices[result.name] = header["image_index"] = self._indices.get(result.name, 0) % 65535 + 1
        if part is not None:
            thickness = header["field_of_view"][2] / shape[0]
            offset = (part - shape[0] // 2) * thickness
            header["matrix_size"][2] = 1
            header["field_of_view"][2] = thickness
            header["position"] += offset * header["slice_dir"]
            header["slice"] = part
        return header.tobytes()

    def _field_of_view(self, result: Map, shape: tuple[int, ...]) -> tuple[float, float, float]:
        stated = result.place.geometry.field_of_view
        if all(length > 0 for length in stated):
            return stated
        encoding = self._scan.encoding
        if encoding is None:
            return (0.0, 0.0, 0.0)
        x, y, z = encoding.recon_field_of_view
        return (x, y, z if self._scan.three_dimensional else z * shape[0])


def _advised(advice: Advice | None) -> dict[str, str | list[str]]:
    """Give the latest advice; it was made on the map before this one."""
    if advice is None:
        return {}
    needed = f"{advice.pairs_needed:.3g}" if isfinite(advice.pairs_needed) else "unknown"
    return {"aslive_advice": str(advice.action), "aslive_pairs_needed": needed}


def _attributes(result: Map, scan: Scan) -> dict[str, str | list[str]]:
    attributes: dict[str, str | list[str]] = {
        "DataRole": "Image" if result.name in _IMAGES else "Quantitative",
        "aslive_map": str(result.name),
        "aslive_pairs": str(result.pairs),
        "aslive_volume": str(result.place.volume),
        "aslive_missing_lines": str(result.place.missing),
        "units": result.units,
        "SeriesDescription": f"aslive_{result.name}",
        "SequenceDescriptionAdditional": f"_aslive_{result.name}",
        "SeriesDescriptionAdditional": f"_aslive_{result.name}",
        "ImageProcessingHistory": ["aslive", str(result.name)],
        "ImageComments": f"{result.name} [{result.units}] from {result.pairs} pairs; research only, no diagnosis",
        "Keep_image_geometry": "1",
    }
    if result.constants:
        attributes["aslive_constants"] = json.dumps(
            {name: {"value": c.value, "unit": c.unit, "source": str(c.source)} for name, c in result.constants.items()}
        )
    if result.equation:
        attributes["aslive_equation"] = result.equation
    if known := acquisition(scan, result.name, result.place):
        attributes["aslive_acquisition"] = json.dumps(known)
    return attributes
