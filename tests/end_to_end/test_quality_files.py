"""What a scan leaves behind about its quality, and what the scanner is told."""

import csv
import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import NamedTuple

from through_session import texts

from aslive.sim.choices import ReadoutType
from aslive.sim.faults_motion import MotionStep
from aslive.sim.patient import Patient
from aslive.sim.protocol import Protocol
from aslive.sim.scanner import Scanner
from aslive.streaming.attributes import read_attributes
from aslive.streaming.messages import ConfigFile, Image, Message
from aslive.streaming.registry import Registry
from aslive.streaming.session import Session
from aslive.streaming.wire import Decoder, encode
from aslive.streaming.worker import Files, converse

PROTOCOL = Protocol(matrix=(32, 32, 10), coils=4, readout=ReadoutType.EPI, pairs=8)
STEP = MotionStep(volume=10, z=3e-3)


class Left(NamedTuple):
    replies: list[Message]
    files: Mapping[str, Path]


@cache
def left() -> Left:
    """Send a scan in which the head moves 3 mm between the control and the label of pair 4."""
    session = Session(Registry())
    files = Files(Path(mkdtemp()), session)
    session.watch = files.watch
    messages = Scanner(PROTOCOL, patient=Patient(motion_step=STEP)).messages()
    pieces = (memoryview(encode(message)) for message in (ConfigFile("asl"), *messages))
    replies = list(converse(pieces, session, Decoder()))
    files.close()
    return Left(replies, {path.name: path for path in files.folder.iterdir()})


def table(name: str) -> list[dict[str, str]]:
    with left().files[f"sub-aslive_desc-{name}_quality.tsv"].open(newline="") as file:
        return list(csv.DictReader(file, delimiter="\t"))


def test_the_volumes_table_holds_the_poses_that_the_patient_took() -> None:
    rows = table("volumes")
    assert [row["role"] for row in rows] == [str(role) for role in PROTOCOL.context]
    for row in rows[2:]:
        moved = 3.0 if int(row["volume"]) >= 10 else 0.0
        assert abs(float(row["trans_z"]) - moved) < 0.3
        assert max(abs(float(row[name])) for name in ("trans_x", "trans_y")) < 0.3


def test_the_pairs_table_has_a_verdict_and_indices_for_every_pair() -> None:
    rows = table("pairs")
    assert [int(row["pair"]) for row in rows] == list(range(PROTOCOL.pairs))
    assert {row["accepted"] for row in rows} <= {"true", "false"}
    assert [row["pair"] for row in rows if row["accepted"] == "false"] == ["4"]  # it holds volumes 9 and 10
    assert "mm between control and label" in rows[4]["reasons"]
    for row in rows:
        assert float(row["gm_mean"])
        assert (row["mean_gray_matter_cbf"] == "n/a") == (row["pair"] == "4")  # no new map came of it
        assert row["advice"] in ("continue", "enough", "cannot be reached", "n/a")
    assert float(rows[-1]["order_t"]) > 20


def test_the_alarm_is_told_to_the_scanner_and_stands_in_the_summary() -> None:
    told = json.loads(left().files["sub-aslive_desc-quality_asl.json"].read_text())
    raised = [alarm for alarm in told["alarms"] if alarm["raised"]]
    assert {alarm["alarm"] for alarm in raised} == {"motion"}
    assert raised[0]["text"] in texts(left().replies)
    assert raised[0]["volume"] == 10
    assert told["pairs"] == PROTOCOL.pairs
    assert told["mean_gm_cbf"] == told["measured"]["mean_gray_matter_cbf"]["value"]


def test_maps_carry_the_advice_that_was_made_on_the_map_before() -> None:
    images = [reply for reply in left().replies if isinstance(reply, Image)]
    maps = [read_attributes(image.attributes) for image in images]
    flow = [attributes for attributes in maps if attributes["aslive_map"] == ["cbf"]]
    assert "aslive_advice" not in flow[0]
    assert flow[-1]["aslive_advice"][0] in ("continue", "enough", "cannot be reached", "repeat")
    assert "aslive_pairs_needed" in flow[-1]
