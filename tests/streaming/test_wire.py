"""The wire carries every message unharmed, whatever its pieces, and as other programs lay it out."""

import io
from collections.abc import Sequence
from contextlib import suppress
from itertools import pairwise
from struct import pack
from typing import Any

import ismrmrd
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from ismrmrd.serialization import ProtocolDeserializer, ProtocolSerializer

from aslive.streaming.attributes import read_attributes, write_attributes
from aslive.streaming.errors import ProtocolError
from aslive.streaming.layouts import ACQUISITION_HEADER, IMAGE_HEADER, PIXEL_TYPES, WAVEFORM_HEADER
from aslive.streaming.messages import (
    Acquisition,
    Acquisitions,
    Array,
    Close,
    ConfigFile,
    ConfigText,
    Header,
    Image,
    Message,
    Query,
    Response,
    Text,
    Waveform,
)
from aslive.streaming.wire import Decoder, encode

NO_TRAJECTORY = np.empty((0, 0), np.float32)
OTHER = {np.dtype("<i4")}
"""Pixels that the ismrmrd package cannot read."""


def filled(kind: np.dtype, seed: int, **fields) -> bytes:
    """Give a header with something in every field, and in some what is asked for."""
    header = np.random.default_rng(seed).integers(0, 120, kind.itemsize, dtype=np.uint8).view(kind).copy()
    if "flags" in (kind.names or ()):
        header["flags"] = seed
    for name, value in fields.items():
        header[name] = value
    return header.tobytes()


def numbers(seed: int, shape: tuple[int, ...], pixel: np.dtype) -> np.ndarray:
    parts = np.random.default_rng(seed).integers(0, 100, (2, *shape))
    return (parts[0] + 1j * parts[1]).astype(pixel) if pixel.kind == "c" else parts[0].astype(pixel)


def acquisition(seed=0, coils=3, samples=5, dimensions=0) -> Acquisition:
    header = filled(
        ACQUISITION_HEADER,
        seed,
        number_of_samples=samples,
        active_channels=coils,
        trajectory_dimensions=dimensions,
    )
    trajectory = numbers(seed, (samples, dimensions), np.dtype("<f4")) if dimensions else NO_TRAJECTORY
    return Acquisition(header, trajectory, numbers(seed + 1, (coils, samples), np.dtype("<c8")))


def image(seed=0, shape=(1, 2, 3, 4), code=5, attributes="") -> Image:
    header = filled(IMAGE_HEADER, seed, data_type=code, channels=shape[0], matrix_size=shape[:0:-1])
    return Image(header, attributes, numbers(seed, shape, PIXEL_TYPES[code]))


def waveform(seed=0, channels=2, samples=6) -> Waveform:
    header = filled(WAVEFORM_HEADER, seed, channels=channels, number_of_samples=samples)
    return Waveform(header, numbers(seed, (channels, samples), np.dtype("<u4")))


SEEDS = st.integers(0, 100)
SIZES = st.integers(0, 5)
CODES = st.sampled_from(sorted(PIXEL_TYPES))
WORDS = st.text(max_size=12).filter(lambda text: not text.endswith("\0"))
NAMES = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12)
IDS = st.integers(0, 2**64 - 1)
MESSAGES: st.SearchStrategy[Message] = st.one_of(
    st.builds(ConfigFile, NAMES),
    st.builds(ConfigText, WORDS),
    st.builds(Header, WORDS),
    st.builds(Text, WORDS.filter(bool)),
    st.builds(Query, IDS, WORDS, IDS),
    st.builds(Response, IDS, WORDS),
    st.just(Close()),
    st.builds(acquisition, SEEDS, SIZES, SIZES, st.integers(0, 3)),
    st.builds(image, SEEDS, st.tuples(SIZES, SIZES, SIZES, SIZES), CODES, WORDS),
    st.builds(waveform, SEEDS, SIZES, SIZES),
    st.builds(
        lambda seed, shape, code, version: Array(numbers(seed, tuple(shape), PIXEL_TYPES[code]), version),
        SEEDS,
        st.lists(SIZES, max_size=4),
        CODES,
        st.integers(0, 3),
    ),
)


