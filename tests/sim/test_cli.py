import ismrmrd
import ismrmrd.xsd
import nibabel
import numpy as np
import pytest
from click.testing import CliRunner

from aslive.sim.cli import simulate
from aslive.streaming.messages import Acquisition, Close, ConfigFile, Header
from aslive.streaming.wire import Decoder

SMALL = ["--matrix", "8", "7", "--slices", "2", "--coils", "2", "--pairs", "1", "--seed", "5"]


def run(*arguments):
    return CliRunner().invoke(simulate, [str(argument) for argument in arguments])


def test_the_ismrmrd_package_reads_the_file(tmp_path):
    result = run(tmp_path / "scan.h5", *SMALL, "--truth", tmp_path / "truth")
    assert result.exit_code == 0, result.output
    with ismrmrd.Dataset(tmp_path / "scan.h5", "dataset", create_if_needed=False) as file:
        header = ismrmrd.xsd.CreateFromDocument(file.read_xml_header())
        assert header.encoding[0].reconSpace.matrixSize.y == 7
        assert file.number_of_acquisitions() == 32 + 3 * 2 * 7
        assert file.read_acquisition(0).is_flag_set(ismrmrd.ACQ_IS_NOISE_MEASUREMENT)
        last = file.read_acquisition(32 + 3 * 2 * 7 - 1)
        assert last.data.shape == (2, 16)
        assert last.idx.repetition == 2  # pyright: ignore[reportAttributeAccessIssue]  (made at run time from ctypes)
    assert nibabel.Nifti1Image.from_filename(tmp_path / "truth/cbf.nii.gz").shape == (8, 7, 2)


def test_stream_and_file_hold_the_same_readouts(tmp_path):
    for name in ("scan.h5", "scan.mrd"):
        assert run(tmp_path / name, *SMALL).exit_code == 0
    messages = list(Decoder().receive((tmp_path / "scan.mrd").read_bytes()))
    assert messages[0] == ConfigFile("default")
    assert isinstance(messages[1], Header)
    assert isinstance(messages[-1], Close)
    lines = [message for message in messages if isinstance(message, Acquisition)]
    with ismrmrd.Dataset(tmp_path / "scan.h5", "dataset", create_if_needed=False) as file:
        assert file.number_of_acquisitions() == len(lines)
        np.testing.assert_array_equal(file.read_acquisition(len(lines) - 1).data, lines[-1].data)


@pytest.mark.parametrize(
    "options",
    [
        ["--3d", "--shots", "2", "--partial-fourier", "0.75"],
        ["--labeling-type", "pasl", "--bolus-cut-off", "0.7", "--label-first"],
        ["--no-m0", "--no-noise-scan", "--delay", "1.0", "--delay", "1.5", "--line-order", "centric"],
        ["--no-noise", "--background-suppression", "0.1", "--averages", "2"],
    ],
)
def test_options_can_be_combined(tmp_path, options):
    result = run(tmp_path / "scan.mrd", *SMALL, *options)
    assert result.exit_code == 0, result.output


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["scan.nii"], "must end with .h5"),
        (["scan.h5", "--labeling-type", "PASL", "--labeling-duration", "1.8"], "--bolus-cut-off"),
        (["scan.h5", "--bolus-cut-off", "0.8"], "is for PASL"),
        (["scan.h5", "--no-m0", "--m0-tr", "6"], "contradict"),
        (["scan.h5", "--shots", "2"], "needs --3d"),
        (["scan.h5", "--tr", "3"], "more than the repetition time"),
        (["scan.h5", "--snr", "0"], "above 0"),
        (["scan.h5", "--chain", "other"], ".mrd"),
    ],
)
def test_what_makes_no_sense_is_refused_with_words(tmp_path, options, words):
    result = run(tmp_path / options[0], *options[1:])
    assert result.exit_code == 2
    assert words in result.output
    assert not list(tmp_path.iterdir())


def test_help_gives_an_example():
    assert "aslive simulate scan.h5" in run("--help").output
