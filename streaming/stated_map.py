"""Maps that come to the server as MRD images, beside the data: from the wire's units to ours."""

import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .attributes import read_attributes
from .errors import DataError
from .messages import Image
from .readouts import Geometry

_NUMBER = re.compile(r"\s*[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?\s*")
_DIRECTIONS = ("read_dir", "phase_dir", "slice_dir")


@dataclass(frozen=True, slots=True)
class StatedMap:
    """A map that somebody else made: a whole volume, or one slice of it."""

    data: NDArray[np.float32]
    """Shape ``(z, y, x)``, after ``RescaleSlope`` and ``RescaleIntercept``; several channels lie behind each other."""
    slice: int
    """Its number, where slices come one by one."""
    geometry: Geometry
    """Of the middle of what it holds, m."""
    units: str
    """As stated; empty where nobody says."""


def stated_name(image: Image) -> str:
    """Tell which map an image says it is (``aslive_map``); empty where it says nothing, or nothing that can be read."""
    return _first(image, "aslive_map")


def read_map(image: Image) -> StatedMap:
    """Read a map off its image, as a copy: magnitudes of complex pixels, rescaled; lengths in m."""
    pixels = np.abs(image.data) if np.iscomplexobj(image.data) else image.data
    data = pixels.reshape(-1, *pixels.shape[2:]).astype(np.float32)
    slope, intercept = _number(_first(image, "RescaleSlope")), _number(_first(image, "RescaleIntercept"))
    data = data * np.float32(1 if slope is None else slope) + np.float32(intercept or 0)
    fields = image.fields
    read, phase, slices = (_three(fields[name]) for name in _DIRECTIONS)
    position, lengths = (_three(1e-3 * fields[name].astype(float)) for name in ("position", "field_of_view"))
    geometry = Geometry(position, read, phase, slices, lengths)
    return StatedMap(data, int(fields["slice"]), geometry, _first(image, "units").strip())


def _first(image: Image, name: str) -> str:
    """Give the first value of an attribute; an image of another program may have attributes that are none."""
    try:
        return next(iter(read_attributes(image.attributes).get(name, ())), "")
    except DataError:
        return ""


def _number(text: str) -> float | None:
    return float(text) if _NUMBER.fullmatch(text) else None


def _three(numbers: NDArray[np.floating]) -> tuple[float, float, float]:
    x, y, z = (float(number) for number in numbers)
    return x, y, z
