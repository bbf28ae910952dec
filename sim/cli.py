"""The command ``aslive simulate``: raw data of an ASL scan with known truth, in a file."""

import json
from collections.abc import Iterator
from pathlib import Path

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from ..streaming.errors import AsliveError
from ..streaming.messages import Acquisition, ConfigFile, Message
from ..streaming.mrd_file import write
from ..streaming.scan import LabelingType
from ..streaming.wire import encode
from .choices import NoiseScan, Order, ReadoutType, ReferenceType
from .effects import Effects
from .epi import EchoPlanar
from .header import header_text
from .protocol import Protocol
from .scanner import TYPICAL_SNR, Scanner
from .spiral import Spiral
from .truth import write_truth
from .vendors.catalog import as_written_by, profile_of
from .vendors.profile import Vendor

_GRASE_LINES = 16
"""Lines between two refocusing pulses of GRASE, if nobody says how many segments there shall be."""
_SLAB_INTERLEAVES = 8

HDF5, WIRE = (".h5", ".hdf5"), (".mrd",)

EXAMPLE = """\b
Example:
  aslive simulate scan.h5 --matrix 64 64 --slices 24 --coils 32 --pairs 30 --truth truth/
  aslive simulate scan.h5 --readout epi --acceleration 2 1 --reference separate
"""


def _orders(*orders: Order) -> click.Choice:
    return click.Choice([order.value for order in orders])


