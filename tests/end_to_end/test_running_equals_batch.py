"""The running estimate of several delays: whatever came and went, the maps are those of what is left, in one go."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import cache

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from aslive.sim.header import header_text
from aslive.sim.kinetics import continuous_difference
from aslive.sim.protocol import Protocol
from aslive.sim.time_encoding import TimeEncoded
from aslive.streaming.config import build, named_recipe
from aslive.streaming.flow import Place, Volume
from aslive.streaming.header import read_header
from aslive.streaming.perfusion import M0, Difference, Map, MapName, Remove
from aslive.streaming.readouts import Counters, Geometry
from aslive.streaming.registry import Registry
from aslive.streaming.scan import Bolus, Role, Scan

NAMES = [f"{name}{part}" for name in ("cbf", "att") for part in ("", "_stderr", "_lower", "_upper")]
BRIGHTNESS, NOISE = 100.0, 0.1
CYCLES = 4
SEQUENTIAL = Protocol(
    matrix=(5, 4, 3),
    pairs=4,
    three_dimensional=True,
    post_labeling_delay=(0.25, 0.75, 1.5, 2.5),
    labeling_duration=(1.8, 1.8, 1.5, 1.2),
)
ENCODED = replace(
    SEQUENTIAL,
    pairs=CYCLES,
    post_labeling_delay=(0.3,),
    labeling_duration=2.4,
    time_encoding=TimeEncoded(size=4),
)
SHAPE = SEQUENTIAL.grid.shape
FLOW = np.linspace(20, 90, 60).reshape(SHAPE)
ATT = np.linspace(0.5, 1.5, 60)[::-1].reshape(SHAPE)
PLACE = Place(0, Counters(), 0.0, Geometry())


class Running:
    """The chain for ASL, entered where images or differences come; keeps its latest maps."""

    def __init__(self, scan: Scan, messages: Iterable[object] = ()) -> None:
        recipe = named_recipe("asl", Registry())
        assert recipe is not None
        self._chain = build(recipe, Registry())
        self._chain.start(scan)
        self.maps: dict[MapName, Map] = {}
        self.push(image(np.full(SHAPE, BRIGHTNESS), Role.M0SCAN, 0))
        self.push(M0(np.full(SHAPE, BRIGHTNESS, np.float32), {}))
        for message in messages:
            self.push(message)

    def push(self, message: object) -> None:
        for output in self._chain.push(message):
            if isinstance(output, Map):
                self.maps[output.name] = output


def at_once(scan: Scan, differences: Sequence[Difference]) -> Running:
    """Give all differences before any map is asked for."""
    last = differences[-1]
    return Running(scan, [*(replace(one, last=False) for one in differences[:-1]), replace(last, last=True)])


def assert_alike(running: Running, batch: Running, pairs: int) -> None:
    for name in map(MapName, NAMES):
        found, wanted = running.maps[name], batch.maps[name]
        assert found.pairs == wanted.pairs == pairs
        np.testing.assert_allclose(found.data, wanted.data, rtol=1e-5, atol=1e-5 * np.abs(wanted.data).max())


def image(data: NDArray[np.floating], role: Role, number: int) -> Volume:
    place = replace(PLACE, volume=number, counters=Counters(repetition=number), role=role, number=number)
    return Volume(data.astype(np.complex64), place)


@cache
def header(protocol: Protocol) -> Scan:
    return read_header(header_text(protocol))


@cache
def signal(bolus: Bolus) -> NDArray[np.float64]:
    """Give the difference that a bolus makes in each voxel."""
    times = {"labeling_duration": bolus.labeling_duration, "post_labeling_delay": bolus.post_labeling_delay}
    voxels = zip(FLOW.flat, ATT.flat, strict=True)
    found = [continuous_difference(flow, att, 1.6, labeling_efficiency=0.85, **times) for flow, att in voxels]
    return BRIGHTNESS * np.array(found).reshape(SHAPE)


def noisy(data: NDArray[np.floating], *seed: int) -> NDArray[np.float32]:
    return (data + NOISE * np.random.default_rng(seed).standard_normal(SHAPE)).astype(np.float32)


@settings(max_examples=6, deadline=None)
@given(st.lists(st.integers(0, 3), min_size=3, max_size=9), st.data())
def test_delays_in_any_order_and_pairs_taken_out_again_give_the_maps_of_what_is_left(order, data):
    scan, left = header(SEQUENTIAL), []
    running = Running(scan)
    for pair, place in enumerate(order):
        bolus = SEQUENTIAL.boluses[place]
        left.append(Difference(noisy(signal(bolus), pair), PLACE, pair, bolus=bolus))
        running.push(left[-1])
        assert_alike(running, at_once(scan, left), len(left))
    for _ in range(data.draw(st.integers(1, len(order) - 1))):
        gone = left.pop(data.draw(st.integers(0, len(left) - 1)))
        running.push(Remove(gone.pair))
        assert_alike(running, at_once(scan, left), len(left))


def encoding_matrix() -> NDArray[np.int64]:
    """Give which sub-bolus each image of a cycle labels, as the header is read."""
    encoding = header(ENCODED).labeling.time_encoding
    assert encoding is not None
    return np.array(encoding.matrix)


def images_of(cycle: int) -> list[Volume]:
    matrix, signals = encoding_matrix(), np.stack([signal(bolus) for bolus in ENCODED.boluses])
    found = []
    for encoding, labeled in enumerate(matrix.T):
        number = 1 + matrix.shape[1] * cycle + encoding
        data = noisy(BRIGHTNESS - np.tensordot(labeled, signals, 1), number)
        found.append(image(data, Role.LABEL if labeled.any() else Role.CONTROL, number))
    return found


def decoded(cycle: int) -> list[Difference]:
    """Decode a cycle as a whole, by least squares."""
    matrix, images = encoding_matrix(), images_of(cycle)
    design = np.column_stack([np.ones(matrix.shape[1]), -matrix.T])
    data = np.stack([np.abs(volume.data).ravel() for volume in images])
    _, *signals = np.linalg.lstsq(design, data)[0].astype(np.float32).reshape(-1, *SHAPE)
    place, boluses = images[-1].place, ENCODED.boluses
    return [Difference(one, place, cycle, bolus=bolus) for one, bolus in zip(signals, boluses, strict=True)]


@settings(max_examples=4, deadline=None)
@given(st.permutations(range(CYCLES)), st.integers(1, CYCLES - 1))
def test_cycles_that_come_image_by_image_and_go_as_a_whole_give_the_maps_of_what_is_left(order, gone):
    scan, left = header(ENCODED), []
    running = Running(scan)
    for cycle in range(CYCLES):
        for volume in images_of(cycle):
            running.push(volume)
        left += decoded(cycle)
        assert_alike(running, at_once(scan, left), cycle + 1)
    for count, cycle in enumerate(order[:gone], 1):
        running.push(Remove(cycle))
        left = [difference for difference in left if difference.pair != cycle]
        assert_alike(running, at_once(scan, left), CYCLES - count)
