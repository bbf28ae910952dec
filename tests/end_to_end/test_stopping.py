"""When scans are said to be enough: a small slice of the study that ``benchmarks/stopping.py`` makes."""

import json
import os
import subprocess
import sys
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

BENCHMARK = Path(__file__).resolve().parents[2] / "benchmarks" / "stopping.py"
SCANS = 8
KINDS = ("strong fluctuation", "smoothed by 10 mm", "spoiled pairs left out")


@cache
def study() -> dict[str, Any]:  # Any: JSON values
    """Stop a few scans of the harder kinds, in a process of its own, as the benchmark is meant to run."""
    with TemporaryDirectory() as folder:
        target = Path(folder) / "stopping.json"
        command = [sys.executable, str(BENCHMARK), "--scans", str(SCANS), "--seed", "5000", "--json", str(target)]
        for kind in KINDS:
            command += ["--kind", kind]
        subprocess.run(command, check=True, env=os.environ | {"COLUMNS": "150"}, timeout=280)
        return json.loads(target.read_text())


@pytest.mark.parametrize("kind", KINDS)
def test_enough_is_said_and_not_too_early(kind: str) -> None:
    """Of 8 scans in which 5 % may be wrong, more than 2 are by chance in 1 of 170."""
    told = study()[kind]
    assert told["never"] == 0
    assert told["early"] <= 2 / SCANS
    assert told["missed"] <= 2 / SCANS
    assert 1.0 < told["stop_over_true"][0] < 1.6


@pytest.mark.parametrize("kind", KINDS)
def test_a_third_of_the_scan_tells_its_true_number_of_pairs(kind: str) -> None:
    assert study()[kind]["predicted_close_to_true"] >= 1 - 2 / SCANS


def test_without_the_bound_it_would_be_too_early_now_and_then() -> None:
    assert any(study()[kind]["early_by_value"] > 0 for kind in KINDS)