@click.command(epilog=EXAMPLE)
@click.argument("output", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--matrix", type=click.IntRange(1), nargs=2, default=(64, 64), show_default=True, help="Voxels in x, y.")
@click.option("--slices", type=click.IntRange(1), default=24, show_default=True, help="Slices, or 3-D partitions.")
@click.option("--field-of-view", type=float, nargs=2, default=(220.0, 220.0), show_default=True, help="In x, y, mm.")
@click.option("--slice-thickness", type=float, default=6.0, show_default=True, help="mm.")
@click.option(
    "--readout",
    type=click.Choice([kind.value for kind in ReadoutType]),
    default=ReadoutType.CARTESIAN.value,
    show_default=True,
    help="How k-space is walked through; GRASE is always 3-D.",
)
@click.option("--3d", "three_dimensional", is_flag=True, help="Encode the slices by phase, too.")
@click.option("--shots", type=click.IntRange(1), default=1, show_default=True, help="Shots per 3-D volume.")
@click.option(
    "--segments", type=click.IntRange(1), default=None, help="TRs that share the lines; GRASE: 16 lines each."
)
@click.option("--interleaves", type=click.IntRange(1), default=None, help="Spiral: arms; by default 1, and 8 in 3-D.")
@click.option(
    "--acceleration", type=click.IntRange(1), nargs=2, default=(1, 1), show_default=True, help="Of lines, partitions."
)
@click.option("--caipi-shift", type=int, default=0, show_default=True, help="Lines from partition to partition.")
@click.option(
    "--reference",
    type=click.Choice([kind.value for kind in ReferenceType]),
    default=None,
    help="Where reference lines come from; by default embedded, if accelerated.",
)
@click.option("--reference-lines", type=click.IntRange(1), default=24, show_default=True, help="About the middle.")
@click.option("--coils", type=click.IntRange(1, 1024), default=32, show_default=True, help="Receiver coils.")
@click.option("--pairs", type=click.IntRange(1), default=30, show_default=True, help="Control and label pairs.")
@click.option("--averages", type=click.IntRange(1), default=1, show_default=True, help="Of each volume.")
@click.option(
    "--labeling-type",
    type=click.Choice([kind.value for kind in LabelingType], case_sensitive=False),
    default=LabelingType.PCASL.value,
    show_default=True,
)
@click.option("--labeling-duration", type=float, default=None, help="s; by default 1.8. Not for PASL.")
@click.option(
    "--delay",
    type=float,
    multiple=True,
    default=(1.8,),
    show_default=True,
    help="Post-labeling delay, in PASL the inversion time, s; give several for a multi-delay scan.",
)
@click.option("--bolus-cut-off", type=float, default=None, help="PASL: length of the bolus, s; by default 0.8.")
@click.option("--efficiency", type=float, default=None, help="Labeling efficiency; by default that of the white paper.")
@click.option("--background-suppression", type=float, default=1.0, help="Static signal left, -1 to 1; 1 is all.")
@click.option("--label-first", is_flag=True, help="Label before control in each pair.")
@click.option("--tr", type=float, default=5.0, show_default=True, help="Repetition time, s.")
@click.option("--m0-tr", type=float, default=None, help="Repetition time of the M0 scan, s; by default 10.")
@click.option("--no-m0", is_flag=True, help="Leave out the M0 scan.")
@click.option("--partial-fourier", type=float, default=1.0, show_default=True, help="Share of lines acquired.")
@click.option("--partial-fourier-slice", type=float, default=1.0, show_default=True, help="The same of partitions.")
@click.option("--gradient-delay", type=float, default=0.0, help="us; a ghost in EPI and GRASE, rotation in spirals.")
@click.option("--ghost-phase", type=float, default=0.0, help="Of odd against even lines, rad.")
@click.option("--off-resonance", type=float, default=0.0, help="Of the field above the frontal sinus, Hz.")
@click.option("--drift", type=float, default=0.0, help="Of the frequency, Hz/min.")
@click.option("--decay", is_flag=True, help="Let signal decay along the echo train.")
@click.option("--shot-phase", type=float, default=0.0, help="Standard deviation from excitation to excitation, rad.")
@click.option("--line-order", type=_orders(*Order), default=Order.LINEAR.value, show_default=True)
@click.option(
    "--slice-order", type=_orders(Order.LINEAR, Order.INTERLEAVED), default=Order.LINEAR.value, show_default=True
)
@click.option("--snr", type=float, default=TYPICAL_SNR, show_default=True, help="Of gray matter in a relaxed image.")
@click.option("--no-noise", is_flag=True, help="Perfect data; leaves out the noise scan, too.")
@click.option("--no-noise-scan", is_flag=True, help="Leave out the readouts that measure noise.")
@click.option(
    "--earlier-noise",
    type=click.Path(dir_okay=False, path_type=Path),
    help="File for the noise scan, as a measurement of its own that the header names.",
)
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Same seed, same noise.")
@click.option("--chain", default="default", show_default=True, help="Chain a .mrd stream asks for.")
@click.option(
    "--profile",
    type=click.Choice([vendor.value for vendor in Vendor]),
    default=Vendor.NEUTRAL.value,
    show_default=True,
    help="Whose converter writes the scan.",
)
@click.option("--truth", type=click.Path(file_okay=False, path_type=Path), help="Folder for the true maps.")
def simulate(  # one argument per option
    output: Path,
    matrix: tuple[int, int],
    slices: int,
    field_of_view: tuple[float, float],
    slice_thickness: float,
    readout: str,
    three_dimensional: bool,
    shots: int,
    segments: int | None,
    interleaves: int | None,
    acceleration: tuple[int, int],
    caipi_shift: int,
    reference: str | None,
    reference_lines: int,
    coils: int,
    pairs: int,
    averages: int,
    labeling_type: str,
    labeling_duration: float | None,
    delay: tuple[float, ...],
    bolus_cut_off: float | None,
    efficiency: float | None,
    background_suppression: float,
    label_first: bool,
    tr: float,
    m0_tr: float | None,
    no_m0: bool,
    partial_fourier: float,
    partial_fourier_slice: float,
    gradient_delay: float,
    ghost_phase: float,
    off_resonance: float,
    drift: float,
    decay: bool,
    shot_phase: float,
    line_order: str,
    slice_order: str,
    snr: float,
    no_noise: bool,
    no_noise_scan: bool,
    earlier_noise: Path | None,
    seed: int,
    chain: str,
    profile: str,
    truth: Path | None,
) -> None:
    """Simulate the raw data of an ASL scan of a real brain, whose blood flow is known.

    OUTPUT is an MRD file (.h5) or a recorded MRD stream (.mrd). With a vendor's profile, what its header cannot say
    stands as settings in OUTPUT.json, and is sent in the stream.
    """
    for file in (output, earlier_noise):
        if file is not None and file.suffix not in HDF5 + WIRE:
            raise click.UsageError(f"{file.name}: the name must end with .h5 (MRD file) or .mrd (MRD stream)")
    kind = ReadoutType(readout)
    grase, spiral = kind is ReadoutType.GRASE, kind is ReadoutType.SPIRAL
    three_dimensional = three_dimensional or grase
    _refuse(interleaves is not None and not spiral, f"--interleaves is for spirals, not for {readout}")
    _refuse(spiral and segments is not None, "--segments is not for spirals; give --interleaves")
    _refuse(ghost_phase != 0 and not (grase or kind is ReadoutType.EPI), f"--ghost-phase is not for {readout}")
    _refuse(gradient_delay != 0 and kind is ReadoutType.CARTESIAN, f"--gradient-delay is not for {readout}")
    _refuse(
        earlier_noise is not None and (no_noise or no_noise_scan),
        "--earlier-noise contradicts --no-noise and --no-noise-scan",
    )
    if segments is None:
        segments = -(-matrix[1] // (acceleration[0] * _GRASE_LINES)) if grase else 1
    if interleaves is None:
        interleaves = _SLAB_INTERLEAVES if three_dimensional else 1
    pulsed = labeling_type == LabelingType.PASL
    _refuse(pulsed and labeling_duration is not None, "--labeling-duration is not for PASL; give --bolus-cut-off")
    _refuse(not pulsed and bolus_cut_off is not None, f"--bolus-cut-off is for PASL, not for {labeling_type}")
    _refuse(no_m0 and m0_tr is not None, "--m0-tr and --no-m0 contradict each other")
    _refuse(shots > 1 and not three_dimensional, "--shots needs --3d")
    _refuse(output.suffix in HDF5 and chain != "default", "--chain is for .mrd streams")
    try:
        protocol = Protocol(
            matrix=(*matrix, slices),
            field_of_view=(field_of_view[0] * 1e-3, field_of_view[1] * 1e-3, slice_thickness * slices * 1e-3),
            readout=kind,
            echo_planar=EchoPlanar(delay=gradient_delay * 1e-6, phase=ghost_phase),
            spiral=Spiral(interleaves=interleaves),
            three_dimensional=three_dimensional,
            shots=shots,
            segments=segments,
            acceleration=acceleration,
            caipi_shift=caipi_shift,
            reference=None if reference is None else ReferenceType(reference),
            reference_lines=reference_lines,
            partial_fourier_slice=partial_fourier_slice,
            partition_order=Order.CENTRIC if grase or (spiral and three_dimensional) else Order.LINEAR,
            coils=coils,
            pairs=pairs,
            averages=averages,
            labeling_type=LabelingType(labeling_type),
            labeling_duration=1.8 if labeling_duration is None else labeling_duration,
            post_labeling_delay=delay,
            bolus_cut_off_delay_time=0.8 if bolus_cut_off is None else bolus_cut_off,
            labeling_efficiency=efficiency,
            background_suppression=background_suppression,
            label_first=label_first,
            repetition_time=tr,
            m0_repetition_time=10.0 if m0_tr is None else m0_tr,
            m0scan=not no_m0,
            partial_fourier=partial_fourier,
            line_order=Order(line_order),
            slice_order=Order(slice_order),
            noise_readouts=0 if no_noise_scan else 32,
            noise_scan=NoiseScan.INLINE if earlier_noise is None else NoiseScan.EARLIER,
            effects=Effects(
                off_resonance=off_resonance,
                drift=drift,
                decay=decay,
                shot_phase=shot_phase,
                trajectory_delay=gradient_delay * 1e-6 if spiral else 0.0,
            ),
        )
        scanner = Scanner(protocol, seed=seed, snr=None if no_noise else snr)
        _write_settings(output, protocol, Vendor(profile))
        if earlier_noise is not None:
            _write_messages(earlier_noise, scanner.noise_messages(), chain)
        _write(output, scanner, chain, Vendor(profile))
        if truth is not None:
            write_truth(truth, scanner.head, protocol)
    except AsliveError as error:
        raise click.UsageError(str(error)) from error


def _refuse(broken: bool, message: str) -> None:
    if broken:
        raise click.UsageError(message)


def _write_settings(output: Path, protocol: Protocol, vendor: Vendor) -> None:
    """Write what the site must say beside a vendor's scan; a scan that its converter cannot carry is refused."""
    profile, text = profile_of(vendor), header_text(protocol)
    if profile is not None:
        profile.header(text)
        output.with_suffix(".json").write_text(json.dumps(profile.settings(text), indent=2) + "\n")


def _write(output: Path, scanner: Scanner, chain: str, vendor: Vendor) -> None:
    """Write all messages of a scan, with a bar that tells how far it is."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        watched = _watched(scanner, progress, output.name)
        messages = as_written_by(vendor, watched, tell_settings=output.suffix in WIRE)
        _write_messages(output, messages, chain)


def _write_messages(output: Path, messages: Iterator[Message], chain: str) -> None:
    if output.suffix in HDF5:
        write(output, messages)
        return
    with output.open("wb") as file:
        file.write(encode(ConfigFile(chain)))
        for message in messages:
            file.write(encode(message))


def _watched(scanner: Scanner, progress: Progress, name: str) -> Iterator[Message]:
    """Pass messages on, and move the bar once per echo train."""
    task = progress.add_task(name, total=scanner.readouts)
    step = scanner.protocol.line_count
    passed = 0
    for message in scanner.messages():
        yield message
        passed += isinstance(message, Acquisition)
        if passed % step == 0:
            progress.update(task, completed=passed)
    progress.update(task, completed=passed)
