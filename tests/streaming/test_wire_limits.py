"""The wire believes no length it is told, and rubbish does it no harm."""

from itertools import pairwise
from struct import pack

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aslive.streaming.errors import ProtocolError
from aslive.streaming.layouts import ACQUISITION_HEADER, IMAGE_HEADER, WAVEFORM_HEADER, flag
from aslive.streaming.messages import Text
from aslive.streaming.wire import DEPRECATED, MAX_COILS, MAX_PAYLOAD, MAX_TEXT, Decoder, encode, measure


def announced(identifier: int, kind: np.dtype, **fields) -> bytes:
    header = np.zeros((), kind)
    for name, value in fields.items():
        header[name] = value
    return pack("<H", identifier) + header.tobytes()


def announced_image(x=1, y=1, z=1, channels=1, code=5, attributes=0) -> bytes:
    header = announced(1022, IMAGE_HEADER, data_type=code, channels=channels, matrix_size=(x, y, z))
    return header + pack("<Q", attributes)


def announced_acquisition(**fields) -> bytes:
    return announced(1008, ACQUISITION_HEADER, **fields)


def announced_array(*shape: int, code=5) -> bytes:
    return pack(f"<4H{len(shape)}Q", 1030, code, 0, len(shape), *shape)


REFUSED = {
    "a config text of 4 GiB": (pack("<HI", 2, 2**32 - 1), "a text of 4294967295 bytes .* at most 67108864"),
    "a header of 4 GiB": (pack("<HI", 3, 2**32 - 1), "a text of 4294967295 bytes .* at most 67108864"),
    "a text of 4 GiB": (pack("<HI", 5, 2**32 - 1), "a text of 4294967295 bytes .* at most 67108864"),
    "a query of 2^64 bytes": (pack("<HQQQ", 6, 0, 1, 2**64 - 1), "a query of 18446744073709551615 bytes"),
    "a response of 2^40 bytes": (pack("<HQQ", 7, 1, 2**40), "a response of 1099511627776 bytes"),
    "attributes of 2^40 bytes": (announced_image(attributes=2**40), "an attribute text of 1099511627776 bytes"),
    "an image of 65535^3": (announced_image(65535, 65535, 65535), "an image of .* bytes .* at most 1073741824"),
    "an image of no pixel type": (announced_image(code=9), "data type 9 is unknown; MRD has 1 to 8"),
    "1025 coils": (announced_acquisition(active_channels=1025), "1025 coils was announced; at most 1024"),
    "a trajectory of 17 dimensions": (announced_acquisition(trajectory_dimensions=17), "17 dimensions .* at most 16"),
    "a ZFP acquisition": (announced_acquisition(flags=flag(53)), "compressed .flag 53, ZFP.; send it uncompressed"),
    "an NHLBI acquisition": (announced_acquisition(flags=flag(54)), "compressed .flag 54, NHLBI."),
    "a waveform of 65535 channels": (
        announced(1026, WAVEFORM_HEADER, channels=65535, number_of_samples=65535),
        "a waveform of 17179344900 bytes .* at most 1073741824",
    ),
    "an array of 17 dimensions": (announced_array(*[1] * 17), "an array of 17 dimensions .* at most 16"),
    "an array whose size overflows": (announced_array(2**32, 2**32), "an array of .* bytes .* at most 1073741824"),
    "an array whose size wraps to 0": (announced_array(*[2**32] * 16), "an array of .* bytes .* at most 1073741824"),
    "an empty array that is endlessly long": (announced_array(2**63, 0), "an array of .* bytes .* at most 1073741824"),
    "an array of no pixel type": (announced_array(1, code=0), "data type 0 is unknown; MRD has 1 to 8"),
    "an id nobody knows": (pack("<H", 2590), "unknown message id 2590; served are 1-7, 1008 "),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_served_is_refused_in_words(name):
    data, words = REFUSED[name]
    with pytest.raises(ProtocolError, match=words):
        list(Decoder().receive(data))


@pytest.mark.parametrize("name", REFUSED)
def test_it_is_refused_also_when_it_comes_byte_by_byte(name):
    data, words = REFUSED[name]
    with pytest.raises(ProtocolError, match=words):
        decoder = Decoder()
        for at in range(len(data)):
            assert not list(decoder.receive(data[at : at + 1]))


@pytest.mark.parametrize("identifier", sorted(DEPRECATED))
def test_deprecated_ids_are_refused_by_name(identifier):
    with pytest.raises(ProtocolError, match=f"id {identifier} is deprecated in MRD; served are"):
        list(Decoder().receive(pack("<H", identifier)))


@given(st.integers(0, 65535).filter(lambda number: number not in {*range(1, 8), 1008, 1022, 1026, 1030}))
def test_no_other_id_is_served(identifier):
    with pytest.raises(ProtocolError, match="served are"):
        list(Decoder().receive(pack("<H", identifier)))


def test_messages_before_the_bad_one_are_given():
    messages = Decoder().receive(encode(Text("good")) + pack("<H", 999))
    assert next(messages) == Text("good")
    with pytest.raises(ProtocolError):
        next(messages)


def test_the_largest_that_is_taken_only_waits():
    samples = 65535
    for data, size in (
        (pack("<HI", 5, MAX_TEXT), MAX_TEXT + 6),
        (
            announced_acquisition(active_channels=MAX_COILS, number_of_samples=samples, trajectory_dimensions=0),
            342 + 8 * MAX_COILS * samples,
        ),
        (announced_array(MAX_PAYLOAD // 4), 16 + MAX_PAYLOAD),
    ):
        decoder = Decoder()
        assert list(decoder.receive(data)) == []
        assert decoder.waiting == len(data)
        assert measure(data, 0, len(data)) == size


BEGINNINGS = st.sampled_from([*range(1, 8), 1008, 1022, 1026, 1030]).map(lambda number: pack("<H", number))


def outcome(parts: list[bytes]) -> tuple[list[str], str]:
    """Give what the messages say, and the error after them if there is one."""
    decoder, messages = Decoder(), []
    try:
        for part in parts:
            for message in decoder.receive(part):
                messages.append(repr(message))
    except ProtocolError as error:
        return messages, str(error)
    return messages, ""


@given(st.lists(BEGINNINGS | st.binary(max_size=60), max_size=12).map(b"".join), st.lists(st.integers(0, 400)))
def test_rubbish_gives_messages_or_a_protocol_error_whatever_its_pieces(data, cuts):
    places = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    assert outcome([data[begin:end] for begin, end in pairwise(places)]) == outcome([data])
