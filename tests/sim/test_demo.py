import json

import numpy as np
import pytest
from click.testing import CliRunner

from aslive.sim.anatomy import brain
from aslive.sim.choices import ReadoutType
from aslive.sim.demo import demo, head_of
from aslive.sim.demo_protocol import DemoLabeling, protocol_of
from aslive.sim.scanner import Scanner
from aslive.sim.truth import expected_cbf
from aslive.streaming.attributes import read_attributes
from aslive.streaming.messages import ConfigFile, Image, Message, Text
from aslive.streaming.registry import Registry
from aslive.streaming.session import Session


def reconstruct(scanner: Scanner) -> list[Message]:
    session = Session(Registry())
    return [reply for message in (ConfigFile("default"), *scanner.messages()) for reply in session.receive(message)]


def last(replies: list[Message], name: str) -> np.ndarray:
    """The newest map of a name."""
    maps = [reply for reply in replies if isinstance(reply, Image)]
    return [image.data[0] for image in maps if read_attributes(image.attributes)["aslive_map"] == [name]][-1]


@pytest.mark.parametrize("readout", ReadoutType)
def test_the_scan_of_every_readout_gives_a_right_map_without_complaint(readout):
    protocol = protocol_of(readout, (32, 32, 8), coils=4, pairs=2, deep=False)
    scanner = Scanner(protocol, snr=None, anatomy=brain(protocol.grid))
    replies = reconstruct(scanner)
    texts = [reply.text for reply in replies if isinstance(reply, Text)]
    assert not [text for text in texts if not text.startswith("info")]
    cbf = last(replies, "cbf")
    gray = (scanner.head.gray_matter > 0.6) & np.isfinite(cbf)
    assert cbf[gray].mean() == pytest.approx(expected_cbf(scanner.head, protocol)[gray].mean(), rel=0.01)


@pytest.mark.parametrize("labeling", [DemoLabeling.MULTI_DELAY, DemoLabeling.TIME_ENCODED])
def test_many_delays_give_true_flow_and_transit_time_without_complaint(labeling):
    protocol = protocol_of(ReadoutType.CARTESIAN, (32, 32, 8), coils=4, pairs=5, deep=False, labeling=labeling)
    scanner = Scanner(protocol, snr=None, anatomy=head_of(protocol))
    replies = reconstruct(scanner)
    texts = [reply.text for reply in replies if isinstance(reply, Text)]
    assert not [text for text in texts if not text.startswith("info")]
    cbf, att = (last(replies, name) for name in ("cbf", "att"))
    gray = (scanner.head.gray_matter > 0.8) & np.isfinite(cbf) & np.isfinite(att)
    assert gray.sum() > 50
    assert np.median(cbf[gray] / scanner.head.cbf[gray]) == pytest.approx(1, abs=0.03)
    assert np.median(att[gray] - scanner.head.att[gray]) == pytest.approx(0, abs=0.03)


def test_the_demo_writes_maps_truth_and_picture(tmp_path):
    options = ["--readout", "grase", "--pairs", "2", "--coils", "2", "--slices", "4", "--output", str(tmp_path)]
    result = CliRunner().invoke(demo, options)
    assert result.exit_code == 0, result.output
    assert "gray matter" in result.output
    sidecar = json.loads((tmp_path / "sub-demo" / "perf" / "sub-demo_cbf.json").read_text())
    assert sidecar["Pairs"] == 2
    assert json.loads((tmp_path / "truth" / "protocol.json").read_text())["SimulatedReadout"] == "grase"
    assert (tmp_path / "maps.png").stat().st_size > 10_000
