"""When each line of k-space is read, and which counters it carries."""

from collections.abc import Iterator
from typing import NamedTuple

from ..streaming.scan import Role
from .lattice import Lattice, arranged, center, ordered
from .lines import Lines, imaging_lines, joined, navigator_lines
from .preparation import Preparation
from .protocol import Protocol, ReadoutType

__all__ = [
    "Shot",
    "Train",
    "center",
    "excitation_times",
    "lead_of",
    "line_steps",
    "ordered",
    "shots",
    "train_planes",
    "trains",
]


class Shot(NamedTuple):
    """One excitation of a volume, and what is read after it."""

    number: int
    """Which TR of the volume it belongs to."""
    plane: int
    """Slice; in 3-D the partition that is excited for, counted from the lowest that is acquired, or the first one."""
    offset: float
    """From the begin of the readout of its TR to its first imaging line, s."""
    lines: Lines
    space: int = 0
    """Which encoding of the header its lines belong to."""


class Train(NamedTuple):
    """One excitation of the scan: all lines of a slice, of a partition, or of a whole 3-D shot."""

    volume: int
    preparation: Preparation
    average: int
    shot: int
    plane: int
    """Slice, or partition counted from the lowest that is acquired."""
    time: float
    """Of its first imaging line, since the start of the scan, s."""
    first: bool
    """Whether it begins its volume."""
    last: bool
    """Whether it ends its volume."""
    place: int
    """Which of the volume's shots it is."""
    played: Shot


def trains(protocol: Protocol, begin: float = 0.0) -> Iterator[Train]:
    """Give every excitation of the scan's volumes, in the order of time."""
    volume_shots = shots(protocol)
    for volume, (preparation, _, lead, ends_repetition) in enumerate(protocol.volumes):
        repetition_time = protocol.repetition_time
        if preparation.role is Role.M0SCAN:
            repetition_time = protocol.m0_repetition_time
            lead = repetition_time - protocol.readout_time
        for average in range(protocol.averages):
            for place, shot in enumerate(volume_shots):
                time = begin + shot.number * repetition_time + lead + shot.offset
                first = (average, place) == (0, 0)
                last = (average, place) == (protocol.averages - 1, len(volume_shots) - 1)
                yield Train(volume, preparation, average, shot.number, shot.plane, time, first, last, place, shot)
            begin += protocol.excitations * repetition_time * ends_repetition


def shots(protocol: Protocol) -> tuple[Shot, ...]:
    """Give every excitation of one volume, without averages."""
    return tuple(_shots(protocol))


def _shots(protocol: Protocol) -> Iterator[Shot]:
    lattice = protocol.lattice
    middle = lattice.partition_center
    for number in range(protocol.excitations):
        group, shot = divmod(number, protocol.shots)  # segments, or arms of a spiral, one after the other
        if not protocol.three_dimensional:
            lines = _train(protocol, lattice, group, 0, protocol.echo_time)
            starts = excitation_times(protocol)
            for plane in ordered(protocol.matrix[2], protocol.slice_order):
                yield Shot(number, plane, starts[plane] + lead_of(protocol, lines), lines)
            continue
        partitions = protocol.played_partitions[shot :: protocol.shots]
        if protocol.refocused:
            lines = _refocused(protocol, lattice, group, partitions)
            yield Shot(number, partitions[0] + middle, lead_of(protocol, lines), lines)
            continue
        for place, kz in enumerate(partitions):
            lines = _train(protocol, lattice, group, kz, protocol.echo_time)
            if protocol.readout == ReadoutType.CARTESIAN:
                start = place * protocol.echo_train_length * protocol.echo_spacing
            else:
                start = place * protocol.slice_duration
            yield Shot(number, kz + middle, start + lead_of(protocol, lines), lines)


def lead_of(protocol: Protocol, lines: Lines) -> float:
    """Tell how long after the excitation the first imaging line is read, s."""
    if protocol.readout == ReadoutType.CARTESIAN:
        return protocol.excitation_time
    return float(lines.after[lines.imaging][0])


def _train(protocol: Protocol, lattice: Lattice, group: int, kz: int, echo: float) -> Lines:
    if protocol.readout == ReadoutType.SPIRAL:
        return imaging_lines(protocol, lattice, (group,), kz, echo)
    rows = arranged(lattice.rows(kz), protocol.line_order)[group :: protocol.segments]
    lines = imaging_lines(protocol, lattice, rows, kz, echo)
    if not protocol.echo_train or not protocol.echo_planar.navigator_lines:
        return lines
    return joined([navigator_lines(protocol, lattice, kz, float(lines.after[0])), lines])


def _refocused(protocol: Protocol, lattice: Lattice, group: int, partitions: tuple[int, ...]) -> Lines:
    """Give the lines of one excitation whose every refocusing reads another partition."""
    parts = []
    if protocol.echo_train and protocol.echo_planar.navigator_lines:
        parts.append(navigator_lines(protocol, lattice, 0, 0.0))
    for place, kz in enumerate(partitions):
        rows = (group,) if protocol.readout == ReadoutType.SPIRAL else lattice.rows(kz)[group :: protocol.segments]
        if rows:
            parts.append(imaging_lines(protocol, lattice, rows, kz, (place + 1) * protocol.refocusing_spacing))
    return joined(parts)


def train_planes(protocol: Protocol, shot: int) -> tuple[int, ...]:
    """Give the slices or partitions of one shot, in the order they are played."""
    if not protocol.three_dimensional:
        return ordered(protocol.matrix[2], protocol.slice_order)
    middle = protocol.lattice.partition_center
    return tuple(kz + middle for kz in protocol.played_partitions[shot :: protocol.shots])


def line_steps(protocol: Protocol) -> tuple[int, ...]:
    """Give ``kspace_encode_step_1`` of the lines of a train, in the order they are read."""
    lattice = protocol.lattice
    return tuple(ky + lattice.line_center for ky in arranged(lattice.rows(0), protocol.line_order))


def excitation_times(protocol: Protocol) -> tuple[float, ...]:
    """Give the time of each slice after the first excitation, by z, s: BIDS ``SliceTiming``; all 0 in 3-D."""
    slices = protocol.matrix[2]
    if protocol.three_dimensional:
        return (0.0,) * slices
    played = ordered(slices, protocol.slice_order)
    return tuple(played.index(index) * protocol.slice_duration for index in range(slices))
