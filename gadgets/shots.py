"""Comparing the shots of a volume by their navigators: how far the head moved while the volume was read."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ..streaming.flow import Place
from ..streaming.gadget import Gadget
from ..streaming.notices import Measure, Measurement
from ..streaming.readouts import Kind, Readout, Train
from ..streaming.scan import Scan
from .calibration.volume_ends import VolumeEnds
from .calibration.volume_kinds import Sort, VolumeKinds
from .kernels.profile_shift import profile, profile_shift

_CALIBRATION = 1 << 19  # MRD flag 20
_MOST_LINES = 64  # of one group of navigators
_MOST_SHOTS = 4096
_MOST_PRECISE = 0.25  # voxels of standard error; a shot that is known worse is left out


@dataclass(slots=True)
class _Shots:
    """What the navigators of one volume show."""

    place: Place
    sort: Sort
    profiles: list[NDArray[np.float64]] = field(default_factory=list)
    shifts: list[float] = field(default_factory=list)
    """Of the shots whose shift against the first volume is known, voxels."""
    errors: list[float] = field(default_factory=list)
    """Their standard errors."""


@dataclass
class CompareShots(Gadget):
    """Tells how far the head moved along x between the shots of one volume.

    A scan whose volumes are read in several shots reads navigators, lines without phase encoding, ahead of each. Their
    root sum of squares over coils is a profile of the head along x. Each is compared with that of the same shot in the
    first volume of the same role, delay and echo; what is left of the shifts when their median is taken out is motion
    within the volume, whose largest is told, in m. Motion of the whole volume is measured on its image. A shot whose
    navigators show too little is left out, and with fewer than two nothing is told. It stands behind ``readout``, which
    gives the profiles, and ahead of ``ghost``, which takes the navigators. Motion along y and z leaves the profiles
    where they are. Scans without navigators, segmented Cartesian ones and spirals, are not compared.
    """

    _length: float = field(default=0.0, init=False, repr=False)
    """Of the field of view along x, m."""
    _ends: VolumeEnds = field(default_factory=lambda: VolumeEnds(Scan()), init=False, repr=False)
    _kinds: VolumeKinds = field(default_factory=lambda: VolumeKinds(Scan()), init=False, repr=False)
    _group: list[Readout] = field(default_factory=list, init=False, repr=False)
    _volumes: dict[int, _Shots] = field(default_factory=dict, init=False, repr=False)
    _first: dict[Sort, list[NDArray[np.float64]]] = field(default_factory=dict, init=False, repr=False)

    def needed(self, scan: Scan) -> bool:
        """Tell whether a volume is read in several shots of echo trains."""
        encoding = scan.encoding
        if encoding is None or not encoding.echo_planar:
            return False
        segment = encoding.limits.get("segment")
        return scan.three_dimensional or (segment is not None and segment.maximum > segment.minimum)

    def start(self, scan: Scan) -> None:
        """Forget all shots."""
        lengths = scan.encoding.recon_field_of_view if scan.encoding is not None else (0.0,)
        self._length = lengths[0]
        self._ends, self._kinds = VolumeEnds(scan), VolumeKinds(scan)
        self._group, self._volumes, self._first = [], {}, {}

    def process(self, message: Readout | Train) -> Iterator[Readout | Train | Measurement]:
        """Keep navigators, and pass everything on; ahead of the last line of a volume tell how its shots lie."""
        if isinstance(message, Readout) and message.kind is Kind.NAVIGATOR and not message.flags & _CALIBRATION:
            if self._group and message.data.shape != self._group[0].data.shape:
                self._group = []
            if len(self._group) < _MOST_LINES:
                self._group.append(message)
            yield message
            return
        for stretch in self._ends.stretches(message):
            if self._group and not stretch.late:
                self._keep(stretch.volume, stretch.first)
            if self._ends.over:
                yield from self._tell(self._ends.ended())
        yield message

    def finish(self) -> Iterator[Measurement]:
        """Tell of the volumes that did not end."""
        yield from self._tell(self._ends.finish())

    def _keep(self, volume: int, first: Readout) -> None:
        """Take the navigators that came as those of the shot that a line begins."""
        group, self._group = self._group, []
        shots = self._volumes.get(volume)
        if shots is None:
            shots = _Shots(Place.of(first, volume), self._kinds.sort(volume, first))
            self._volumes[volume] = shots
        shot = len(shots.profiles)
        if shot == _MOST_SHOTS:
            return
        shots.profiles.append(profile(np.stack([line.data for line in group])))
        before = self._first.get(shots.sort, [])
        shift = profile_shift(before[shot], shots.profiles[shot]) if shot < len(before) else None
        if shift is not None and shift.stderr < _MOST_PRECISE:
            shots.shifts.append(shift.voxels)
            shots.errors.append(shift.stderr)

    def _tell(self, over: list[int]) -> Iterator[Measurement]:
        for number in over:
            shots = self._volumes.pop(number, None)
            if shots is None:
                continue
            first = self._first.setdefault(shots.sort, shots.profiles)
            if len(shots.shifts) > 1 and len(shots.profiles) == len(first) and self._length > 0:
                farthest = float(np.abs(np.array(shots.shifts) - np.median(shots.shifts)).max())
                voxel = self._length / first[0].size
                yield Measurement(Measure.SHOT_DISPLACEMENT, farthest * voxel, shots.place, max(shots.errors) * voxel)
