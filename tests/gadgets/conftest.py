"""What the tests of gadgets share: a line of gadgets without a chain, and readouts out of thin air."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from aslive.gadgets.m0 import FindM0
from aslive.streaming.flow import Place, Volume
from aslive.streaming.gadget import Gadget
from aslive.streaming.layouts import ACQUISITION_HEADER
from aslive.streaming.perfusion import Constant, Physiology
from aslive.streaming.readouts import Counters, Geometry, Kind, Readout, Train
from aslive.streaming.scan import Encoding, Labeling, LabelingType, Limits, Role, Scan, Source

TICK = 2.5e-3
DATA = Path(__file__).resolve().parents[2].parent / "shared/data"


def run_gadgets(gadgets: Sequence[Gadget], messages: Iterable[object], scan: Scan) -> list[object]:
    """Push messages down a line of gadgets, depth first, and give all that comes out, the end included."""

    def push(stage: int, message: object) -> Iterable[object]:
        if stage == len(gadgets):
            yield message
        elif isinstance(message, gadgets[stage].takes()):
            for made in gadgets[stage].process(message):
                yield from push(stage + 1, made)
        else:
            yield from push(stage + 1, message)

    for gadget in gadgets:
        gadget.start(scan)
    out = [made for message in messages for made in push(0, message)]
    for stage, gadget in enumerate(gadgets):
        for left in gadget.finish():
            out.extend(push(stage + 1, left))
    return out


@pytest.fixture(scope="session")
def run() -> Callable[..., list[object]]:
    return run_gadgets


@pytest.fixture(scope="session")
def make_readout() -> Callable[..., Readout]:
    def make(
        data: NDArray,
        kind: Kind = Kind.IMAGING,
        flags: int = 0,
        center: int | None = None,
        time: float = 0.0,
        dwell: float = 0.0,
        z: float = 0.0,
        **counters: int,
    ) -> Readout:
        data = np.asarray(data, np.complex64)
        middle = data.shape[1] // 2 if center is None else center
        header = np.zeros((), ACQUISITION_HEADER)
        header["flags"], header["center_sample"] = flags, middle
        header["acquisition_time_stamp"], header["sample_time_us"] = round(time / TICK), dwell * 1e6
        header["position"], header["slice_dir"] = (0, 0, z * 1e3), (0, 0, 1)
        header["read_dir"], header["phase_dir"] = (1, 0, 0), (0, 1, 0)
        for name, value in counters.items():
            header["idx"][name] = value
        return Readout(data, kind, Counters(**counters), flags, middle, time, dwell, header.tobytes())

    return make


@pytest.fixture(scope="session")
def make_train() -> Callable[..., Train]:
    """Put readouts together as the door does."""

    def make(readouts: Sequence[Readout]) -> Train:
        headers = np.frombuffer(b"".join(line.header for line in readouts), ACQUISITION_HEADER)
        return Train(np.stack([line.data for line in readouts]), headers, TICK)

    return make


@pytest.fixture(scope="session")
def make_scan() -> Callable[..., Scan]:
    def make(
        matrix: tuple[int, int, int] = (8, 6, 1),
        recon: tuple[int, int, int] | None = None,
        three_dimensional: bool = False,
        limits: dict[str, tuple[int, int, int]] | None = None,
        labeling: Labeling | None = None,
        acceleration: tuple[int, int] = (1, 1),
        **more: object,
    ) -> Scan:
        recon = recon or matrix
        lengths = tuple(0.01 * size for size in matrix)
        recon_lengths = tuple(0.01 * size for size in recon)
        if limits is None:
            limits = {"kspace_encode_step_1": (0, matrix[1] - 1, matrix[1] // 2)}
            if three_dimensional:
                limits["kspace_encode_step_2"] = (0, matrix[2] - 1, matrix[2] // 2)
            else:
                limits["slice"] = (0, matrix[2] - 1, 0)
        encoded = matrix if three_dimensional else (*matrix[:2], 1)
        encoding = Encoding(
            encoded,
            lengths,  # pyright: ignore[reportArgumentType] (three of them)
            recon,
            recon_lengths,  # pyright: ignore[reportArgumentType] (three of them)
            {name: Limits(*values) for name, values in limits.items()},
            acceleration=acceleration,
        )
        labeling = labeling or Labeling(mr_acquisition_type="3D" if three_dimensional else "2D")
        return Scan((encoding,), labeling, **more)  # pyright: ignore[reportArgumentType] (fields of Scan)

    return make


@pytest.fixture(scope="session")
def make_volume() -> Callable[..., Volume]:
    def make(data: NDArray, role: Role, number: int, missing: int = 0, **more: object) -> Volume:
        place = Place(number, Counters(repetition=number), 0.0, Geometry(), role, missing, number=number)
        return Volume(np.asarray(data, np.complex64), place, **more)  # pyright: ignore[reportArgumentType] (slice_times)

    return make


@pytest.fixture(scope="session")
def pcasl() -> Callable[..., Labeling]:
    """Make the labeling of a usual pCASL scan, with what is given changed."""

    def make(**changes: object) -> Labeling:
        usual: dict[str, object] = {
            "arterial_spin_labeling_type": LabelingType.PCASL,
            "context": (Role.M0SCAN, Role.CONTROL, Role.LABEL),
            "labeling_duration": (1.8,),
            "post_labeling_delay": (1.8,),
            "labeling_efficiency": 0.85,
            "background_suppression": False,
            "mr_acquisition_type": "3D",
        }
        return Labeling(**(usual | changes))  # pyright: ignore[reportArgumentType] (fields of Labeling)

    return make


@pytest.fixture(scope="session")
def flat(make_volume: Callable[..., Volume]) -> Callable[..., Volume]:
    """Make an image of one value, or of one for each slice or voxel."""

    def make(
        role: Role, value: object = 100.0, number: int = 0, shape: tuple[int, ...] = (4, 6, 5), missing: int = 0
    ) -> Volume:
        return make_volume(np.broadcast_to(np.asarray(value, np.complex64), shape), role, number, missing)

    return make


@pytest.fixture(scope="session")
def tissue() -> Callable[..., Physiology]:
    """Give constants of tissue at 3 T, with what is given changed."""

    def make(**changes: float) -> Physiology:
        times = {"t1_tissue": 1.607, "t1_gray_matter": 1.33, "t1_white_matter": 0.83, "t1_fluid": 4.3} | changes
        constants = {name: Constant(value, "s", Source.DEFAULT) for name, value in times.items()}
        return Physiology(constants | {"partition_coefficient": Constant(0.9, "mL/g", Source.DEFAULT)})

    return make


@pytest.fixture(scope="session")
def find_m0(pcasl: Callable[..., Labeling], tissue: Callable[..., Physiology]) -> Callable[..., list[object]]:
    """Send messages of a usual scan to the gadget ``m0``, with constants of tissue ahead; what is given is changed."""

    def find(
        messages: Iterable[object],
        gadget: FindM0 | None = None,
        physiology: Physiology | None = None,
        scan: Mapping[str, object] = {},
        **changes: object,
    ) -> list[object]:
        usual = {"repetition_time": 6.0, "field_strength": 3.0, "labeling": pcasl(**changes)}
        ahead = tissue() if physiology is None else physiology
        return run_gadgets([gadget or FindM0()], [ahead, *messages], Scan(**(usual | dict(scan))))  # pyright: ignore[reportArgumentType] (fields of Scan)

    return find


@pytest.fixture(scope="session")
def shared_data() -> Path:
    if not DATA.is_dir():
        pytest.skip(f"the shared data are not beside the checkout: {DATA}")
    return DATA
