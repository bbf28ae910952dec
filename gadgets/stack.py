"""From slices to a volume."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np

from ..streaming.flow import Slab, Volume
from ..streaming.gadget import Gadget
from ..streaming.notices import Level, Notice
from ..streaming.readouts import Geometry
from ..streaming.scan import Scan
from .kernels.stacking import spatial_order

_OPEN = 32  # volumes; control and label may come interleaved, each with several echoes


@dataclass
class Stack(Gadget):
    """Puts the slices of each volume together, in the order in which they lie in the body.

    z grows along the slice direction: where the slice numbers run otherwise, the positions of the first complete volume
    decide. A 3-D volume comes whole and is passed on. A slice that never came is zero, and its lines count as missing.
    """

    _slices: int = field(default=0, init=False, repr=False)
    _order: tuple[int, ...] = field(default=(), init=False, repr=False)
    _three_dimensional: bool = field(default=False, init=False, repr=False)
    _open: dict[int, dict[int, Slab]] = field(default_factory=dict, init=False, repr=False)
    _lengths: tuple[float, float] = field(default=(0.0, 0.0), init=False, repr=False)
    """Field of view along x and y, m; 0 where nobody says."""

    def start(self, scan: Scan) -> None:
        """Read from the header how many slices to expect; without an answer the first volume tells."""
        limits = scan.encoding.limits.get("slice") if scan.encoding else None
        self._three_dimensional = scan.three_dimensional
        self._slices = limits.maximum - limits.minimum + 1 if limits is not None else 0
        self._order, self._open = (), {}
        self._lengths = scan.encoding.recon_field_of_view[:2] if scan.encoding else (0.0, 0.0)

    def process(self, message: Slab) -> Iterator[Volume | Notice]:
        """Add one slice; give the volume that it completes."""
        if self._three_dimensional:
            yield Volume(message.data, message.place)
            return
        number = message.place.volume
        self._open.setdefault(number, {})[message.index] = message
        if message.last:
            yield from self._stack(self._open.pop(number))
        while len(self._open) > _OPEN:
            yield from self._stack(self._open.pop(min(self._open)))

    def finish(self) -> Iterator[Volume | Notice]:
        """Give what is left."""
        for number in sorted(self._open):
            yield from self._stack(self._open.pop(number))

    def _stack(self, slabs: dict[int, Slab]) -> Iterator[Volume | Notice]:
        count = self._slices = max(self._slices, max(slabs) + 1)
        missing = sum(slab.place.missing for slab in slabs.values())
        if len(self._order) != count:
            if missing == 0 and len(slabs) == count:
                self._order = _spatial_order(slabs)
                if self._order != tuple(range(count)):
                    yield Notice(
                        "Slice numbers do not follow the slice direction: slices are sorted by position.", Level.INFO
                    )
            elif self._order or missing or len(slabs) < count:
                self._order = ()
        order = self._order or tuple(range(count))
        first = next(iter(slabs.values()))
        data = np.zeros((count, *first.data.shape[1:]), np.complex64)
        for z, index in enumerate(order):
            if index in slabs:
                data[z] = slabs[index].data[0]
        missing += (count - len(slabs)) * first.data.shape[1]
        stamps = [slabs[index].place.time if index in slabs else 0.0 for index in order]
        beginning = min((stamp for stamp in stamps if stamp > 0), default=0.0)
        spacing, geometry = _spacing(order, slabs), _middle(order, slabs)
        if spacing > 0 and min(self._lengths) > 0:  # the header knows how thick a slice is, not how far the next one is
            geometry = geometry._replace(field_of_view=(*self._lengths, spacing * count))
        place = replace(first.place, time=beginning, missing=missing, geometry=geometry)
        yield Volume(data, place, tuple(stamps), spacing)


def _along(slab: Slab) -> float:
    geometry = slab.place.geometry
    return float(np.dot(geometry.position, geometry.slice_direction))


def _spatial_order(slabs: dict[int, Slab]) -> tuple[int, ...]:
    """Sort slices along the slice direction of the first one; as numbered where positions do not tell them apart."""
    numbered = sorted(slabs)
    return tuple(numbered[place] for place in spatial_order([_along(slabs[index]) for index in numbered]))


def _spacing(order: tuple[int, ...], slabs: dict[int, Slab]) -> float:
    """Give the way from slice to slice, m; 0 where there is only one."""
    came = [z for z, index in enumerate(order) if index in slabs]
    first, last = (slabs[order[z]].place.geometry.position for z in (came[0], came[-1]))
    return float(np.linalg.norm(np.subtract(last, first))) / max(came[-1] - came[0], 1)


def _middle(order: tuple[int, ...], slabs: dict[int, Slab]) -> Geometry:
    """Give the geometry of a stack: that of slice ``n // 2``, where a 3-D volume of as many voxels has its middle."""
    came = [z for z, index in enumerate(order) if index in slabs]
    first, last = (slabs[order[z]].place.geometry for z in (came[0], came[-1]))
    way = (len(order) // 2 - came[0]) / max(came[-1] - came[0], 1)
    x, y, z = (np.array(first.position) + way * np.subtract(last.position, first.position)).tolist()
    return first._replace(position=(x, y, z))
