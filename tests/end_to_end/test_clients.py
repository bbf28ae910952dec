"""Other people's clients against a real server: what they send is understood, and what comes back they can read.

The clients of the field are rebuilt here from their byte streams alone, with none of our codec, so that a mistake of
ours on both sides would show.
"""

import io
import struct
from collections.abc import Callable, Iterator
from threading import Thread
from typing import Any

import ismrmrd
import numpy as np
import pytest

from aslive.streaming.messages import Acquisition, Header, Message

CONFIG_FILE, CONFIG_TEXT, HEADER, CLOSE, TEXT, QUERY, RESPONSE = range(1, 8)
ACQUISITION, IMAGE, WAVEFORM = 1008, 1022, 1026

PIXELS = {2: "<i2", 5: "<f4"}
"""Pixel types that every client can read."""

CHAIN = """<?xml version="1.0"?>
<gadgetronStreamConfiguration xmlns="http://gadgetron.sf.net/gadgetron">
  <reader><slot>1008</slot><dll>gadgetron_mricore</dll><classname>GadgetIsmrmrdAcquisitionMessageReader</classname></reader>
  <writer><slot>1022</slot><dll>gadgetron_mricore</dll><classname>MRIImageWriter</classname></writer>
  %s
</gadgetronStreamConfiguration>"""
GADGETS = (
    "signal readout gather prewhiten role fourier combine stack motion mask dvars atlas physiology slice_timing "
    "m0_ratio m0 pair labeling outliers average publish cbf indices enough alarms"
)


def config_file(name: str) -> bytes:
    return struct.pack("<H1024s", CONFIG_FILE, name.encode())


def text(identifier: int, words: str, nul: bool) -> bytes:
    data = words.encode() + b"\0" * nul
    return struct.pack("<HI", identifier, len(data)) + data


def heartbeat(number: int) -> bytes:
    """One second of ECG on two channels, 40-byte header with natural alignment."""
    header = struct.pack("<H6xQIIIHHfH2x", 1, 0, 1, number, 17280000 + 400 * number, 400, 2, 2500.0, 0)
    samples = np.arange(800, dtype="<u4") + number
    return struct.pack("<H", WAVEFORM) + header + samples.tobytes()


def walk(data: bytes) -> Iterator[tuple[int, Any]]:  # Any: text, or header, attributes and pixels
    """Take a reply apart as the C++ client does: an id it does not know is the end, and so is a missing CLOSE."""
    stream = io.BytesIO(data)
    while True:
        (identifier,) = struct.unpack("<H", stream.read(2))
        if identifier == CLOSE:
            assert not stream.read(), "something follows CLOSE"
            yield CLOSE, None
            return
        if identifier == TEXT:
            (length,) = struct.unpack("<I", stream.read(4))
            assert length, "libismrmrd reads before the start of an empty text"
            yield TEXT, stream.read(length)
        elif identifier == RESPONSE:
            number, length = struct.unpack("<QQ", stream.read(16))
            yield RESPONSE, (number, stream.read(length).decode())
        else:
            assert identifier == IMAGE, f"the client does not know message {identifier}"
            yield IMAGE, read_image(stream)


def read_image(stream: io.BytesIO) -> tuple[int, str, np.ndarray]:
    """Give series, attributes and pixels ``(channels, z, y, x)``."""
    header = stream.read(198)
    (kind,) = struct.unpack_from("<H", header, 2)
    x, y, z = struct.unpack_from("<3H", header, 16)
    (channels,) = struct.unpack_from("<H", header, 34)
    (series,) = struct.unpack_from("<H", header, 128)
    (length,) = struct.unpack("<Q", stream.read(8))
    attributes = stream.read(length).decode()
    pixel = np.dtype(PIXELS[kind])
    pixels = np.frombuffer(stream.read(channels * z * y * x * pixel.itemsize), pixel)
    return series, attributes, pixels.reshape(channels, z, y, x)


def assert_same_images(data: bytes, undisturbed) -> None:
    """Compare what a foreign reader makes of a reply with what our own made of it."""
    images = [content for identifier, content in walk(data) if identifier == IMAGE]
    assert len(images) == len(undisturbed.images) > 0
    for (series, attributes, pixels), ours in zip(images, undisturbed.images, strict=True):
        assert series == ours.fields["image_series_index"]
        assert attributes.rstrip("\0") == ours.attributes.rstrip("\0")
        np.testing.assert_array_equal(pixels, ours.data)


