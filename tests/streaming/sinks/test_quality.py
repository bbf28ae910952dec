"""The quality report of a scan."""

import csv
import json
from dataclasses import replace
from math import nan
from pathlib import Path

from aslive.streaming.flow import Place
from aslive.streaming.notices import Level, Measure, Measurement
from aslive.streaming.quality import Action, Advice, Alarm, AlarmChange, Motion, Verdict
from aslive.streaming.readouts import Counters, Geometry
from aslive.streaming.scan import Role
from aslive.streaming.sinks.quality import QualityReport

PLACE = Place(1, Counters(), 43201.0, Geometry(), Role.CONTROL, number=1)


def table(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file, delimiter="\t"))


def written(tmp_path: Path, *said: object) -> dict[str, Path]:
    report = QualityReport()
    for one in said:
        report.add(one)
    return {path.name: path for path in report.write(tmp_path, "01")}


def test_each_pair_is_a_line_with_its_verdict_and_the_indices_of_its_map(tmp_path: Path) -> None:
    """The map comes before the verdict, as the difference goes on before the pair is told to be good."""
    later = replace(PLACE, volume=3)
    files = written(
        tmp_path,
        Measurement(Measure.QEI, 0.5, PLACE, pairs=1),
        Verdict(0, True, PLACE, features={"gm_mean": 1.5}),
        Measurement(Measure.REGION_CBF, 40.0, later, 2.0, "left_middle", pairs=2),
        Verdict(1, False, later, ("it moved 3 mm", "it is dark"), {"gm_mean": nan}, 0.0, (2, 5)),
        Verdict(0, False, PLACE, ("late",), {"gm_mean": 1.5}, 0.0, anew=True),
    )
    first, second = table(files["sub-01_desc-pairs_quality.tsv"])
    assert (first["accepted"], first["reasons"], first["qei"], first["gm_mean"]) == ("false", "late", "0.5", "1.5")
    assert second["reasons"] == "it moved 3 mm; it is dark"
    assert (second["slices_left_out"], second["gm_mean"], second["qei"]) == ("2 5", "n/a", "n/a")
    assert (second["region_cbf_left_middle"], second["region_cbf_left_middle_stderr"]) == ("40", "2")


def test_each_volume_is_a_line_with_poses_in_mm_and_degrees(tmp_path: Path) -> None:
    files = written(
        tmp_path,
        Motion(PLACE, (1e-3, 0.0, -2e-3), (0.0, 0.01745329, 0.0), 0.5e-3, nan, 0.98, True),
        Measurement(Measure.DVARS, 1.2, PLACE),
        Measurement(Measure.SPIKES, 3, replace(PLACE, volume=0, number=-1)),
    )
    first, second = table(files["sub-01_desc-volumes_quality.tsv"])
    assert (first["volume"], first["spikes"], first["role"]) == ("0", "3", "n/a")
    assert (second["trans_x"], second["trans_z"], second["rot_y"]) == ("1", "-2", "1")
    assert (second["framewise_displacement"], second["displacement_within_pair"]) == ("0.5", "n/a")
    assert (second["dvars"], second["role"], second["corrected"]) == ("1.2", "control", "true")


def test_the_summary_holds_alarms_advice_and_the_latest_of_everything(tmp_path: Path) -> None:
    advice = Advice(
        Action.CONTINUE, "3 more", PLACE, 1, "voxel_stderr", nan, 10.0, "mL/100g/min", 4.0, 30.0, (40.0, 60.0)
    )
    files = written(
        tmp_path,
        Verdict(0, True, PLACE),
        Measurement(Measure.NEGATIVE_CBF, 0.25, PLACE, pairs=1),
        Measurement(Measure.LATENCY, 0.02, PLACE, pairs=1),
        Measurement(Measure.LATENCY, 0.01, PLACE, pairs=1),
        AlarmChange(Alarm.SPIKES, True, Level.WARNING, "spikes", 2.0, 0.0, "", PLACE),
        advice,
    )
    told = json.loads(files["sub-01_desc-quality_asl.json"].read_text())
    assert (told["pairs"], told["pairs_accepted"]) == (1, 1)
    assert told["percentage_negative_cbf"] == 25
    assert told["latency_longest"] == 0.02
    assert told["alarms"][0]["alarm"] == "spikes" and told["alarms"][0]["volume"] == 1
    assert told["advice"]["action"] == "continue" and told["advice"]["value"] is None
    assert table(files["sub-01_desc-pairs_quality.tsv"])[0]["advice"] == "continue"


def test_without_verdicts_there_is_a_line_for_each_map(tmp_path: Path) -> None:
    files = written(
        tmp_path, *(Measurement(Measure.QEI, n / 10, replace(PLACE, volume=2 * n), pairs=n) for n in (1, 2, 3))
    )
    rows = table(files["sub-01_desc-pairs_quality.tsv"])
    assert [(row["pair"], row["qei"]) for row in rows] == [("0", "0.1"), ("1", "0.2"), ("2", "0.3")]


def test_a_scan_without_quality_leaves_no_files(tmp_path: Path) -> None:
    assert written(tmp_path) == {} and list(tmp_path.iterdir()) == []
