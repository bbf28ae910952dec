"""When each line of k-space is read, and which counters it carries."""

from collections.abc import Iterator
from typing import NamedTuple

from ..streaming.scan import Role
from .protocol import Order, Protocol


class Train(NamedTuple):
    """One echo train: all lines of one slice, or of one partition of a 3-D volume."""

    volume: int
    role: Role
    delay: float
    """Post-labeling delay to the first slice, s; 0 for the m0scan."""
    average: int
    shot: int
    plane: int
    """Slice, or partition counted from the lowest that is acquired."""
    time: float
    """Of its first line, since the start of the scan, s."""
    first: bool
    """Whether it begins its volume."""
    last: bool
    """Whether it ends its volume."""


def trains(protocol: Protocol) -> Iterator[Train]:
    """Give every echo train of the scan, in the order of time."""
    begin = 0.0
    shots = [(average, shot) for average in range(protocol.averages) for shot in range(protocol.shots)]
    slice_times = excitation_times(protocol)
    for volume, role in enumerate(protocol.context):
        delay = protocol.delay(volume)
        if role is Role.M0SCAN:
            repetition_time = protocol.m0_repetition_time
            preparation = repetition_time - protocol.readout_time
        else:
            repetition_time = protocol.repetition_time
            preparation = protocol.preparation_time(delay)
        for average, shot in shots:
            played = train_planes(protocol, shot)
            for place, plane in enumerate(played):
                train_time = place * protocol.line_count * protocol.echo_spacing
                offset = train_time if protocol.three_dimensional else slice_times[plane]
                time = begin + preparation + offset + protocol.excitation_time
                first = (average, shot, place) == (0, 0, 0)
                last = (average, shot) == shots[-1] and place == len(played) - 1
                yield Train(volume, role, delay, average, shot, plane, time, first, last)
            begin += repetition_time


def train_planes(protocol: Protocol, shot: int) -> tuple[int, ...]:
    """Give the slices or partitions of one shot, in the order they are played."""
    if not protocol.three_dimensional:
        return ordered(protocol.matrix[2], protocol.slice_order)
    count = protocol.partition_count
    return ordered(count, protocol.partition_order, center(protocol.encoded_matrix[2], count))[shot :: protocol.shots]


def line_steps(protocol: Protocol) -> tuple[int, ...]:
    """Give ``kspace_encode_step_1`` of the lines of a train, in the order they are read."""
    count = protocol.line_count
    return ordered(count, protocol.line_order, center(protocol.encoded_matrix[1], count))


def excitation_times(protocol: Protocol) -> tuple[float, ...]:
    """Give the time of each slice after the first excitation, by z, s: BIDS ``SliceTiming``; all 0 in 3-D."""
    slices = protocol.matrix[2]
    if protocol.three_dimensional:
        return (0.0,) * slices
    played = ordered(slices, protocol.slice_order)
    return tuple(played.index(index) * protocol.slice_duration for index in range(slices))


def center(encoded: int, acquired: int) -> int:
    """Tell which acquired step is the middle of k-space.

    Partial Fourier leaves out the lowest lines, and the steps are counted from the first line that is acquired.
    """
    return encoded // 2 - (encoded - acquired)


def ordered(count: int, order: Order, middle: int = 0) -> tuple[int, ...]:
    """Give 0 ... count - 1 in the order of acquisition.

    >>> ordered(5, Order.INTERLEAVED)
    (0, 2, 4, 1, 3)
    >>> ordered(5, Order.CENTRIC, 2)
    (2, 1, 3, 0, 4)
    """
    steps = range(count)
    match order:
        case Order.LINEAR:
            return tuple(steps)
        case Order.INTERLEAVED:
            return (*steps[::2], *steps[1::2])
        case Order.CENTRIC:
            return tuple(sorted(steps, key=lambda step: (abs(step - middle), step)))
