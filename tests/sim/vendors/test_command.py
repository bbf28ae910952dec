import json

from click.testing import CliRunner

from aslive.sim.cli import simulate
from aslive.streaming.convert import open_messages
from aslive.streaming.header import read_header
from aslive.streaming.messages import Header

SMALL = ["--matrix", "8", "8", "--slices", "1", "--coils", "1", "--pairs", "1", "--no-noise"]


def test_a_scan_of_a_vendor_comes_with_the_settings_that_its_header_lacks(tmp_path):
    output = tmp_path / "scan.h5"
    result = CliRunner().invoke(simulate, [str(output), *SMALL, "--profile", "philips"])
    assert result.exit_code == 0, result.output
    (text,) = [message.text for message in open_messages(output) if isinstance(message, Header)]
    assert "PHILIPS" in text
    assert not read_header(text).labeling.stated
    assert read_header(text, json.loads(output.with_suffix(".json").read_text())).labeling.context


def test_what_a_converter_cannot_carry_is_refused_before_anything_is_written(tmp_path):
    result = CliRunner().invoke(simulate, [str(tmp_path / "scan.h5"), *SMALL, "--3d", "--profile", "ge"])
    assert result.exit_code == 2
    assert "ge_to_ismrmrd does not convert 3-D" in result.output
    assert not list(tmp_path.iterdir())