def identifiers(data: bytes) -> set[int]:
    return {identifier for identifier, _ in walk(data)}


# The ismrmrd package.


def foreign(messages: list[Message]) -> Iterator[ismrmrd.Acquisition | ismrmrd.Waveform | ismrmrd.xsd.ismrmrdHeader]:
    """Turn a scan into the objects of the ``ismrmrd`` package, with a heartbeat between the volumes."""
    for number, message in enumerate(messages):
        if isinstance(message, Header):
            yield ismrmrd.xsd.CreateFromDocument(message.text)
        elif isinstance(message, Acquisition):
            body = message.header + message.trajectory.tobytes() + message.data.tobytes()
            yield ismrmrd.Acquisition.deserialize_from(io.BytesIO(body).read)
            if number % 32 == 0:
                yield ismrmrd.Waveform.deserialize_from(io.BytesIO(heartbeat(number)[2:]).read)


def test_the_ismrmrd_package_sends_and_reads_without_a_change(server, scan, undisturbed):
    with server.connect() as talker:
        stream = talker.socket.makefile("rwb")

        def send() -> None:
            serializer = ismrmrd.ProtocolSerializer(stream)
            serializer.serialize(ismrmrd.ConfigFile("default"))
            for item in foreign(scan.messages):
                serializer.serialize(item)
            serializer.close()

        sender = Thread(target=send)
        sender.start()
        replies = list(ismrmrd.ProtocolDeserializer(stream).deserialize())  # ends with CLOSE, or raises
        sender.join()
        stream.close()
    images = [reply for reply in replies if isinstance(reply, ismrmrd.Image)]
    assert {type(reply) for reply in replies} == {ismrmrd.Image, str}
    assert len(images) == len(undisturbed.images)
    for image, ours in zip(images, undisturbed.images, strict=True):
        np.testing.assert_array_equal(image.data, ours.data)
        header = image.getHead()
        assert header.image_series_index == ours.fields["image_series_index"]
        assert header.image_index == ours.fields["image_index"]
        assert list(header.position) == list(ours.fields["position"])
        assert ismrmrd.Meta.deserialize(image.attribute_string)["aslive_map"] in ours.attributes


# The client of the FIRE reference server.


def fire(scan, parameters: str = "") -> bytes:
    """Send as its ``client.py`` does: texts with a NUL, parameters after the header, all waveforms first."""
    header = next(message.text for message in scan.messages if isinstance(message, Header))
    waveforms = b"".join(heartbeat(number) for number in range(20))
    adjusted = text(TEXT, parameters, nul=True) if parameters else b""
    opening = config_file("default") + text(HEADER, header, nul=True) + adjusted
    return opening + waveforms + b"".join(scan.lines) + struct.pack("<H", CLOSE)


@pytest.fixture(scope="module")
def fire_server(launch):
    return launch("--nul")


def test_the_fire_client_gets_its_images_and_texts_with_a_nul(fire_server, scan, undisturbed):
    replies = fire_server.talk(fire(scan))
    assert identifiers(replies.data) == {TEXT, IMAGE, CLOSE}
    assert_same_images(replies.data, undisturbed)
    texts = [content for identifier, content in walk(replies.data) if identifier == TEXT]
    assert texts
    assert all(content.endswith(b"\0") and content.count(b"\0") == 1 for content in texts)


def test_the_fire_client_s_parameters_change_the_scan(server, scan, undisturbed):
    halved = '{"version": "1.0.0", "parameters": {"config": "default", "physiology.partition_coefficient": 0.45}}'
    replies = server.talk(fire(scan, halved))
    assert identifiers(replies.data) == {TEXT, IMAGE, CLOSE}
    for found, ours in zip(replies.maps("cbf"), undisturbed.maps("cbf"), strict=True):
        np.testing.assert_allclose(found.data, ours.data / 2, rtol=1e-6)


