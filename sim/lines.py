"""The lines of one excitation: where in k-space each lies, when it is read, and what MRD is told of it."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ..streaming.layouts import flag
from .lattice import Lattice
from .protocol import Protocol, ReadoutType

REVERSE = flag(22)
NAVIGATOR = flag(24)
REFERENCE = flag(20)
REFERENCE_AND_IMAGING = flag(21)


@dataclass(frozen=True, slots=True)
class Lines:
    """What is read after one excitation; all arrays have the shape ``(lines,)``."""

    ky: NDArray[np.int64]
    """From the middle of k-space, in steps of one over the field of view; of a spiral the number of the arm."""
    kz: NDArray[np.int64]
    step_1: NDArray[np.int64]
    """MRD's ``kspace_encode_step_1``."""
    step_2: NDArray[np.int64]
    """MRD's ``kspace_encode_step_2``; 0 in 2-D."""
    after: NDArray[np.float64]
    """Time of the middle of each line since the excitation, s."""
    late: NDArray[np.float64]
    """The same, against the line in the middle of k-space, s; 0 for lines with excitations of their own."""
    evolution: NDArray[np.float64]
    """Time over which the field has turned the signal further than in the middle of k-space, s."""
    flags: NDArray[np.uint64]
    """MRD's, without the ends of slices and volumes."""

    @property
    def backward(self) -> NDArray[np.bool_]:
        """Which lines are read backwards."""
        return (self.flags & np.uint64(REVERSE)) != 0

    @property
    def imaging(self) -> NDArray[np.bool_]:
        """Which lines belong to the image or to its reference."""
        return (self.flags & np.uint64(NAVIGATOR)) == 0

    def flagged(self, bits: int) -> "Lines":
        """Give the same lines with further flags."""
        return replace(self, flags=self.flags | np.uint64(bits))


def joined(parts: list[Lines]) -> Lines:
    """Put lines one behind the other."""
    return Lines(*(np.concatenate([getattr(part, name) for part in parts]) for name in Lines.__slots__))


def imaging_lines(protocol: Protocol, lattice: Lattice, rows: tuple[int, ...], kz: int, echo: float) -> Lines:
    """Give the lines of one train, in the order they are read.

    ``echo`` is when its line number ``center_echo`` is read after the excitation, s.
    """
    count = len(rows)
    ky, flags = np.asarray(rows, np.int64), np.zeros(count, np.uint64)
    place = np.zeros(count) if protocol.readout == ReadoutType.SPIRAL else np.arange(count) - protocol.center_echo
    after = np.asarray(echo + place * protocol.echo_spacing, np.float64)
    late = np.asarray(after - protocol.echo_time, np.float64)
    if protocol.echo_train:
        backward = (np.arange(count) + protocol.echo_planar.begins_reversed) % 2 == 1
        flags[backward] |= np.uint64(REVERSE)
    if lattice.block[0]:
        for number, row in enumerate(rows):
            if lattice.in_block(row, kz):
                flags[number] |= np.uint64(REFERENCE_AND_IMAGING if lattice.on_lattice(row, kz) else REFERENCE)
    center_1 = 0 if protocol.readout == ReadoutType.SPIRAL else lattice.line_center
    return Lines(
        ky=ky,
        kz=np.full(count, kz),
        step_1=ky + center_1,
        step_2=np.full(count, kz + lattice.partition_center),
        after=after,
        late=late,
        evolution=after - echo if protocol.refocused else late,
        flags=flags,
    )


def navigator_lines(protocol: Protocol, lattice: Lattice, kz: int, first: float) -> Lines:
    """Give the navigators ahead of a train that begins with a line at time ``first`` after the excitation.

    They are not phase-encoded; their counters say the middle of ky, and the partition whose train follows.
    """
    count = protocol.echo_planar.navigator_lines
    number = np.arange(count)
    after = np.asarray(first + (number - count) * protocol.echo_spacing, np.float64)
    if protocol.refocused:  # they follow the excitation, ahead of the first refocusing pulse
        after = np.asarray(protocol.refocusing_time / 2 + (number + 0.5) * protocol.echo_spacing, np.float64)
    late = np.asarray(after - protocol.echo_time, np.float64)
    flags = np.full(count, NAVIGATOR, np.uint64)
    flags[(number + protocol.echo_planar.navigators_begin_reversed) % 2 == 1] |= np.uint64(REVERSE)
    nothing = np.zeros(count, np.int64)
    return Lines(
        ky=nothing,
        kz=nothing,
        step_1=nothing + lattice.line_center,
        step_2=nothing + kz + lattice.partition_center,
        after=after,
        late=late,
        evolution=after if protocol.refocused else late,
        flags=flags,
    )
