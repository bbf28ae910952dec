"""A recording is the same in each of its forms."""

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from aslive.streaming.convert import Form, convert, convert_command, form_of, open_messages
from aslive.streaming.errors import DataError
from aslive.streaming.journal import Journal
from aslive.streaming.layouts import ACQUISITION_HEADER, IMAGE_HEADER, PIXEL_TYPES, WAVEFORM_HEADER, flag
from aslive.streaming.messages import (
    Acquisition,
    Array,
    Close,
    ConfigFile,
    ConfigText,
    Header,
    Image,
    Query,
    Response,
    Text,
    Waveform,
)
from aslive.streaming.wire import encode

SUFFIXES = (".journal", ".h5", ".stream")
COMPRESSED = flag(53) | flag(54)
SMALL = st.integers(0, 4)


def filled(kind: np.dtype, raw: bytes, **fields) -> bytes:
    header = np.zeros((), kind)
    source = np.frombuffer(raw, kind)[0]
    for name in kind.names or ():  # field by field: the gaps between them stay 0
        header[name] = source[name]
    for name, value in fields.items():
        header[name] = value
    return header.tobytes()


def headers(kind: np.dtype):
    return st.binary(min_size=kind.itemsize, max_size=kind.itemsize)


@st.composite
def acquisitions(draw):
    coils, samples, dimensions = draw(SMALL), draw(SMALL), draw(st.integers(0, 3))
    raw = draw(headers(ACQUISITION_HEADER))
    flags = int.from_bytes(raw[2:10], "little") & ~COMPRESSED
    header = filled(
        ACQUISITION_HEADER,
        raw,
        flags=flags,
        active_channels=coils,
        number_of_samples=samples,
        trajectory_dimensions=dimensions,
    )
    data = draw(arrays.arrays(np.complex64, (coils, samples)))
    trajectory = draw(arrays.arrays(np.float32, (samples, dimensions)))
    return Acquisition(header, trajectory, data)


@st.composite
def images(draw):
    code = draw(st.sampled_from(sorted(PIXEL_TYPES)))
    shape = draw(st.tuples(SMALL, SMALL, SMALL, SMALL))
    header = filled(
        IMAGE_HEADER,
        draw(headers(IMAGE_HEADER)),
        data_type=code,
        channels=shape[0],
        matrix_size=shape[:0:-1],
        image_series_index=draw(st.integers(0, 2)),
    )
    return Image(header, draw(TEXTS), draw(arrays.arrays(PIXEL_TYPES[code], shape)))


@st.composite
def waveforms(draw):
    channels, samples = draw(SMALL), draw(SMALL)
    header = filled(WAVEFORM_HEADER, draw(headers(WAVEFORM_HEADER)), channels=channels, number_of_samples=samples)
    return Waveform(header, draw(arrays.arrays(np.uint32, (channels, samples))))


TEXTS = st.text(st.characters(codec="utf-8"), min_size=1, max_size=9).map(lambda text: text.rstrip("\0") or "-")
IDS = st.integers(0, 2**64 - 1)
MESSAGES = st.lists(
    st.one_of(
        acquisitions(),
        images(),
        waveforms(),
        TEXTS.map(Text),
        TEXTS.map(ConfigText),
        TEXTS.map(Header),
        st.builds(ConfigFile, st.text("asl.xml_é", max_size=20)),
        st.builds(Query, IDS, TEXTS, IDS),
        st.builds(Response, IDS, TEXTS),
        st.builds(Array, arrays.arrays(np.complex64, (2, 3)), st.integers(0, 9)),
        st.just(Close()),
    ),
    min_size=1,
    max_size=12,
)


@given(MESSAGES, st.permutations(SUFFIXES))
@settings(max_examples=60, deadline=None)
def test_any_messages_come_through_every_form(messages, suffixes):
    wire = b"".join(map(encode, messages))
    with TemporaryDirectory() as folder:
        source = Path(folder, "source.bin")
        source.write_bytes(wire)
        for number, suffix in enumerate((*suffixes, ".mrd")):
            target = Path(folder, f"{number}{suffix}")
            result = convert(source, target)
            assert (result.messages, result.left_over, result.fault) == (len(messages), 0, "")
            assert [encode(message) for message in open_messages(target)] == [encode(message) for message in messages]
            source = target
        assert source.read_bytes() == wire


@pytest.fixture
def messages():
    header = filled(ACQUISITION_HEADER, bytes(340), active_channels=2, number_of_samples=8)
    readout = Acquisition(header, np.empty((0, 0), np.float32), np.ones((2, 8), np.complex64))
    return [ConfigFile("asl"), Header("<ismrmrdHeader/>"), readout, readout, readout, Close()]