def test_a_console_gets_slices_of_small_integers_when_it_asks_for_them(server, scan, undisturbed):
    wanted = '{"parameters": {"reply": {"pixel_format": "int16", "slices": true, "text_style": "fire"}}}'
    replies = server.talk(fire(scan, wanted))
    images = [content for identifier, content in walk(replies.data) if identifier == IMAGE]
    slices = scan.protocol.matrix[2]
    assert len(images) == slices * len(undisturbed.images)
    assert {(pixels.dtype, pixels.shape[1]) for _, _, pixels in images} == {(np.dtype("<i2"), 1)}
    words = [content[:4] for identifier, content in walk(replies.data) if identifier == TEXT]
    assert words
    assert set(words) <= {b"DBG ", b"WRN ", b"ERR "}
    last = [image for image in images if "<value>cbf</value>" in image[1]][-slices:]
    (slope,) = {float(ismrmrd.Meta.deserialize(attributes)["RescaleSlope"]) for _, attributes, _ in last}
    cbf = np.nan_to_num(undisturbed.maps("cbf")[-1].data[0])
    found = slope * np.concatenate([pixels[0] for _, _, pixels in last])
    np.testing.assert_allclose(found, cbf, atol=0.501 * slope)


# The C++ client of Gadgetron.


def gadgetron(scan, config: bytes, query: str = "") -> bytes:
    """Send as ``gadgetron_ismrmrd_client`` does: no NUL anywhere, waveforms among the lines by their time."""
    header = next(message.text for message in scan.messages if isinstance(message, Header))
    asked = query.encode()
    opening = struct.pack("<HQQQ", QUERY, 0, 7, len(asked)) + asked if query else b""
    opening += config + text(HEADER, header, nul=False)
    lines = [line if number % 50 else line + heartbeat(number) for number, line in enumerate(scan.lines)]
    return opening + b"".join(lines) + struct.pack("<H", CLOSE)


def legacy_chain(**properties: str) -> str:
    return CHAIN % "\n  ".join(
        f"<gadget><name>{name}</name><dll>aslive</dll><classname>{name}</classname>{properties.get(name, '')}</gadget>"
        for name in GADGETS.split()
    )


CONFIGS: dict[str, Callable[[], bytes]] = {
    "its own default": lambda: config_file("default.xml"),
    "a chain of ours": lambda: config_file("asl.xml"),
    "a file that nobody has here": lambda: config_file("Generic_Cartesian_FFT.xml"),
    "a chain as text": lambda: text(CONFIG_TEXT, legacy_chain(), nul=False),
}


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_the_gadgetron_client_gets_nothing_but_what_it_knows(server, scan, undisturbed, config):
    replies = server.talk(gadgetron(scan, config()))
    assert identifiers(replies.data) == {TEXT, IMAGE, CLOSE}
    assert_same_images(replies.data, undisturbed)


def test_a_property_in_gadgetron_s_xml_reaches_its_gadget(server, scan, undisturbed):
    halved = "<property><name>partition_coefficient</name><value>0.45</value></property>"
    replies = server.talk(gadgetron(scan, text(CONFIG_TEXT, legacy_chain(physiology=halved), nul=False)))
    for found, ours in zip(replies.maps("cbf"), undisturbed.maps("cbf"), strict=True):
        np.testing.assert_allclose(found.data, ours.data / 2, rtol=1e-6)


def test_a_query_of_the_gadgetron_client_is_answered_before_its_scan(server, scan, undisturbed):
    replies = server.talk(gadgetron(scan, config_file("default.xml"), query="gadgetron::info"))
    (first, answer), *_ = walk(replies.data)
    assert first == RESPONSE
    assert answer[0] == 7
    assert answer[1].startswith("aslive ")
    assert identifiers(replies.data) == {TEXT, RESPONSE, IMAGE, CLOSE}
    assert_same_images(replies.data, undisturbed)


def test_a_chain_that_cannot_be_built_is_an_error_the_gadgetron_client_survives(server, scan):
    unknown = legacy_chain().replace("<classname>pair<", "<classname>EPICorrGadget<")
    replies = server.talk(gadgetron(scan, text(CONFIG_TEXT, unknown, nul=False)))
    assert identifiers(replies.data) == {TEXT, CLOSE}
    assert "error: there is no gadget 'EPICorrGadget'" in replies.texts


def test_a_stream_without_config_begins_with_its_header(server, scan, undisturbed):
    replies = server.talk(scan.header + b"".join(scan.lines) + struct.pack("<H", CLOSE))
    assert_same_images(replies.data, undisturbed)
