"""The options of ``aslive simulate`` about labeling, delays and blood."""

from dataclasses import replace
from typing import Any, TypedDict

import click

from ..streaming.scan import LabelingType
from ..streaming.time_encoding import MatrixType
from .anatomy import Anatomy, brain
from .arteries import arterial_blood_volume
from .cli_readout import Command, refuse_option
from .grid import Grid
from .preparation import EfficiencyChange
from .territories import Late, Territory
from .time_encoding import TimeEncoded

_ENCODINGS = {
    "hadamard4": (MatrixType.HADAMARD, 4),
    "hadamard8": (MatrixType.HADAMARD, 8),
    "hadamard12": (MatrixType.HADAMARD, 12),
    "walsh4": (MatrixType.WALSH, 4),
    "walsh8": (MatrixType.WALSH, 8),
}
_USUAL_DELAY, _USUAL_DURATION = 1.8, 1.8
_ENCODED_DELAY, _ENCODED_DURATION = 0.3, 3.5
"""Of time-encoded scans: from the end of the last sub-bolus, and of all sub-boluses together, s."""
_USUAL_PAIRS = 30


class LabelingOptions(TypedDict):
    """What was given on the command line, by the name of each option."""

    pairs: int | None
    labeling_type: str
    labeling_duration: tuple[float, ...]
    delay: tuple[float, ...]
    delay_order: str | None
    repeats: tuple[int, ...]
    look_locker: float | None
    time_encoding: str | None
    sub_bolus: tuple[float, ...]
    label_sign: str | None
    bolus_cut_off: float | None
    efficiency: float | None
    efficiency_change: tuple[int, float] | None
    background_suppression: float
    vascular_crushing: bool
    label_first: bool
    late: tuple[tuple[str, float], ...]
    arterial: bool
    tr: float
    m0_tr: float | None
    no_m0: bool


_OPTIONS = (
    click.option(
        "--pairs",
        type=click.IntRange(1),
        default=None,
        help="Control and label pairs; in Look-Locker of all delays, in time encoding cycles. By default 30.",
    ),
    click.option(
        "--labeling-type",
        type=click.Choice([kind.value for kind in LabelingType], case_sensitive=False),
        default=LabelingType.PCASL.value,
        show_default=True,
    ),
    click.option(
        "--labeling-duration",
        type=float,
        multiple=True,
        help="s; by default 1.8, in time encoding 3.5 of all sub-boluses. Give one for each delay, if they differ.",
    ),
    click.option(
        "--delay",
        type=float,
        multiple=True,
        help="Post-labeling delay, in PASL the inversion time, s; by default 1.8, in time encoding 0.3. Give several "
        "for a multi-delay scan.",
    ),
    click.option("--delay-order", default=None, help="Which delay each pair has, from 0, over again: 0,0,1,2."),
    click.option("--repeats", type=click.IntRange(1), multiple=True, help="Pairs of each delay, one after the other."),
    click.option("--look-locker", type=float, default=None, help="Read all delays by this flip angle, degrees."),
    click.option("--time-encoding", type=click.Choice(list(_ENCODINGS)), default=None, help="Encode sub-boluses."),
    click.option("--sub-bolus", type=float, multiple=True, help="Labeling duration of all, or of each sub-bolus, s."),
    click.option("--label-sign", type=click.Choice(["-1", "1"]), default=None, help="Of the matrix; by default -1."),
    click.option("--bolus-cut-off", type=float, default=None, help="PASL: length of the bolus, s; by default 0.8."),
    click.option(
        "--efficiency", type=float, default=None, help="Labeling efficiency; by default that of the white paper."
    ),
    click.option(
        "--efficiency-change",
        type=(int, float),
        default=None,
        help="From this pair on, from 0, times this factor.",
    ),
    click.option("--background-suppression", type=float, default=1.0, help="Static signal left, -1 to 1; 1 is all."),
    click.option("--vascular-crushing", is_flag=True, help="Spoil blood that flows in arteries."),
    click.option("--label-first", is_flag=True, help="Label before control in each pair."),
    click.option(
        "--late",
        type=(click.Choice([territory.value for territory in Territory]), float),
        multiple=True,
        help="Territory, and by how much blood comes later to it, s.",
    ),
    click.option("--arterial", is_flag=True, help="Let blood in large arteries be seen, too."),
    click.option("--tr", type=float, default=5.0, show_default=True, help="Repetition time, s."),
    click.option("--m0-tr", type=float, default=None, help="Repetition time of the M0 scan, s; by default 10."),
    click.option("--no-m0", is_flag=True, help="Leave out the M0 scan."),
)


