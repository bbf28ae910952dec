"""The door for data: each readout of the wire is told what it is for, and put into SI units."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from struct import Struct

import numpy as np
from numpy.typing import NDArray

from .layouts import flag
from .messages import Acquisition, Acquisitions
from .notices import Level, Notice
from .readouts import Counters, Kind, Readout, Train
from .scan import Scan
from .unflagged import LINES_TO_JUDGE, LOST_POLARITY, looks_like_unflagged_epi

MOST_HELD_LINES = 4096
MOST_HELD_BYTES = 256 << 20

# Every readout passes here: one call takes apart what is needed, and names that are looked up each time stand close by.
# Flags, time stamp, discard_pre, discard_post, center_sample, encoding_space_ref, sample time, counters.
_unpack = Struct("<2x Q 8x I 146x 4H 2x f 60x 17H 64x").unpack
_new = tuple.__new__
_IMAGING = Kind.IMAGING

_NOISE = flag(19)
_CALIBRATION = flag(20)
_CALIBRATION_AND_IMAGING = flag(21)
_REVERSED = flag(22)
_PHASE_CORRECTION = flag(24)
_SURFACE_COIL = flag(29)
_NOT_IMAGING = {
    flag(23): "navigation (flag 23)",
    flag(26): "feedback of parallel imaging (flag 26)",
    flag(27): "dummy scan (flag 27)",
    flag(28): "real-time feedback (flag 28)",
    flag(30): "phase stabilization reference (flag 30)",
    flag(31): "phase stabilization (flag 31)",
}
_SURFACE_COIL_NAME = "surface coil correction (flag 29)"
_ANY_NOT_IMAGING = sum(_NOT_IMAGING)
_SPECIAL = _NOISE | _CALIBRATION | _CALIBRATION_AND_IMAGING | _PHASE_CORRECTION | _SURFACE_COIL | _ANY_NOT_IMAGING
_IMAGES = frozenset((Kind.IMAGING, Kind.REFERENCE_AND_IMAGING))
_CENTERED = frozenset((*_IMAGES, Kind.NAVIGATOR, Kind.REFERENCE, None))
"""Kinds whose center matters; converters leave any number in the others."""


def classify(flags: int, encoding_space: int = 0) -> Kind | None:
    """Tell what a readout is for; None where flag 29 leaves it open until other lines have come.

    The order matters: product EPI flags its phase-correction navigators as navigation and feedback, too.
    """
    if flags & _NOISE:
        return Kind.NOISE
    if flags & _PHASE_CORRECTION:
        return Kind.NAVIGATOR
    if encoding_space or flags & (_CALIBRATION | _CALIBRATION_AND_IMAGING) == _CALIBRATION:
        return Kind.REFERENCE
    if flags & _ANY_NOT_IMAGING:
        return Kind.SKIPPED
    if flags & _SURFACE_COIL:
        return None
    return Kind.REFERENCE_AND_IMAGING if flags & _CALIBRATION_AND_IMAGING else Kind.IMAGING


class Door:
    """Turns acquisitions of the wire into readouts: kind, counters and times, without discarded samples.

    ``tick`` is the unit of the scanner's acquisition time stamps, s.

    Lines flagged 29 (surface coil correction) are no images, unless every line is flagged so, which some scanners do:
    they are held until an unflagged imaging line comes and proves the former, or until the scan ends or too many are
    held, which is taken for the latter. So nothing is lost either way, and memory stays bounded.
    """

    def __init__(self, scan: Scan, tick: float = 2.5e-3) -> None:
        self._encoding = scan.encoding
        self._references_wanted = scan.encoding is None or scan.encoding.undersampled
        self._tick = tick
        self._settled = False
        """Whether an ordinary imaging line can settle nothing any more, and may pass at once."""
        self._surface_coil: Kind | None = None
        """What lines flagged 29 are; None while that is open."""
        self._held: list[Readout] = []
        self._held_bytes = 0
        self._first_lines: list[Readout] | None = []
        """Imaging lines for the question whether this is an unflagged EPI; None once it is answered."""
        self._skipped: Counter[str] = Counter()
        self._left_out: Counter[str] = Counter()
        self._center_moved = False
        self._finished = False

    def receive(self, acquisition: Acquisition) -> Iterator[Readout | Notice]:
        """Give the readout, and whatever it settles; nothing for one that cannot be used, or must wait.

        What is given must be taken before the next readout comes.
        """
        header, trajectory, data = acquisition.header, acquisition.trajectory, acquisition.data
        flags, stamp, before, after, center, space, dwell_us, *counters = _unpack(header)
        readout = Readout(
            data,
            _IMAGING,
            _new(Counters, counters),
            flags,
            center,
            stamp * self._tick,
            dwell_us * 1e-6,
            header,
            trajectory if trajectory.size else None,
        )
        coils, samples = data.shape
        if self._settled and center < samples and coils and not (flags & _SPECIAL or before or after or space):
            return iter((readout,))
        return self._receive_special(readout, before, after, space)

    def receive_together(self, acquisitions: Acquisitions) -> Iterator[Train | Readout | Notice]:
        """Give the same for readouts that arrived together: ordinary neighbors as a train, others one by one."""
        ordinary = _ordinary(acquisitions)
        turns = np.flatnonzero(ordinary[1:] != ordinary[:-1]) + 1
        for begin, end in pairwise((0, *turns.tolist(), len(ordinary))):
            headers, trajectory, data = acquisitions.headers, acquisitions.trajectory, acquisitions.data
            run = Acquisitions(headers[begin:end], trajectory[begin:end], data[begin:end])
            if ordinary[begin] and self._settled and _alike(run.headers):
                yield Train(run.data, run.headers, self._tick)
            else:
                for acquisition in run.split():
                    yield from self.receive(acquisition)

    def finish(self) -> Iterator[Readout | Notice]:
        """Give what was held, and a summary of what was skipped or left out; a second call gives nothing."""
        if self._finished:
            return
        self._finished = True
        if self._held:
            yield from self._believe_surface_coil()
        if self._first_lines is not None:
            yield from self._judge()
        if self._skipped:
            yield Notice(f"Readouts that are no images were skipped: {_listed(self._skipped)}.", Level.INFO)
        if self._left_out:
            yield Notice(f"Readouts were left out: {_listed(self._left_out)}.")

    def _receive_special(self, readout: Readout, before: int, after: int, space: int) -> Iterator[Readout | Notice]:
        kind = classify(readout.flags, space)
        samples = readout.data.shape[1]
        fault = _fault(readout, before, after, kind) or self._unwanted(readout, space, kind)
        if fault:
            if not self._left_out[fault]:
                yield Notice(f"A readout is left out because {fault}; further ones are only counted.")
            self._left_out[fault] += 1
            return
        if readout.center_sample == samples and kind in _CENTERED and not self._center_moved:
            self._center_moved = True
            yield Notice(
                f"center_sample is {samples}, just behind the last sample: someone removed the oversampling and left "
                "it behind. The middle of the line is taken."
            )
        readout = _trimmed(readout, before, after, kind or Kind.SKIPPED)
        if kind is None:
            yield from self._hold(readout)
        elif kind in _IMAGES:
            yield from self._meet_unflagged()
            yield from self._pass_image(readout)
        else:
            if kind is Kind.SKIPPED:
                self._skipped[_reason(readout.flags)] += 1
            yield readout

    def _unwanted(self, readout: Readout, space: int, kind: Kind | None) -> str:
        """Tell why nobody would miss a readout, and its sender should know; empty if it is of use."""
        if kind is not Kind.REFERENCE or self._references_wanted or readout.flags & _CALIBRATION:
            return ""
        return f"it is of encoding space {space} and no reference line; images are those of space 0"

    def _hold(self, readout: Readout) -> Iterator[Readout | Notice]:
        """Treat a line flagged 29 as what such lines are, or keep it while that is open."""
        if self._surface_coil is Kind.SKIPPED:
            self._skipped[_SURFACE_COIL_NAME] += 1
            yield readout
        elif self._surface_coil is Kind.IMAGING:
            yield from self._pass_image(replace(readout, kind=_image_kind(readout)))
        else:
            self._held.append(readout)
            self._held_bytes += readout.data.nbytes
            if len(self._held) >= MOST_HELD_LINES or self._held_bytes >= MOST_HELD_BYTES:
                yield from self._believe_surface_coil()

    def _believe_surface_coil(self) -> Iterator[Readout | Notice]:
        """Take lines flagged 29 as images: no other line has come."""
        self._surface_coil = Kind.IMAGING
        held, self._held, self._held_bytes = self._held, [], 0
        yield Notice(
            f"All {len(held)} imaging lines so far are flagged 29 (surface coil correction): they are taken as images."
        )
        for readout in held:
            yield from self._pass_image(replace(readout, kind=_image_kind(readout)))

    def _meet_unflagged(self) -> Iterator[Readout | Notice]:
        """Draw the conclusion from an imaging line that is not flagged 29: those that are, are no images."""
        if self._surface_coil is Kind.IMAGING:
            yield Notice(
                "Lines flagged 29 (surface coil correction) were taken as images, but now images without that flag "
                "come: the former spoil what was made so far. From here on they are skipped."
            )
        self._surface_coil = Kind.SKIPPED
        held, self._held, self._held_bytes = self._held, [], 0
        if held:
            self._skipped[_SURFACE_COIL_NAME] += len(held)
        yield from held

    def _pass_image(self, readout: Readout) -> Iterator[Readout | Notice]:
        yield readout
        if self._first_lines is not None:
            self._first_lines.append(readout)
            if len(self._first_lines) >= LINES_TO_JUDGE:
                yield from self._judge()
        self._settled = self._first_lines is None and self._surface_coil is Kind.SKIPPED

    def _judge(self) -> Iterator[Notice]:
        lines, self._first_lines = self._first_lines or [], None
        if looks_like_unflagged_epi(self._encoding, lines, self._tick):
            yield LOST_POLARITY


def _ordinary(acquisitions: Acquisitions) -> NDArray[np.bool_]:
    """Tell which readouts are plain imaging lines, that may be part of a train."""
    headers = acquisitions.headers
    coils, samples = acquisitions.data.shape[1:]
    if acquisitions.trajectory.size or not coils:
        return np.zeros(len(headers), bool)
    unusual = headers["discard_pre"] | headers["discard_post"] | headers["encoding_space_ref"]
    return (headers["flags"] & _SPECIAL == 0) & (unusual == 0) & (headers["center_sample"] < samples)


def _alike(headers: NDArray[np.void]) -> bool:
    """Tell whether lines may share a train: one dwell time, and for each direction one center.

    Converters state the center of backward lines one off.
    """
    backward, centers, dwells = headers["flags"] & _REVERSED != 0, headers["center_sample"], headers["sample_time_us"]
    for stated in (centers[~backward], centers[backward]):
        if stated.size and (stated != stated[0]).any():
            return False
    return bool((dwells == dwells[0]).all())


def _fault(readout: Readout, before: int, after: int, kind: Kind | None) -> str:
    """Tell why a readout cannot be used; empty if it can."""
    coils, samples = readout.data.shape
    if not samples:
        return "it has no samples"
    if not coils:
        return "it has no coils"
    if before + after >= samples:
        return "discard_pre and discard_post leave none of its samples"
    inside = before <= readout.center_sample < samples - after
    if kind in _CENTERED and not inside and readout.center_sample != samples:
        return "its center_sample is outside its samples"
    return ""


def _trimmed(readout: Readout, before: int, after: int, kind: Kind) -> Readout:
    """Cut the discarded samples off, and move the center along; a center that means nothing becomes the middle."""
    end = readout.data.shape[1] - after
    inside = before <= readout.center_sample < end
    return replace(
        readout,
        data=readout.data[:, before:end],
        kind=kind,
        center_sample=readout.center_sample - before if inside else (end - before) // 2,
        trajectory=None if readout.trajectory is None else readout.trajectory[before:end],
    )


def _image_kind(readout: Readout) -> Kind:
    return Kind.REFERENCE_AND_IMAGING if readout.flags & _CALIBRATION_AND_IMAGING else Kind.IMAGING


def _reason(flags: int) -> str:
    return next(name for bit, name in _NOT_IMAGING.items() if flags & bit)


def _listed(counted: Counter[str]) -> str:
    return ", ".join(f"{count} x {what}" for what, count in counted.items())