def same(one: Message, other: Message) -> bool:
    """Tell whether two messages say the same, to the last bit and pixel type."""
    if type(one) is not type(other):
        return False
    for name in one.__slots__:
        mine, theirs = getattr(one, name), getattr(other, name)
        if isinstance(mine, np.ndarray):
            if mine.dtype != theirs.dtype or mine.shape != theirs.shape or mine.tobytes() != theirs.tobytes():
                return False
        elif mine != theirs:
            return False
    return True


def all_same(some: Sequence[Message], others: Sequence[Message]) -> bool:
    return len(some) == len(others) and all(map(same, some, others))


def pieces(data: bytes, cuts: list[int]) -> list[bytes]:
    places = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    return [data[begin:end] for begin, end in pairwise(places)]


def received(decoder: Decoder, parts) -> list[Message]:
    return [message for part in parts for message in decoder.receive(part)]


# Whole


@given(st.lists(MESSAGES, max_size=6), st.lists(st.integers(0, 3000), max_size=8), st.booleans())
def test_messages_come_back_whatever_pieces_they_are_cut_into(messages, cuts, nul):
    data = b"".join(encode(message, nul) for message in messages)
    decoder = Decoder()
    assert all_same(received(decoder, pieces(data, cuts)), messages)
    assert decoder.waiting == 0
    assert decoder.decoded == len(data)


@given(MESSAGES)
def test_messages_come_back_byte_by_byte(message):
    data = encode(message)
    decoder = Decoder()
    assert all_same(received(decoder, (data[at : at + 1] for at in range(len(data)))), [message])


@given(MESSAGES, st.data())
def test_a_truncated_message_stays_waiting(message, draw):
    data = encode(message)
    length = draw.draw(st.integers(0, len(data) - 1))
    decoder = Decoder()
    assert received(decoder, [data[:length]]) == []
    assert decoder.waiting == length
    assert decoder.decoded == 0
    assert all_same(received(decoder, [data[length:]]), [message])


RUNS = st.lists(st.tuples(MESSAGES, st.integers(1, 4)), max_size=4).map(
    lambda runs: [message for message, count in runs for _ in range(count)]
)


@given(RUNS, st.lists(st.integers(0, 3000), max_size=4))
def test_acquisitions_that_are_read_together_are_those_read_one_by_one(messages, cuts):
    decoder = Decoder()
    found = []
    for piece in pieces(b"".join(map(encode, messages)), cuts):
        for message in decoder.receive_together(piece):
            found.extend(message.split() if isinstance(message, Acquisitions) else [message])
    assert all_same(found, received(Decoder(), [b"".join(map(encode, messages))]))


def test_acquisitions_of_one_size_are_read_together_without_a_copy():
    lines = [acquisition(seed, dimensions=2) for seed in range(5)]
    data = b"".join(map(encode, [*lines, acquisition(samples=7), Close()]))
    run, other, _ = Decoder().receive_together(data)
    assert isinstance(run, Acquisitions)
    assert isinstance(other, Acquisition)
    assert all_same(list(run.split()), lines)
    assert np.shares_memory(run.data, np.frombuffer(data, np.uint8))


def test_a_compressed_acquisition_behind_others_is_still_refused():
    compressed = acquisition()
    header = np.frombuffer(compressed.header, ACQUISITION_HEADER).copy()
    header["flags"] = 1 << 52
    lines = [acquisition(), acquisition(1), Acquisition(header.tobytes(), compressed.trajectory, compressed.data)]
    given = Decoder().receive_together(b"".join(map(encode, lines)))
    run = next(given)
    assert isinstance(run, Acquisitions)
    assert len(run.headers) == 2
    with pytest.raises(ProtocolError, match="compressed"):
        next(given)


@pytest.mark.parametrize("message", [acquisition(dimensions=2), image(), waveform(), Array(np.ones((2, 3)))])
def test_a_whole_message_is_not_copied(message):
    data = encode(Text("before")) + encode(message)
    *_, back = Decoder().receive(data)
    assert isinstance(back, Acquisition | Image | Waveform | Array)
    assert np.shares_memory(back.data, np.frombuffer(data, np.uint8))
    if isinstance(back, Acquisition):
        assert np.shares_memory(back.trajectory, np.frombuffer(data, np.uint8))


