"""What is said of scans with faults: a small slice of the study that ``benchmarks/quality.py`` makes."""

import json
import os
import subprocess
import sys
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from aslive.sim.patient import FAULTS

BENCHMARK = Path(__file__).resolve().parents[2] / "benchmarks" / "quality.py"
SPOILING = ("motion-within-volume", "label-failure, 3 pairs", "spikes", "lost-lines")


@cache
def study() -> dict[str, Any]:  # Any: JSON values
    """Judge one scan of each kind, in a process of its own, as the benchmark is meant to run."""
    with TemporaryDirectory() as folder:
        target = Path(folder) / "quality.json"
        command = [sys.executable, str(BENCHMARK), "--scans", "1", "--workers", "1", "--json", str(target)]
        subprocess.run(command, check=True, env=os.environ | {"COLUMNS": "130"}, timeout=280)
        return json.loads(target.read_text())


def test_every_fault_of_the_simulated_patient_is_studied() -> None:
    assert set(FAULTS) <= set(study())


@pytest.mark.parametrize("fault", FAULTS)
def test_every_fault_raises_its_own_alarm_and_no_other(fault: str) -> None:
    assert (study()[fault]["own"], study()[fault]["which"]) == (1, [])


@pytest.mark.parametrize("scan", ["clean", "clean, raw"])
def test_a_clean_scan_raises_no_alarm_and_keeps_its_pairs(scan: str) -> None:
    told = study()[scan]
    assert (told["which"], told["wrongly_left_out"]) == ([], 0)
    assert told["good"] >= 10


@pytest.mark.parametrize("fault", SPOILING)
def test_spoiled_pairs_are_left_out_and_flow_is_that_of_the_clean_scan(fault: str) -> None:
    told = study()[fault]
    assert told["spoiled"] > 0
    assert told["found"] == told["spoiled"]
    assert told["wrongly_left_out"] == 0
    assert told["flow"][0] == pytest.approx(1, abs=0.02)