@pytest.fixture
def recording(tmp_path, messages):
    """A journal whose pieces cut messages anywhere."""
    path = tmp_path / "scan.journal"
    wire = b"".join(map(encode, messages))
    with Journal.create(path, {"scanner": "test"}) as journal:
        for start in range(0, len(wire), 97):
            journal.append(wire[start : start + 97])
    return path


def test_a_torn_journal_gives_what_is_whole_and_says_what_is_left(recording, messages, tmp_path):
    content = recording.read_bytes()
    recording.write_bytes(content[:-30])
    result = convert(recording, tmp_path / "scan.h5")
    found = list(open_messages(tmp_path / "scan.h5"))
    assert result.messages == len(found) < len(messages)
    assert result.left_over > 0
    assert list(map(encode, found)) == list(map(encode, messages))[: len(found)]


def test_a_stream_that_ends_in_a_message_gives_what_is_whole(messages, tmp_path):
    source = tmp_path / "scan.mrd"
    source.write_bytes(b"".join(map(encode, messages))[:-3])
    result = convert(source, tmp_path / "scan.journal")
    assert result.messages == len(messages) - 2
    assert result.left_over == len(encode(messages[-2])) - 1


def test_a_damaged_recording_gives_what_stands_before_the_damage(recording, tmp_path):
    content = bytearray(recording.read_bytes())
    content[len(content) // 2] ^= 1
    recording.write_bytes(content)
    result = convert(recording, tmp_path / "scan.h5")
    assert "damaged at byte" in result.fault
    assert result.messages == len(list(open_messages(tmp_path / "scan.h5"))) > 0


def test_form_is_told_by_content_not_by_name(recording, messages, tmp_path):
    for suffix, form in zip(SUFFIXES, (Form.JOURNAL, Form.MRD, Form.STREAM), strict=True):
        target = tmp_path / f"other{suffix}"
        convert(recording, target)
        assert form_of(target) is form
        assert form_of(target.rename(tmp_path / f"{form.name}.dat")) is form
        assert len(list(open_messages(tmp_path / f"{form.name}.dat"))) == len(messages)


@pytest.mark.parametrize("content", [b"", b"a text file", b"\xff\xff"])
def test_what_is_no_recording_is_refused(tmp_path, content):
    source, target = tmp_path / "notes.mrd", tmp_path / "scan.h5"
    source.write_bytes(content)
    with pytest.raises(DataError, match=r"notes\.mrd is"):
        convert(source, target)
    assert list(tmp_path.iterdir()) == [source]


def test_a_failed_conversion_leaves_nothing(recording, tmp_path):
    with pytest.raises(DataError, match="should end with one of"):
        convert(recording, tmp_path / "scan.txt")
    recording.write_bytes(recording.read_bytes()[:16] + b"\xff" * 100)
    result = convert(recording, tmp_path / "scan.h5")
    assert (result.messages, result.left_over) == (0, 100)


def test_nothing_is_overwritten_unasked(recording, tmp_path):
    target = tmp_path / "scan.h5"
    target.write_text("precious")
    with pytest.raises(FileExistsError):
        convert(recording, target)
    assert target.read_text() == "precious"
    convert(recording, target, overwrite=True)
    assert form_of(target) is Form.MRD


def test_progress_goes_up_to_the_end(recording, tmp_path):
    for suffix in SUFFIXES:
        told: list[float] = []
        convert(recording, tmp_path / f"a{suffix}", told.append)
        assert told == sorted(told)
        assert 0.5 < told[-1] <= 1


def test_the_command_converts_and_tells(recording, messages, tmp_path):
    target = tmp_path / "scan.h5"
    result = CliRunner().invoke(convert_command, [str(recording), str(target)])
    assert (result.exit_code, result.stderr) == (0, "")
    assert f"{len(messages)} messages" in result.stdout
    again = CliRunner().invoke(convert_command, [str(recording), str(target)])
    assert again.exit_code == 2
    assert "--overwrite" in again.stderr


def test_the_command_fails_where_the_recording_is_damaged(recording, tmp_path):
    content = bytearray(recording.read_bytes())
    content[len(content) // 2] ^= 1
    recording.write_bytes(content)
    result = CliRunner().invoke(convert_command, [str(recording), str(tmp_path / "scan.h5")])
    assert result.exit_code == 1
    assert "could be read no further" in result.stderr
