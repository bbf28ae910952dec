"""Judges many simulated scans, clean and faulty, and prints how often the chain was right.

Every scan has a seed of its own, the same in each run. Motion, rhythm, labeling and early stops are studied on images;
what happens in the receiver on raw data. Example:

    python benchmarks/quality.py --scans 100 --json quality.json
    python benchmarks/quality.py --scans 10 --fault spikes --fault clean
"""

import json
import os
import sys
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from functools import cache, partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import click
import numpy as np
from judged import Judged, head, judged_images, judged_raw
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from aslive.sim.choices import ReadoutType
from aslive.sim.faults_labeling import LabelFailure
from aslive.sim.patient import FAULTS, Fault, Patient
from aslive.sim.protocol import Protocol
from aslive.streaming.quality import Alarm

Figures = dict[str, Any]  # Any: numbers, and names of alarms
_THREADS = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "NUMBA_NUM_THREADS")
IMAGES = Protocol(matrix=(40, 48, 14), field_of_view=(0.2, 0.24, 0.126), readout=ReadoutType.EPI, pairs=20)
"""Of 5 x 5 x 9 mm, covering the brain."""
RAW = Protocol(matrix=(32, 32, 10), coils=4, readout=ReadoutType.EPI, pairs=12)
CLEAN = "clean"
BRIEF = "label-failure, 3 pairs"
_IN_THE_RECEIVER = ("spikes", "dead-coil", "noisy-coil", "gain-jump", "lost-lines")
_OWN: dict[str, set[Alarm]] = {
    CLEAN: set(),
    "clean, raw": set(),
    "motion-step": {Alarm.MOTION},
    "motion-drift": {Alarm.HEAD_DRIFT},
    "motion-within-volume": {Alarm.MOTION_WITHIN_VOLUME, Alarm.MOTION},
    "nodding": {Alarm.MOTION},
    "cardiac": {Alarm.PULSATION},
    "respiratory": {Alarm.PULSATION},
    "swapped-order": {Alarm.ORDER},
    "label-failure": {Alarm.LABELING},
    BRIEF: {Alarm.LABELING},
    "label-failure-artery": {Alarm.TERRITORY},
    "spikes": {Alarm.SPIKES},
    "dead-coil": {Alarm.COIL},
    "noisy-coil": {Alarm.COIL},
    "gain-jump": {Alarm.GAIN},
    "lost-lines": {Alarm.LOST_LINES},
    "early-stop": {Alarm.ENDED_EARLY},
}
"""The alarms that belong to each fault."""
_SPOILING = ("motion-within-volume", BRIEF, "spikes", "lost-lines")
"""Faults that spoil some pairs and leave the others good, so that these pairs are to be left out."""


@dataclass(frozen=True, slots=True)
class Scored:
    """How right the chain was about one scan."""

    own: bool
    """Whether an alarm that belongs to the fault was raised."""
    others: tuple[str, ...]
    """Alarms that do not belong to it."""
    spoiled: int
    """Pairs that the fault spoils."""
    found: int
    """Of these, left out within one pair of their arrival."""
    good: int
    wrongly_left_out: int
    """Good pairs that are left out at the end."""
    flow: float
    """Mean flow of gray matter over that of the clean scan with the same noise."""
    seconds: float


def patient_of(name: str, seed: int) -> Patient:
    """Make the patient of a study."""
    if name.startswith(CLEAN):
        return Patient(seed=seed)
    faults: list[str | Fault] = [LabelFailure(pair=9, pairs=3)] if name == BRIEF else [name]
    return Patient.of(faults, seed)


def of_receiver(name: str) -> bool:
    """Tell whether a study is made on raw data."""
    return name in _IN_THE_RECEIVER or name.endswith("raw")


@cache
def clean_flow(raw: bool, seed: int) -> float:
    """Give the flow of gray matter in the scan without a fault."""
    protocol, judge = (RAW, judged_raw) if raw else (IMAGES, judged_images)
    return judge(protocol, Patient(), seed).flow_in(head(protocol.grid).gray_matter > 0.7)


