"""The options of ``aslive simulate`` about what is imaged, and how k-space is walked through."""

from collections.abc import Callable
from typing import Any, TypedDict, TypeVar

import click

from .choices import Order, ReadoutType, ReferenceType
from .effects import Effects
from .epi import EchoPlanar
from .spiral import Spiral

_GRASE_LINES = 16
"""Lines between two refocusing pulses of GRASE, if nobody says how many segments there shall be."""
_SLAB_INTERLEAVES = 8

Command = TypeVar("Command", bound=Callable[..., object])


class ReadoutOptions(TypedDict):
    """What was given on the command line, by the name of each option."""

    matrix: tuple[int, int]
    slices: int
    field_of_view: tuple[float, float]
    slice_thickness: float
    readout: str
    three_dimensional: bool
    shots: int
    segments: int | None
    interleaves: int | None
    acceleration: tuple[int, int]
    caipi_shift: int
    reference: str | None
    reference_lines: int
    coils: int
    averages: int
    partial_fourier: float
    partial_fourier_slice: float
    gradient_delay: float
    ghost_phase: float
    off_resonance: float
    drift: float
    decay: bool
    shot_phase: float
    line_order: str
    slice_order: str


def _orders(*orders: Order) -> click.Choice:
    return click.Choice([order.value for order in orders])


_OPTIONS = (
    click.option(
        "--matrix", type=click.IntRange(1), nargs=2, default=(64, 64), show_default=True, help="Voxels in x, y."
    ),
    click.option("--slices", type=click.IntRange(1), default=24, show_default=True, help="Slices, or 3-D partitions."),
    click.option(
        "--field-of-view", type=float, nargs=2, default=(220.0, 220.0), show_default=True, help="In x, y, mm."
    ),
    click.option("--slice-thickness", type=float, default=6.0, show_default=True, help="mm."),
    click.option(
        "--readout",
        type=click.Choice([kind.value for kind in ReadoutType]),
        default=ReadoutType.CARTESIAN.value,
        show_default=True,
        help="How k-space is walked through; GRASE is always 3-D.",
    ),
    click.option("--3d", "three_dimensional", is_flag=True, help="Encode the slices by phase, too."),
    click.option("--shots", type=click.IntRange(1), default=1, show_default=True, help="Shots per 3-D volume."),
    click.option(
        "--segments", type=click.IntRange(1), default=None, help="TRs that share the lines; GRASE: 16 lines each."
    ),
    click.option(
        "--interleaves", type=click.IntRange(1), default=None, help="Spiral: arms; by default 1, and 8 in 3-D."
    ),
    click.option(
        "--acceleration",
        type=click.IntRange(1),
        nargs=2,
        default=(1, 1),
        show_default=True,
        help="Of lines, partitions.",
    ),
    click.option("--caipi-shift", type=int, default=0, show_default=True, help="Lines from partition to partition."),
    click.option(
        "--reference",
        type=click.Choice([kind.value for kind in ReferenceType]),
        default=None,
        help="Where reference lines come from; by default embedded, if accelerated.",
    ),
    click.option("--reference-lines", type=click.IntRange(1), default=24, show_default=True, help="About the middle."),
    click.option("--coils", type=click.IntRange(1, 1024), default=32, show_default=True, help="Receiver coils."),
    click.option("--averages", type=click.IntRange(1), default=1, show_default=True, help="Of each volume."),
    click.option("--partial-fourier", type=float, default=1.0, show_default=True, help="Share of lines acquired."),
    click.option("--partial-fourier-slice", type=float, default=1.0, show_default=True, help="The same of partitions."),
    click.option(
        "--gradient-delay", type=float, default=0.0, help="us; a ghost in EPI and GRASE, rotation in spirals."
    ),
    click.option("--ghost-phase", type=float, default=0.0, help="Of odd against even lines, rad."),
    click.option("--off-resonance", type=float, default=0.0, help="Of the field above the frontal sinus, Hz."),
    click.option("--drift", type=float, default=0.0, help="Of the frequency, Hz/min."),
    click.option("--decay", is_flag=True, help="Let signal decay along the echo train."),
    click.option(
        "--shot-phase", type=float, default=0.0, help="Standard deviation from excitation to excitation, rad."
    ),
    click.option("--line-order", type=_orders(*Order), default=Order.LINEAR.value, show_default=True),
    click.option(
        "--slice-order", type=_orders(Order.LINEAR, Order.INTERLEAVED), default=Order.LINEAR.value, show_default=True
    ),
)


def readout_options(command: Command) -> Command:
    """Give a command the options of this file."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def refuse_option(broken: bool, message: str) -> None:
    """Say what is wrong with the command line, if it is."""
    if broken:
        raise click.UsageError(message)


def readout_fields(given: ReadoutOptions) -> dict[str, Any]:  # Any: the fields of a protocol have many types
    """Turn the options into fields of ``Protocol``, in m and s."""
    readout = given["readout"]
    kind = ReadoutType(readout)
    grase, spiral = kind is ReadoutType.GRASE, kind is ReadoutType.SPIRAL
    three_dimensional = given["three_dimensional"] or grase
    segments, interleaves = given["segments"], given["interleaves"]
    refuse_option(interleaves is not None and not spiral, f"--interleaves is for spirals, not for {readout}")
    refuse_option(spiral and segments is not None, "--segments is not for spirals; give --interleaves")
    echo_train = grase or kind is ReadoutType.EPI
    refuse_option(given["ghost_phase"] != 0 and not echo_train, f"--ghost-phase is not for {readout}")
    late = given["gradient_delay"] * 1e-6
    refuse_option(late != 0 and kind is ReadoutType.CARTESIAN, f"--gradient-delay is not for {readout}")
    refuse_option(given["shots"] > 1 and not three_dimensional, "--shots needs --3d")
    if segments is None:
        segments = -(-given["matrix"][1] // (given["acceleration"][0] * _GRASE_LINES)) if grase else 1
    if interleaves is None:
        interleaves = _SLAB_INTERLEAVES if three_dimensional else 1
    x, y = given["field_of_view"]
    return {
        "matrix": (*given["matrix"], given["slices"]),
        "field_of_view": (x * 1e-3, y * 1e-3, given["slice_thickness"] * given["slices"] * 1e-3),
        "readout": kind,
        "echo_planar": EchoPlanar(delay=late, phase=given["ghost_phase"]),
        "spiral": Spiral(interleaves=interleaves),
        "three_dimensional": three_dimensional,
        "shots": given["shots"],
        "segments": segments,
        "acceleration": given["acceleration"],
        "caipi_shift": given["caipi_shift"],
        "reference": None if given["reference"] is None else ReferenceType(given["reference"]),
        "reference_lines": given["reference_lines"],
        "partial_fourier": given["partial_fourier"],
        "partial_fourier_slice": given["partial_fourier_slice"],
        "partition_order": Order.CENTRIC if grase or (spiral and three_dimensional) else Order.LINEAR,
        "line_order": Order(given["line_order"]),
        "slice_order": Order(given["slice_order"]),
        "coils": given["coils"],
        "averages": given["averages"],
        "effects": Effects(
            off_resonance=given["off_resonance"],
            drift=given["drift"],
            decay=given["decay"],
            shot_phase=given["shot_phase"],
            trajectory_delay=late if spiral else 0.0,
        ),
    }
