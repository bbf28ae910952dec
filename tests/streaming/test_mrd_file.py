"""MRD files are read and written as other programs do, and nothing is lost in them."""

import shutil
import subprocess
from pathlib import Path

import h5py
import ismrmrd
import numpy as np
import pytest

from aslive.streaming import mrd_file
from aslive.streaming.attributes import write_attributes
from aslive.streaming.errors import DataError
from aslive.streaming.layouts import ACQUISITION_HEADER, IMAGE_HEADER, WAVEFORM_HEADER
from aslive.streaming.messages import (
    Acquisition,
    Array,
    Close,
    ConfigFile,
    Header,
    Image,
    Message,
    Query,
    Text,
    Waveform,
)
from aslive.streaming.wire import encode

RAW = Path(__file__).resolve().parents[2].parent / "shared/data/raw"
XML = '<?xml version="1.0"?><ismrmrdHeader/>'


def random_header(kind: np.dtype, seed: int, **fields) -> bytes:
    """Fill every field of a header with something, and some with what is asked for."""
    raw = np.random.default_rng(seed).integers(0, 120, kind.itemsize, dtype=np.uint8)
    header = np.zeros((), kind)
    for name in kind.names or ():
        header[name] = raw.view(kind)[0][name]
    for name, value in fields.items():
        header[name] = value
    return header.tobytes()


def acquisition(seed: int, coils=3, samples=5, dimensions=0) -> Acquisition:
    random = np.random.default_rng(seed)
    header = random_header(
        ACQUISITION_HEADER,
        seed,
        active_channels=coils,
        number_of_samples=samples,
        trajectory_dimensions=dimensions,
    )
    data = random.standard_normal((coils, samples, 2), dtype=np.float32).view(np.complex64)[..., 0]
    trajectory = random.random((samples, dimensions), dtype=np.float32) if dimensions else np.empty((0, 0), np.float32)
    return Acquisition(header, trajectory, data)


def image(seed: int, series=1, shape=(1, 2, 3, 4), pixel="<f4", attributes="") -> Image:
    code = {"<u2": 1, "<i2": 2, "<f4": 5, "<f8": 6, "<c8": 7, "<c16": 8}[pixel]
    header = random_header(
        IMAGE_HEADER,
        seed,
        image_series_index=series,
        data_type=code,
        channels=shape[0],
        matrix_size=shape[:0:-1],
    )
    data = np.random.default_rng(seed).integers(0, 1000, shape).astype(pixel)
    return Image(header, attributes, data * np.array(1 + 1j).astype(pixel) if pixel in ("<c8", "<c16") else data)


def waveform(seed: int, channels=2, samples=6) -> Waveform:
    header = random_header(WAVEFORM_HEADER, seed, channels=channels, number_of_samples=samples)
    return Waveform(header, np.arange(channels * samples, dtype=np.uint32).reshape(channels, samples))


def wire(messages) -> list[bytes]:
    return [encode(message) for message in messages]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "scan.h5"


def test_the_order_across_kinds_comes_back(path):
    messages: list[Message] = [
        ConfigFile("asl.xml"),
        Header(XML),
        Text('{"parameters": {}}'),
        waveform(1),
        acquisition(2),
        acquisition(3, coils=2, samples=7, dimensions=2),
        Text("a\0b"),
        waveform(4, 1, 1),
        Query(7, "aslive::info"),
        acquisition(5, samples=0),
        image(6),
        Array(np.arange(6, dtype=np.float32).reshape(2, 3)),
        Header("<second/>"),
        Close(),
    ]
    assert mrd_file.write(path, messages) == len(messages)
    assert wire(mrd_file.read(path)) == wire(messages)
    assert mrd_file.count(path) == len(messages)


def test_a_scan_of_several_blocks_comes_back(path, monkeypatch):
    monkeypatch.setattr(mrd_file, "BLOCK_LENGTH", 8)
    messages = [acquisition(n, coils=1 + n % 3) if n % 5 else waveform(n) for n in range(60)]
    told: list[int] = []
    mrd_file.write(path, messages, progress=told.append)
    assert wire(mrd_file.read(path)) == wire(messages)
    assert told == [8, 16, 24, 32, 40, 48, 56]


