"""Real scans, and other people's phantoms, through the whole session, against plain numpy on the same data."""

import shutil
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path

import nibabel
import numpy as np
import pytest
from numpy.typing import NDArray
from through_session import maps, reconstruct

from aslive.sim.coils import noise_covariance, sensitivities
from aslive.sim.epi import EchoPlanar
from aslive.sim.forward import exponentials
from aslive.sim.grid import Grid
from aslive.streaming.convert import open_messages
from aslive.streaming.layouts import ACQUISITION_HEADER, flag
from aslive.streaming.messages import Acquisition, Close, Header, Message, Text
from aslive.streaming.notices import Measure, Measurement

DATA = Path(__file__).resolve().parents[2].parent / "shared/data"
CARTESIAN = DATA / "raw/siemens_multicoil_misc"
STUDY = DATA / "asl/ds000240"
NOISE, REVERSED, NAVIGATOR = flag(19), flag(22), flag(24)
M0SCANS, PAIRS, COILS = 10, 20, 4


def texts(replies: Iterable[Message]) -> str:
    return "\n".join(reply.text for reply in replies if isinstance(reply, Text))


def transformed(
    data: NDArray[np.complexfloating], axes: tuple[int, ...], inverse: bool = True
) -> NDArray[np.complex128]:
    """Centered Fourier transform."""
    transform = np.fft.ifftn if inverse else np.fft.fftn
    return np.fft.fftshift(transform(np.fft.ifftshift(data, axes), axes=axes), axes)


def middle(image: NDArray[np.floating], columns: int) -> NDArray[np.floating]:
    """Cut the oversampling of the readout off."""
    start = image.shape[-1] // 2 - columns // 2
    return image[..., start : start + columns]


# A real ASL study, made into raw data.

needs_study = pytest.mark.skipif(not STUDY.is_dir(), reason=f"the study {STUDY.name} is not beside the checkout")


@pytest.fixture(scope="module")
def volumes() -> NDArray[np.float64]:
    """All volumes of the study, shape ``(volumes, z, y, x)``: m0scans, then label, control, label, control, ..."""
    image = nibabel.Nifti1Image.from_filename(STUDY / "sub-01_asl.nii.gz")
    return np.asarray(image.dataobj, np.float64).transpose()


