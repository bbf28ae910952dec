"""Whatever a client sends, it is told what was wrong, and the scans beside and after it are as if nothing had been."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from struct import pack
from threading import Event, Thread
from typing import Any

import numpy as np
import pytest

from aslive.streaming.layouts import ACQUISITION_HEADER, IMAGE_HEADER, WAVEFORM_HEADER, flag
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

NO_TRAJECTORY = np.empty((0, 0), np.float32)
CUT = "bytes into a message"
CLOSE = encode(Close())


@dataclass(frozen=True)
class Case:
    """What a client sends, and words of what it or the log is told."""

    says: str
    send: Callable[..., bytes]
    """Takes the good scan."""
    end: bool = False
    """Whether the client ends its side, because it has no CLOSE to send."""


def line(scan, number: int = 0, data: np.ndarray | None = None, **fields: Any) -> bytes:  # Any: what NumPy takes
    """Give the imaging line of that number with other data and header fields; its announced size stays true."""
    lines = scan.lines[scan.protocol.noise_readouts :]
    header = np.frombuffer(lines[number], ACQUISITION_HEADER, 1, 2)[0].copy()
    if data is None:
        shape = (int(header["active_channels"]), int(header["number_of_samples"]))
        data = np.frombuffer(lines[number], np.complex64, -1, 2 + ACQUISITION_HEADER.itemsize).reshape(shape)
    header["active_channels"], header["number_of_samples"] = data.shape
    for name, value in fields.items():
        into = header["idx"] if name in header["idx"].dtype.names else header
        into[name] = value
    return encode(Acquisition(header.tobytes(), NO_TRAJECTORY, data.astype(np.complex64)))


def announced(scan, **fields: Any) -> bytes:  # Any: what NumPy takes
    """Give only the header of a line, which announces whatever is asked."""
    return scan.opening + line(scan, 0, None, **fields)[: 2 + ACQUISITION_HEADER.itemsize]


def image(attributes: str = "", **fields: Any) -> bytes:  # Any: what NumPy takes
    header = np.zeros(1, IMAGE_HEADER)[0]
    header["data_type"], header["matrix_size"], header["channels"] = 5, (2, 2, 1), 1
    for name, value in fields.items():
        header[name] = value
    return encode(Image(header.tobytes(), attributes, np.zeros((1, 1, 2, 2), np.float32)))


def waveform(channels: int = 1, samples: int = 4, **fields: Any) -> bytes:  # Any: what NumPy takes
    header = np.zeros(1, WAVEFORM_HEADER)[0]
    header["channels"], header["number_of_samples"] = channels, samples
    for name, value in fields.items():
        header[name] = value
    return encode(Waveform(header.tobytes(), np.zeros((1, 4), np.uint32)))


def with_lines(scan, *lines: bytes) -> bytes:
    """Give a whole scan into which lines were slipped, behind its first imaging line."""
    at = scan.protocol.noise_readouts + 1
    return scan.opening + b"".join((*scan.lines[:at], *lines, *scan.lines[at:])) + CLOSE


def with_header(text: str) -> Callable[..., bytes]:
    return lambda scan: encode(ConfigFile("default")) + encode(Header(text)) + b"".join(scan.lines) + CLOSE


def with_changed_header(old: str, new: str) -> Callable[..., bytes]:
    """Give a scan whose header is wrong in one place."""

    def send(scan) -> bytes:
        text = scan.header[6:].decode()
        assert old in text
        return with_header(text.replace(old, new))(scan)

    return send


def with_config(config: ConfigFile | ConfigText) -> Callable[..., bytes]:
    return lambda scan: encode(config) + scan.header + b"".join(scan.lines) + CLOSE


def chain(gadget: str, parameter: str = "", value: str = "") -> ConfigText:
    wanted = f'<property name="{parameter}" value="{value}"/>' if parameter else ""
    return ConfigText(
        "<configuration><stream><gadget><classname>readout</classname></gadget>"
        f"<gadget><classname>{gadget}</classname>{wanted}</gadget></stream></configuration>"
    )


BOMB = '<!DOCTYPE a [<!ENTITY b "xxxxxxxxxx"><!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;">]><ismrmrdHeader>&c;</ismrmrdHeader>'
OUTSIDE = '<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><ismrmrdHeader>&b;</ismrmrdHeader>'
LIMIT = "<maximum>15</maximum>"

CUT_SHORT = {
    "an_id": Case(CUT, lambda scan: b"\1", end=True),
    "a_config_name": Case(CUT, lambda scan: encode(ConfigFile("default"))[:100], end=True),
    "a_config_text": Case(CUT, lambda scan: encode(ConfigText("<configuration>"))[:-3], end=True),
    "a_header": Case(CUT, lambda scan: scan.opening[:-1], end=True),
    "a_text": Case(CUT, lambda scan: encode(Text("hello"))[:-1], end=True),
    "a_query": Case(CUT, lambda scan: encode(Query(1, "gadgetron::info"))[:20], end=True),
    "a_response": Case(CUT, lambda scan: encode(Response(1, "yes"))[:-1], end=True),
    "the_header_of_a_line": Case(CUT, lambda scan: scan.opening + scan.lines[0][:200], end=True),
    "the_samples_of_a_line": Case(CUT, lambda scan: scan.opening + scan.lines[0][:-1], end=True),
    "the_header_of_an_image": Case(CUT, lambda scan: scan.opening + image()[:150], end=True),
    "the_attributes_of_an_image": Case(CUT, lambda scan: scan.opening + image("<meta/>")[:210], end=True),
    "the_pixels_of_an_image": Case(CUT, lambda scan: scan.opening + image()[:-2], end=True),
    "a_waveform": Case(CUT, lambda scan: scan.opening + waveform()[:-2], end=True),
    "an_array": Case(CUT, lambda scan: scan.opening + encode(Array(np.zeros((2, 2), np.float32)))[:-2], end=True),
}

TOO_LONG = {
    "a_text_of_4_gb": Case("a text of 4294967295 bytes", lambda scan: pack("<HI", 5, 0xFFFFFFFF)),
    "a_header_of_4_gb": Case("a text of 4294967295 bytes", lambda scan: pack("<HI", 3, 0xFFFFFFFF)),
    "a_config_of_4_gb": Case("a text of 4294967295 bytes", lambda scan: pack("<HI", 2, 0xFFFFFFFF)),
    "a_query_of_2_to_the_63": Case("a query of 9223372036854775808", lambda scan: pack("<HQQQ", 6, 0, 1, 1 << 63)),
    "a_response_of_2_to_the_63": Case("a response of 9223372036854775808", lambda scan: pack("<HQQ", 7, 1, 1 << 63)),
    "attributes_of_2_to_the_63": Case(
        "an attribute text of 9223372036854775808",
        lambda scan: scan.opening + image()[: 2 + IMAGE_HEADER.itemsize] + pack("<Q", 1 << 63),
    ),
    "an_image_of_281_tb": Case("an image of", lambda scan: scan.opening + image(matrix_size=(65535, 65535, 65535))),
    "pixels_of_no_known_type": Case("data type 99 is unknown", lambda scan: scan.opening + image(data_type=99)),
    "an_array_of_2_to_the_63": Case("an array of", lambda scan: scan.opening + pack("<H3HQ", 1030, 5, 1, 1, 1 << 63)),
    "an_array_of_65535_dimensions": Case(
        "65535 dimensions", lambda scan: scan.opening + pack("<H3H", 1030, 5, 1, 65535)
    ),
    "an_array_of_no_known_type": Case(
        "data type 0 is unknown", lambda scan: scan.opening + pack("<H3HQ", 1030, 0, 1, 1, 1)
    ),
    "a_line_of_65535_coils": Case("65535 coils", lambda scan: announced(scan, active_channels=65535)),
    "a_trajectory_of_65535_dimensions": Case(
        "65535 dimensions", lambda scan: announced(scan, trajectory_dimensions=65535)
    ),
    "a_waveform_of_17_gb": Case("a waveform of", lambda scan: scan.opening + waveform(65535, 65535)),
}

NOT_SPOKEN = {
    "id_0": Case("unknown message id 0", lambda scan: scan.opening + pack("<H", 0) + bytes(100)),
    "id_65535": Case("unknown message id 65535", lambda scan: scan.opening + pack("<H", 65535) + bytes(100)),
    "id_1001": Case("id 1001 is deprecated", lambda scan: scan.opening + pack("<H", 1001) + bytes(100)),
    "id_1015": Case("id 1015 is deprecated", lambda scan: scan.opening + pack("<H", 1015) + bytes(100)),
    "a_line_compressed_by_zfp": Case("flag 53, ZFP", lambda scan: scan.opening + line(scan, flags=flag(53))),
    "a_line_compressed_by_nhlbi": Case("flag 54, NHLBI", lambda scan: scan.opening + line(scan, flags=flag(54))),
    "http": Case("unknown message id 17735", lambda scan: b"GET / HTTP/1.1\r\nHost: scanner\r\n\r\n"),
    "tls": Case("unknown message id 790", lambda scan: b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(500)),
    "random_bytes": Case("unknown message id", lambda scan: np.random.default_rng(3).bytes(1 << 20)),
    "a_line_longer_than_announced": Case(
        "unknown message id 0", lambda scan: scan.opening + line(scan) + bytes(8) + line(scan)
    ),
}

OUT_OF_TURN = {
    "a_second_header": Case("Header came while", lambda scan: scan.opening + scan.header + b"".join(scan.lines)),
    "a_second_config": Case("ConfigFile came while", lambda scan: encode(ConfigFile("default")) + scan.opening),
    "a_config_after_the_header": Case(
        "ConfigText came while", lambda scan: scan.header + encode(ConfigText("{}")) + b"".join(scan.lines)
    ),
    "a_header_in_mid_scan": Case(
        "Header came while", lambda scan: scan.opening + b"".join(scan.lines[:100]) + scan.header + CLOSE
    ),
    "a_line_first_of_all": Case("Acquisition came while", lambda scan: b"".join(scan.lines)),
    "a_line_before_the_header": Case(
        "Acquisition came while", lambda scan: encode(ConfigFile("default")) + b"".join(scan.lines)
    ),
    "an_image_before_the_header": Case("Image came while", lambda scan: image()),
    "a_waveform_before_the_header": Case("Waveform came while", lambda scan: waveform()),
    "an_array_before_the_header": Case("Array came while", lambda scan: encode(Array(np.zeros(3, np.float32)))),
    "a_response_to_nothing": Case("Response came while", lambda scan: encode(Response(1, "yes"))),
    "data_after_close": Case("256 readouts", lambda scan: scan.stream + b"".join(scan.lines) + scan.opening),
    "close_and_nothing_else": Case("0 readouts", lambda scan: CLOSE),
    "a_header_and_then_silence": Case("ended without CLOSE", lambda scan: scan.opening, end=True),
    "half_a_scan_without_close": Case(
        "ended without CLOSE", lambda scan: scan.opening + b"".join(scan.lines[:150]), end=True
    ),
    "a_flood_of_texts": Case("256 readouts", lambda scan: 20_000 * encode(Text("hello")) + scan.stream),
    "texts_of_10_mb_each": Case("256 readouts", lambda scan: 3 * encode(Text("[" * 10_000_000)) + scan.stream),
}

ODD_DATA = {
    "another_number_of_coils": Case(
        "3 coils x 32 samples", lambda scan: with_lines(scan, line(scan, 1, np.ones((3, 32))))
    ),
    "another_number_of_samples": Case(
        "4 coils x 20 samples", lambda scan: with_lines(scan, line(scan, 1, np.ones((4, 20))))
    ),
    "ky_beyond_the_limits": Case(
        "outside of the k-space", lambda scan: with_lines(scan, line(scan, kspace_encode_step_1=60000))
    ),
    "a_slice_beyond_the_limits": Case("outside of the k-space", lambda scan: with_lines(scan, line(scan, slice=60000))),
    "an_average_beyond_the_limits": Case(
        "does not say which lines", lambda scan: with_lines(scan, line(scan, average=7))
    ),
    "a_repetition_beyond_the_limits": Case("lacks", lambda scan: with_lines(scan, line(scan, repetition=60000))),
    "no_samples": Case("it has no samples", lambda scan: with_lines(scan, line(scan, 0, np.ones((4, 0))))),
    "no_coils": Case("it has no coils", lambda scan: with_lines(scan, line(scan, 0, np.ones((0, 32))))),
    "all_samples_discarded": Case(
        "leave none of its samples", lambda scan: with_lines(scan, line(scan, discard_pre=40, discard_post=40))
    ),
    "a_center_outside": Case("center_sample is outside", lambda scan: with_lines(scan, line(scan, center_sample=999))),
    "nan": Case("no numbers", lambda scan: with_lines(scan, line(scan, 1, np.full((4, 32), np.nan)))),
    "infinity": Case("no numbers", lambda scan: with_lines(scan, line(scan, 1, np.full((4, 32), np.inf)))),
    "noise_that_is_nan": Case(
        "not finite",
        lambda scan: (
            scan.opening
            + b"".join(line(scan, 0, np.full((4, 32), np.nan), flags=flag(19)) for _ in range(32))
            + b"".join(scan.lines[32:])
            + CLOSE
        ),
    ),
    "noise_of_other_coils": Case(
        "have 7 coils",
        lambda scan: (
            scan.opening
            + b"".join(line(scan, 0, np.ones((7, 32)), flags=flag(19)) for _ in range(32))
            + b"".join(scan.lines[32:])
            + CLOSE
        ),
    ),
    "an_odd_waveform": Case("256 readouts", lambda scan: with_lines(scan, waveform(waveform_id=65535, version=999))),
    "a_waveform_without_channels": Case(
        "256 readouts", lambda scan: with_lines(scan, waveform(0, 65535)[: 2 + WAVEFORM_HEADER.itemsize])
    ),
}

ODD_HEADERS = {
    "no_xml": Case("not readable XML", with_header("Subject: a scan\n\nHere it is.")),
    "html": Case("ismrmrdHeader", with_header("<html><body>404 Not Found</body></html>")),
    "entities": Case("declares entities", with_header(BOMB)),
    "outside_references": Case("declares entities", with_header(OUTSIDE)),
    "an_empty_one": Case("not readable XML", with_header("")),
    "10_mb_of_junk": Case("not readable XML", with_header("x" * 10_000_000)),
    "300_000_open_brackets": Case("not readable XML", with_header("<a>" * 300_000)),
    "absurd_nesting": Case("nested deeper", with_header(1000 * "<a>" + 1000 * "</a>")),
    "an_absurd_matrix": Case("y is 65535", with_changed_header("<y>16</y>", "<y>65535</y>")),
    "an_absurd_line": Case("x is 2.14748e+09", with_changed_header("<x>32</x>", "<x>2147483647</x>")),
    "a_negative_matrix": Case("y is -16", with_changed_header("<y>16</y>", "<y>-16</y>")),
    "a_matrix_in_words": Case("no whole number", with_changed_header("<y>16</y>", "<y>sixteen</y>")),
    "absurd_limits": Case("are not usable", with_changed_header(LIMIT, "<maximum>4294967295</maximum>")),
    "absurd_slice_limits": Case(
        "are not usable", with_changed_header("<maximum>1</maximum>", "<maximum>65535</maximum>")
    ),
    "no_encodings": Case("has no encoding", with_header("<ismrmrdHeader><userParameters/></ismrmrdHeader>")),
}

ODD_CONFIGS = {
    "a_module": Case("there is no chain 'os'", with_config(ConfigFile("os"))),
    "a_path": Case("there is no chain '../../etc/passwd'", with_config(ConfigFile("../../etc/passwd"))),
    "a_name_that_fills_its_field": Case("there is no chain 'xxxx", with_config(ConfigFile(1023 * "x"))),
    "broken_xml": Case("the configuration is no XML", with_config(ConfigText("<configuration><stream>"))),
    "entities": Case("the configuration is no XML", with_config(ConfigText(BOMB))),
    "another_root": Case("begins with <html>", with_config(ConfigText("<html/>"))),
    "no_stream": Case("no <stream>", with_config(ConfigText("<configuration/>"))),
    "a_stream_of_nothing": Case("no gadgets", with_config(ConfigText("<configuration><stream/></configuration>"))),
    "an_unknown_gadget": Case("there is no gadget 'os.system'", with_config(chain("os.system"))),
    "a_gadget_that_lacks_its_input": Case("nothing before it", with_config(chain("cbf"))),
    "an_unknown_parameter": Case("has no parameter 't1b'", with_config(chain("gather", "t1b", "1.65"))),
    "a_parameter_in_words": Case("cannot be 'much'", with_config(chain("gather", "max_bytes", "much"))),
    "json_garbage": Case("there is no chain", with_config(ConfigText('{"parameters": {"config": '))),
    "json_of_wrong_kinds": Case("a chain lists gadget names", with_config(ConfigText('{"chain": [1, null, []]}'))),
    "json_without_end": Case("there is no chain", with_config(ConfigText("[" * 1_000_000))),
    "a_parameter_of_no_gadget": Case(
        "has no parameter 't1b'", with_config(ConfigText('{"parameters": {"cbf.t1b": 1.65}}'))
    ),
}

CASES = {
    f"{group}-{name}": case
    for group, cases in {
        "cut_short": CUT_SHORT,
        "too_long": TOO_LONG,
        "not_spoken_here": NOT_SPOKEN,
        "out_of_turn": OUT_OF_TURN,
        "odd_data": ODD_DATA,
        "odd_header": ODD_HEADERS,
        "odd_config": ODD_CONFIGS,
    }.items()
    for name, case in cases.items()
}


@pytest.fixture(scope="module")
def busy(launch):
    """A server of two workers, one of which has a long scan."""
    return launch("--warm", "2")


@pytest.fixture(scope="module")
def beside(busy, scan) -> Iterator[Callable[[], object]]:
    """A good scan that runs beside everything here; gives what became of it when it is asked."""
    over, found = Event(), []

    def pieces() -> Iterator[bytes]:
        yield scan.opening
        for one in scan.lines:
            over.wait(0.1)
            yield one
        yield CLOSE

    def result() -> object:
        over.set()
        thread.join(30)
        return found[0]

    thread = Thread(target=lambda: found.append(busy.talk(pieces())), daemon=True)
    thread.start()
    yield result
    over.set()
    thread.join(30)


@pytest.mark.timeout(60)
@pytest.mark.usefixtures("beside")
@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_bad_input_is_named_and_spoils_nothing_after_it(busy, scan, undisturbed, case) -> None:
    before = len(busy.log)
    replies = busy.talk(case.send(scan), case.end)
    assert replies.closed
    if case.says not in replies.texts:
        assert busy.logs(case.says, before)
    assert busy.talk(scan.stream).image_bytes == undisturbed.image_bytes


@pytest.mark.timeout(60)
def test_a_client_that_says_nothing_at_all_leaves_at_once(busy, scan, undisturbed, beside) -> None:
    before = len(busy.log)
    assert busy.talk(b"", end=True).messages == []
    assert busy.logs("not one byte", before)
    for _ in range(4):
        busy.connect().vanish()
    assert busy.talk(scan.stream).image_bytes == undisturbed.image_bytes


@pytest.mark.timeout(60)
def test_a_scan_beside_all_of_that_is_not_disturbed(busy, undisturbed, beside) -> None:
    assert beside().image_bytes == undisturbed.image_bytes
    assert "Traceback" not in busy.log
    assert "worker died" not in busy.log
    assert busy.process.poll() is None