def test_every_field_reads_with_ismrmrd(path):
    readouts = [acquisition(1), acquisition(2, dimensions=3)]
    images = [image(3, attributes=write_attributes({"aslive_map": "cbf"})), image(4, pixel="<f4")]
    signal = waveform(5)
    complex_image = image(6, series=2, pixel="<c8")
    mrd_file.write(path, [Header(XML), *readouts, *images, signal, complex_image])
    with ismrmrd.Dataset(str(path), mode="r") as dataset:
        assert dataset.read_xml_header() == XML.encode()
        assert dataset.number_of_acquisitions() == 2
        for number, ours in enumerate(readouts):
            theirs = dataset.read_acquisition(number)
            assert bytes(theirs.getHead()) == ours.header
            np.testing.assert_array_equal(theirs.data, ours.data)
            assert theirs.traj.tobytes() == ours.trajectory.tobytes()
        for number, ours in enumerate(images):
            theirs = dataset.read_image("image_1", number)
            assert bytes(theirs.getHead()) == ours.header
            np.testing.assert_array_equal(theirs.data, ours.data)
        assert dataset.read_image("image_1", 0).meta["aslive_map"] == "cbf"
        np.testing.assert_array_equal(dataset.read_image("image_2", 0).data, complex_image.data)
        theirs = dataset.read_waveform(0)
        assert bytes(theirs.getHead()) == signal.header
        np.testing.assert_array_equal(theirs.data, signal.data)


def test_every_field_ismrmrd_wrote_is_read(path):
    readouts, pictures, signal = [acquisition(1), acquisition(2, dimensions=2)], [image(3), image(4)], waveform(5)
    with ismrmrd.Dataset(str(path)) as dataset:
        dataset.write_xml_header(XML.encode())
        for ours in readouts:
            head = ismrmrd.AcquisitionHeader.from_buffer_copy(ours.header)
            theirs = ismrmrd.Acquisition(head, ours.data, ours.trajectory if ours.trajectory.size else None)
            dataset.append_acquisition(theirs)
        for ours in pictures:
            dataset.append_image(
                "image_0", ismrmrd.Image(ismrmrd.ImageHeader.from_buffer_copy(ours.header), data=ours.data)
            )
        dataset.append_waveform(ismrmrd.Waveform(ismrmrd.WaveformHeader.from_buffer_copy(signal.header), signal.data))
    assert wire(mrd_file.read(path)) == wire([Header(XML), signal, *readouts, *pictures, Close()])


def test_a_file_that_ismrmrd_added_to_is_read_to_its_end(path):
    mrd_file.write(path, [Header(XML), acquisition(1), waveform(2), Close()])
    added = acquisition(3)
    with ismrmrd.Dataset(str(path)) as dataset:
        head = ismrmrd.AcquisitionHeader.from_buffer_copy(added.header)
        dataset.append_acquisition(ismrmrd.Acquisition(head, added.data))
    assert wire(mrd_file.read(path)) == wire([Header(XML), waveform(2), acquisition(1), added, Close()])


@pytest.mark.parametrize("options", [[], ["-k"], ["-C", "-r", "2", "-a", "2", "-w", "4"]])
def test_debians_phantom_is_read(path, options):
    generator = shutil.which("ismrmrd_generate_cartesian_shepp_logan")
    if generator is None:
        pytest.skip("ismrmrd-tools are not installed")
    subprocess.run([generator, "-m", "16", "-c", "2", "-o", path, *options], check=True, capture_output=True)
    check_against_ismrmrd(path)


def test_debians_tools_read_ours(path, tmp_path):
    generator = shutil.which("ismrmrd_generate_cartesian_shepp_logan")
    reconstruction = shutil.which("ismrmrd_recon_cartesian_2d")
    if generator is None or reconstruction is None:
        pytest.skip("ismrmrd-tools are not installed")
    subprocess.run([generator, "-m", "32", "-c", "2", "-n", "0", "-o", path], check=True, capture_output=True)
    ours = tmp_path / "ours.h5"
    mrd_file.write(ours, mrd_file.read(path))
    for file in (path, ours):
        subprocess.run([reconstruction, file], check=True, capture_output=True)
    theirs, again = ([m for m in mrd_file.read(file) if isinstance(m, Image)] for file in (path, ours))
    assert len(theirs) == 1
    assert wire(theirs) == wire(again)