def score(name: str, seed: int) -> Scored:
    """Simulate a scan with a fault, and the same without, and hold what was said of it against the truth."""
    raw = of_receiver(name)
    protocol, judge = (RAW, judged_raw) if raw else (IMAGES, judged_images)
    patient = patient_of(name, seed)
    begin = time.perf_counter()
    judged = judge(protocol, patient, seed)
    seconds = time.perf_counter() - begin
    flow = 1.0
    if patient.faults:
        flow = judged.flow_in(head(protocol.grid).gray_matter > 0.7) / clean_flow(raw, seed)
    spoiled = _spoiled(patient, protocol) if name in _SPOILING else frozenset[int]()
    found = sum(_found(judged, pair) for pair in spoiled)
    good = set(judged.verdicts) - spoiled
    if patient.faults and name not in _SPOILING:
        good = set()  # what is good is not known: the fault is in all pairs, or in none
    own = {str(alarm) for alarm in judged.alarms} & {str(alarm) for alarm in _OWN[name]}
    others = tuple(sorted(str(alarm) for alarm in judged.alarms if alarm not in _OWN[name]))
    return Scored(bool(own), others, len(spoiled), found, len(good), len(good & judged.left_out), flow, seconds)


def _spoiled(patient: Patient, protocol: Protocol) -> frozenset[int]:
    return frozenset(pair for pairs in patient.affected_pairs(protocol).values() for pair in pairs)


def _found(judged: Judged, pair: int) -> bool:
    """Tell whether a pair was left out within one pair of its arrival; one that made no pair at all, is."""
    if pair not in judged.verdicts:
        return True
    return judged.left_out_at.get(pair, 1 << 30) <= pair + 2 and pair in judged.left_out


def score_all(names: Sequence[str], seed: int) -> list[Scored]:
    """Judge the scans of one seed with each fault; they are compared with the same clean scan."""
    return [score(name, seed) for name in names]


def summed(scored: Sequence[Scored]) -> Figures:
    """Give the figures of a study."""
    scans = len(scored)
    spoiled, good = sum(one.spoiled for one in scored), sum(one.good for one in scored)
    flows = np.array([one.flow for one in scored])
    return {
        "scans": scans,
        "own": sum(one.own for one in scored),
        "others": sum(bool(one.others) for one in scored),
        "which": sorted({alarm for one in scored for alarm in one.others}),
        "spoiled": spoiled,
        "found": sum(one.found for one in scored),
        "good": good,
        "wrongly_left_out": sum(one.wrongly_left_out for one in scored),
        "flow": [float(np.nanmean(flows)), float(np.nanmin(flows)), float(np.nanmax(flows))],
        "seconds": float(np.median([one.seconds for one in scored])),
        "each": [asdict(one) for one in scored],
    }


def table(studies: Mapping[str, Figures]) -> Table:
    """Draw what came out."""
    drawn = Table(title="Faults of simulated scans, and what was said of them")
    for column in ("fault", "own alarm", "other alarms", "spoiled pairs found", "good pairs left out", "flow / clean"):
        drawn.add_column(column, justify="left" if column == "fault" else "right")
    for name, study in studies.items():
        mean, least, most = study["flow"]
        drawn.add_row(
            name,
            "" if name.startswith(CLEAN) else f"{study['own']} of {study['scans']}",
            f"{study['others']} of {study['scans']} {' '.join(study['which'])}".strip(),
            f"{study['found']} of {study['spoiled']}" if study["spoiled"] else "",
            f"{study['wrongly_left_out']} of {study['good']}" if study["good"] else "",
            "" if name.startswith(CLEAN) else f"{mean:.3f} ({least:.3f}-{most:.3f})",
        )
    return drawn


@click.command()
@click.option("--scans", default=100, show_default=True, type=click.IntRange(1), help="Of each kind.")
@click.option("--fault", "faults", multiple=True, type=click.Choice([*_OWN]), help="May be given again; default all.")
@click.option("--workers", default=2, show_default=True, type=click.IntRange(1), help="Processes.")
@click.option("--json", "target", type=click.Path(dir_okay=False, path_type=Path), help="Write the figures, too.")
def main(scans: int, faults: tuple[str, ...], workers: int, target: Path | None) -> None:
    """Judge simulated scans with each fault, and clean ones."""
    if any(os.environ.get(name) != "1" for name in _THREADS):  # read when NumPy is loaded: too late for this process
        os.execve(sys.executable, [sys.executable, *sys.argv], os.environ | dict.fromkeys(_THREADS, "1"))  # noqa: S606
    missing = set(FAULTS) - set(_OWN)
    assert not missing, f"nothing says which alarms belong to {missing}"
    names = faults or tuple(_OWN)
    console = Console(stderr=True)
    with ProcessPoolExecutor(workers, get_context("spawn")) as pool, Progress(console=console) as progress:
        judged = pool.map(partial(score_all, names), range(scans))
        by_seed = list(progress.track(judged, total=scans, description="scans of each kind"))
    studies = {name: summed([of_seed[place] for of_seed in by_seed]) for place, name in enumerate(names)}
    Console(width=130).print(table(studies))
    if target:
        target.write_text(json.dumps(studies, indent=1) + "\n")


if __name__ == "__main__":
    main()
