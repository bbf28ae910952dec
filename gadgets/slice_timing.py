"""When each slice is read: in 2-D the blood has travelled longer in later slices."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from ..streaming.flow import Volume
from ..streaming.gadget import Gadget
from ..streaming.notices import Notice
from ..streaming.perfusion import Map, MapName, SliceTimes
from ..streaming.scan import Role, Scan, Source


@dataclass
class TimeSlices(Gadget):
    """Finds out how much later than the first slice each slice is read, and shows the delay of each voxel.

    What ``SliceTiming`` states is used, and compared with the time stamps of the first complete control or label; where
    nothing is stated the time stamps are used. Slices that are read together (multiband) have one time; in 3-D all
    slices have. The map ``delay`` is the shortest post-labeling delay of the scan plus the time of the slice, s.
    """

    tolerance: float = 0.01
    """By how much stated and measured times may differ before it is said, s; time stamps may have ticks of 2.5 ms."""

    _scan: Scan = field(default_factory=Scan, init=False, repr=False)
    _sent: bool = field(default=False, init=False, repr=False)
    _measured: bool = field(default=False, init=False, repr=False)

    def start(self, scan: Scan) -> None:
        """Look at the slices of this scan anew."""
        self._scan, self._sent, self._measured = scan, False, False

    def process(self, message: Volume) -> Iterator[SliceTimes | Map | Volume | Notice]:
        """Give the times as soon as they are known, and let all volumes pass."""
        if not (self._sent and self._measured):
            yield from self._look_at(message)
        yield message

    def _look_at(self, volume: Volume) -> Iterator[SliceTimes | Map | Notice]:
        slices = volume.data.shape[0]
        stated = self._scan.labeling.slice_timing
        if self._scan.three_dimensional or slices == 1:
            self._measured = True
            yield from self._send(volume, (0.0,) * slices, Source.HEADER)
            return
        if len(stated) == slices:
            yield from self._send(volume, stated, self._scan.labeling.sources.get("slice_timing", Source.HEADER))
        if volume.place.role not in (Role.CONTROL, Role.LABEL) or not volume.complete:
            return
        self._measured = True
        measured = _since_the_first(volume.slice_times)
        if len(stated) == slices:
            if len(measured) == slices:
                yield from self._compare(stated, measured)
            return
        if stated:
            yield Notice(f"SliceTiming lists {len(stated)} times for {slices} slices, and is not used.")
        repetition_time = self._scan.repetition_time
        if len(measured) == slices and repetition_time and max(measured) >= repetition_time:
            yield Notice(
                f"By their time stamps the slices are read over {max(measured):g} s, more than a repetition time: each "
                "after a labeling of its own, it seems. All slices are taken at the same delay."
            )
        elif len(measured) == slices:
            yield from self._send(volume, measured, Source.DATA)
            return
        else:
            yield Notice(
                "No SliceTiming and no time stamps: all slices are taken at the same delay; upper ones read low."
            )
        yield from self._send(volume, (0.0,) * slices, Source.DEFAULT)

    def _send(self, volume: Volume, offsets: tuple[float, ...], source: Source) -> Iterator[SliceTimes | Map]:
        """Give the times, once, and the map of them."""
        if self._sent:
            return
        self._sent = True
        yield SliceTimes(offsets, source)
        delays = [bolus.post_labeling_delay for bolus in self._scan.labeling.boluses]
        if delays:
            delay = np.empty(volume.data.shape, np.float32)
            delay[:] = min(delays) + np.array(offsets)[:, np.newaxis, np.newaxis]
            yield Map(MapName.DELAY, delay, volume.place, "s")

    def _compare(self, stated: tuple[float, ...], measured: tuple[float, ...]) -> Iterator[Notice]:
        worst = float(np.abs(np.subtract(stated, measured)).max())
        if worst > self.tolerance:
            yield Notice(
                f"SliceTiming of the header and the time stamps of the data differ by up to {worst * 1e3:.0f} ms; the "
                "header is used."
            )


def _since_the_first(stamps: tuple[float, ...]) -> tuple[float, ...]:
    """Give time stamps from the first on; nothing where they tell nothing: absent, not counted up, or all the same."""
    if len(set(stamps)) < 2 or min(stamps) <= 0:
        return ()
    return tuple(stamp - min(stamps) for stamp in stamps)
