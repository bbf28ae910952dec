"""MRD HDF5 files: a scan, or its images, on disk, as every MRD tool reads and writes them."""

from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Self

import h5py
import numpy as np
from numpy.typing import NDArray

from .layouts import ACQUISITION_HEADER, IMAGE_HEADER, WAVEFORM_HEADER
from .messages import (
    Acquisition,
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
from .mrd_layout import (
    ACQUISITION,
    BLOCK,
    BLOCK_LENGTH,
    COMPLEX,
    CONFIG,
    CONFIG_FILE,
    DATA,
    GROUP,
    IMAGES,
    ORDER,
    OTHERS,
    RUN,
    TEXT,
    TEXTS,
    WAVEFORM,
    WAVEFORMS,
    WIRE,
    XML,
)
from .mrd_reader import count, read
from .wire import encode

__all__ = ["ImageFile", "MrdFile", "count", "read", "write"]

Columns = Mapping[str, NDArray[Any]]  # Any: each data set of a source has its own type

_SMALL = (ConfigFile, ConfigText, Header, Close, Text, Query, Response)
"""Messages without an array."""


class MrdFile:
    """Writes messages into an MRD file, in blocks, and remembers their order.

    An image series whose images change in size or type goes on in ``image_<series>_1``, ``image_<series>_2``, ...
    """

    def __init__(self, path: Path, group: str = GROUP) -> None:
        """Begin a new file at ``path``; one that is there is replaced."""
        self._file = h5py.File(path, "w")
        self._group = self._file.create_group(group)
        self._waiting: dict[str, list[Message]] = {}
        self._bytes: Counter[str] = Counter()
        self._sources: dict[str, int] = {}
        self._runs = array("L"), array("L")
        self._series: dict[tuple[Any, ...], str] = {}  # Any: series number, type and shape

    def add(self, message: Message) -> None:
        """Take a message; it is in the file after the next ``flush``, at the latest."""
        source = self._source(message)
        self._remember(source)
        waiting = self._waiting.setdefault(source, [])
        waiting.append(message)
        self._bytes[source] += 0 if isinstance(message, _SMALL) else message.data.nbytes
        if self._bytes[source] >= BLOCK or len(waiting) == BLOCK_LENGTH:
            self._write(source)

    def flush(self) -> None:
        """Write what waits, so that other programs can read the file from now on."""
        for source in list(self._waiting):
            self._write(source)
        runs = np.empty(len(self._runs[0]), RUN)
        runs["source"], runs["count"] = self._runs
        if ORDER in self._group:
            del self._group[ORDER]
        self._group.create_dataset(ORDER, data=runs).attrs["sources"] = list(self._sources)
        self._file.flush()

    def close(self) -> None:
        """Write what waits, and end; closing twice does no harm."""
        if self._file:
            self.flush()
            self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _source(self, message: Message) -> str:
        """Tell where a message belongs; what would not come back from there as it is goes to the others."""
        match message:
            case Acquisition():
                return DATA
            case Waveform():
                return WAVEFORMS
            case Image(_, attributes, data) if data.size and "\0" not in attributes:
                return self._image_source(message)
            case ConfigFile(text) if "\0" not in text:
                return CONFIG_FILE
            case ConfigText(text) if "\0" not in text:
                return CONFIG
            case Header(text) if "\0" not in text and XML not in self._sources:
                return XML
            case Text(text) if "\0" not in text:
                return TEXTS
            case _:
                return OTHERS

    def _image_source(self, image: Image) -> str:
        series = int(image.fields["image_series_index"])
        key = series, image.data.dtype, image.data.shape
        if key not in self._series:
            before = sum(number == series for number, *_ in self._series)
            self._series[key] = f"{IMAGES}{series}_{before}" if before else f"{IMAGES}{series}"
        return self._series[key]

    def _remember(self, source: str) -> None:
        number = self._sources.setdefault(source, len(self._sources))
        numbers, counts = self._runs
        if numbers and numbers[-1] == number:
            counts[-1] += 1
        else:
            numbers.append(number)
            counts.append(1)

    def _write(self, source: str) -> None:
        messages = self._waiting.pop(source)
        self._bytes[source] = 0
        for name, column in _columns(source, messages).items():
            if name not in self._group:
                self._create(name, column)
            table: Any = self._group[name]  # h5py does not know its own types
            start = len(table)
            table.resize(start + len(column), axis=0)
            table[start:] = column

    def _create(self, name: str, column: NDArray[Any]) -> None:  # Any: as in Columns
        rows = 1 if column.ndim > 1 else max(16, min(len(column), 256))
        shape = column.shape[1:]
        self._group.create_dataset(
            name, (0, *shape), column.dtype, maxshape=(None, *shape), chunks=(rows, *shape), track_times=False
        )


class ImageFile(MrdFile):
    """Writes the images of a reply as they come, so that none is lost if the receiver dies."""

    def add(self, message: Message) -> None:
        """Take an image, or what else came, and write it at once."""
        super().add(message)
        self.flush()


def write(
    path: Path, messages: Iterable[Message], group: str = GROUP, progress: Callable[[int], None] | None = None
) -> int:
    """Write messages into a new MRD file, and tell how many they were.

    ``progress`` is called with the number of messages so far, once in a block.
    """
    number = 0
    with MrdFile(path, group) as file:
        for number, message in enumerate(messages, 1):
            file.add(message)
            if progress and not number % BLOCK_LENGTH:
                progress(number)
    return number


def _columns(source: str, messages: list[Any]) -> Columns:  # Any: all of the kind that belongs to the source
    """Lay out messages as the data sets of their source."""
    if source == DATA:
        return {DATA: _acquisitions(messages)}
    if source == WAVEFORMS:
        return {WAVEFORMS: _waveforms(messages)}
    if source.startswith(IMAGES):
        return {f"{source}/{name}": column for name, column in _images(messages).items()}
    if source == OTHERS:
        return {OTHERS: _others(messages)}
    return {source: _texts(message.name if isinstance(message, ConfigFile) else message.text for message in messages)}


def _acquisitions(messages: list[Acquisition]) -> NDArray[np.void]:
    block = np.empty(len(messages), ACQUISITION)
    block["head"] = _heads(messages, ACQUISITION_HEADER)
    trajectories, data = block["traj"], block["data"]
    for number, message in enumerate(messages):
        trajectories[number] = np.ascontiguousarray(message.trajectory, "<f4").reshape(-1)
        data[number] = np.ascontiguousarray(message.data, "<c8").reshape(-1).view("<f4")
    return block


def _waveforms(messages: list[Waveform]) -> NDArray[np.void]:
    block = np.empty(len(messages), WAVEFORM)
    block["head"] = _heads(messages, WAVEFORM_HEADER)
    data = block["data"]
    for number, message in enumerate(messages):
        data[number] = np.ascontiguousarray(message.data, "<u4").reshape(-1)
    return block


def _images(messages: list[Image]) -> Columns:
    pixels = np.stack([message.data for message in messages])
    return {
        "header": _heads(messages, IMAGE_HEADER),
        "attributes": _texts(message.attributes for message in messages),
        "data": pixels.view(COMPLEX.get(pixels.dtype, pixels.dtype)),
    }


def _heads(messages: Iterable[Any], kind: np.dtype) -> NDArray[np.void]:  # Any: whatever has a header
    return np.frombuffer(b"".join(message.header for message in messages), kind)


def _texts(texts: Iterable[str]) -> NDArray[np.object_]:
    return np.array([text.encode() for text in texts], TEXT)


def _others(messages: list[Message]) -> NDArray[np.void]:
    block = np.empty(len(messages), WIRE)
    column = block["message"]
    for number, message in enumerate(messages):
        column[number] = np.frombuffer(encode(message, nul=True), np.uint8)
    return block
