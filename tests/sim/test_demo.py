import json

import numpy as np
import pytest
from click.testing import CliRunner

from aslive.sim.anatomy import brain
from aslive.sim.choices import ReadoutType
from aslive.sim.demo import demo, protocol_of
from aslive.sim.scanner import Scanner
from aslive.sim.truth import expected_cbf
from aslive.streaming.attributes import read_attributes
from aslive.streaming.messages import ConfigFile, Image, Text
from aslive.streaming.registry import Registry
from aslive.streaming.session import Session


@pytest.mark.parametrize("readout", ReadoutType)
def test_the_scan_of_every_readout_gives_a_right_map_without_complaint(readout):
    protocol = protocol_of(readout, (32, 32, 8), coils=4, pairs=2, deep=False)
    scanner = Scanner(protocol, snr=None, anatomy=brain(protocol.grid))
    session = Session(Registry())
    replies = [reply for message in (ConfigFile("default"), *scanner.messages()) for reply in session.receive(message)]
    texts = [reply.text for reply in replies if isinstance(reply, Text)]
    assert not [text for text in texts if not text.startswith("info")]
    maps = [reply for reply in replies if isinstance(reply, Image)]
    cbf = [image.data[0] for image in maps if read_attributes(image.attributes)["aslive_map"] == ["cbf"]][-1]
    gray = (scanner.head.gray_matter > 0.6) & np.isfinite(cbf)
    assert cbf[gray].mean() == pytest.approx(expected_cbf(scanner.head, protocol)[gray].mean(), rel=0.01)


def test_the_demo_writes_maps_truth_and_picture(tmp_path):
    options = ["--readout", "grase", "--pairs", "2", "--coils", "2", "--slices", "4", "--output", str(tmp_path)]
    result = CliRunner().invoke(demo, options)
    assert result.exit_code == 0, result.output
    assert "gray matter" in result.output
    sidecar = json.loads((tmp_path / "sub-demo" / "perf" / "sub-demo_cbf.json").read_text())
    assert sidecar["Pairs"] == 2
    assert json.loads((tmp_path / "truth" / "protocol.json").read_text())["SimulatedReadout"] == "grase"
    assert (tmp_path / "maps.png").stat().st_size > 10_000
