"""The quality report of a scan: a table of its pairs, a table of its volumes, and a summary."""

import csv
import json
from collections.abc import Iterable, Mapping
from math import degrees, isfinite, isnan
from pathlib import Path
from typing import Any

import numpy as np

from ..documents import plain
from ..flow import Place
from ..notices import Measure, Measurement
from ..quality import Advice, AlarmChange, Motion, NextDelay, Verdict

_MISSING = "n/a"
_AXES = "xyz"
_FIRST = ("pair", "volume", "role", "time", "accepted", "weight", "reasons", "slices_left_out", "advice")
"""Columns that stand first, where there are any."""
_ASLPREP: Mapping[str, tuple[str, float]] = {
    "qei_cbf": (Measure.QEI, 1),
    "qei_cbf_rho_ss": (Measure.QEI_CORRELATION, 1),
    "qei_cbf_di": (Measure.QEI_DISPERSION, 1),
    "percentage_negative_cbf": (Measure.NEGATIVE_CBF, 100),
    "mean_gm_cbf": (Measure.MEAN_GRAY_MATTER_CBF, 1),
    "mean_wm_cbf": (Measure.MEAN_WHITE_MATTER_CBF, 1),
    "ratio_gm_wm_cbf": (Measure.GRAY_WHITE_RATIO, 1),
}
"""Names of ASLPrep's quality columns, and what they are of ours."""

Row = dict[str, Any]  # Any: numbers and texts
"""One line of a table."""


