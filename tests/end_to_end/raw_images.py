"""Raw data of images that somebody else made: what a few coils would have received, as a 3-D Cartesian scan."""

from collections.abc import Iterable, Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from aslive.sim.coils import sensitivities
from aslive.sim.grid import Grid
from aslive.streaming.attributes import write_attributes
from aslive.streaming.layouts import ACQUISITION_HEADER, IMAGE_HEADER
from aslive.streaming.messages import NO_TRAJECTORY, Acquisition, Close, Header, Image, Message

COILS = 3


def raw_data(
    volumes: NDArray[np.floating],
    parameters: Mapping[str, str],
    voxel_mm: tuple[float, float, float],
    maps: Mapping[str, NDArray[np.floating]] | None = None,
) -> Iterator[Message]:
    """Play images of shape ``(volumes, z, y, x)`` as a scanner would, without further noise.

    ``parameters`` are ``userParameters`` of the header, ``voxel_mm`` is along x, y, z, ``maps`` come right behind the
    header. Each coil sees the images by its sensitivity, with a smooth phase.
    """
    shape = volumes.shape[1:]
    lengths = tuple(size * count for size, count in zip(voxel_mm, shape[::-1], strict=True))
    yield Header(_header(len(volumes), shape, lengths, parameters))
    for name, data in (maps or {}).items():
        yield _map(name, data)
    seen = _sensitivities(shape, lengths)
    header = _blank_header(shape[2])
    for number, volume in enumerate(volumes):
        spectrum = np.fft.fftn(np.fft.ifftshift(seen * volume, (1, 2, 3)), axes=(1, 2, 3), norm="ortho")
        kspace = np.fft.fftshift(spectrum, (1, 2, 3)).astype(np.complex64)
        header["idx"]["repetition"] = number
        for partition, line in np.ndindex(shape[:2]):
            header["idx"]["kspace_encode_step_1"], header["idx"]["kspace_encode_step_2"] = line, partition
            samples = np.ascontiguousarray(kspace[:, partition, line])
            yield Acquisition(header.tobytes(), NO_TRAJECTORY, samples)
    yield Close()


def _sensitivities(shape: tuple[int, ...], lengths_mm: tuple[float, ...]) -> NDArray[np.complex64]:
    z, y, x = (np.linspace(-1, 1, count) for count in shape)
    phase = np.exp(1j * (0.3 + x + 0.7 * y[:, None] ** 2 - 1.3 * z[:, None, None]))
    width, height, depth = (length / 1e3 for length in lengths_mm)
    grid = Grid((shape[2], shape[1], shape[0]), (width, height, depth))
    return (sensitivities(grid, COILS) * phase).astype(np.complex64)


def _blank_header(samples: int) -> NDArray[np.void]:
    header = np.zeros((), ACQUISITION_HEADER)
    header["version"], header["number_of_samples"], header["center_sample"] = 1, samples, samples // 2
    header["active_channels"] = header["available_channels"] = COILS
    header["read_dir"][0] = header["phase_dir"][1] = header["slice_dir"][2] = 1
    header["sample_time_us"] = 5
    return header


def _map(name: str, data: NDArray[np.floating]) -> Image:
    header = np.zeros((), IMAGE_HEADER)
    header["read_dir"], header["phase_dir"], header["slice_dir"] = np.eye(3)
    header["channels"], header["data_type"], header["matrix_size"] = 1, 5, data.shape[::-1]
    return Image(header.tobytes(), write_attributes({"aslive_map": name}), data[None].astype(np.float32))


def _header(volumes: int, shape: tuple[int, ...], lengths_mm: Iterable[float], parameters: Mapping[str, str]) -> str:
    z, y, x = shape
    width, height, depth = lengths_mm
    space = f"<matrixSize><x>{x}</x><y>{y}</y><z>{z}</z></matrixSize>"
    space += f"<fieldOfView_mm><x>{width:g}</x><y>{height:g}</y><z>{depth:g}</z></fieldOfView_mm>"
    counts = {"kspace_encoding_step_1": y, "kspace_encoding_step_2": z, "repetition": volumes}
    limits = "".join(
        f"<{name}><minimum>0</minimum><maximum>{count - 1}</maximum><center>{count // 2}</center></{name}>"
        for name, count in counts.items()
    )
    stated = "".join(
        f"<userParameterString><name>{name}</name><value>{value}</value></userParameterString>"
        for name, value in parameters.items()
    )
    return (
        "<ismrmrdHeader xmlns='http://www.ismrm.org/ISMRMRD'><acquisitionSystemInformation>"
        f"<systemFieldStrength_T>3</systemFieldStrength_T><receiverChannels>{COILS}</receiverChannels>"
        "</acquisitionSystemInformation><experimentalConditions><H1resonanceFrequency_Hz>123255000"
        "</H1resonanceFrequency_Hz></experimentalConditions>"
        f"<encoding><encodedSpace>{space}</encodedSpace><reconSpace>{space}</reconSpace>"
        f"<encodingLimits>{limits}</encodingLimits><trajectory>cartesian</trajectory></encoding>"
        f"<userParameters>{stated}</userParameters></ismrmrdHeader>"
    )