def test_a_message_that_was_cut_is_not_changed_by_the_next():
    first, second = acquisition(seed=1), acquisition(seed=2)
    data = encode(first) + encode(second)
    decoder = Decoder()
    messages = [message for part in pieces(data, [100, 500]) for message in decoder.receive(part)]
    assert all_same(messages, [first, second])


def test_the_bytes_sent_are_a_single_piece():
    assert all(isinstance(encode(message), bytes) for message in (acquisition(), image(), waveform(), Close()))


def test_arrays_that_are_not_contiguous_are_sent_in_their_own_order():
    pixels = np.arange(24, dtype=np.float32).reshape(4, 3, 2).T
    (back,) = Decoder().receive(encode(Array(pixels)))
    assert isinstance(back, Array)
    np.testing.assert_array_equal(back.data, pixels)


def test_big_endian_pixels_are_turned():
    (back,) = Decoder().receive(encode(Array(np.arange(5, dtype=">f4"))))
    assert isinstance(back, Array)
    assert back.data.dtype == np.dtype("<f4")
    np.testing.assert_array_equal(back.data, np.arange(5))


def test_pixels_the_wire_has_no_code_for_are_refused():
    with pytest.raises(ProtocolError, match="int64 cannot be sent; MRD has uint16"):
        encode(Array(np.arange(3, dtype=np.int64)))


# Texts


@given(WORDS.filter(bool), st.booleans())
def test_a_text_is_read_with_and_without_its_nul(text, nul):
    data = encode(Text(text), nul)
    assert data.endswith(b"\0") is nul
    assert list(Decoder().receive(data)) == [Text(text)]


@pytest.mark.parametrize("nul", [False, True])
def test_an_empty_text_is_sent_as_a_blank(nul):
    assert list(Decoder().receive(encode(Text(""), nul))) == [Text(" ")]


def test_an_empty_text_is_read():
    assert list(Decoder().receive(pack("<HI", 5, 0))) == [Text("")]


@given(st.binary(max_size=20).filter(lambda data: not data.endswith(b"\0")))
def test_a_text_that_is_no_utf8_is_read_as_latin1(data):
    (back,) = Decoder().receive(pack("<HI", 5, len(data)) + data)
    try:
        expected = data.decode()
    except UnicodeDecodeError:
        expected = data.decode("latin-1")
    assert back == Text(expected)


def test_half_a_surrogate_pair_is_sent_as_a_question_mark():
    assert list(Decoder().receive(encode(Text("a\ud800b")))) == [Text("a?b")]


def test_a_config_name_ends_at_its_first_nul():
    assert list(Decoder().receive(pack("<H1024s", 1, b"asl.xml\0rubbish"))) == [ConfigFile("asl.xml")]


def test_a_config_name_fills_1024_bytes():
    assert len(encode(ConfigFile("ä"))) == 1026
    assert len(encode(ConfigFile("n" * 1023))) == 1026
    with pytest.raises(ProtocolError, match="1024 bytes; at most 1023 fit"):
        encode(ConfigFile("ä" * 512))


# As the ismrmrd package has it


def fields_of(ours: np.void, theirs) -> None:
    """Compare a header with that of the ismrmrd package, field by field."""
    for name in ours.dtype.names or ():
        value = getattr(theirs, name)
        if name == "idx":
            fields_of(ours[name], value)
        else:
            np.testing.assert_array_equal(np.asarray(value), ours[name], err_msg=name)


def written(theirs) -> bytes:
    stream = io.BytesIO()
    theirs.serialize_into(stream.write)
    return stream.getvalue()


def read_by_ismrmrd(data: bytes) -> Any:  # Any: of the package
    (theirs,) = ProtocolDeserializer(io.BytesIO(data + encode(Close()))).deserialize()
    return theirs


@given(SEEDS, st.integers(1, 4), st.integers(1, 7), st.integers(0, 3))
def test_ismrmrd_reads_our_acquisitions(seed, coils, samples, dimensions):
    ours = acquisition(seed, coils, samples, dimensions)
    theirs = read_by_ismrmrd(encode(ours))
    fields_of(ours.fields, theirs.getHead())
    np.testing.assert_array_equal(theirs.data, ours.data)
    if dimensions:
        np.testing.assert_array_equal(theirs.traj, ours.trajectory)
    assert encode(ours)[2:] == written(theirs)