def labeling_options(command: Command) -> Command:
    """Give a command the options of this file."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def head_of(given: LabelingOptions, grid: Grid) -> Anatomy:
    """Give the head, with late territories and visible arteries if they are asked for."""
    late = tuple(Late(Territory(name), delay) for name, delay in given["late"])
    return replace(
        brain(grid), late=late, arterial_blood_volume=arterial_blood_volume(grid) if given["arterial"] else None
    )


def labeling_fields(given: LabelingOptions) -> dict[str, Any]:  # Any: the fields of a protocol have many types
    """Turn the options into fields of ``Protocol``."""
    kind = LabelingType(given["labeling_type"])
    pulsed, encoded = kind is LabelingType.PASL, given["time_encoding"] is not None
    refuse_option(
        pulsed and bool(given["labeling_duration"]), "--labeling-duration is not for PASL; give --bolus-cut-off"
    )
    refuse_option(
        not pulsed and given["bolus_cut_off"] is not None, f"--bolus-cut-off is for PASL, not for {kind.value}"
    )
    refuse_option(given["no_m0"] and given["m0_tr"] is not None, "--m0-tr and --no-m0 contradict each other")
    refuse_option(
        not encoded and bool(given["sub_bolus"] or given["label_sign"]),
        "--sub-bolus and --label-sign need --time-encoding",
    )
    delays = given["delay"] or (_ENCODED_DELAY if encoded else _USUAL_DELAY,)
    order, pairs = _order(given, len(delays))
    change = given["efficiency_change"]
    return {
        "labeling_type": kind,
        "labeling_duration": given["labeling_duration"] or (_ENCODED_DURATION if encoded else _USUAL_DURATION),
        "post_labeling_delay": delays,
        "delay_order": order,
        "look_locker": given["look_locker"] is not None,
        "flip_angle": 90.0 if given["look_locker"] is None else given["look_locker"],
        "time_encoding": _encoding(given),
        "bolus_cut_off_delay_time": 0.8 if given["bolus_cut_off"] is None else given["bolus_cut_off"],
        "labeling_efficiency": given["efficiency"],
        "efficiency_change": None if change is None else EfficiencyChange(*change),
        "background_suppression": given["background_suppression"],
        "vascular_crushing": given["vascular_crushing"],
        "pairs": pairs,
        "label_first": given["label_first"],
        "repetition_time": given["tr"],
        "m0_repetition_time": 10.0 if given["m0_tr"] is None else given["m0_tr"],
        "m0scan": not given["no_m0"],
    }


def _encoding(given: LabelingOptions) -> TimeEncoded | None:
    if given["time_encoding"] is None:
        return None
    kind, size = _ENCODINGS[given["time_encoding"]]
    sign = -1 if given["label_sign"] is None else int(given["label_sign"])
    return TimeEncoded(kind=kind, size=size, label_sign=sign, durations=given["sub_bolus"])


def _order(given: LabelingOptions, delays: int) -> tuple[tuple[int, ...], int]:
    """Give the order of the delays, and the number of pairs."""
    text, repeats = given["delay_order"], given["repeats"]
    refuse_option(bool(text) and bool(repeats), "--delay-order and --repeats contradict each other")
    refuse_option(len(repeats) not in (0, delays), f"--repeats wants a number for each of the {delays} delays")
    order = tuple(delay for delay, count in enumerate(repeats) for _ in range(count))
    if text:
        words = text.replace(",", " ").split()
        refuse_option(not all(map(str.isdecimal, words)), f"--delay-order is like 0,0,1,2, not {text}")
        order = tuple(map(int, words))
    return order, given["pairs"] or len(repeats and order) or _USUAL_PAIRS