@pytest.mark.parametrize("path", sorted(RAW.glob("*/*.h5")), ids=lambda path: path.stem)
def test_real_scans_are_read(path):
    check_against_ismrmrd(path)


@pytest.mark.skipif(not RAW.is_dir(), reason="the shared data are not beside the checkout")
def test_there_are_real_scans():
    assert len(list(RAW.glob("*/*.h5"))) == 11


def check_against_ismrmrd(path: Path) -> None:
    """See that ismrmrd finds in a file exactly what we find."""
    header, *readouts, close = mrd_file.read(path)
    assert isinstance(close, Close)
    with ismrmrd.Dataset(str(path), mode="r") as dataset:
        assert isinstance(header, Header)
        assert header.text.encode() == dataset.read_xml_header()
        assert len(readouts) == dataset.number_of_acquisitions()
        for number in {0, 1, len(readouts) // 2, len(readouts) - 1}:
            ours, theirs = readouts[number], dataset.read_acquisition(number)
            assert isinstance(ours, Acquisition)
            assert ours.header == bytes(theirs.getHead())
            np.testing.assert_array_equal(ours.data, theirs.data)
            assert ours.trajectory.tobytes() == theirs.traj.tobytes()


def test_images_that_change_size_or_type_keep_their_order(path):
    pictures = [
        image(1),
        image(2, shape=(1, 1, 5, 5)),
        image(3),
        image(4, series=2),
        image(5, pixel="<c16"),
        image(6, pixel="<i2"),
        image(7, shape=(1, 0, 3, 4)),
    ]
    with mrd_file.ImageFile(path) as file:
        for picture in pictures:
            file.add(picture)
    assert wire(mrd_file.read(path)) == wire(pictures)
    with ismrmrd.Dataset(str(path), mode="r") as dataset:
        assert dataset.number_of_images("image_1") == 2
        assert dataset.number_of_images("image_1_1") == 1


def test_images_are_in_the_file_before_it_is_closed(path, tmp_path):
    file = mrd_file.ImageFile(path)
    file.add(image(1))
    file.add(image(2))
    copy = shutil.copy(path, tmp_path / "copy.h5")
    assert wire(mrd_file.read(Path(copy))) == wire([image(1), image(2)])
    file.close()
    file.close()


def test_config_and_parameters_of_other_programs_are_read(path):
    with h5py.File(path, "w") as file:
        group = file.create_group("scan 7")
        for name, text in {"config": "{}", "xml": XML, "configAdditional": '{"parameters": {}}'}.items():
            group.create_dataset(name, data=[text], dtype=h5py.string_dtype())
    names = [type(message).__name__ for message in mrd_file.read(path)]
    assert names == ["ConfigText", "Header", "Text", "Close"]
    assert Header(XML) in mrd_file.read(path)


def test_a_file_with_several_groups_wants_a_name(path):
    with h5py.File(path, "w") as file:
        for name in ("noise", "scan"):
            file.create_group(name)["xml"] = name
    with pytest.raises(DataError, match="has no group 'dataset'; there are: noise, scan"):
        list(mrd_file.read(path))
    assert list(mrd_file.read(path, "noise")) == [Header("noise"), Close()]


def test_what_is_no_mrd_file_is_refused_by_name(path):
    with pytest.raises(FileNotFoundError):
        list(mrd_file.read(path))
    path.write_text("no HDF5")
    with pytest.raises(DataError, match=r"scan\.h5 is no HDF5 file"):
        list(mrd_file.read(path))
    with h5py.File(path, "w") as file:
        file.create_group("dataset")
    with pytest.raises(DataError, match="holds no MRD data"):
        list(mrd_file.read(path))


def test_a_readout_that_contradicts_its_header_is_refused(path):
    readout, other = acquisition(1), acquisition(1, samples=99)
    mrd_file.write(path, [Acquisition(other.header, readout.trajectory, readout.data)])
    with pytest.raises(DataError, match="its header says 3 coils, 99 samples"):
        list(mrd_file.read(path))
