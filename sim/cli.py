"""The command ``aslive simulate``: raw data of an ASL scan with known truth, in a file."""

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
from .protocol import Order, Protocol
from .scanner import TYPICAL_SNR, Scanner
from .truth import write_truth

HDF5, WIRE = (".h5", ".hdf5"), (".mrd",)

EXAMPLE = """\b
Example:
  aslive simulate scan.h5 --matrix 64 64 --slices 24 --coils 32 --pairs 30 --truth truth/
"""


def _orders(*orders: Order) -> click.Choice:
    return click.Choice([order.value for order in orders])


@click.command(epilog=EXAMPLE)
@click.argument("output", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--matrix", type=click.IntRange(1), nargs=2, default=(64, 64), show_default=True, help="Voxels in x, y.")
@click.option("--slices", type=click.IntRange(1), default=24, show_default=True, help="Slices, or 3-D partitions.")
@click.option("--field-of-view", type=float, nargs=2, default=(220.0, 220.0), show_default=True, help="In x, y, mm.")
@click.option("--slice-thickness", type=float, default=6.0, show_default=True, help="mm.")
@click.option("--3d", "three_dimensional", is_flag=True, help="Encode the slices by phase, too.")
@click.option("--shots", type=click.IntRange(1), default=1, show_default=True, help="Shots per 3-D volume.")
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
@click.option("--background-suppression", type=float, default=1.0, help="What is left of static signal; 1 is all.")
@click.option("--label-first", is_flag=True, help="Label before control in each pair.")
@click.option("--tr", type=float, default=5.0, show_default=True, help="Repetition time, s.")
@click.option("--m0-tr", type=float, default=None, help="Repetition time of the M0 scan, s; by default 10.")
@click.option("--no-m0", is_flag=True, help="Leave out the M0 scan.")
@click.option("--partial-fourier", type=float, default=1.0, show_default=True, help="Share of lines acquired.")
@click.option("--line-order", type=_orders(*Order), default=Order.LINEAR.value, show_default=True)
@click.option(
    "--slice-order", type=_orders(Order.LINEAR, Order.INTERLEAVED), default=Order.LINEAR.value, show_default=True
)
@click.option("--snr", type=float, default=TYPICAL_SNR, show_default=True, help="Of gray matter in a relaxed image.")
@click.option("--no-noise", is_flag=True, help="Perfect data; leaves out the noise scan, too.")
@click.option("--no-noise-scan", is_flag=True, help="Leave out the readouts that measure noise.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Same seed, same noise.")
@click.option("--chain", default="default", show_default=True, help="Chain a .mrd stream asks for.")
@click.option("--truth", type=click.Path(file_okay=False, path_type=Path), help="Folder for the true maps.")
def simulate(  # one argument per option
    output: Path,
    matrix: tuple[int, int],
    slices: int,
    field_of_view: tuple[float, float],
    slice_thickness: float,
    three_dimensional: bool,
    shots: int,
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
    line_order: str,
    slice_order: str,
    snr: float,
    no_noise: bool,
    no_noise_scan: bool,
    seed: int,
    chain: str,
    truth: Path | None,
) -> None:
    """Simulate the raw data of an ASL scan of a real brain, whose blood flow is known.

    OUTPUT is an MRD file (.h5) or a recorded MRD stream (.mrd).
    """
    if output.suffix not in HDF5 + WIRE:
        raise click.UsageError(f"{output.name}: the name must end with .h5 (MRD file) or .mrd (MRD stream)")
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
            three_dimensional=three_dimensional,
            shots=shots,
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
        )
        scanner = Scanner(protocol, seed=seed, snr=None if no_noise else snr)
        _write(output, scanner, chain)
        if truth is not None:
            write_truth(truth, scanner.head, protocol)
    except AsliveError as error:
        raise click.UsageError(str(error)) from error


def _refuse(broken: bool, message: str) -> None:
    if broken:
        raise click.UsageError(message)


def _write(output: Path, scanner: Scanner, chain: str) -> None:
    """Write all messages of a scan, with a bar that tells how far it is."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        messages = _watched(scanner, progress, output.name)
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
