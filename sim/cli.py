"""The command ``aslive simulate``: raw data of an ASL scan with known truth, in a file."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Unpack

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from ..streaming.errors import AsliveError
from ..streaming.messages import Acquisition, ConfigFile, Message
from ..streaming.mrd_file import write
from ..streaming.wire import encode
from .choices import NoiseScan
from .cli_labeling import LabelingOptions, head_of, labeling_fields, labeling_options
from .cli_patient import fault_option, patient_of
from .cli_readout import ReadoutOptions, readout_fields, readout_options, refuse_option
from .header import header_text
from .protocol import Protocol
from .scanner import TYPICAL_SNR, Scanner
from .truth import write_truth
from .vendors.catalog import as_written_by, profile_of
from .vendors.profile import Vendor

HDF5, WIRE = (".h5", ".hdf5"), (".mrd",)

EXAMPLE = """\b
Example:
  aslive simulate scan.h5 --matrix 64 64 --slices 24 --coils 32 --pairs 30 --truth truth/
  aslive simulate scan.h5 --readout epi --acceleration 2 1 --reference separate
  aslive simulate scan.h5 --time-encoding hadamard8 --pairs 3 --late left-middle 1.2
  aslive simulate scan.h5 --fault motion-step:volume=9,pitch=3 --fault spikes --truth truth/
"""


class Options(ReadoutOptions, LabelingOptions):
    """What is to be simulated, by the name of each option."""


@click.command(epilog=EXAMPLE)
@click.argument("output", type=click.Path(dir_okay=False, path_type=Path))
@readout_options
@labeling_options
@fault_option
@click.option("--snr", type=float, default=TYPICAL_SNR, show_default=True, help="Of gray matter in a relaxed image.")
@click.option("--no-noise", is_flag=True, help="Perfect data; leaves out the noise scan, too.")
@click.option("--no-noise-scan", is_flag=True, help="Leave out the readouts that measure noise.")
@click.option(
    "--earlier-noise",
    type=click.Path(dir_okay=False, path_type=Path),
    help="File for the noise scan, as a measurement of its own that the header names.",
)
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Same seed, same scan.")
@click.option("--chain", default="default", show_default=True, help="Chain a .mrd stream asks for.")
@click.option(
    "--profile",
    type=click.Choice([vendor.value for vendor in Vendor]),
    default=Vendor.NEUTRAL.value,
    show_default=True,
    help="Whose converter writes the scan.",
)
@click.option("--truth", type=click.Path(file_okay=False, path_type=Path), help="Folder for the true maps.")
def simulate(
    output: Path,
    fault: tuple[str, ...],
    snr: float,
    no_noise: bool,
    no_noise_scan: bool,
    earlier_noise: Path | None,
    seed: int,
    chain: str,
    profile: str,
    truth: Path | None,
    **given: Unpack[Options],
) -> None:
    """Simulate the raw data of an ASL scan of a real brain, whose blood flow is known.

    OUTPUT is an MRD file (.h5) or a recorded MRD stream (.mrd). With a vendor's profile, what its header cannot say
    stands as settings in OUTPUT.json, and is sent in the stream.
    """
    for file in (output, earlier_noise):
        if file is not None and file.suffix not in HDF5 + WIRE:
            raise click.UsageError(f"{file.name}: the name must end with .h5 (MRD file) or .mrd (MRD stream)")
    refuse_option(
        earlier_noise is not None and (no_noise or no_noise_scan),
        "--earlier-noise contradicts --no-noise and --no-noise-scan",
    )
    refuse_option(output.suffix in HDF5 and chain != "default", "--chain is for .mrd streams")
    try:
        protocol = Protocol(
            **readout_fields(given),
            **labeling_fields(given),
            noise_readouts=0 if no_noise_scan else 32,
            noise_scan=NoiseScan.INLINE if earlier_noise is None else NoiseScan.EARLIER,
        )
        head = head_of(given, protocol.grid)
        scanner = Scanner(protocol, seed, None if no_noise else snr, head, patient_of(fault, seed))
        _write_settings(output, protocol, Vendor(profile))
        if earlier_noise is not None:
            _write_messages(earlier_noise, scanner.noise_messages(), chain)
        _write(output, scanner, chain, Vendor(profile))
        if truth is not None:
            write_truth(truth, scanner.head, protocol, scanner.patient)
    except AsliveError as error:
        raise click.UsageError(str(error)) from error


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
