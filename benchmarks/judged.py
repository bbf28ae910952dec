"""One simulated scan, judged: what the chain says of it, beside what was done to it."""

import warnings
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aslive.sim.anatomy import brain
from aslive.sim.header import header_text
from aslive.sim.images import ImagedScan
from aslive.sim.patient import Patient
from aslive.sim.protocol import Protocol
from aslive.sim.scanner import TYPICAL_SNR, Scanner
from aslive.streaming.config import build, named_recipe
from aslive.streaming.flow import Place, Volume
from aslive.streaming.header import read_header
from aslive.streaming.messages import ConfigFile
from aslive.streaming.notices import Measurement
from aslive.streaming.perfusion import Map, MapName
from aslive.streaming.quality import Advice, Alarm, AlarmChange, Motion, Verdict
from aslive.streaming.readouts import Counters, Geometry
from aslive.streaming.registry import Registry
from aslive.streaming.session import Session
from aslive.streaming.wire import Decoder, encode
from aslive.streaming.worker import converse

Settings = Mapping[str, Any]  # Any: JSON values
head = cache(brain)
"""The average brain on a grid, cut once in each process."""


@dataclass
class Judged:
    """What was said of a scan."""

    alarms: dict[Alarm, int] = field(default_factory=dict)
    """Those that were raised, with the pairs that had come by then."""
    texts: list[str] = field(default_factory=list)
    verdicts: dict[int, Verdict] = field(default_factory=dict)
    """The latest of each pair."""
    left_out_at: dict[int, int] = field(default_factory=dict)
    """Pairs that had come when each, or a slice of it, was first left out."""
    motions: list[Motion] = field(default_factory=list)
    advice: list[Advice] = field(default_factory=list)
    measured: list[Measurement] = field(default_factory=list)
    cbf: NDArray[np.float32] | None = None
    stderr: NDArray[np.float32] | None = None
    pairs: int = 0
    """That have come."""

    def take(self, output: object) -> None:
        """Look at one thing that left the chain."""
        match output:
            case AlarmChange(alarm, raised=True):
                self.alarms.setdefault(alarm, self.pairs)
                self.texts.append(output.text)
            case Verdict():
                self.pairs = max(self.pairs, output.pair + 1)
                self.verdicts[output.pair] = output
                if not output.accepted or output.slices_left_out:
                    self.left_out_at.setdefault(output.pair, self.pairs)
            case Motion():
                self.motions.append(output)
            case Advice():
                self.advice.append(output)
            case Measurement():
                self.measured.append(output)
            case Map(name=MapName.CBF):
                self.cbf = output.data
            case Map(name=MapName.CBF_STDERR):
                self.stderr = output.data

    @property
    def left_out(self) -> frozenset[int]:
        """Pairs that are left out, at least in some slices, at the end."""
        return frozenset(
            pair for pair, verdict in self.verdicts.items() if not verdict.accepted or verdict.slices_left_out
        )

    def flow_in(self, gray: NDArray[np.bool_]) -> float:
        """Give the mean flow of some voxels, mL/100 g/min; NaN without a map."""
        return float("nan") if self.cbf is None else float(np.nanmean(self.cbf[gray]))


def judged_images(
    protocol: Protocol, patient: Patient, seed: int, snr: float | None = TYPICAL_SNR, settings: Settings | None = None
) -> Judged:
    """Send the images of a scan down the chain for ASL, which then has nothing to reconstruct."""
    judged = Judged()
    for output in outputs(ImagedScan(protocol, patient, seed, snr, head(protocol.grid)), settings or {}):
        judged.take(output)
    return judged


def outputs(scan: ImagedScan, settings: Settings) -> Iterator[object]:
    """Give all that leaves the chain."""
    registry, protocol = Registry(), scan.protocol
    recipe = named_recipe("asl", registry)
    assert recipe is not None
    chain = build(recipe, registry, dict(settings))
    chain.start(read_header(header_text(protocol), dict(settings), {}))
    for volume in volumes(scan):
        yield from chain.push(volume)
    yield from chain.finish()


def volumes(scan: ImagedScan) -> Iterator[Volume]:
    """Give the images as the chain's reconstruction would, with role, number, place and times."""
    protocol = scan.protocol
    grid = protocol.grid
    middle = grid.slice_center(grid.shape[0] // 2)
    spacing = 0.0 if protocol.three_dimensional else protocol.slice_duration
    for number, role, image in scan:
        begin = 12 * 3600 + number * protocol.repetition_time
        times = () if protocol.three_dimensional else tuple(begin + n * spacing for n in range(len(image)))
        geometry = Geometry(position=middle, field_of_view=grid.field_of_view)
        place = Place(number, Counters(repetition=number), begin, geometry, role, number=number)
        yield Volume(image, place, times, spacing=grid.voxel[2])


def judged_raw(
    protocol: Protocol, patient: Patient, seed: int, snr: float | None = TYPICAL_SNR, settings: Settings | None = None
) -> Judged:
    """Send the raw data of a scan through a session, as the bytes of the wire."""
    judged = Judged()
    session = Session(Registry(), dict(settings or {}), watch=judged.take)
    messages = Scanner(protocol, seed, snr, head(protocol.grid), patient=patient).messages()
    for _ in converse(_pieces(messages), session, Decoder()):
        pass
    if session.error:
        warnings.warn(session.error, stacklevel=1)
    return judged


def _pieces(messages: Iterable[object]) -> Iterator[memoryview]:
    yield memoryview(encode(ConfigFile("asl")))
    for message in messages:
        yield memoryview(encode(message))  # type: ignore[arg-type]  # the scanner gives messages of the wire
