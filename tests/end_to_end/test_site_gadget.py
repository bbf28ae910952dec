"""A site's own gadget, from a distribution of its own, in a chain that the scanner sends."""

import json
import shutil
import tomllib
from pathlib import Path

import numpy as np
import pytest

from aslive.streaming.attributes import read_attributes
from aslive.streaming.messages import Close, ConfigText, Text
from aslive.streaming.wire import encode

EXAMPLE = Path(__file__).resolve().parents[2] / "docs/how-to/example-gadget"
STUMBLE = '''
"""A gadget that works for two pairs."""

from collections.abc import Iterator
from dataclasses import dataclass

from aslive.streaming.perfusion import MeanDifference
from aslive.streaming.gadget import Gadget


@dataclass
class Stumble(Gadget):
    """Fails at one pair."""

    at: int = 2
    """Number of pairs at which it fails."""

    def process(self, message: MeanDifference) -> Iterator[MeanDifference]:
        """Fail when it is time."""
        if message.pairs == self.at:
            raise ArithmeticError("the site's own mistake")
        yield message
'''


def install(folder: Path, name: str, version: str, entry_points: dict[str, str]) -> None:
    """Leave beside the modules what an installer leaves: their distribution's name and entry points."""
    described = folder / f"{name.replace('-', '_')}-{version}.dist-info"
    described.mkdir()
    (described / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    lines = [f"{key} = {value}" for key, value in entry_points.items()]
    (described / "entry_points.txt").write_text("\n".join(["[aslive.gadgets]", *lines, ""]))


@pytest.fixture(scope="module")
def site_server(launch, tmp_path_factory):
    """A server in an environment in which the example of the documentation is installed, and a gadget that fails."""
    folder = tmp_path_factory.mktemp("site-packages")
    project = tomllib.loads((EXAMPLE / "pyproject.toml").read_text())["project"]
    shutil.copy(EXAMPLE / "report_flow.py", folder)
    install(folder, project["name"], project["version"], project["entry-points"]["aslive.gadgets"])
    (folder / "stumble.py").write_text(STUMBLE)
    install(folder, "stumble", "1.0", {"stumble": "stumble:Stumble", "lost": "no_such_module:Lost"})
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(folder))
        yield launch("--chains", str(EXAMPLE / "chains"))


@pytest.fixture(scope="module")
def inline() -> str:
    """The chain of the documentation, with the site's gadget at its end."""
    return (EXAMPLE / "chains/asl-report.xml").read_text()


def sent(scan, chain: str, parameters: dict | None = None) -> bytes:
    """The tiny scan, asking for a chain that comes with it; parameters follow the header, as a console sends them."""
    adjusted = encode(Text(json.dumps({"parameters": parameters}))) if parameters else b""
    return encode(ConfigText(chain)) + scan.header + adjusted + b"".join(scan.lines) + encode(Close())


def reports(replies) -> list[str]:
    return [line for line in replies.texts.splitlines() if line.endswith("mL/100 g/min in the brain.")]


def test_a_site_s_gadget_works_in_a_chain_that_the_scanner_sends(site_server, scan, undisturbed, inline):
    replies = site_server.talk(sent(scan, inline))
    assert replies.closed
    (line,) = reports(replies)
    assert line.startswith("info: After 2 pairs: ")
    assert len(replies.images) == len(undisturbed.images)
    for image, usual in zip(replies.images, undisturbed.images, strict=True):
        np.testing.assert_array_equal(image.data, usual.data, "it only looks on")


def test_its_chain_is_found_by_name_in_the_site_s_folder(site_server, scan):
    replies = site_server.talk(sent(scan, "asl-report"))
    assert len(reports(replies)) == 1


def test_its_parameter_is_set_by_the_scanner(site_server, scan, inline):
    replies = site_server.talk(sent(scan, inline, {"report_flow": {"every": 1}}))
    assert [line.split(":")[1] for line in reports(replies)] == [f" After {n} pairs" for n in (1, 2, 3)]


def test_a_parameter_it_does_not_have_is_refused_by_name(site_server, scan, inline):
    replies = site_server.talk(sent(scan, inline, {"report_flow.evry": 1}))
    assert replies.closed
    assert not replies.images
    assert "error: gadget 'report_flow' has no parameter 'evry'; it has: every" in replies.texts


def test_a_site_s_gadget_that_fails_is_named_and_what_was_computed_stays(site_server, scan, undisturbed, inline):
    failing = inline.replace(
        "<gadget><classname>publish</classname></gadget>",
        "<gadget><name>site step</name><classname>stumble</classname></gadget>"
        "<gadget><classname>publish</classname></gadget>",
    )
    replies = site_server.talk(sent(scan, failing))
    assert replies.closed
    assert "error: gadget 'site step' failed: ArithmeticError: the site's own mistake" in replies.texts
    assert [read_attributes(one.attributes)["aslive_pairs"] for one in replies.maps("cbf")] == [["1"]]
    assert site_server.talk(scan.stream).image_bytes == undisturbed.image_bytes, "the next scan is as ever"


def test_a_site_s_gadget_that_cannot_be_imported_is_named(site_server, scan, inline):
    replies = site_server.talk(sent(scan, inline.replace(">report_flow<", ">lost<")))
    assert replies.closed
    assert "error: gadget 'lost' (no_such_module:Lost) cannot be loaded" in replies.texts


def test_elsewhere_the_gadget_is_unknown_and_those_there_are_are_listed(server, scan, inline):
    replies = server.talk(sent(scan, inline))
    assert replies.closed
    assert "error: there is no gadget 'report_flow'; there are: alarms, atlas, average, cbf, combine" in replies.texts
