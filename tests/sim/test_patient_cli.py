import csv
import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from aslive.sim.cli import simulate
from aslive.sim.cli_patient import fault_of
from aslive.sim.demo import demo
from aslive.sim.faults_labeling import LabelFailureArtery
from aslive.sim.faults_motion import MotionStep, MotionWithinVolume, Nodding
from aslive.sim.faults_receiver import Spikes
from aslive.sim.patient import FAULTS, Patient
from aslive.sim.pose import pose_of
from aslive.sim.protocol import Protocol
from aslive.sim.territories import Territory
from aslive.streaming.messages import Acquisition
from aslive.streaming.wire import Decoder

SMALL = ["--matrix", "8", "7", "--slices", "2", "--coils", "2", "--pairs", "2", "--seed", "5"]


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(simulate, [str(argument) for argument in arguments])


def test_units_of_the_command_line_become_si():
    assert fault_of("motion-step:volume=9,x=2,pitch=3") == MotionStep(volume=9, x=2e-3, pitch=np.radians(3).item())
    assert fault_of("nodding:pitch=2,period=30") == Nodding(pitch=np.radians(2).item(), period=30.0)
    assert fault_of("motion-within-volume:size=5,returns=false") == MotionWithinVolume(size=5e-3, returns=False)
    assert fault_of("spikes:volumes=2,height=0.5") == Spikes(volumes=2, height=0.5)
    territory = LabelFailureArtery(territory=Territory.RIGHT_ANTERIOR)
    assert fault_of("label-failure-artery:territory=right-anterior") == territory


@pytest.mark.parametrize("name", FAULTS)
def test_every_fault_can_be_named_alone(name: str):
    assert fault_of(name) == FAULTS[name]()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("sneezing", "there is no fault 'sneezing'; there are: motion-step,"),
        ("motion-step:speed=3", "motion-step has no 'speed'; it has: x, y, z, pitch, roll, yaw, size, volume"),
        ("swapped-order:pair=3", "swapped-order has no 'pair'; it has: nothing to set"),
        ("spikes:volume=soon", "spikes: volume is a whole number, not 'soon'"),
        ("motion-step:x=far", "motion-step: x is a number, not 'far'"),
        ("motion-step:x=nan", "motion-step: x is a finite number, not 'nan'"),
        ("motion-within-volume:returns=perhaps", "returns is true or false, not 'perhaps'"),
        ("label-failure-artery:territory=heart", "territory is one of left-anterior, left-middle"),
        ("spikes:volume", "spikes: volume wants a value, as in spikes:volume=1"),
        ("spikes:volume=1,volume=2", "spikes: volume is given twice"),
        ("gain-jump:volume=5", "gain-jump: volume 5 is not of this scan: there are 0 to 4"),
    ],
)
def test_an_error_says_what_there_is(tmp_path: Path, text: str, words: str):
    result = run(tmp_path / "scan.h5", *SMALL, "--fault", text)
    assert result.exit_code == 2
    assert words in " ".join(result.output.split())


def test_help_lists_every_fault():
    for command in (simulate, demo):
        said = "".join(CliRunner().invoke(command, ["--help"]).output.split())
        assert all(name in said for name in FAULTS)


def test_the_record_tells_what_was_wrong(tmp_path: Path):
    faults = ["--fault", "motion-step:volume=2,z=3,yaw=4", "--fault", "early-stop:volume=3"]
    within = ["--fault", "motion-within-volume:volume=1,x=1"]
    result = run(tmp_path / "scan.mrd", *SMALL, *faults, *within, "--truth", tmp_path / "truth")
    assert result.exit_code == 0, result.output
    record = json.loads((tmp_path / "truth/protocol.json").read_text())["SimulatedPatient"]
    patient = Patient.read(record)
    assert patient.motion_step == MotionStep(volume=2, z=3e-3, yaw=np.radians(4).item())
    assert patient.seed == 5
    assert record["affected"]["motion-step"] == {"volumes": [2, 3, 4], "pairs": [0, 1]}
    assert record["affected"]["early-stop"] == {"volumes": [4], "pairs": [1]}
    assert record["moved_within"]["1"]["translation"] == [1e-3, 0, 0]
    with (tmp_path / "truth/motion.tsv").open() as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    assert [row["role"] for row in rows] == ["m0scan", "control", "label", "control"]
    found = [pose_of([float(row[f"trans_{axis}"]) * 1e-3 for axis in "xyz"] + [0.0] * 3) for row in rows]
    assert [pose.translation for pose in found] == [(0, 0, 0)] * 2 + [(0, 0, 3e-3)] * 2
    assert [float(row["rot_z"]) for row in rows] == [0, 0, 4, 4]
    poses = patient.poses(Protocol(pairs=2, matrix=(8, 7, 2)))
    np.testing.assert_allclose([pose.translation for pose in found], [pose.translation for pose in poses[:4]])
    messages = Decoder().receive((tmp_path / "scan.mrd").read_bytes())
    times = {
        int(message.fields["idx"]["repetition"]): int(message.fields["acquisition_time_stamp"]) * 2.5e-3 - 12 * 3600
        for message in reversed([message for message in messages if isinstance(message, Acquisition)])
    }
    assert [float(row["time"]) for row in rows[1:]] == pytest.approx([times[n] for n in (1, 2, 3)], abs=2.6e-3)


def test_a_patient_without_faults_leaves_no_record(tmp_path: Path):
    assert run(tmp_path / "scan.h5", *SMALL, "--truth", tmp_path / "truth").exit_code == 0
    assert "SimulatedPatient" not in json.loads((tmp_path / "truth/protocol.json").read_text())
    assert not (tmp_path / "truth/motion.tsv").exists()