def white_paper(volumes: NDArray[np.float64], pairs: int) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Compute CBF in the image domain, and where M0 is worth the name (Alsop et al., MRM 73:102 (2015), eq. 1)."""
    m0 = volumes[:M0SCANS].mean(axis=0)
    series = volumes[M0SCANS : M0SCANS + 2 * pairs]
    difference = (series[1::2] - series[::2]).mean(axis=0)
    scale = 6000 * 0.9 * np.exp(1.5 / 1.65) / (2 * 0.72 * 1.65 * (1 - np.exp(-1.6 / 1.65)))
    cbf = np.divide(scale * difference, m0, out=np.zeros_like(m0), where=m0 > 0)
    return cbf, m0 > 0.3 * np.percentile(m0, 99)


def study_header(context: Iterable[str], shape: tuple[int, ...], train: EchoPlanar | None = None) -> Header:
    """Write the study's own sidecar as an MRD header; its TR of 0 says nothing and is left out.

    With a train it is one of slices, read by EPI.
    """
    z, y, x = shape
    space = f"<matrixSize><x>{x}</x><y>{y}</y><z>{z}</z></matrixSize>"
    space += f"<fieldOfView_mm><x>{4 * x}</x><y>{3.93 * y:g}</y><z>{6 * z}</z></fieldOfView_mm>"
    limits = {"kspace_encoding_step_1": y, "kspace_encoding_step_2": z, "repetition": M0SCANS + 2 * PAIRS}
    words = {"aslcontext": ",".join(context), "ArterialSpinLabelingType": "PCASL", "MRAcquisitionType": "3D"}
    words |= {"M0Type": "Included", "BackgroundSuppression": "false"}
    numbers = {"LabelingDuration": 1.6, "PostLabelingDelay": 1.5, "LabelingEfficiency": 0.72}
    trajectory = "<trajectory>cartesian</trajectory>"
    if train is not None:
        limits["slice"] = limits.pop("kspace_encoding_step_2")
        space = space.replace(f"<z>{z}</z>", "<z>1</z>").replace(f"<z>{6 * z}</z>", "<z>6</z>")
        words |= {"MRAcquisitionType": "2D", "SliceTiming": ",".join(["0"] * z)}
        trajectory = _train(train)
    return Header(
        "<ismrmrdHeader xmlns='http://www.ismrm.org/ISMRMRD'><acquisitionSystemInformation>"
        f"<systemFieldStrength_T>3</systemFieldStrength_T><receiverChannels>{COILS}</receiverChannels>"
        "</acquisitionSystemInformation><experimentalConditions><H1resonanceFrequency_Hz>123255000"
        "</H1resonanceFrequency_Hz></experimentalConditions>"
        f"<encoding><encodedSpace>{space}</encodedSpace><reconSpace>{space}</reconSpace><encodingLimits>"
        + "".join(
            f"<{name}><minimum>0</minimum><maximum>{count - 1}</maximum><center>{count // 2}</center></{name}>"
            for name, count in limits.items()
        )
        + f"</encodingLimits>{trajectory}</encoding><userParameters>"
        + "".join(_parameter("Double", name, f"{value}") for name, value in numbers.items())
        + "".join(_parameter("String", name, value) for name, value in words.items())
        + "</userParameters></ismrmrdHeader>"
    )


def _train(train: EchoPlanar) -> str:
    """Describe an echo train as converters do, in microseconds."""
    times = {"rampUpTime": train.ramp, "flatTopTime": train.flat_top, "rampDownTime": train.ramp}
    counts = {name: round(time * 1e6) for name, time in times.items()}
    counts |= {"numSamples": train.samples, "numberOfNavigators": 3}
    return (
        "<trajectory>epi</trajectory><trajectoryDescription><identifier>ConventionalEPI</identifier>"
        + "".join(_parameter("Long", name, f"{count}") for name, count in counts.items())
        + _parameter("Double", "dwellTime", f"{train.dwell * 1e6:g}")
        + "</trajectoryDescription>"
    )


def _parameter(kind: str, name: str, value: str) -> str:
    return f"<userParameter{kind}><name>{name}</name><value>{value}</value></userParameter{kind}>"


def seen_by_coils(shape: tuple[int, ...]) -> NDArray[np.complex64]:
    """Give what each coil sees of each voxel, with a smooth phase, shape ``(coils, z, y, x)``."""
    z, y, x = (np.linspace(-1, 1, count) for count in shape)
    phase = np.exp(1j * (0.3 + x + 0.7 * y[:, None] ** 2 - 1.3 * z[:, None, None]))
    grid = Grid((shape[2], shape[1], shape[0]), (0.256, 0.224, 0.096))
    return (sensitivities(grid, COILS) * phase).astype(np.complex64)


def raw_study(volumes: NDArray[np.float64], context: list[str]) -> Iterator[Message]:
    """Play the study as four coils with a smooth phase would have received it, with correlated noise."""
    generator = np.random.default_rng(1)
    shape = volumes.shape[1:]
    seen = seen_by_coils(shape)
    mixing = 0.2 * np.linalg.cholesky(noise_covariance(COILS, generator))
    samples = shape[2]

    def noise(*lines: int) -> NDArray[np.complex128]:
        white = generator.standard_normal((COILS, *lines, samples, 2)).view(np.complex128)[..., 0]
        return np.einsum("dc,c...->d...", mixing, white)

    yield study_header(context, shape)
    header = blank_header(samples, 5)
    header["flags"] = NOISE
    for line in noise(64).swapaxes(0, 1):
        yield _acquisition(header, line)
    header["flags"] = 0
    for number in range(len(context)):
        kspace = transformed(seen * volumes[number], (1, 2, 3), inverse=False) / np.sqrt(np.prod(shape))
        kspace += noise(*shape[:2])
        header["idx"]["repetition"] = number
        for partition, line in np.ndindex(shape[:2]):
            header["idx"]["kspace_encode_step_1"], header["idx"]["kspace_encode_step_2"] = line, partition
            yield _acquisition(header, kspace[:, partition, line])
    yield Close()


def blank_header(samples: int, dwell_us: float) -> np.ndarray:
    header = np.zeros((), ACQUISITION_HEADER)
    header["version"], header["number_of_samples"], header["center_sample"] = 1, samples, samples // 2
    header["active_channels"] = header["available_channels"] = COILS
    header["read_dir"][0] = header["phase_dir"][1] = header["slice_dir"][2] = 1
    header["sample_time_us"] = dwell_us
    return header


def _acquisition(header: np.ndarray, line: NDArray[np.complex128]) -> Acquisition:
    return Acquisition(header.tobytes(), np.empty((0, 0), np.float32), np.ascontiguousarray(line, np.complex64))


AS_THEY_ARE = {"motion.mode": "off", "outliers.mode": "off"}
"""The patient moved; here the images are compared with a reconstruction that does not care."""


@needs_study
def test_the_test_s_own_formula_gives_what_is_known_of_the_study(volumes):
    cbf, inside = white_paper(volumes, 50)
    assert np.count_nonzero(inside) == 15128
    assert np.mean(cbf[inside]) == pytest.approx(41.8, abs=0.05)
    assert np.median(cbf[inside]) == pytest.approx(41.3, abs=0.05)


@needs_study
def test_a_real_study_from_k_space_gives_the_cbf_of_its_images(volumes):
    replies = reconstruct(raw_study(volumes, ["m0scan"] * M0SCANS + ["label", "control"] * PAIRS), AS_THEY_ARE)
    found = maps(replies, "cbf")
    assert len(found) == PAIRS
    for pairs in (1, PAIRS // 2, PAIRS):
        wanted, inside = white_paper(volumes, pairs)
        cbf = found[pairs - 1][inside]
        slope, _ = np.polyfit(wanted[inside], cbf, 1)
        assert np.corrcoef(wanted[inside], cbf)[0, 1] > 0.999
        assert slope == pytest.approx(1, abs=0.01)
        assert np.mean(cbf) == pytest.approx(np.mean(wanted[inside]), rel=0.002)
    assert "swapped" not in texts(replies)


TRAIN = EchoPlanar(ramp=0.15e-3, flat_top=0.25e-3, dwell=4e-6, samples=130, delay=1.9e-6, phase=0.2)
"""With a delay that makes odd and even lines differ by about 0.06 rad per voxel."""


def raw_epi_study(volumes: NDArray[np.float64], context: list[str]) -> Iterator[Message]:
    """Play the study once more, slice by slice, as EPI read on the ramps of a gradient that comes late."""
    generator = np.random.default_rng(2)
    shape = volumes.shape[1:]
    slices, rows, columns = shape
    seen = seen_by_coils(shape)
    turns = np.exp(0.5j * TRAIN.phase), np.exp(-0.5j * TRAIN.phase)
    forth, back = (
        turn * exponentials(TRAIN.positions(columns, backward), columns, 1 / np.sqrt(columns))
        for turn, backward in zip(turns, (False, True), strict=True)
    )
    mixing = (0.2 * np.linalg.cholesky(noise_covariance(COILS, generator))).astype(np.complex64)
    backward = np.arange(3 + rows) % 2 == 0  # navigators - + -, then lines + - + ...

    def noise(lines: int) -> NDArray[np.complex64]:
        white = generator.standard_normal((lines, COILS, TRAIN.samples, 2), np.float32).view(np.complex64)[..., 0]
        return mixing @ white

    yield study_header(context, shape, TRAIN)
    header = blank_header(TRAIN.samples, TRAIN.dwell * 1e6)
    header["flags"] = NOISE
    for line in noise(64):
        yield _acquisition(header, line)
    for number, part in np.ndindex(len(context), slices):
        spectrum = transformed(seen[:, part] * volumes[number, part], (1,), inverse=False) / np.sqrt(rows)
        lines = np.concatenate([spectrum[:, [rows // 2] * 3], spectrum], axis=1).swapaxes(0, 1)
        samples = np.where(backward[:, None, None], lines @ back.T, lines @ forth.T) + noise(3 + rows)
        header["idx"]["repetition"], header["idx"]["slice"] = number, part
        header["position"][2] = 6 * part
        for place, line in enumerate(samples):
            header["flags"] = REVERSED * backward[place] | NAVIGATOR * (place < 3)
            header["idx"]["kspace_encode_step_1"] = rows // 2 if place < 3 else place - 3
            yield _acquisition(header, line)
    yield Close()


@needs_study
def test_a_real_study_read_by_epi_with_ghosts_gives_the_cbf_of_its_images(volumes):
    pairs, seen = 6, []
    context = ["m0scan"] * M0SCANS + ["label", "control"] * pairs
    replies = reconstruct(raw_epi_study(volumes, context), AS_THEY_ARE, watch=seen.append)
    slopes = [one.value for one in seen if isinstance(one, Measurement) and one.name is Measure.NAVIGATOR_SLOPE]
    assert np.abs(slopes) == pytest.approx(0.06, abs=0.003)
    found = maps(replies, "cbf")
    assert len(found) == pairs
    for number in (1, pairs):
        wanted, inside = white_paper(volumes, number)
        cbf = found[number - 1][inside]
        slope, _ = np.polyfit(wanted[inside], cbf, 1)
        assert np.corrcoef(wanted[inside], cbf)[0, 1] > 0.999
        assert slope == pytest.approx(1, abs=0.01)
        assert np.mean(cbf) == pytest.approx(np.mean(wanted[inside]), rel=0.002)


@needs_study
def test_a_real_study_with_swapped_roles_is_negative_and_reported(volumes):
    pairs = 4
    replies = reconstruct(raw_study(volumes, ["m0scan"] * M0SCANS + ["control", "label"] * pairs), AS_THEY_ARE)
    wanted, inside = white_paper(volumes, pairs)
    cbf = maps(replies, "cbf")[-1][inside]
    assert np.corrcoef(wanted[inside], -cbf)[0, 1] > 0.999
    assert np.mean(cbf) == pytest.approx(-np.mean(wanted[inside]), rel=0.002)
    assert "error: Labels and controls look swapped" in texts(replies)


# Scans that are not ASL.


def plain_image(messages: Iterable[Message], repetition: int = 0) -> NDArray[np.floating]:
    """Reconstruct one slice by numpy alone: noise taken out of the coils, centered FFT, root of the sum of squares."""
    lines = [message for message in messages if isinstance(message, Acquisition)]
    noise = [line.data for line in lines if int(line.fields["flags"]) & NOISE]
    imaging = [line for line in lines if not int(line.fields["flags"]) & NOISE]
    wanted = [line for line in imaging if line.fields["idx"]["repetition"] == repetition]
    wanted.sort(key=lambda line: int(line.fields["idx"]["kspace_encode_step_1"]))
    images = transformed(np.stack([line.data for line in wanted], axis=1), (1, 2))
    if noise:
        together = np.concatenate(noise, axis=1)
        factor = np.linalg.cholesky(together @ together.conj().T)
        images = np.linalg.solve(factor, images.reshape(len(images), -1)).reshape(images.shape)
    return np.sqrt(np.sum(np.abs(images) ** 2, axis=0))


def assert_alike(found: NDArray[np.float32], wanted: NDArray[np.floating]) -> None:
    """Compare two images but for their scale."""
    assert found.shape == wanted.shape
    scaled = found * (np.vdot(found, wanted) / np.vdot(found, found))
    assert np.corrcoef(scaled.ravel(), wanted.ravel())[0, 1] > 0.9999
    assert np.linalg.norm(scaled - wanted) < 1e-3 * np.linalg.norm(wanted)


@pytest.mark.skipif(shutil.which("ismrmrd_generate_cartesian_shepp_logan") is None, reason="needs ismrmrd-tools")
@pytest.mark.parametrize(
    ("options", "columns", "repetitions", "noise"),
    [
        ("-c 1 -O 2", 48, 1, False),
        ("-c 8 -O 2", 48, 1, False),
        ("-c 8 -O 1", 24, 1, False),  # its header asks for half of the field of view even then
        ("-c 4 -O 2 -r 3", 48, 3, False),
        ("-c 4 -O 2 -r 2 -C", 48, 2, True),
        ("-c 4 -O 2 -C -k", 48, 1, True),
    ],
)
def test_the_phantom_of_ismrmrd_is_reconstructed(tmp_path, options, columns, repetitions, noise):
    file = tmp_path / "phantom.h5"
    subprocess.run(
        ["ismrmrd_generate_cartesian_shepp_logan", "-m", "48", *options.split(), "-o", file],
        check=True,
        capture_output=True,
    )
    messages = list(open_messages(file))
    replies = reconstruct(messages)
    found = maps(replies, "image")
    assert len(found) == repetitions
    for number, image in enumerate(found):
        assert_alike(image[0], middle(plain_image(messages, number), columns))
    assert ("Noise whitened over" in texts(replies)) == noise


@pytest.mark.skipif(not CARTESIAN.is_dir(), reason=f"the scans {CARTESIAN.name} are not beside the checkout")
class TestRealScans:
    """Files of a real scanner, with headers as converters leave them."""

    @pytest.mark.parametrize(
        ("name", "size", "contrast", "centroid", "said"),
        [
            ("gre_160_2ch", 160, 13.0, (80.9, 84.4), "No noise readouts"),
            ("flash_128_16ch_a", 128, 19.9, (65.7, 62.9), "does not say which lines to expect"),
            ("flash_128_16ch_b", 128, 12.4, (65.1, 61.2), "reconSpace.matrixSize is 0 x 0 x 1"),
            ("se2d_64x64_32ch", 64, 52.4, (29.9, 37.5), "flagged 29 (surface coil correction)"),
        ],
    )
    def test_a_real_scan_is_reconstructed_whatever_its_header_says(self, name, size, contrast, centroid, said):
        messages = list(open_messages(CARTESIAN / f"{name}.h5"))
        replies = reconstruct(messages)
        (image,) = maps(replies, "image")
        assert image.shape == (1, size, size)
        assert_alike(image[0], middle(plain_image(messages), size))
        top = np.percentile(image[0], 99)
        inside, outside = image[0] > 0.25 * top, image[0] < 0.08 * top
        assert np.mean(image[0][inside]) / np.median(image[0][outside]) == pytest.approx(contrast, rel=0.02)
        rows, columns = np.nonzero(inside)
        weights = image[0][inside]
        found = np.average(columns, weights=weights), np.average(rows, weights=weights)
        assert found == pytest.approx(centroid, abs=0.06)
        assert said in texts(replies)

    def test_an_epi_without_its_flags_is_reported_as_uncorrected(self):
        replies = reconstruct(open_messages(CARTESIAN / "pulseq05_epi_officialconv.h5"))
        assert isinstance(replies[-1], Close)
        assert "error: These data look like an EPI that lost its polarity flags" in texts(replies)
        assert "reported as uncorrected" in texts(replies)
