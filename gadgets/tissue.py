"""Taking maps of tissue that come beside the data."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ..streaming.flow import Mask, Volume
from ..streaming.gadget import Gadget
from ..streaming.messages import Image
from ..streaming.notices import Level, Notice
from ..streaming.perfusion import RelaxationMap, TissueMaps
from ..streaming.readouts import Geometry
from ..streaming.scan import Encoding, Scan
from ..streaming.stated_map import StatedMap, read_map, stated_name
from .kernels.placement import misplaced
from .kernels.stacking import spatial_order
from .kernels.tissue_maps import relaxation, remainder, shares, too_full

_TISSUES = ("gray_matter", "white_matter", "fluid")
_T1 = "t1map"
_ALSO_CALLED = {"gm": "gray_matter", "grey_matter": "gray_matter", "wm": "white_matter", "csf": "fluid"}
_PROBSEG = re.compile(r"(?:.*_)?label-([a-z]+)_probseg")
_MOST = 1 << 28
"""Bytes of one map that are kept while its slices come one by one."""


@dataclass
class TakeTissueMaps(Gadget):
    """Takes maps of gray matter, white matter, fluid or T1 that the sender adds to the stream.

    They are MRD images on the scan's own matrix whose attribute ``aslive_map`` is ``gray_matter`` (``GM``),
    ``white_matter`` (``WM``), ``fluid`` (``CSF``), each a share from 0 to 1, or ``t1map``; they may come before or
    during the data, as volumes or slice by slice, and go on just ahead of the next volume. Of the three tissues one may
    be left out: it is 1 minus the others in the brain. What cannot be right, or lies elsewhere, is named and not used.
    """

    position_tolerance: float = 0.25
    """How far a map may lie from the volumes along each axis, voxels; both are where their voxel ``n // 2`` is."""
    direction_tolerance: float = 0.02
    """How far a map may be turned against the volumes, rad."""

    _encoding: Encoding | None = field(default=None, init=False, repr=False)
    _came: dict[str, dict[int, StatedMap]] = field(default_factory=dict, init=False, repr=False)
    _shares: dict[str, NDArray[np.float32]] = field(default_factory=dict, init=False, repr=False)
    _new: bool = field(default=False, init=False, repr=False)
    _shape: tuple[int, ...] = field(default=(), init=False, repr=False)
    _geometry: Geometry | None = field(default=None, init=False, repr=False)
    _mask: NDArray[np.bool_] | None = field(default=None, init=False, repr=False)

    def start(self, scan: Scan) -> None:
        """Forget the maps of the scan before."""
        self._encoding, self._came, self._shares, self._new = scan.encoding, {}, {}, False
        self._shape, self._geometry, self._mask = (), None, None

    def process(
        self, message: Image | Volume | Mask
    ) -> Iterator[Image | Volume | Mask | TissueMaps | RelaxationMap | Notice]:
        """Keep a map of tissue, and give what is whole ahead of the next volume; all other images pass."""
        if isinstance(message, Image):
            name = _name(stated_name(message))
            if name:
                yield from self._keep(name, read_map(message))
                return
        elif isinstance(message, Mask):
            self._mask = message.data
        else:
            if not self._shape:
                self._shape, self._geometry = message.data.shape, message.place.geometry
            yield from self._give()
        yield message

    def finish(self) -> Iterator[TissueMaps | RelaxationMap | Notice]:
        """Give what came behind the last volume, and name what stayed incomplete."""
        if self._shape:
            yield from self._give()
        for name, parts in self._came.items():
            wanted = f" of {self._shape[0]}" if self._shape else ""
            yield Notice(f"The map {name} stayed incomplete, with {len(parts)}{wanted} slices: it is not used.")
        if self._new:
            there = ", ".join(self._shares)
            yield Notice(f"Of the tissue maps only {there} came: two are needed, and a brain mask or the third.")

    def _keep(self, name: str, part: StatedMap) -> Iterator[Notice]:
        parts = self._came.setdefault(name, {})
        if len(part.data) > 1 or any(other.data.shape != part.data.shape for other in parts.values()):
            parts.clear()
        parts[part.slice] = part
        if sum(other.data.nbytes for other in parts.values()) > _MOST:
            del self._came[name]
            yield Notice(f"The map {name} has more than {_MOST >> 20} MiB: it is not used.")

    def _give(self) -> Iterator[TissueMaps | RelaxationMap | Notice]:
        for name in [name for name, parts in self._came.items() if self._whole(parts)]:
            data, fault = self._read(name, self._came.pop(name))
            if data is None:
                yield Notice(f"The map {name} is not used: {fault}.")
            elif name == _T1:
                yield RelaxationMap(data)
            else:
                self._shares[name], self._new = data, True
        if self._new:
            yield from self._give_tissues()

    def _give_tissues(self) -> Iterator[TissueMaps | Notice]:
        """Give the three tissues, as soon as there are two and the brain is known."""
        tissues = dict(self._shares)
        missing = [name for name in _TISSUES if name not in tissues]
        if len(missing) > 1 or (missing and (self._mask is None or self._mask.shape != self._shape)):
            return
        self._new = False
        highest = too_full(list(tissues.values()))
        if highest:
            self._shares = {}
            yield Notice(
                f"The tissue maps are not used: in a voxel they add up to {highest:.3g}; it should be 1 at most."
            )
            return
        if missing and self._mask is not None:
            tissues[missing[0]] = remainder(list(tissues.values()), self._mask)
            others = " and ".join(name for name in _TISSUES if name not in missing)
            yield Notice(f"No map {missing[0]} came: in the brain it is what {others} leave.", Level.INFO)
        yield TissueMaps(**tissues)

    def _whole(self, parts: dict[int, StatedMap]) -> bool:
        """Tell whether all slices have come; a map that is no stack of single slices is judged as it is."""
        single = all(len(part.data) == 1 for part in parts.values())
        return not single or len(parts) >= self._shape[0]

    def _read(self, name: str, parts: dict[int, StatedMap]) -> tuple[NDArray[np.float32] | None, str]:
        """Put the slices together; give the map, or none and what is wrong with it."""
        numbered = [parts[number] for number in sorted(parts)]
        ordered = [numbered[index] for index in spatial_order([_along(part.geometry) for part in numbered])]
        data = np.concatenate([part.data for part in ordered])
        if data.shape != self._shape:
            had, wanted = (" x ".join(map(str, shape[::-1])) for shape in (data.shape, self._shape))
            return None, f"it has {had} voxels; it should have the {wanted} of the scan"
        fault = self._misplaced(ordered[len(ordered) // 2].geometry)
        if fault:
            return None, fault
        return relaxation(data, ordered[0].units) if name == _T1 else shares(data)

    def _misplaced(self, middle: Geometry) -> str:
        """Tell in what way a map lies elsewhere than the volumes, from the place of its middle slice."""
        if self._geometry is None or self._encoding is None:
            return ""
        way = np.subtract(middle.position, self._geometry.position)
        voxel = np.array(self._encoding.recon_field_of_view) / np.maximum(self._encoding.recon_matrix, 1)
        tolerances = self.position_tolerance, self.direction_tolerance
        return misplaced(_directions(self._geometry), _directions(middle), way, voxel, tolerances)


def _name(stated: str) -> str:
    """Give our name of a map; empty for all that is no map of tissue."""
    word = stated.strip().lower()
    match = _PROBSEG.fullmatch(word)
    word = match[1] if match else word
    word = _ALSO_CALLED.get(word, word)
    return word if word in (*_TISSUES, _T1) else ""


def _along(geometry: Geometry) -> float:
    return float(np.dot(geometry.position, geometry.slice_direction))


def _directions(geometry: Geometry) -> NDArray[np.float64]:
    return np.array([geometry.read_direction, geometry.phase_direction, geometry.slice_direction])
