import ismrmrd
import ismrmrd.xsd
import nibabel
import numpy as np
import pytest
from click.testing import CliRunner

from aslive.sim.cli import simulate
from aslive.streaming.header import read_header
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
        [
            "--readout",
            "epi",
            "--acceleration",
            "2",
            "1",
            "--reference",
            "separate",
            "--reference-lines",
            "4",
            "--drift",
            "1",
        ],
        [
            "--readout",
            "epi",
            "--segments",
            "2",
            "--partial-fourier",
            "0.75",
            "--gradient-delay",
            "2",
            "--ghost-phase",
            "0.1",
        ],
        ["--readout", "grase", "--decay", "--background-suppression", "-0.1", "--off-resonance", "50"],
        ["--readout", "spiral"],
        ["--readout", "spiral", "--3d", "--interleaves", "3", "--gradient-delay", "2"],
        ["--no-noise", "--background-suppression", "0.1", "--averages", "2"],
        ["--delay", "1", "--delay", "1.5", "--delay-order", "1,0,0", "--labeling-duration", "1.4"],
        ["--delay", "1", "--delay", "1.5", "--labeling-duration", "1", "--labeling-duration", "2", "--label-first"],
        ["--look-locker", "30", "--delay", "0.5", "--delay", "1", "--vascular-crushing"],
        ["--time-encoding", "walsh4", "--label-sign", "1", "--sub-bolus", "0.5"],
        ["--time-encoding", "hadamard12", "--arterial", "--late", "left-middle", "1.2", "--late", "left-anterior", "1"],
        ["--efficiency-change", "0", "0.5"],
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
        (["scan.h5", "--interleaves", "2"], "for spirals"),
        (["scan.h5", "--readout", "spiral", "--segments", "2"], "--interleaves"),
        (["scan.h5", "--ghost-phase", "1"], "not for cartesian"),
        (["scan.h5", "--no-noise", "--earlier-noise", "noise.h5"], "contradicts"),
        (["scan.h5", "--tr", "3"], "more than the repetition time"),
        (["scan.h5", "--snr", "0"], "above 0"),
        (["scan.h5", "--chain", "other"], ".mrd"),
        (["scan.h5", "--delay-order", "first"], "is like 0,0,1,2"),
        (["scan.h5", "--delay-order", "0", "--repeats", "1"], "contradict"),
        (["scan.h5", "--repeats", "1", "--repeats", "2"], "each of the 1 delays"),
        (["scan.h5", "--label-sign", "-1"], "need --time-encoding"),
        (["scan.h5", "--time-encoding", "hadamard4", "--delay", "1", "--delay", "2"], "one post-labeling delay"),
        (["scan.h5", "--late", "left-cerebellar", "1"], "left-cerebellar"),
    ],
)
def test_what_makes_no_sense_is_refused_with_words(tmp_path, options, words):
    result = run(tmp_path / options[0], *options[1:])
    assert result.exit_code == 2
    assert words in result.output
    assert not list(tmp_path.iterdir())


def test_help_gives_an_example():
    assert "aslive simulate scan.h5" in run("--help").output


@pytest.mark.parametrize("readout", ["epi", "grase", "spiral"])
def test_a_readout_by_itself_has_a_sensible_protocol(tmp_path, readout):
    scan = tmp_path / "scan.mrd"
    result = run(scan, "--readout", readout, "--coils", "1", "--pairs", "1", "--no-noise")
    assert result.exit_code == 0, result.output
    header = next(message for message in Decoder().receive(scan.read_bytes()) if isinstance(message, Header))
    echo_time = read_header(header.text).echo_time
    assert echo_time is not None
    assert echo_time < 0.03


def test_noise_can_be_a_measurement_of_its_own(tmp_path):
    assert run(tmp_path / "scan.mrd", *SMALL, "--earlier-noise", tmp_path / "noise.mrd").exit_code == 0
    scan, noise = (list(Decoder().receive((tmp_path / f"{name}.mrd").read_bytes())) for name in ("scan", "noise"))
    counts = [sum(isinstance(message, Acquisition) for message in messages) for messages in (scan, noise)]
    assert counts == [3 * 2 * 7, 32]


def test_each_delay_can_be_repeated_as_often_as_it_is_worth(tmp_path):
    options = [*SMALL[:7], "--no-noise", "--delay", "0.5", "--delay", "1.5", "--repeats", "1", "--repeats", "2"]
    assert run(tmp_path / "scan.mrd", *options).exit_code == 0
    messages = Decoder().receive((tmp_path / "scan.mrd").read_bytes())
    labeling = read_header(next(message.text for message in messages if isinstance(message, Header))).labeling
    delays = [bolus and bolus.post_labeling_delay for bolus in map(labeling.bolus, range(1, 7))]
    assert delays == [0.5, 0.5, 1.5, 1.5, 1.5, 1.5]
