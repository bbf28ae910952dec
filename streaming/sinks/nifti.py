"""NIfTI files with BIDS names: the newest maps, where a site's own tools pick them up after the scan or during it.

Each has a sidecar that tells its unit, how it was acquired and computed, and all constants with their source.
"""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
from numpy.typing import NDArray

from ..attributes import read_attributes
from ..errors import ConfigError, DataError
from ..messages import Image
from ..readouts import Geometry
from .affine import affine, stacked, voxel_size
from .bids_names import DESCRIPTIONS, NAMES, UNKNOWN_TO_BIDS

_SCANNER = 1
"""NIfTI code: the coordinates are the scanner's."""
_WHOLE_HEAD = frozenset(("image", "m0scan", "control", "label", "deltam", "deltam_stderr"))
"""Images that show all that was measured; BIDS wants to know."""
_LABEL = re.compile(r"[A-Za-z0-9]+")


def write_nifti(path: Path, data: NDArray[np.float32], geometry: Geometry) -> None:
    """Write a map or image as NIfTI-1 in float32; a reader sees the old file or the new one, never a half.

    ``data`` has the shape ``(z, y, x)``, or ``(t, z, y, x)``. ``path`` ends with ``.nii.gz`` or ``.nii``. Where the
    geometry is not known the file says so (both codes 0).
    """
    matrix = affine(geometry, data.shape)
    image = nibabel.Nifti1Image(data.T.astype(np.float32), matrix)
    if matrix is None:
        size = 1e3 * voxel_size(geometry, data.shape)
        image.header.set_zooms((*np.where(size > 0, size, 1.0), *(1.0,) * (data.ndim - 3)))
    else:
        image.set_qform(matrix, _SCANNER)
        image.set_sform(matrix, _SCANNER)
    image.header.set_xyzt_units("mm", "sec")
    partial = path.with_name(f".{path.name}")
    try:
        nibabel.save(image, partial)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


@dataclass(frozen=True, slots=True)
class Part:
    """An image as it came: a whole volume, or one slice of it."""

    data: NDArray[np.float32]
    """Shape ``(channels, z, y, x)``, in ``units``."""
    geometry: Geometry
    facts: dict[str, Any]  # Any: what JSON can hold
    """What goes into the sidecar."""


class BidsFolder:
    """Keeps the newest image of each map, and writes them into a folder with BIDS names.

    Images of other programs are named after their series. Slices that come one by one are put together.
    """

    def __init__(self, folder: Path, subject: str = "aslive") -> None:
        """Write below ``folder``; ``subject`` must be letters and digits, and should not be a patient's name."""
        if not _LABEL.fullmatch(subject):
            raise ConfigError(f"the BIDS subject {subject!r} should be letters and digits only")
        self.folder = folder
        self.subject = subject
        self._newest: dict[str, dict[int, Part]] = {}
        self._changed: dict[str, None] = {}

    @property
    def perfusion(self) -> Path:
        """Where the files of the scan go."""
        return self.folder / f"sub-{self.subject}" / "perf"

    def add(self, image: Image) -> None:
        """Take an image in the place of the last of its map."""
        try:
            attributes = read_attributes(image.attributes)
        except DataError:  # an image of another program is an image all the same
            attributes = {}
        name = _name(image, attributes)
        parts = self._newest.setdefault(name, {})
        part = _part(image, attributes)
        number = int(image.fields["slice"])
        if part.data.shape[1] > 1 or any(other.data.shape != part.data.shape for other in parts.values()):
            parts.clear()
        parts[number] = part
        self._changed[name] = None

    def flush(self) -> None:
        """Write what has changed since the last time."""
        if not self._changed:
            return
        perfusion = self.perfusion
        perfusion.mkdir(parents=True, exist_ok=True)
        self._describe()
        for name in self._changed:
            part = _whole(self._newest[name])
            stem = f"sub-{self.subject}_{name}"
            write_nifti(perfusion / f"{stem}.nii.gz", part.data if len(part.data) > 1 else part.data[0], part.geometry)
            _write_json(perfusion / f"{stem}.json", part.facts)
        self._changed.clear()

    def close(self) -> None:
        """Write what is left."""
        self.flush()

    def _describe(self) -> None:
        """Make the folder a BIDS data set, unless it is one."""
        if (self.folder / "dataset_description.json").exists():
            return
        description = {
            "Name": "Maps of cerebral blood flow, live from the scanner",
            "BIDSVersion": "1.11.0",
            "DatasetType": "derivative",
            "GeneratedBy": [{"Name": "aslive", "Version": version("aslive")}],
        }
        _write_json(self.folder / "dataset_description.json", description)
        (self.folder / ".bidsignore").write_text("".join(f"{pattern}\n" for pattern in UNKNOWN_TO_BIDS))


