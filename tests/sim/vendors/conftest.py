"""Neutral streams to be rewritten: one Cartesian scan, and trains of an EPI line by line."""

from collections.abc import Callable, Iterator
from pathlib import Path
from xml.etree.ElementTree import Element

import h5py
import numpy as np
import pytest

from aslive.sim.header import header_text
from aslive.sim.protocol import Protocol
from aslive.sim.scanner import Scanner
from aslive.sim.vendors.document import (
    add_parameters,
    fill,
    part,
    read_document,
    write_document,
)
from aslive.streaming.layouts import ACQUISITION_HEADER, flag
from aslive.streaming.messages import NO_TRAJECTORY, Acquisition, Close, Header, Message
from aslive.streaming.xmltree import children, words

RAW = Path(__file__).resolve().parents[3].parent / "shared/data/raw"
LONGS = {
    "etl": 80,
    "numberOfNavigators": 3,
    "rampUpTime": 160,
    "rampDownTime": 160,
    "flatTopTime": 240,
    "echoSpacing": 560,
    "acqDelayTime": 32,
    "numSamples": 160,
}


def echo_planar_header(protocol: Protocol) -> str:
    """Describe the readout gradient of the product EPI in the header of a protocol."""
    root = read_document(header_text(protocol))
    encoding = next(children(root, "encoding"))
    fill(encoding, {"trajectory": "epi"})
    description = part(encoding, "trajectoryDescription")
    fill(description, {"identifier": "ConventionalEPI"})
    add_parameters(description, "Long", LONGS)
    add_parameters(description, "Double", {"dwellTime": 3.1})
    return write_document(root)


def echo_planar_stream(
    protocol: Protocol, samples: int = 160, navigators_reversed: bool = True, alternates: bool = True
) -> Iterator[Message]:
    """Play the trains of a 2-D EPI of noise: three navigators and all lines, each slice and volume.

    ``alternates`` makes the first line go against the last navigator, else it goes along.
    """
    generator = np.random.default_rng(0)
    yield Header(echo_planar_header(protocol))
    counter, (_, lines, slices) = 0, protocol.matrix
    trains = [(volume, index) for volume in range(len(protocol.context)) for index in range(slices)]
    for volume, index in trains:
        for step in range(-3, lines):
            fields = np.zeros(1, ACQUISITION_HEADER)[0]
            direction = step + 3 if step < 0 or alternates else step + 2
            backward = (direction + navigators_reversed) % 2
            flags = flag(24) * (step < 0) | flag(22) * backward
            flags |= (flag(7) | flag(13) * (index == 0)) * (step == -3)
            if step == lines - 1:
                last = index == slices - 1
                flags |= flag(8) | flag(14) * last | flag(25) * (last and volume == len(protocol.context) - 1)
            counter += 1
            fields["version"], fields["flags"], fields["scan_counter"] = 1, flags, counter
            fields["acquisition_time_stamp"] = 22_000_000 + volume * 2000 + index * 100
            fields["number_of_samples"], fields["center_sample"] = samples, samples // 2
            fields["available_channels"] = fields["active_channels"] = protocol.coils
            fields["sample_time_us"] = 3.1
            fields["idx"]["kspace_encode_step_1"] = max(step, 0)
            fields["idx"]["slice"], fields["idx"]["repetition"] = index, volume
            data = generator.standard_normal((protocol.coils, samples, 2), np.float32).view(np.complex64)[..., 0]
            yield Acquisition(fields.tobytes(), NO_TRAJECTORY, data)
    yield Close()


def element_paths(text: str) -> dict[str, str]:
    """Give the text of every element by its path; user parameters by their names."""
    found: dict[str, str] = {}

    def walk(element: Element, path: str) -> None:
        name = words(element, "name")
        path = f"{path}/{element.tag}{f'[{name}]' if name else ''}"
        if not len(element):
            found[path] = (element.text or "").strip()
        for child in element:
            walk(child, path)

    walk(read_document(text), "")
    return found


@pytest.fixture
def scanned(any_head) -> Callable[..., list[Message]]:
    """Play a whole scan of random tissue; without noise unless it is asked for."""

    def scan(protocol: Protocol, snr: float | None = None) -> list[Message]:
        return list(Scanner(protocol, snr=snr, anatomy=any_head(protocol.grid)).messages())

    return scan


@pytest.fixture
def paths() -> Callable[[str], dict[str, str]]:
    """Take a header apart."""
    return element_paths


@pytest.fixture
def play() -> Callable[..., Iterator[Message]]:
    """Play the trains of an EPI."""
    return echo_planar_stream


@pytest.fixture(scope="session")
def real() -> Callable[[str], tuple[str, np.ndarray]]:
    """Give header text and readout headers of a real file."""

    def read(name: str) -> tuple[str, np.ndarray]:
        path = RAW / name
        if not path.is_file():
            pytest.skip(f"the real data {name} are not here")
        with h5py.File(path, "r") as file:
            text, data = file["dataset/xml"], file["dataset/data"]
            assert isinstance(text, h5py.Dataset)
            assert isinstance(data, h5py.Dataset)
            return text[0].decode(), data["head"]

    return read
