"""The MRD streaming protocol: bytes to messages and back, without a socket.

Little-endian; a message is a 16-bit id and its payload, with no outer length, so an unknown id ends the stream.
Layouts: MRD 1 ("ISMRMRD streaming"), and Gadgetron for ids 6 and 7. Texts may end with a NUL that is counted in their
length (FIRE) or not (Gadgetron): both are read, and ``encode`` can write both.
"""

from collections.abc import Iterator
from math import prod
from struct import Struct

import numpy as np

from .errors import ProtocolError
from .layouts import ACQUISITION_HEADER, IMAGE_HEADER, PIXEL_TYPES, WAVEFORM_HEADER, flag
from .messages import (
    NO_TRAJECTORY,
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

CONFIG_FILE, CONFIG_TEXT, HEADER, CLOSE, TEXT, QUERY, RESPONSE = range(1, 8)
ACQUISITION, IMAGE, WAVEFORM, ARRAY = 1008, 1022, 1026, 1030

SERVED = "1-7, 1008 (acquisition), 1022 (image), 1026 (waveform) and 1030 (array)"
DEPRECATED = frozenset((*range(1001, 1008), *range(1009, 1013), *range(1015, 1018), 1020, 1021))

FILE_NAME_SIZE = 1024
MAX_TEXT = 1 << 26
"""Longest text, header or configuration that is taken, bytes."""
MAX_PAYLOAD = 1 << 30
"""Largest acquisition, image, waveform or array that is taken, bytes."""
MAX_COILS = 1024
"""As many as the header's channel mask has bits."""
MAX_DIMENSIONS = 16
"""Of an array, or of a trajectory."""

_ID = Struct("<H")
_LENGTH = Struct("<H I")
_LONG_LENGTH = Struct("<Q")
_QUERY = Struct("<H Q Q Q")
_RESPONSE = Struct("<H Q Q")
_ACQUISITION = Struct("<H 2x Q 24x H 2x H 136x H")  # id, flags, samples, coils, trajectory dimensions
_IMAGE = Struct("<H 2x H 12x 3H 12x H")  # id, data type, matrix size, channels
_WAVEFORM = Struct("<H 28x 2H")  # id, samples, channels
_ARRAY = Struct("<H 3H")  # id, data type, version, dimensions

_AFTER_ACQUISITION = 2 + ACQUISITION_HEADER.itemsize
_AFTER_IMAGE = 2 + IMAGE_HEADER.itemsize
_AFTER_WAVEFORM = 2 + WAVEFORM_HEADER.itemsize
_ACQUISITION_START = np.dtype([("id", "<u2"), *ACQUISITION_HEADER.descr])
_COMPRESSED = sum(flag(number) for number in (53, 54))
_PIXEL_CODES = {pixel: code for code, pixel in PIXEL_TYPES.items()}

Buffer = bytes | bytearray | memoryview


class Decoder:
    """Turns received bytes into messages, whatever pieces they come in.

    The arrays of the messages are views of the bytes handed to ``receive``, which must not change afterwards; only a
    message that was cut by the end of a piece is copied.
    """

    def __init__(self) -> None:
        self._tail = bytearray()
        self.decoded = 0
        """Bytes of whole messages so far."""

    @property
    def waiting(self) -> int:
        """Bytes of a message that has begun and not ended."""
        return len(self._tail)

    def receive(self, data: Buffer) -> Iterator[Message]:
        """Give every message that is complete with these bytes.

        Raises ``ProtocolError`` for bytes that are no message; nothing after them can be read.
        """
        for message in self.receive_together(data):
            if isinstance(message, Acquisitions):
                yield from message.split()
            else:
                yield message

    def receive_together(self, data: Buffer) -> Iterator[Message | Acquisitions]:
        """Give the same, but acquisitions of one size that follow each other as one, which costs much less."""
        view = memoryview(data)
        at = 0
        while self._tail:
            needed = measure(self._tail, 0, len(self._tail)) - len(self._tail)
            if needed <= 0:
                whole, self._tail = self._tail, bytearray()
                self.decoded += len(whole)
                yield parse(whole, 0, len(whole))
            elif at == len(view):
                return
            else:
                self._tail += view[at : at + needed]
                at = min(at + needed, len(view))
        while at < len(view):
            size = measure(view, at, len(view) - at)
            if size > len(view) - at:
                self._tail += view[at:]
                return
            together = _alike(view, at, size)
            self.decoded += size * together
            yield parse(view, at, size) if together == 1 else _parse_acquisitions(view, at, size, together)
            at += size * together


def _alike(view: memoryview, at: int, size: int) -> int:
    """Count the whole acquisitions from ``at`` on that have the size of the first; 1 for any other message."""
    most = (len(view) - at) // size
    if most < 2 or _ID.unpack_from(view, at)[0] != ACQUISITION:
        return 1
    heads = np.ndarray((most,), _ACQUISITION_START, view, at, (size,))
    first = heads[0]
    alike = heads["flags"] & _COMPRESSED == 0
    for name in ("id", "number_of_samples", "active_channels", "trajectory_dimensions"):
        alike &= heads[name] == first[name]
    return most if alike.all() else int(np.argmin(alike))


def _parse_acquisitions(view: memoryview, at: int, size: int, count: int) -> Acquisitions:
    _, _, samples, coils, dimensions = _ACQUISITION.unpack_from(view, at)
    start = at + _AFTER_ACQUISITION
    headers = np.ndarray((count,), ACQUISITION_HEADER, view, at + _ID.size, (size,))
    trajectory = np.ndarray((count, samples, dimensions), "<f4", view, start, (size, 4 * dimensions, 4))
    data_strides = (size, 8 * samples, 8)
    data = np.ndarray((count, coils, samples), "<c8", view, start + 4 * samples * dimensions, data_strides)
    return Acquisitions(headers, trajectory, data)


def measure(view: Buffer, at: int, have: int) -> int:
    """Tell how many bytes the message at ``at`` has, as far as the ``have`` bytes there tell.

    A result above ``have`` means: at least so many are needed to know more. Raises ``ProtocolError`` for an unknown id,
    a compressed acquisition, or a length beyond the limits.
    """
    if have < _ID.size:
        return _ID.size
    (identifier,) = _ID.unpack_from(view, at)
    if identifier == ACQUISITION:
        return _measure_acquisition(view, at) if have >= _AFTER_ACQUISITION else _AFTER_ACQUISITION
    match identifier:
        case 2 | 3 | 5:
            return 6 + _bounded(_LENGTH.unpack_from(view, at)[1], MAX_TEXT, "a text") if have >= 6 else 6
        case 4:
            return 2
        case 1:
            return 2 + FILE_NAME_SIZE
        case 6:
            return 26 + _bounded(_QUERY.unpack_from(view, at)[3], MAX_TEXT, "a query") if have >= 26 else 26
        case 7:
            return 18 + _bounded(_RESPONSE.unpack_from(view, at)[2], MAX_TEXT, "a response") if have >= 18 else 18
        case 1022:
            return _measure_image(view, at) if have >= _AFTER_IMAGE + 8 else _AFTER_IMAGE + 8
        case 1026:
            return _measure_waveform(view, at) if have >= _AFTER_WAVEFORM else _AFTER_WAVEFORM
        case 1030:
            return _measure_array(view, at, have)
        case _ if identifier in DEPRECATED:
            raise ProtocolError(f"message id {identifier} is deprecated in MRD; served are {SERVED}")
        case _:
            raise ProtocolError(f"unknown message id {identifier}; served are {SERVED}")


def _bounded(length: int, limit: int, what: str) -> int:
    if length > limit:
        raise ProtocolError(f"{what} of {length} bytes was announced; at most {limit} are taken")
    return length


def _measure_acquisition(view: Buffer, at: int) -> int:
    _, flags, samples, coils, dimensions = _ACQUISITION.unpack_from(view, at)
    if flags & _COMPRESSED:
        name = "53, ZFP" if flags & flag(53) else "54, NHLBI"
        raise ProtocolError(f"the acquisition is compressed (flag {name}); send it uncompressed")
    if coils > MAX_COILS:
        raise ProtocolError(f"an acquisition of {coils} coils was announced; at most {MAX_COILS} are taken")
    if dimensions > MAX_DIMENSIONS:
        raise ProtocolError(
            f"a trajectory of {dimensions} dimensions was announced; at most {MAX_DIMENSIONS} are taken"
        )
    return _AFTER_ACQUISITION + 4 * samples * dimensions + 8 * samples * coils


def _pixel_type(code: int) -> np.dtype:
    if code not in PIXEL_TYPES:
        raise ProtocolError(f"data type {code} is unknown; MRD has {min(PIXEL_TYPES)} to {max(PIXEL_TYPES)}")
    return PIXEL_TYPES[code]


def _measure_image(view: Buffer, at: int) -> int:
    _, code, x, y, z, channels = _IMAGE.unpack_from(view, at)
    (attributes,) = _LONG_LENGTH.unpack_from(view, at + _AFTER_IMAGE)
    _bounded(attributes, MAX_TEXT, "an attribute text")
    pixels = _bounded(x * y * z * channels * _pixel_type(code).itemsize, MAX_PAYLOAD, "an image")
    return _AFTER_IMAGE + 8 + attributes + pixels


def _measure_waveform(view: Buffer, at: int) -> int:
    _, samples, channels = _WAVEFORM.unpack_from(view, at)
    return _AFTER_WAVEFORM + _bounded(4 * samples * channels, MAX_PAYLOAD, "a waveform")


def _measure_array(view: Buffer, at: int, have: int) -> int:
    if have < _ARRAY.size:
        return _ARRAY.size
    _, code, _, dimensions = _ARRAY.unpack_from(view, at)
    if dimensions > MAX_DIMENSIONS:
        raise ProtocolError(f"an array of {dimensions} dimensions was announced; at most {MAX_DIMENSIONS} are taken")
    data = _ARRAY.size + 8 * dimensions
    if have < data:
        return data
    shape = Struct(f"<{dimensions}Q").unpack_from(view, at + _ARRAY.size)
    # Axes beside an empty one are bounded too: NumPy cannot make them of any length.
    size = prod((length or 1 for length in shape), start=_pixel_type(code).itemsize)
    _bounded(size, MAX_PAYLOAD, "an array")
    return data + (size if all(shape) else 0)


def parse(view: Buffer, at: int, size: int) -> Message:
    """Give the message of ``size`` bytes that begins at ``at``; ``measure`` has told the size."""
    (identifier,) = _ID.unpack_from(view, at)
    match identifier:
        case 1008:
            return _parse_acquisition(view, at)
        case 1:
            return ConfigFile(_text(bytes(view[at + 2 : at + size]).partition(b"\0")[0]))
        case 2:
            return ConfigText(_text(view[at + 6 : at + size]))
        case 3:
            return Header(_text(view[at + 6 : at + size]))
        case 4:
            return Close()
        case 5:
            return Text(_text(view[at + 6 : at + size]))
        case 6:
            _, reserved, correlation_id, _ = _QUERY.unpack_from(view, at)
            return Query(correlation_id, _text(view[at + 26 : at + size]), reserved)
        case 7:
            return Response(_RESPONSE.unpack_from(view, at)[1], _text(view[at + 18 : at + size]))
        case 1022:
            return _parse_image(view, at)
        case 1026:
            _, samples, channels = _WAVEFORM.unpack_from(view, at)
            data = np.frombuffer(view, "<u4", samples * channels, at + _AFTER_WAVEFORM).reshape(channels, samples)
            return Waveform(bytes(view[at + 2 : at + _AFTER_WAVEFORM]), data)
        case _:
            return _parse_array(view, at)


def _text(data: Buffer) -> str:
    """Read a text with or without its NUL; what is no UTF-8 is taken as Latin-1, so that nothing is lost."""
    data = bytes(data)
    data = data[:-1] if data.endswith(b"\0") else data
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data.decode("latin-1")


def _parse_acquisition(view: Buffer, at: int) -> Acquisition:
    _, _, samples, coils, dimensions = _ACQUISITION.unpack_from(view, at)
    start = at + _AFTER_ACQUISITION
    if dimensions:
        trajectory = np.frombuffer(view, "<f4", samples * dimensions, start).reshape(samples, dimensions)
        start += trajectory.nbytes
    else:
        trajectory = NO_TRAJECTORY
    data = np.frombuffer(view, "<c8", samples * coils, start).reshape(coils, samples)
    return Acquisition(bytes(view[at + 2 : at + _AFTER_ACQUISITION]), trajectory, data)


def _parse_image(view: Buffer, at: int) -> Image:
    _, code, x, y, z, channels = _IMAGE.unpack_from(view, at)
    (length,) = _LONG_LENGTH.unpack_from(view, at + _AFTER_IMAGE)
    start = at + _AFTER_IMAGE + 8
    pixels = np.frombuffer(view, PIXEL_TYPES[code], x * y * z * channels, start + length)
    header = bytes(view[at + 2 : at + _AFTER_IMAGE])
    return Image(header, _text(view[start : start + length]), pixels.reshape(channels, z, y, x))


def _parse_array(view: Buffer, at: int) -> Array:
    _, code, version, dimensions = _ARRAY.unpack_from(view, at)
    shape = Struct(f"<{dimensions}Q").unpack_from(view, at + _ARRAY.size)
    return Array(
        np.frombuffer(view, PIXEL_TYPES[code], prod(shape), at + _ARRAY.size + 8 * dimensions).reshape(shape), version
    )


def encode(message: Message, nul: bool = False) -> bytes:
    """Give the bytes of a message, in one piece, so that they can leave in one write.

    ``nul`` ends texts with a counted NUL, as FIRE does. An empty text becomes one blank: the C++ library reads before
    the beginning of an empty one.
    """
    match message:
        case Acquisition(header, trajectory, data):
            return b"".join(
                (_ID.pack(ACQUISITION), header, _raw(trajectory, np.dtype("<f4")), _raw(data, np.dtype("<c8")))
            )
        case Image(header, attributes, data):
            text = _encoded(attributes)
            return b"".join((_ID.pack(IMAGE), header, _LONG_LENGTH.pack(len(text)), text, _raw(data, _little(data))))
        case Waveform(header, data):
            return b"".join((_ID.pack(WAVEFORM), header, _raw(data, np.dtype("<u4"))))
        case Array(data, version):
            code = _PIXEL_CODES[_little(data)]
            head = _ARRAY.pack(ARRAY, code, version, data.ndim) + Struct(f"<{data.ndim}Q").pack(*data.shape)
            return head + _raw(data, _little(data))
        case ConfigFile(name):
            return _ID.pack(CONFIG_FILE) + _file_name(name)
        case ConfigText(text):
            return _packed_text(CONFIG_TEXT, text, nul)
        case Header(text):
            return _packed_text(HEADER, text, nul)
        case Text(text):
            return _packed_text(TEXT, text or " ", nul)
        case Close():
            return _ID.pack(CLOSE)
        case Query(correlation_id, text, reserved):
            data = _encoded(text)
            return _QUERY.pack(QUERY, reserved, correlation_id, len(data)) + data
        case Response(correlation_id, text):
            data = _encoded(text)
            return _RESPONSE.pack(RESPONSE, correlation_id, len(data)) + data


def _encoded(text: str) -> bytes:
    """Give UTF-8; half a surrogate pair, which JSON can bring in, becomes a question mark."""
    return text.encode(errors="replace")


def _packed_text(identifier: int, text: str, nul: bool) -> bytes:
    data = _encoded(text) + b"\0" * nul
    return _LENGTH.pack(identifier, len(data)) + data


def _file_name(name: str) -> bytes:
    data = _encoded(name)
    if len(data) >= FILE_NAME_SIZE:
        raise ProtocolError(f"the config name has {len(data)} bytes; at most {FILE_NAME_SIZE - 1} fit")
    return data.ljust(FILE_NAME_SIZE, b"\0")


def _little(data: np.ndarray) -> np.dtype:
    pixel = data.dtype.newbyteorder("<")
    if pixel not in _PIXEL_CODES:
        raise ProtocolError(f"pixels of type {data.dtype} cannot be sent; MRD has {', '.join(map(str, _PIXEL_CODES))}")
    return pixel


def _raw(data: np.ndarray, kind: np.dtype) -> memoryview:
    if not data.size:
        return memoryview(b"")
    return np.ascontiguousarray(data, kind).reshape(-1).view(np.uint8).data
