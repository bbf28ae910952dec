"""Maps of tissue as a segmentation program beside the scanner would send them."""

from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from aslive.sim.scanner import Scanner
from aslive.streaming.attributes import write_attributes
from aslive.streaming.layouts import IMAGE_HEADER
from aslive.streaming.messages import Image, Message


def images(name: str, data: NDArray, scanner: Scanner, one_by_one: bool, **attributes: str) -> Iterator[Image]:
    """Send a map as a whole, or slice by slice."""
    grid = scanner.protocol.grid
    for z in range(len(data)) if one_by_one else (None,):
        header = np.zeros((), IMAGE_HEADER)
        header["position"] = np.multiply(grid.center if z is None else grid.slice_center(z), 1e3)
        header["read_dir"], header["phase_dir"], header["slice_dir"] = np.eye(3)
        chosen = data if z is None else data[z : z + 1]
        header["slice"], header["channels"], header["data_type"] = z or 0, 1, 5
        header["matrix_size"] = chosen.shape[::-1]
        yield Image(header.tobytes(), write_attributes({"aslive_map": name, **attributes}), chosen[None])


def segmentation(scanner: Scanner, one_by_one: bool = False) -> list[Message]:
    """Give the shares of the tissues of the simulated head."""
    shares = zip(("gray_matter", "white_matter", "fluid"), scanner.head.fractions, strict=True)
    return [image for name, data in shares for image in images(name, data, scanner, one_by_one)]


def with_maps(scanner: Scanner, extra: Iterable[Message]) -> Iterator[Message]:
    """Play the scan, with the maps right behind its header."""
    header, *rest = scanner.messages()
    yield from (header, *extra, *rest)