def _name(image: Image, attributes: dict[str, list[str]]) -> str:
    name = next(iter(attributes.get("aslive_map", ())), "")
    label = "".join(_LABEL.findall(name)) or f"series{image.fields['image_series_index']}"
    return NAMES.get(name, f"desc-{label}_asl")


def _part(image: Image, attributes: dict[str, list[str]]) -> Part:
    texts = {name: values[0] for name, values in attributes.items() if values}
    data = np.abs(image.data) if np.iscomplexobj(image.data) else image.data
    slope, intercept = (_number(texts.get(name)) for name in ("RescaleSlope", "RescaleIntercept"))
    scaled = data.astype(np.float32) * np.float32(1 if slope is None else slope) + np.float32(intercept or 0)
    name = texts.get("aslive_map", "")
    acquired = _json(texts.get("aslive_acquisition"))
    facts: dict[str, Any] = {  # Any: what JSON can hold
        "Description": DESCRIPTIONS.get(name),
        "Units": texts.get("units"),
        "Pairs": _json(texts.get("aslive_pairs")),
        "MissingLines": _json(texts.get("aslive_missing_lines")),
        "Equation": texts.get("aslive_equation"),
        "Constants": _json(texts.get("aslive_constants")),
        "SeriesNumber": int(image.fields["image_series_index"]),
        "ImageComments": texts.get("ImageComments"),
        "SkullStripped": False if name in _WHOLE_HEAD else None,
        "Type": "Brain" if name == "mask" else None,
    }
    if isinstance(acquired, dict):
        facts = acquired | facts
    return Part(scaled, _geometry(image), {name: fact for name, fact in facts.items() if fact is not None})


def _geometry(image: Image) -> Geometry:
    fields = image.fields
    read, phase, slices = (_three(fields[name]) for name in ("read_dir", "phase_dir", "slice_dir"))
    position, size = (_three(1e-3 * fields[name].astype(float)) for name in ("position", "field_of_view"))
    return Geometry(position, read, phase, slices, size)


def _three(numbers: Iterable[float]) -> tuple[float, float, float]:
    x, y, z = (float(number) for number in numbers)
    return x, y, z


def _number(text: str | None) -> float | None:
    try:
        return None if text is None else float(text)
    except ValueError:
        return None


def _json(text: str | None) -> Any:  # Any: what JSON can hold
    try:
        return None if text is None else json.loads(text)
    except ValueError:
        return text


def _whole(parts: dict[int, Part]) -> Part:
    """Put slices together by their numbers; one that has not come is NaN."""
    numbers = sorted(parts)
    first, last = parts[numbers[0]], parts[numbers[-1]]
    count = numbers[-1] - numbers[0] + 1
    if count == 1:
        return first
    channels, _, y, x = first.data.shape
    data = np.full((channels, count, y, x), np.nan, np.float32)
    for number, part in parts.items():
        data[:, number - numbers[0]] = part.data[:, 0]
    return Part(data, stacked(first.geometry, last.geometry, count), last.facts)


def _write_json(path: Path, content: dict[str, Any]) -> None:  # Any: what JSON can hold
    path.write_text(json.dumps(content, indent=2) + "\n")
