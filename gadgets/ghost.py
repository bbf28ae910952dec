"""From EPI lines that differ from echo to echo to lines that fit each other."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import pairwise
from math import pi

import numpy as np
from numpy.typing import NDArray

from ..streaming.echoes import reads_several_echoes
from ..streaming.errors import ConfigError
from ..streaming.flow import Place
from ..streaming.gadget import Gadget
from ..streaming.notices import Level, Measure, Measurement, Notice
from ..streaming.readouts import Kind, Readout, Train
from ..streaming.remarks import Remarks
from ..streaming.scan import Encoding, Labeling, Scan
from .kernels.navigator import Comparison, compare, phase, slope, steps
from .kernels.navigator_history import Estimate, NavigatorHistory
from .kernels.odd_even import straighten

_CALIBRATION = 1 << 19  # MRD flag 20
_REVERSED = 1 << 21  # MRD flag 22
_CORRECTED = (Kind.IMAGING, Kind.REFERENCE_AND_IMAGING, Kind.REFERENCE)
_MOST_HELD = 64 << 20  # bytes of lines that wait for their navigators
_MOST_NAVIGATORS = 1024  # lines of one group
_MOST_SLICES = 4096
_SHOTS_APART = [
    1,
    3,
    4,
    5,
    6,
    7,
]  # counters that do not change within a shot: kz, slice, contrast, phase, repetition, set
_TRIPLET = 3
_ALIKE = 0.5  # correlation of navigators that show the same signal; noise has hardly any
_HIGHEST_ORDER = 8

Lane = tuple[bool, int, int]
"""Whether reference lines, their encoding space, slice: what has an odd-even phase of its own."""
VolumeKey = tuple[int, ...]
"""Contrast, phase, repetition, set."""


class Drift(StrEnum):
    """Which share of the phase that runs off from echo to echo is taken out."""

    RELATIVE = "relative"
    ABSOLUTE = "absolute"
    OFF = "off"


@dataclass(slots=True)
class _Shot:
    """The lines that one group of navigators is for."""

    lane: Lane
    volume: VolumeKey
    partition: int
    estimate: Estimate | None = None
    echoes: int = 0
    """Lines so far."""
    waiting: bool = False
    held: list[Readout | Train] = field(default_factory=list)
    bytes: int = 0


@dataclass
class CorrectGhost(Gadget):
    """Takes the N/2 ghost out of EPI images: makes the lines read to and fro fit each other.

    Navigators, lines without phase encoding ahead of each shot, show the phase between both directions:
    ``c = sum over coils of conj((n0 + n2) / 2) n1``, slope ``arg sum conj(c_x) c_(x+1)`` (Ahn and Cho, IEEE TMI 6:32
    (1987)), constant ``arg sum c exp(-i slope x)``; each direction is turned by half of it. From the first to the third
    navigator the phase runs on by the off-resonance of two echo spacings: its change is taken out echo by echo, so that
    the image stays where it was. Estimates are smoothed over the volumes, and control and label of a pair share one, so
    that nothing of it is left in their difference. Shots of one volume get the phase of its first one, which their
    navigators show. Many navigators at once, a scan without phase encoding, hold for all later shots of their slice.
    Reference lines are corrected by their own navigators. Navigators end here.
    """

    order: int = 1
    """Order of the polynomial along x, 1 to 8; above 1 it is fitted to what the linear phase leaves."""
    drift: Drift = Drift.RELATIVE
    """``relative`` to the first volume of each slice, ``absolute`` or ``off``."""
    smoothing: float = 8.0
    """Volumes over which the navigators are averaged, from 1."""

    _encoding: Encoding | None = field(default=None, init=False, repr=False)
    _labeling: Labeling = field(default_factory=Labeling, init=False, repr=False)
    _history: dict[Lane, NavigatorHistory] = field(default_factory=dict, init=False, repr=False)
    _leading: dict[tuple[Lane, int, VolumeKey], NDArray[np.complex64]] = field(
        default_factory=dict, init=False, repr=False
    )
    _measured: dict[Lane, VolumeKey] = field(default_factory=dict, init=False, repr=False)
    _group: list[Readout] = field(default_factory=list, init=False, repr=False)
    _shot: _Shot | None = field(default=None, init=False, repr=False)
    _awaited: bool = field(default=False, init=False, repr=False)
    _numbers: dict[VolumeKey, int] = field(default_factory=dict, init=False, repr=False)
    _by_repetition: bool = field(default=True, init=False, repr=False)
    _repetitions: set[int] = field(default_factory=set, init=False, repr=False)
    _echoes: bool = field(default=False, init=False, repr=False)
    _remarks: Remarks = field(default_factory=Remarks, init=False, repr=False)
    _lost: int = field(default=0, init=False, repr=False)

    def needed(self, scan: Scan) -> bool:
        """Tell whether lines of k-space are read: converters may call an EPI Cartesian, and still send navigators."""
        return scan.encoding is None or scan.encoding.on_a_grid

    def start(self, scan: Scan) -> None:
        """Forget all navigators."""
        if not 1 <= self.order <= _HIGHEST_ORDER or not self.smoothing >= 1:
            raise ConfigError(
                f"ghost: order {self.order} and smoothing {self.smoothing} should be 1 to {_HIGHEST_ORDER}, and from 1"
            )
        self._encoding, self._labeling = scan.encoding, scan.labeling
        self._history, self._measured, self._leading, self._group, self._shot = {}, {}, {}, [], None
        self._awaited = self._encoding is not None and self._encoding.echo_planar
        self._numbers, self._by_repetition, self._repetitions = {}, True, set()
        self._remarks, self._lost, self._echoes = Remarks(), 0, reads_several_echoes(scan)

    def process(self, message: Readout | Train) -> Iterator[Readout | Train | Measurement | Notice]:
        """Keep a navigator; correct a line, or the lines of a train, or let them wait for their navigators."""
        idle = not (self._awaited or self._group or self._history)
        if isinstance(message, Readout):
            if message.kind is Kind.NAVIGATOR:
                yield from self._keep(message)
            elif message.kind in _CORRECTED and not idle:
                yield from self._take(message, message)
            else:
                yield message
            return
        if idle:
            yield message
            return
        counters = message.counters[:, _SHOTS_APART]
        turns = np.flatnonzero((counters[1:] != counters[:-1]).any(axis=1)) + 1
        if not turns.size:
            yield from self._take(message, message.readout(0))
            return
        for begin, end in pairwise((0, *turns.tolist(), len(counters))):
            piece = Train(message.data[begin:end], message.headers[begin:end], message.tick)
            yield from self._take(piece, piece.readout(0))

    def finish(self) -> Iterator[Readout | Train | Measurement | Notice]:
        """Release the lines that still wait, and say how many shots had no navigators of their own."""
        yield from self._close(None)
        yield from self._release()
        if self._lost > 1:
            yield Notice(f"{self._lost} shots had no navigators of their own: each was corrected as those before it.")

    def _keep(self, navigator: Readout) -> Iterator[Readout | Train | Measurement | Notice]:
        """Add a navigator to its group; the group is over where another slice begins, or lines wait for it."""
        if self._group and _navigated(self._group[0]) != _navigated(navigator):
            yield from self._close(None)
        if len(self._group) < _MOST_NAVIGATORS:
            self._group.append(navigator)
        stated = self._encoding.trapezoid.navigators if self._encoding and self._encoding.trapezoid else 0
        if self._shot is not None and self._shot.waiting and len(self._group) >= (stated or _TRIPLET):
            yield from self._close(None)

    def _take(self, message: Readout | Train, first: Readout) -> Iterator[Readout | Train | Measurement | Notice]:
        """Correct lines of one shot, or hold them."""
        if self._group:
            yield from self._close(first)
        shot = self._shot
        # reference lines embedded among those of the image are of its shot
        if shot is None or shot.lane[1:] != _lane(first)[1:] or shot.volume != _volume(first):
            yield from self._release()
            shot = yield from self._begin(first)
        elif shot.partition != first.counters.kspace_encode_step_2:
            shot.partition, shot.echoes = first.counters.kspace_encode_step_2, 0  # another excitation or spin echo
        if not shot.waiting:
            yield self._corrected(message, shot)
            return
        shot.held.append(message)
        shot.bytes += message.data.nbytes
        if shot.bytes > _MOST_HELD:
            yield from self._release()

    def _begin(self, first: Readout) -> Iterator[Notice]:
        """Begin a shot that no navigators came ahead of."""
        lane, volume = _lane(first), _volume(first)
        shot = self._shot = _Shot(lane, volume, first.counters.kspace_encode_step_2)
        if lane[0]:  # reference lines of a plain gradient echo need no correction; those of the EPI are like its images
            known = self._history.get(lane) or (self._history.get((False, 0, lane[2])) if lane[1] == 0 else None)
            shot.estimate = known.estimate(_first_line(first), None) if known else None
            return shot
        shot.waiting = self._awaited
        if not shot.waiting:
            yield from self._manage_without(shot, first)
        return shot

    def _manage_without(self, shot: _Shot, first: Readout) -> Iterator[Notice]:
        """Take what is known of the slice for a shot without navigators of its own."""
        known = self._history.get(shot.lane)
        if known is None or known.empty:
            if self._encoding is not None and self._encoding.echo_planar:
                yield from self._remarks.say(
                    "EPI lines came without navigators (flag 24): lines read to and fro are not made to fit each "
                    "other, and a ghost half a field of view away will stay. Let the sequence acquire three lines "
                    "without phase encoding ahead of each shot, and its converter flag them."
                )
            return
        shot.estimate = known.estimate(_first_line(first), self._pair(first))
        if known.lines <= _TRIPLET and not self._echoes:  # further echoes follow the navigators of the first
            self._lost += 1
            yield from self._remarks.say(
                "A shot came without navigators: it is corrected as those before it were.", Level.INFO
            )

    def _close(self, following: Readout | None) -> Iterator[Readout | Train | Measurement | Notice]:
        """Learn from a group of navigators, and begin the shot that follows, or release the one that waits."""
        group, self._group = self._group, []
        if not group:
            return
        waiting = self._shot if self._shot is not None and self._shot.waiting else None
        slice_, space = group[0].counters.slice, group[0].encoding_space
        if waiting is not None and (waiting.lane[2] != slice_ or waiting.volume != _volume(group[0])):
            yield from self._release()
            waiting = None
        if waiting is not None:
            target = _one_line(waiting.held[0])
        elif following is not None and following.counters.slice == slice_:
            target = following
        else:
            target = group[0]
        reference = target.kind is Kind.REFERENCE or bool(group[0].flags & _CALIBRATION) or space > 0
        lane = (reference, space or target.encoding_space, slice_)
        history = self._history.get(lane)
        if history is None:
            if len(self._history) >= _MOST_SLICES:
                return
            history = self._history[lane] = NavigatorHistory(self.smoothing, self.order)
        comparison = self._compared(group, history)
        if comparison is not None:
            history.add(comparison, _first_line(target), _volume(target))
            if not reference:
                yield from self._measure(comparison, group, target, lane)
        elif not history.empty:
            self._lost += 1
            yield from self._remarks.say(
                "Navigators were lost, or hold no numbers: their shot is corrected as the volumes before it were.",
                Level.INFO,
            )
        else:
            yield from self._remarks.say(
                "Navigators tell nothing: they are of one direction only, empty, or hold no numbers."
            )
        estimate = history.estimate(_first_line(target), None if reference else self._pair(target))
        if estimate is not None and not reference:
            partition = group[0].counters.kspace_encode_step_2
            estimate = self._in_phase(estimate, group[0], (lane, partition, _volume(target)))
        if waiting is not None:
            waiting.estimate, waiting.waiting = estimate, False
            yield from self._let_go(waiting)
        elif following is not None and lane == _lane(following):
            self._awaited = False  # navigators come ahead of their lines
            yield from self._release()
            self._shot = _Shot(lane, _volume(following), following.counters.kspace_encode_step_2, estimate)
        elif len(group) > _TRIPLET:
            self._awaited = False  # one reference scan for all shots

    def _in_phase(self, estimate: Estimate, navigator: Readout, key: tuple[Lane, int, VolumeKey]) -> Estimate:
        """Turn a shot to the phase of the first one of its volume, if its navigators hold the same signal."""
        if navigator.data.shape[1:] != estimate.turns.shape[1:]:
            return estimate
        line = navigator.data * estimate.turns[int(bool(navigator.flags & _REVERSED))]
        if len(self._leading) >= _MOST_SLICES and key not in self._leading:
            del self._leading[next(iter(self._leading))]
        first = self._leading.setdefault(key, line)
        product = np.vdot(line, first) if first.shape == line.shape else 0j
        if first is line or not abs(product) > _ALIKE * np.linalg.norm(line) * np.linalg.norm(first):
            return estimate
        return estimate._replace(turns=estimate.turns * np.complex64(product / abs(product)))

    def _compared(self, group: list[Readout], history: NavigatorHistory) -> Comparison | None:
        """Compare the lines of a group; a group from which lines were lost tells nothing new."""
        lines = [line for line in group if line.data.shape == group[0].data.shape and np.isfinite(line.data).all()]
        stated = self._encoding.trapezoid.navigators if self._encoding and self._encoding.trapezoid else 0
        if not history.empty and len(lines) < min(_TRIPLET, history.lines or stated):
            return None
        return (
            compare(np.stack([line.data for line in lines]), np.array([bool(line.flags & _REVERSED) for line in lines]))
            if len(lines) > 1
            else None
        )

    def _release(self) -> Iterator[Readout | Train | Notice]:
        """Let lines go whose navigators will not come."""
        shot = self._shot
        if shot is None or not shot.waiting:
            return
        shot.waiting = False
        if shot.held:
            self._awaited = False  # once waited in vain is enough; if navigators come later, they will be seen
            yield from self._manage_without(shot, _one_line(shot.held[0]))
        yield from self._let_go(shot)

    def _let_go(self, shot: _Shot) -> Iterator[Readout | Train]:
        held, shot.held, shot.bytes = shot.held, [], 0
        for message in held:
            yield self._corrected(message, shot)

    def _corrected(self, message: Readout | Train, shot: _Shot) -> Readout | Train:
        """Turn lines in place, which nobody else has seen yet; the readout transform made them."""
        estimate = shot.estimate
        if isinstance(message, Readout):
            data, backward = message.data[np.newaxis], np.array([bool(message.flags & _REVERSED)])
        else:
            data, backward = message.data, message.reversed
        first = shot.echoes
        shot.echoes += len(data)
        if estimate is None or estimate.turns.shape[1] != data.shape[2]:
            return message
        flags = data.flags
        fresh = flags.writeable and flags.c_contiguous and flags.aligned
        if not fresh:
            data = data.copy()
        step = {Drift.RELATIVE: estimate.drift, Drift.ABSOLUTE: estimate.phase_step}.get(Drift(self.drift), 0.0)
        straighten(data, backward, estimate.turns, step, first)
        return message if fresh else message.with_data(data.reshape(message.data.shape))

    def _measure(
        self, comparison: Comparison, group: list[Readout], target: Readout, lane: Lane
    ) -> Iterator[Measurement]:
        """Tell what the navigators of a slice say, once in each volume."""
        volume = _volume(target)
        if self._measured.get(lane) == volume:
            return
        self._measured[lane] = volume
        inclination = slope(steps(comparison.profile))
        _, constant = phase(comparison.profile, inclination)
        sign = 1 if len(group) < 2 or group[1].flags & _REVERSED else -1  # the middle line against the outer ones
        place = Place.of(target, self._number(target))
        yield Measurement(Measure.NAVIGATOR_SLOPE, sign * inclination, place)
        yield Measurement(Measure.NAVIGATOR_CONSTANT, sign * constant, place)
        spacing = _echo_spacing(self._encoding)
        if spacing > 0:
            turned = self._history[lane].drift(comparison, _first_line(target))
            yield Measurement(Measure.FIELD_DRIFT, turned / (2 * pi * spacing), place)

    def _number(self, line: Readout) -> int:
        """Give the number of a volume in the scan: its repetition, as long as no two volumes share one."""
        key = _volume(line)[1:] if self._echoes else _volume(line)  # without the contrast, all echoes are of one volume
        if key not in self._numbers:
            self._numbers[key] = len(self._numbers)
            self._by_repetition = self._by_repetition and line.counters.repetition not in self._repetitions
            self._repetitions.add(line.counters.repetition)
        return line.counters.repetition if self._by_repetition else self._numbers[key]

    def _pair(self, line: Readout) -> int | None:
        return self._labeling.pair_of(self._number(line))


def _echo_spacing(encoding: Encoding | None) -> float:
    """Give the time from one line to the next, s: as long as the gradient of a line; 0 for unknown."""
    if encoding is None or encoding.trapezoid is None:
        return 0.0
    trapezoid = encoding.trapezoid
    return trapezoid.echo_spacing or trapezoid.ramp_up + trapezoid.flat_top + trapezoid.ramp_down


def _lane(line: Readout) -> Lane:
    return line.kind is Kind.REFERENCE, line.encoding_space, line.counters.slice


def _volume(line: Readout) -> VolumeKey:
    counters = line.counters
    return counters.contrast, counters.phase, counters.repetition, counters.set


def _navigated(line: Readout) -> tuple[int, ...]:
    """Tell what the navigators of one group have in common; their average and segment differ from line to line."""
    return line.encoding_space, line.flags & _CALIBRATION, line.counters.slice, *_volume(line)


def _first_line(line: Readout) -> tuple[int, int]:
    return line.counters.kspace_encode_step_1, line.counters.kspace_encode_step_2


def _one_line(message: Readout | Train) -> Readout:
    return message if isinstance(message, Readout) else message.readout(0)
