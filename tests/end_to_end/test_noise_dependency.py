"""Noise that was measured once, in a connection of its own, whitens the scans that name it."""

import gzip
import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from aslive.streaming.messages import Close, ConfigFile, ConfigText, Header
from aslive.streaming.rerun import rerun_command
from aslive.streaming.wire import Decoder, encode

pytestmark = pytest.mark.timeout(120)

NOISE = "45098_11_22_33"
SIEMENS = encode(ConfigFile("default_measurement_dependencies.xml"))
CONFIG = encode(ConfigFile("default"))


def header(scan, measurement: str, needs: str = "", labels: bool = True) -> bytes:
    """Give the scan's header under another id, as one that names its noise, or as one of a mere noise measurement."""
    (said,) = Decoder().receive(scan.header)
    assert isinstance(said, Header)
    text = said.text
    dependency = f"<measurementDependency><dependencyType>Noise</dependencyType><measurementID>{needs}</measurementID>"
    told = f"<measurementID>{measurement}</measurementID>"
    text = re.sub("<measurementID>.*</measurementID>", told, text)
    if needs:
        text = text.replace(
            "</measurementInformation>", f"{dependency}</measurementDependency></measurementInformation>"
        )
    if not labels:
        text = re.sub("<userParameters>.*</userParameters>", "", text, flags=re.DOTALL)
    return encode(Header(text))


def noise_measurement(scan) -> bytes:
    lines = scan.lines[: scan.protocol.noise_readouts]
    return SIEMENS + header(scan, NOISE, labels=False) + b"".join(lines) + encode(Close())


def imaging(scan, needs: str = NOISE, config: bytes = CONFIG) -> bytes:
    lines = scan.lines[scan.protocol.noise_readouts :]
    return config + header(scan, "45098_11_22_34", needs) + b"".join(lines) + encode(Close())


def pixels(replies) -> list[bytes]:
    return [image.data.tobytes() for image in replies.images]


def rerun(recording: Path, folder: Path, *options: str) -> tuple[dict[str, bytes], str]:
    """Compute the maps of a recording again; gives them by name, and what was said."""
    done = CliRunner().invoke(rerun_command, [str(recording), "--output", str(folder), *options])
    assert done.exit_code == 0, done.output
    maps = {path.name: gzip.decompress(path.read_bytes()) for path in folder.rglob("*.nii.gz")}
    return maps, " ".join(done.output.split())


@pytest.fixture(scope="module")
def site(launch, scan):
    """A server that was given the noise, and then the scan."""
    server = launch()
    measured = server.talk(noise_measurement(scan))
    return server, measured, server.talk(imaging(scan))


def test_a_noise_measurement_is_taken_in_without_a_warning(site) -> None:
    _, measured, _ = site
    assert measured.closed
    assert not measured.images
    assert "warning" not in measured.texts and "error" not in measured.texts


def test_a_scan_that_names_its_noise_gives_the_maps_of_one_that_brings_it(site, undisturbed) -> None:
    _, _, replies = site
    assert "earlier measurement" in replies.texts
    assert pixels(replies) == pixels(undisturbed)


def test_the_noise_outlives_the_server(site, serve, scan, undisturbed) -> None:
    server, _, _ = site
    assert pixels(serve(journals=server.journals).talk(imaging(scan))) == pixels(undisturbed)


def test_inline_noise_is_kept_for_later_scans_too(site, scan, undisturbed) -> None:
    server, _, _ = site
    server.talk(CONFIG + header(scan, "with noise") + b"".join(scan.lines) + encode(Close()))
    assert pixels(server.talk(imaging(scan, "with noise"))) == pixels(undisturbed)


def test_noise_that_never_came_is_named_and_the_scan_goes_on(server, scan, undisturbed) -> None:
    replies = server.talk(imaging(scan, "99999_1"))
    assert "99999_1" in replies.texts
    assert len(replies.images) == len(undisturbed.images)
    assert pixels(replies) != pixels(undisturbed)


def test_a_scan_whose_noise_never_came_can_be_refused(server, scan) -> None:
    config = encode(ConfigText(json.dumps({"prewhiten": {"missing_noise": "refuse"}})))
    replies = server.talk(imaging(scan, "99999_1", config))
    assert "refused" in replies.texts
    assert replies.closed
    assert not replies.images


def test_a_journal_that_is_run_again_elsewhere_takes_its_noise_along(site, tmp_path) -> None:
    server, _, _ = site
    noise, journal = server.recorded[:2]
    here, said = rerun(journal, tmp_path / "here")
    assert "earlier measurement" in said
    moved = tmp_path / "elsewhere" / journal.name
    moved.parent.mkdir()
    moved.write_bytes(journal.read_bytes())
    alone, said = rerun(moved, tmp_path / "alone")
    assert "did not come" in said
    assert alone["sub-aslive_cbf.nii.gz"] != here["sub-aslive_cbf.nii.gz"]
    copy = journal.with_suffix(".noise.npz")
    moved.with_name(copy.name).write_bytes(copy.read_bytes())
    assert rerun(moved, tmp_path / "with copy")[0] == here
    moved.with_name(copy.name).unlink()
    rerun(noise, tmp_path / "nothing", "--noise", str(tmp_path / "kept"))
    assert rerun(moved, tmp_path / "with folder", "--noise", str(tmp_path / "kept"))[0] == here
