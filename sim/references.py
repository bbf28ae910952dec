"""What is read once, ahead of the volumes: reference lines of parallel imaging, and trains without phase encoding."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from .choices import NavigatorType, ReferenceType
from .lattice import Lattice
from .lines import NAVIGATOR, REFERENCE, REVERSE, Lines, imaging_lines, joined, navigator_lines
from .protocol import Protocol
from .sequence import Shot, shots

_FLASH_REPETITION_TIME = 10e-3
"""From excitation to excitation of a gradient-echo reference, s."""


def reference_shots(protocol: Protocol) -> tuple[tuple[Shot, ...], float]:
    """Give what is read ahead of the volumes, with times from the begin of the scan, and how long it takes, s."""
    played = []
    time = 0.0
    for plane, lines, space in _planned(protocol):
        first = float(lines.after[0])
        played.append(Shot(0, plane, time + first, lines, space))
        time += float(lines.after[-1]) + protocol.excitation_time
    return tuple(played), time


def _planned(protocol: Protocol) -> Iterator[tuple[int, Lines, int]]:
    planes = range(1 if protocol.three_dimensional else protocol.matrix[2])
    if protocol.echo_train and protocol.echo_planar.navigators is NavigatorType.REFERENCE_SCAN:
        trains = {shot.plane: shot.lines for shot in reversed(shots(protocol))}
        for plane in planes:
            lines = trains[plane] if not protocol.three_dimensional else next(iter(trains.values()))
            yield plane, _without_phase_encoding(lines), 0
    if protocol.reference_type is ReferenceType.FLASH:
        for plane in planes:
            yield plane, _flash(protocol), 1
    elif protocol.reference_type is ReferenceType.SEPARATE:
        for plane in planes:
            for lines in _separate(protocol):
                yield plane, lines.flagged(REFERENCE), 0


def _without_phase_encoding(lines: Lines) -> Lines:
    nothing = np.zeros_like(lines.ky)
    return replace(lines, ky=nothing, kz=nothing, flags=(lines.flags & np.uint64(REVERSE)) | np.uint64(NAVIGATOR))


def _separate(protocol: Protocol) -> Iterator[Lines]:
    """Give the excitations that read the reference lines of one slice or slab with the imaging readout."""
    full = replace(protocol.lattice, step_y=1, step_z=1, shift=0, block=protocol.reference_block)
    extent = {kz: tuple(ky for ky in full.rows(kz) if full.in_block(ky, kz)) for kz in full.planes()}
    rows = {kz: found for kz, found in extent.items() if found}
    plain = replace(full, block=(0, 0))
    if protocol.refocused:
        yield from _refocused(protocol, plain, rows)
        return
    for kz, found in rows.items():
        lines = imaging_lines(protocol, plain, found, kz, protocol.echo_time)
        if protocol.echo_train and protocol.echo_planar.navigator_lines:
            lines = joined([navigator_lines(protocol, plain, kz, float(lines.after[0])), lines])
        yield lines


def _refocused(protocol: Protocol, plain: Lattice, rows: dict[int, tuple[int, ...]]) -> Iterator[Lines]:
    """Spread the lines over as many segments as the image has, so that they fit between two refocusing pulses."""
    longest = max(map(len, rows.values()))
    for group in range(segments := -(-longest // protocol.echo_train_length)):
        parts = [navigator_lines(protocol, plain, 0, 0.0)] if protocol.echo_planar.navigator_lines else []
        for place, (kz, found) in enumerate(rows.items()):
            echo = (place + 1) * protocol.refocusing_spacing
            parts.append(imaging_lines(protocol, plain, found[group::segments], kz, echo))
        yield joined(parts)


def _flash(protocol: Protocol) -> Lines:
    """Give the lines of a gradient-echo reference, each with its own excitation, counted in their own encoding."""
    lines, partitions = protocol.reference_block
    ky, kz = (
        found.ravel() for found in np.meshgrid(np.arange(lines) - lines // 2, np.arange(partitions) - partitions // 2)
    )
    count = len(ky)
    return Lines(
        ky=ky,
        kz=kz,
        step_1=ky + lines // 2,
        step_2=kz + partitions // 2,
        after=np.asarray((np.arange(count) + 0.5) * _FLASH_REPETITION_TIME, np.float64),
        late=np.zeros(count),
        evolution=np.zeros(count),
        flags=np.full(count, REFERENCE, np.uint64),
    )