@given(SEEDS, st.integers(1, 4), st.integers(1, 7), st.integers(0, 3))
def test_we_read_the_acquisitions_of_ismrmrd(seed, coils, samples, dimensions):
    ours = acquisition(seed, coils, samples, dimensions)
    theirs = ismrmrd.Acquisition(ismrmrd.AcquisitionHeader.from_buffer_copy(ours.header))
    theirs.data[:] = ours.data
    theirs.traj[:] = ours.trajectory.reshape(theirs.traj.shape)
    (back,) = Decoder().receive(pack("<H", 1008) + written(theirs))
    assert same(back, ours)


SHAPES = st.tuples(*[st.integers(1, 4)] * 4)
COMMON_CODES = CODES.filter(lambda code: PIXEL_TYPES[code] not in OTHER)


@given(SEEDS, SHAPES, COMMON_CODES, st.booleans())
def test_ismrmrd_reads_our_images(seed, shape, code, described):
    ours = image(seed, shape, code, write_attributes({"aslive_map": "cbf"}) if described else "")
    theirs = read_by_ismrmrd(encode(ours))
    assert dict(theirs.meta) == ({"aslive_map": "cbf"} if described else {})
    np.testing.assert_array_equal(theirs.data, ours.data)
    assert theirs.data.dtype == ours.data.dtype
    head = theirs.getHead()
    head.attribute_string_len = ours.fields["attribute_string_len"]  # it tells the length that it found
    fields_of(ours.fields, head)


@given(SEEDS, SHAPES, COMMON_CODES, st.booleans())
def test_we_read_the_images_of_ismrmrd(seed, shape, code, described):
    ours = image(seed, shape, code)
    theirs = ismrmrd.Image(ismrmrd.ImageHeader.from_buffer_copy(ours.header))
    theirs.data[:] = ours.data
    if described:
        theirs.meta = {"aslive_map": "cbf"}
    (back,) = Decoder().receive(pack("<H", 1022) + written(theirs))
    assert isinstance(back, Image)
    assert read_attributes(back.attributes) == ({"aslive_map": ["cbf"]} if described else {})
    fields_of(back.fields, theirs.getHead())
    np.testing.assert_array_equal(back.data, ours.data)


@given(SEEDS, st.integers(1, 4), st.integers(1, 7))
def test_waveforms_agree_with_ismrmrd_both_ways(seed, channels, samples):
    ours = waveform(seed, channels, samples)
    theirs = read_by_ismrmrd(encode(ours))
    fields_of(ours.fields, theirs.getHead())
    np.testing.assert_array_equal(theirs.data, ours.data)
    (back,) = Decoder().receive(pack("<H", 1026) + written(theirs))
    assert isinstance(back, Waveform)
    fields_of(back.fields, theirs.getHead())
    np.testing.assert_array_equal(back.data, ours.data)


def test_texts_and_arrays_agree_with_ismrmrd_both_ways():
    pixels = np.arange(6, dtype=np.float32).reshape(2, 3)
    stream = io.BytesIO()
    writer = ProtocolSerializer(stream)
    for theirs in (
        ismrmrd.serialization.ConfigFile("asl.xml"),
        ismrmrd.serialization.ConfigText("<configuration/>"),
        "hello",
        pixels,
    ):
        writer.serialize(theirs)
    writer.close()
    ours = [ConfigFile("asl.xml"), ConfigText("<configuration/>"), Text("hello"), Array(pixels, 0), Close()]
    assert b"".join(map(encode, ours)) == stream.getvalue()
    assert all_same(list(Decoder().receive(stream.getvalue())), ours)
    for message, theirs in zip(ours, ProtocolDeserializer(io.BytesIO(stream.getvalue())).deserialize(), strict=False):
        np.testing.assert_array_equal(theirs, getattr(message, message.__slots__[0]))


@given(MESSAGES, st.data())
def test_a_damaged_message_gives_messages_or_a_protocol_error(message, draw):
    data = bytearray(encode(message))
    data[draw.draw(st.integers(0, min(len(data), 400) - 1))] ^= draw.draw(st.integers(1, 255))
    with suppress(ProtocolError):
        received(Decoder(), [bytes(data)])
