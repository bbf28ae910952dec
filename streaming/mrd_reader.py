"""Reads MRD HDF5 files of any origin as the messages they would be on the wire."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np
from numpy.typing import NDArray

from .errors import DataError
from .layouts import ACQUISITION_HEADER, IMAGE_HEADER, WAVEFORM_HEADER
from .messages import NO_TRAJECTORY, Acquisition, Close, Image, Message, Waveform
from .mrd_layout import (
    BLOCK,
    BLOCK_LENGTH,
    COMPLEX,
    DATA,
    GROUP,
    ORDER,
    OTHERS,
    TEXT_KINDS,
    WAVEFORMS,
)
from .wire import Decoder


class Source(NamedTuple):
    """A place in the file where messages of one kind stand."""

    length: int
    messages: Iterator[Message]


def read(path: Path, group: str | None = None) -> Iterator[Message]:
    """Give the messages of an MRD file, a block at a time, as if they came over the wire.

    They come in the order that was recorded. Where none is, as in files of other programs, or where it does not fit
    because something was added since, they come by kind: configuration, header, texts, waveforms, readouts, images, and
    ``Close``. ``group`` may be left out if there is ``dataset``, or only one. Raises ``DataError`` for what is no such
    file.
    """
    with _group(path, group) as dataset:
        sources = _sources(dataset)
        runs = _runs(dataset, sources)
        for name, count in runs or ():
            yield from islice(sources[name].messages, count)
        if runs is None:
            for source in sources.values():
                yield from (message for message in source.messages if not isinstance(message, Close))
            yield Close()


def count(path: Path, group: str | None = None) -> int:
    """Tell how many messages a file holds, ``Close`` not always included."""
    with _group(path, group) as dataset:
        return sum(source.length for source in _sources(dataset).values())


@contextmanager
def _group(path: Path, name: str | None) -> Iterator[h5py.Group]:
    path.stat()  # a missing file is no damaged file
    try:
        file = h5py.File(path, "r")
    except OSError as error:
        raise DataError(f"{path} is no HDF5 file, or a damaged one: {error}") from error
    with file:
        groups = [key for key, value in file.items() if isinstance(value, h5py.Group)]
        wanted = name or (groups[0] if len(groups) == 1 else GROUP)
        if wanted not in groups:
            there = f"there are: {', '.join(groups)}" if groups else "there are none"
            raise DataError(f"{path} has no group {wanted!r}; {there}")
        dataset = file[wanted]
        if not isinstance(dataset, h5py.Group) or not _sources(dataset):
            raise DataError(f"group {wanted!r} of {path} holds no MRD data; it should hold 'xml', 'data' or 'image_0'")
        yield dataset


def _sources(group: h5py.Group) -> dict[str, Source]:
    """Find all that holds messages, in the order in which they go over the wire if none is recorded."""
    images = sorted((name for name in map(str, group) if _holds_images(group[name])), key=_numbers)
    readers: dict[str, Callable[[h5py.Group, str], Source]] = {
        **{name: partial(_texts, kind=kind) for name, kind in TEXT_KINDS.items()},
        WAVEFORMS: _waveforms,
        DATA: _acquisitions,
        **dict.fromkeys(images, _images),
        OTHERS: _others,
    }
    return {name: reader(group, name) for name, reader in readers.items() if name in group}


def _holds_images(entry: object) -> bool:
    return isinstance(entry, h5py.Group) and {"header", "data"} <= set(entry)


def _numbers(name: str) -> tuple[int, ...]:
    """Sort series by their numbers; some programs name them without."""
    return tuple(int(number) for number in re.findall(r"\d+", name))


def _runs(group: h5py.Group, sources: dict[str, Source]) -> list[tuple[str, int]] | None:
    """Read the recorded order, if there is one and it accounts for every message."""
    if ORDER not in group:
        return None
    order: Any = group[ORDER]  # h5py does not know its own types
    names = [str(name) for name in order.attrs["sources"]]
    runs = [(names[source], int(length)) for source, length in order[:]]
    totals = dict.fromkeys(sources, 0)
    for name, length in runs:
        totals[name] = totals.get(name, 0) + length
    return runs if totals == {name: source.length for name, source in sources.items()} else None


def _texts(group: h5py.Group, name: str, kind: Callable[[str], Message]) -> Source:
    table = _table(group, name)
    return Source(table.size, _texts_of(table, kind))


def _texts_of(table: Any, kind: Callable[[str], Message]) -> Iterator[Message]:  # Any: as in _table
    for text in np.atleast_1d(table[()]):  # some programs write a bare string
        yield kind(_decoded(text))


def _decoded(text: bytes | str) -> str:
    if isinstance(text, str):
        return text.rstrip("\0")
    text = text.rstrip(b"\0")
    try:
        return text.decode()
    except UnicodeDecodeError:
        return text.decode("latin-1")


def _others(group: h5py.Group, name: str) -> Source:
    table = _table(group, name)
    return Source(len(table), (message for block in _blocks(table) for message in _others_of(block)))


def _others_of(block: NDArray[np.void]) -> Iterator[Message]:
    for data in block["message"]:
        yield from Decoder().receive(data.tobytes())


def _acquisitions(group: h5py.Group, name: str) -> Source:
    table = _table(group, name)
    return Source(len(table), (message for block in _blocks(table) for message in _acquisitions_of(block)))


def _acquisitions_of(block: NDArray[np.void]) -> Iterator[Acquisition]:
    heads = _heads(block["head"], ACQUISITION_HEADER)
    for head, trajectory, data in zip(heads, block["traj"], block["data"], strict=True):
        samples, coils = int(head["number_of_samples"]), int(head["active_channels"])
        dimensions = int(head["trajectory_dimensions"])
        if data.nbytes != 8 * samples * coils or trajectory.nbytes != 4 * samples * dimensions:
            raise DataError(
                f"readout {head['scan_counter']} has {data.nbytes} bytes of data and {trajectory.nbytes} bytes of "
                f"trajectory; its header says {coils} coils, {samples} samples and {dimensions} trajectory dimensions"
            )
        points = trajectory.reshape(samples, dimensions) if dimensions else NO_TRAJECTORY
        yield Acquisition(head.tobytes(), points, data.view(np.complex64).reshape(coils, samples))


def _waveforms(group: h5py.Group, name: str) -> Source:
    table = _table(group, name)
    return Source(len(table), (message for block in _blocks(table) for message in _waveforms_of(block)))


def _waveforms_of(block: NDArray[np.void]) -> Iterator[Waveform]:
    for head, data in zip(_heads(block["head"], WAVEFORM_HEADER), block["data"], strict=True):
        channels, samples = int(head["channels"]), int(head["number_of_samples"])
        if data.size != channels * samples:
            raise DataError(
                f"a waveform has {data.size} samples; its header says {channels} channels of {samples} samples"
            )
        yield Waveform(head.tobytes(), data.reshape(channels, samples))


def _images(group: h5py.Group, name: str) -> Source:
    series: Any = group[name]  # h5py does not know its own types
    heads, pixels = _table(series, "header"), _table(series, "data")
    attributes = _table(series, "attributes") if "attributes" in series else None
    return Source(len(heads), _images_of(heads, pixels, attributes))


def _images_of(heads: Any, pixels: Any, attributes: Any) -> Iterator[Image]:  # Any: as in _table
    for number, data in enumerate(data for block in _blocks(pixels) for data in block):
        head = _heads(heads[number : number + 1], IMAGE_HEADER)[0]
        text = "" if attributes is None else _decoded(attributes[number])
        yield Image(head.tobytes(), text, data.view(_STORED.get(data.dtype, data.dtype)))


_STORED = {stored: pixel for pixel, stored in COMPLEX.items()}


def _heads(stored: NDArray[np.void], kind: np.dtype) -> NDArray[np.void]:
    """Bring headers, which may be padded otherwise in the file, into the layout of the wire."""
    heads = np.zeros(stored.shape, kind)
    for name in kind.names or ():
        if name not in (stored.dtype.names or ()):
            raise DataError(f"the headers in the file have no field {name!r}; the file is older than ISMRMRD 1.0")
        heads[name] = stored[name]
    return heads


def _table(group: h5py.Group, name: str) -> Any:  # Any: a data set, whose slices are of whatever type the file says
    return group[name]


def _blocks(table: Any) -> Iterator[NDArray[Any]]:  # Any: as in _table
    """Read a data set along its first axis in blocks of bounded size, which is judged by the first record."""
    if not len(table):
        return
    size = _size(table[0])
    step = min(max(1, BLOCK // max(1, size)), BLOCK_LENGTH)
    for start in range(0, len(table), step):
        yield table[start : start + step]


def _size(record: Any) -> int:  # Any: an array, or a record with arrays in it
    names = getattr(record.dtype, "names", None)
    return record.nbytes + sum(record[name].nbytes for name in names or () if record.dtype[name].hasobject)