class QualityReport:
    """Collects what is said about the quality of a scan, and writes it as BIDS-like tables.

    ``*_desc-pairs_quality.tsv``: a line for each pair, with the verdict and the indices of the map behind it;
    ``*_desc-volumes_quality.tsv``: a line for each volume, poses in mm and degrees as BIDS has them;
    ``*_desc-quality_asl.json``: the latest value of everything, alarms, advice.
    """

    def __init__(self) -> None:
        self._pairs: dict[int, Row] = {}
        self._maps: dict[int, Row] = {}
        """What is known of the map behind each volume before its pair is judged."""
        self._volumes: dict[int, Row] = {}
        self._latest: dict[str, Row] = {}
        self._alarms: list[Row] = []
        self._advice: Row = {}
        self._latency: list[float] = []

    def add(self, output: object) -> None:
        """Take one thing that left the chain; what is not about quality is not looked at."""
        match output:
            case Verdict():
                self._judge(output)
            case Motion():
                self._move(output)
            case Measurement():
                self._measure(output)
            case AlarmChange():
                self._alarms.append(
                    {
                        "alarm": str(output.alarm),
                        "raised": output.raised,
                        "severity": str(output.severity),
                        "region": output.region,
                        "volume": output.place.volume if output.place else None,
                        "value": plain(output.value),
                        "limit": plain(output.limit),
                        "text": output.text,
                    }
                )
            case Advice():
                self._advise(output)
            case NextDelay():
                self._advice["next_post_labeling_delay"] = output.bolus.post_labeling_delay

    def write(self, folder: Path, subject: str) -> tuple[Path, ...]:
        """Write what there is below ``folder``, and give the files; nothing where nothing was said of quality."""
        if not (self._maps or self._volumes or self._latest):
            return ()
        folder.mkdir(parents=True, exist_ok=True)
        stem = f"sub-{subject}"
        written = []
        for name, rows in (("pairs", self._rows()), ("volumes", self._volumes)):
            if rows:
                written.append(folder / f"{stem}_desc-{name}_quality.tsv")
                write_table(written[-1], (rows[number] for number in sorted(rows)))
        written.append(folder / f"{stem}_desc-quality_asl.json")
        written[-1].write_text(json.dumps(self.summary(), indent=2, allow_nan=False) + "\n")
        return tuple(written)

    def summary(self) -> Row:
        """Give the whole scan in short."""
        judged = [row for row in self._pairs.values() if "accepted" in row]
        moved = [row["framewise_displacement"] for row in self._volumes.values() if "framewise_displacement" in row]
        known = [value for value in moved if isfinite(value)]
        summary: Row = {
            "pairs": len(self._rows()),
            "pairs_accepted": sum(row["accepted"] for row in judged) if judged else None,
            "volumes": len(self._volumes),
            "mean_fd": sum(known) / len(known) if known else None,
            "alarms": self._alarms,
            "advice": self._advice,
            "measured": self._latest,
        }
        if self._latency:
            ranked = sorted(self._latency)
            summary["latency_median"] = ranked[len(ranked) // 2]
            summary["latency_longest"] = ranked[-1]
        for name, (measure, scale) in _ASLPREP.items():
            value = self._latest.get(measure, {}).get("value")
            if value is not None:
                summary[name] = value * scale
        return summary

    def _judge(self, verdict: Verdict) -> None:
        known = self._maps.setdefault(verdict.place.volume, {})
        if verdict.pair not in self._pairs:
            self._pairs[verdict.pair] = known
        row = self._pairs[verdict.pair]
        row |= {
            "pair": verdict.pair,
            "accepted": verdict.accepted,
            "weight": verdict.weight,
            "reasons": "; ".join(verdict.reasons) or _MISSING,
            "slices_left_out": " ".join(map(str, verdict.slices_left_out)) or _MISSING,
        }
        row |= verdict.features

    def _move(self, motion: Motion) -> None:
        row = self._volume(motion.place)
        row |= {f"trans_{axis}": value * 1e3 for axis, value in zip(_AXES, motion.translation, strict=True)}
        row |= {f"rot_{axis}": degrees(value) for axis, value in zip(_AXES, motion.rotation, strict=True)}
        row |= {
            "framewise_displacement": motion.displacement * 1e3,
            "displacement_within_pair": motion.within_pair * 1e3,
            "agreement": motion.agreement,
            "corrected": motion.corrected,
        }

    def _measure(self, measured: Measurement) -> None:
        name = f"{measured.name}_{measured.region}" if measured.region else str(measured.name)
        self._latest[name] = {"value": plain(measured.value), "stderr": plain(measured.stderr)}
        if measured.name is Measure.LATENCY and not isnan(measured.value):
            self._latency.append(measured.value)
        if measured.pairs > 0 and measured.place is not None:
            row = self._maps.setdefault(measured.place.volume, {})
            row[name] = measured.value
            if isfinite(measured.stderr):
                row[f"{name}_stderr"] = measured.stderr
        elif measured.place is not None:
            self._volume(measured.place)[name] = measured.value

    def _advise(self, advice: Advice) -> None:
        self._advice |= {
            "action": str(advice.action),
            "text": advice.text,
            "criterion": advice.criterion,
            "value": plain(advice.value),
            "target": plain(advice.target),
            "unit": advice.unit,
            "pairs": advice.pairs,
            "pairs_needed": plain(advice.pairs_needed),
            "seconds_left": plain(advice.seconds_left),
            "gray_matter_interval": plain(advice.interval),
        }
        row = self._maps.setdefault(advice.place.volume, {})
        row |= {
            "advice": str(advice.action),
            "precision": advice.value,
            "pairs_needed": advice.pairs_needed,
        }

    def _rows(self) -> dict[int, Row]:
        """Give a row for each pair; where nobody judged, one for each map."""
        return self._pairs or {n: {"pair": n, **self._maps[volume]} for n, volume in enumerate(sorted(self._maps))}

    def _volume(self, place: Place) -> Row:
        if place.volume not in self._volumes:
            self._volumes[place.volume] = {"volume": place.volume}
        row = self._volumes[place.volume]
        if place.number >= 0:  # measured before anybody has counted, it has no role yet
            row |= {"role": str(place.role), "time": place.time}
        return row


def write_table(path: Path, rows: Iterable[Row]) -> None:
    """Write rows as tab-separated values, as BIDS has them: ``n/a`` where a value is missing or not a number."""
    kept = list(rows)
    columns = list(dict.fromkeys([*_FIRST, *(name for row in kept for name in row)]))
    columns = [name for name in columns if any(name in row for row in kept)]
    with path.open("w", newline="") as file:
        table = csv.writer(file, delimiter="\t", lineterminator="\n")
        table.writerow(columns)
        for row in kept:
            table.writerow([_cell(row.get(name)) for name in columns])


def _cell(value: object) -> str:
    match value:
        case None:
            return _MISSING
        case bool():
            return "true" if value else "false"
        case float() | np.floating():
            return f"{value:.6g}" if isfinite(value) else _MISSING
    return str(value)
