"""Faults put into the raw data of simulated scans are found, and nothing else; real scans raise no alarm."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache
from itertools import chain

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.ndimage import rotate

from aslive.gadgets.signal import WatchSignal
from aslive.sim.anatomy import Anatomy, brain
from aslive.sim.choices import NoiseScan, ReadoutType
from aslive.sim.grid import Grid
from aslive.sim.protocol import Protocol
from aslive.sim.scanner import Scanner
from aslive.streaming.convert import open_messages
from aslive.streaming.door import Door
from aslive.streaming.header import read_header
from aslive.streaming.layouts import ACQUISITION_HEADER
from aslive.streaming.messages import Acquisition, Header, Message
from aslive.streaming.notices import Measure, Measurement
from aslive.streaming.readouts import Kind, Readout, Train
from aslive.streaming.scan import Labeling, Role, Scan

IMAGES = (Kind.IMAGING, Kind.REFERENCE_AND_IMAGING)
PROTOCOLS = {
    "cartesian": Protocol(matrix=(32, 32, 3), coils=8, pairs=3),
    "without noise scan": Protocol(matrix=(32, 32, 3), coils=8, pairs=3, noise_scan=NoiseScan.NONE),
    "suppressed": Protocol(matrix=(32, 32, 3), coils=8, pairs=3, background_suppression=0.05),
    "epi": Protocol(matrix=(32, 32, 3), coils=8, pairs=3, readout=ReadoutType.EPI, acceleration=(2, 1)),
    "grase": Protocol(matrix=(32, 32, 6), coils=8, pairs=3, readout=ReadoutType.GRASE, shots=2, segments=2),
    "spiral": Protocol(matrix=(32, 32, 3), coils=8, pairs=3, readout=ReadoutType.SPIRAL),
    "partial": Protocol(matrix=(32, 32, 3), coils=8, pairs=3, partial_fourier=0.7, readout_oversampling=1),
    "one coil": Protocol(matrix=(32, 32, 3), coils=1, pairs=3),
    "averages": Protocol(matrix=(32, 32, 3), coils=4, pairs=3, averages=2),
}
FAULTS = (
    Measure.SPIKES,
    Measure.SATURATED,
    Measure.DEAD_COILS,
    Measure.NOISY_COILS,
    Measure.LINES_OUT_OF_ORDER,
    Measure.NOISE_SCAN_SIGNAL,
)


def received(messages: Sequence[Message]) -> tuple[Scan, list[Readout]]:
    scan, door = Scan(), Door(Scan())
    came: list[Readout] = []
    for message in messages:
        if isinstance(message, Header):
            scan = read_header(message.text)
            door = Door(scan)
        elif isinstance(message, Acquisition):
            came += [made for made in door.receive(message) if isinstance(made, Readout)]
    came += [made for made in door.finish() if isinstance(made, Readout)]
    return scan, came


@cache
def head(grid: Grid) -> Anatomy:
    return brain(grid)


def scanner(protocol: Protocol) -> Scanner:
    return Scanner(protocol, anatomy=head(protocol.grid))


@pytest.fixture(scope="module")
def play() -> Callable[[str], tuple[Scan, list[Readout]]]:
    played: dict[str, tuple[Scan, list[Readout]]] = {}

    def give(name: str) -> tuple[Scan, list[Readout]]:
        if name not in played:
            played[name] = received(list(scanner(PROTOCOLS[name]).messages()))
        scan, lines = played[name]
        return scan, list(lines)

    return give


@pytest.fixture(scope="module")
def watch() -> Callable[[Scan, Sequence[Readout | Train]], list[Measurement]]:
    def through(scan: Scan, messages: Sequence[Readout | Train]) -> list[Measurement]:
        gadget = WatchSignal()
        gadget.start(scan)
        made = chain.from_iterable(map(gadget.process, messages))
        return [found for found in chain(made, gadget.finish()) if isinstance(found, Measurement)]

    return through


def values(found: Sequence[Measurement], name: Measure) -> dict[int | None, float]:
    return {m.place.volume if m.place is not None else None: m.value for m in found if m.name is name}


def faults(found: Sequence[Measurement]) -> dict[tuple[Measure, int | None], float]:
    """Give all that is not as it should be."""
    out = {(name, volume): v for name in FAULTS for volume, v in values(found, name).items() if v != 0}
    gains = values(found, Measure.GAIN)
    return out | {(Measure.GAIN, volume): v for volume, v in gains.items() if not abs(v - 1) < 0.03}


def of_volume(lines: Sequence[Readout], volume: int) -> list[int]:
    return [n for n, line in enumerate(lines) if line.kind in IMAGES and line.counters.repetition == volume]


def changed(line: Readout, data: NDArray[np.complexfloating]) -> Readout:
    return line.with_data(data.astype(np.complex64))


def stamped(line: Readout, counter: int = 0, stamp: int = 0) -> Readout:
    header = np.frombuffer(line.header, ACQUISITION_HEADER).copy()
    header["scan_counter"], header["acquisition_time_stamp"] = counter, stamp
    return replace(line, header=header.tobytes(), time=stamp * 2.5e-3)


@pytest.mark.parametrize("name", PROTOCOLS)
def test_a_clean_scan_shows_nothing(play, watch, name):
    scan, lines = play(name)
    found = watch(scan, lines)
    assert not faults(found)
    volumes = set(range(7))
    assert set(values(found, Measure.SPIKES)) == volumes
    assert set(values(found, Measure.GAIN)) == {3, 4, 5, 6}, "the first of each role has nothing to be compared with"
    noise = PROTOCOLS[name].noise_scan is NoiseScan.INLINE
    assert set(values(found, Measure.DEAD_COILS)) == (volumes | {None} if noise else volumes)


def test_everything_passes_in_its_order_and_unchanged(play, run):
    scan, lines = play("epi")
    out = [made for made in run([WatchSignal()], lines, scan) if not isinstance(made, Measurement)]
    assert all(one is other for one, other in zip(out, lines, strict=True))


def test_the_last_volume_is_told_of_ahead_of_its_last_line(play, run):
    """So that whoever makes a pair of it knows."""
    scan, lines = play("cartesian")
    out = run([WatchSignal()], lines, scan)
    told = [n for n, made in enumerate(out) if isinstance(made, Measurement) and made.place is not None]
    assert isinstance(out[-1], Readout)
    assert told[-1] == len(out) - 2


@pytest.mark.parametrize("name", ["cartesian", "epi", "spiral", "without noise scan"])
def test_a_spike_that_is_just_visible_is_found_in_its_volume(play, watch, name):
    """Stripes of four standard deviations of the noise of a coil's image, at any place of k-space."""
    scan, lines = play(name)
    samples = lines[-1].data.shape[1] * len(of_volume(lines, 3))
    deviation = np.sqrt(np.trace(scanner(PROTOCOLS[name]).covariance).real / 8 / 2)
    images = samples if PROTOCOLS[name].three_dimensional else samples / PROTOCOLS[name].matrix[2]
    generator = np.random.default_rng(1)
    hits, false = 0, 0
    for _ in range(20):
        spiky, volume = list(lines), int(generator.integers(3, 7))
        number = int(generator.choice(of_volume(lines, volume)))
        data = lines[number].data.copy()
        turns = np.exp(2j * np.pi * generator.uniform(size=8))
        data[:, generator.integers(data.shape[1])] += 4 * deviation * np.sqrt(images) * turns
        spiky[number] = changed(lines[number], data)
        found = values(watch(scan, spiky), Measure.SPIKES)
        hits += found.pop(volume) == 1
        false += sum(found.values()) > 0
    assert hits >= 19
    assert false == 0


def test_a_spike_in_the_first_volume_is_found_once(play, watch):
    scan, lines = play("cartesian")
    number = of_volume(lines, 0)[5]
    data = lines[number].data.copy()
    data[:, 40] += np.abs(data).max() * 20
    lines[number] = changed(lines[number], data)
    assert set(faults(watch(scan, lines))) == {(Measure.SPIKES, 0)}


@pytest.mark.parametrize("degrees", [0.5, 5.0])
def test_a_head_that_turns_makes_no_spikes_and_changes_no_gain(play, watch, degrees):
    scan, lines = play("cartesian")
    protocol = PROTOCOLS["cartesian"]
    straight = head(protocol.grid)
    turned = rotate(straight.fractions, degrees, axes=(2, 3), reshape=False, order=1)
    moved = Scanner(protocol, seed=3, anatomy=replace(straight, fractions=np.clip(turned, 0, 1)))
    _, other = received(list(moved.messages()))
    mixed = [two if two.counters.repetition >= 4 else one for one, two in zip(lines, other, strict=True)]
    assert not faults(watch(scan, mixed))


@pytest.mark.parametrize("name", ["cartesian", "grase", "spiral", "suppressed"])
def test_a_gain_that_jumps_is_told_with_its_size(play, watch, name):
    scan, lines = play(name)
    louder = [changed(line, 1.1 * line.data) if line.counters.repetition >= 4 else line for line in lines]
    found = watch(scan, louder)
    gains = values(found, Measure.GAIN)
    assert gains[3] == pytest.approx(1, abs=0.02)
    assert [gains[n] for n in (4, 5, 6)] == pytest.approx([1.1, 1.1, 1.1], abs=0.06)
    assert {name for name, _ in faults(found)} == {Measure.GAIN}


def level_scan(make_scan, make_readout, gains: Sequence[float]) -> tuple[Scan, list[Readout]]:
    """A small scan without an m0scan, control and label in turn, of which each volume has its own gain."""
    generator = np.random.default_rng(0)
    shape = (4, 8, 16)
    rise = np.exp(-np.square(np.arange(8) - 4)[:, np.newaxis] - np.square(np.arange(16) - 8.0) / 4)
    center = generator.normal(size=(4, 2)) @ [1, 1j]
    limits = {"kspace_encode_step_1": (0, 7, 4), "slice": (0, 0, 0), "repetition": (0, len(gains) - 1, 0)}
    labeling = Labeling(mr_acquisition_type="2D", context=(Role.CONTROL, Role.LABEL) * len(gains))
    lines = []
    for volume, gain in enumerate(gains):
        image = 100 * center[:, np.newaxis, np.newaxis] * rise * (1 - 0.02 * (volume % 2))
        data = gain * (image + generator.normal(size=(*shape, 2), scale=0.05) @ [1, 1j])
        lines += [make_readout(data[:, row], kspace_encode_step_1=row, repetition=volume) for row in range(8)]
    return make_scan(matrix=(16, 8, 1), limits=limits, labeling=labeling), lines


def test_a_jump_of_the_gain_stays_visible_to_the_end(watch, make_scan, make_readout):
    """Against the first volumes: the new gain is the usual one soon, but M0 has the old one."""
    jump = [1.0] * 5 + [1.2] * 36
    gains = values(watch(*level_scan(make_scan, make_readout, jump)), Measure.GAIN)
    assert [gains[volume] for volume in range(2, 41)] == pytest.approx(jump[2:], rel=0.01)


def test_slow_drift_is_no_jump_but_adds_up(watch, make_scan, make_readout):
    drift = [1.001**volume for volume in range(41)]
    gains = values(watch(*level_scan(make_scan, make_readout, drift)), Measure.GAIN)
    assert np.abs(np.diff([gains[volume] for volume in range(2, 41)])).max() < 0.005
    assert gains[40] == pytest.approx(drift[40] / drift[3], abs=0.005), "the middle of the first four of its role"


def test_a_first_volume_that_has_not_settled_is_not_what_others_are_compared_with(watch, make_scan, make_readout):
    gains = values(watch(*level_scan(make_scan, make_readout, [1.3] + [1.0] * 12)), Measure.GAIN)
    assert gains[2] == pytest.approx(1 / 1.3, rel=0.01), "then nobody knows yet which of the two is usual"
    assert [gains[volume] for volume in range(3, 13)] == pytest.approx([1.0] * 10, abs=0.01)


def test_a_jump_behind_the_first_pair_is_not_taken_for_settling(watch, make_scan, make_readout):
    scan, lines = level_scan(make_scan, make_readout, [1.0] * 2 + [1.3] * 12)
    gains = values(watch(scan, lines), Measure.GAIN)
    assert [gains[volume] for volume in range(2, 14)] == pytest.approx([1.3] * 12, rel=0.01)


def test_a_coil_that_dies_is_counted_from_then_on_and_is_no_jump_of_the_gain(play, watch):
    scan, lines = play("cartesian")
    loudest = int(np.argmax([np.abs(lines[of_volume(lines, 1)[16]].data[coil]).sum() for coil in range(8)]))
    for n, line in enumerate(lines):
        if line.kind in IMAGES and line.counters.repetition >= 4:
            data = line.data.copy()
            data[loudest] = 0
            lines[n] = changed(line, data)
    found = watch(scan, lines)
    assert values(found, Measure.DEAD_COILS) == {None: 0, 0: 0, 1: 0, 2: 0, 3: 0, 4: 1, 5: 1, 6: 1}
    assert {name for name, _ in faults(found)} == {Measure.DEAD_COILS}


def test_a_coil_of_nothing_but_noise_is_dead_and_a_weak_one_is_not(play, watch):
    scan, lines = play("cartesian")
    generator = np.random.default_rng(0)
    noise = float(np.mean([np.abs(line.data[2]).std() for line in lines if line.kind is Kind.NOISE]))
    for n, line in enumerate(lines):
        if line.kind in IMAGES:
            data = line.data.copy()
            white = generator.normal(scale=noise, size=(2, data.shape[1]))
            data[2] = white[0] + 1j * white[1]
            data[3] = 0.03 * data[3] + white[1] + 1j * white[0]
            lines[n] = changed(line, data)
    found = watch(scan, lines)
    assert all(v == 1 for volume, v in values(found, Measure.DEAD_COILS).items() if volume is not None)


def test_a_coil_that_gets_noisy_is_counted(play, watch):
    scan, lines = play("suppressed")
    generator = np.random.default_rng(0)
    scale = 6 * float(np.mean([np.abs(line.data).std() for line in lines if line.kind is Kind.NOISE]))
    for n, line in enumerate(lines):
        if line.kind in IMAGES and line.counters.repetition >= 4:
            data = line.data.copy()
            white = generator.normal(scale=scale, size=(2, data.shape[1]))
            data[4] += white[0] + 1j * white[1]
            lines[n] = changed(line, data)
    found = values(watch(scan, lines), Measure.NOISY_COILS)
    assert found == {None: 0, 0: 0, 1: 0, 2: 0, 3: 0, 4: 1, 5: 1, 6: 1}


def test_clipped_readouts_are_counted(play, watch):
    scan, lines = play("cartesian")
    limit = 0.5 * max(float(np.abs(lines[n].data.real).max()) for n in of_volume(lines, 1))
    clipped = 0
    for n, line in enumerate(lines):
        if line.kind in IMAGES and line.counters.repetition > 0:
            parts = line.data.view(np.float32)
            clipped += int((np.abs(parts) > limit).sum(axis=1).max() >= 3)
            lines[n] = changed(line, np.clip(parts, -limit, limit).view(np.complex64))
        elif line.counters.repetition == 0:
            lines[n] = changed(line, 0.1 * line.data)
    found = values(watch(scan, lines), Measure.SATURATED)
    assert clipped > 5
    assert sum(found.values()) == clipped
    assert found[0] == 0


@pytest.mark.parametrize("counters", [True, False])
def test_lines_that_swap_places_are_counted(play, watch, counters):
    scan, lines = play("cartesian")
    lines = [stamped(line, (n + 1) * counters, 4_000_000 + 10 * n) for n, line in enumerate(lines)]
    number = of_volume(lines, 2)[10]
    lines[number], lines[number + 1] = lines[number + 1], lines[number]
    assert faults(watch(scan, lines)) == {(Measure.LINES_OUT_OF_ORDER, 2): 1}


def test_midnight_and_the_end_of_the_counter_are_no_disorder(play, watch):
    scan, lines = play("cartesian")
    midnight = [stamped(line, 0, (34_559_000 + 10 * n) % 34_560_000) for n, line in enumerate(lines)]
    wrapped = [
        stamped(line, 1 + (2**32 - 300 + n) % (2**32 - 1), (2**32 - 500 + 10 * n) % 2**32)
        for n, line in enumerate(lines)
    ]
    assert not faults(watch(scan, midnight))
    assert not faults(watch(scan, wrapped))


def test_a_scanner_without_stamps_and_counters_hears_nothing_of_order(play, watch):
    scan, lines = play("cartesian")
    assert not values(watch(scan, [stamped(line) for line in lines]), Measure.LINES_OUT_OF_ORDER)


@pytest.mark.parametrize("kind", ["tone", "echo"])
def test_signal_in_the_noise_scan_is_told_as_its_share(play, watch, kind):
    scan, lines = play("cartesian")
    generator = np.random.default_rng(2)
    power = float(np.mean([np.square(np.abs(line.data)).mean() for line in lines if line.kind is Kind.NOISE]))
    samples = lines[0].data.shape[1]
    echo = generator.normal(size=(8, samples, 2)) @ [1, 1j]
    echo *= np.sqrt(power / np.square(np.abs(echo)).mean())
    for n, line in enumerate(lines):
        if line.kind is Kind.NOISE:
            tone = np.sqrt(power) * np.exp(2j * np.pi * (0.17 * np.arange(samples) + generator.uniform()))
            lines[n] = changed(line, line.data + (tone if kind == "tone" else echo))
    found = values(watch(scan, lines), Measure.NOISE_SCAN_SIGNAL)
    assert found == {None: pytest.approx(0.5, abs=0.12)}


@given(cuts=st.lists(st.integers(1, 60), min_size=1, max_size=6))
@settings(max_examples=12, deadline=None)
def test_any_split_into_trains_measures_the_same(play, watch, cuts):
    scan, lines = play("cartesian")
    number = of_volume(lines, 4)[9]
    data = lines[number].data.copy()
    data[:, 7] += 100 * np.abs(data).max()
    lines[number] = changed(lines[number], data)
    lines[number + 20], lines[number + 21] = lines[number + 21], lines[number + 20]
    ahead = sum(line.kind is not Kind.IMAGING for line in lines)
    trains: list[Readout | Train] = list(lines[:ahead])
    begin, turn = ahead, 0
    while begin < len(lines):
        some = lines[begin : begin + cuts[turn % len(cuts)]]
        begin, turn = begin + len(some), turn + 1
        headers = np.frombuffer(b"".join(line.header for line in some), ACQUISITION_HEADER)
        room = 342 + some[0].data.nbytes  # as on the wire: headers between the lines, nothing aligned
        apart = (room, some[0].data.strides[0], 8)
        data = np.ndarray((len(some), *some[0].data.shape), np.complex64, bytearray(room * len(some)), 342, apart)
        data[...] = [line.data for line in some]
        data.setflags(write=False)
        trains.append(Train(data, headers, 2.5e-3))
    one, other = watch(scan, lines), watch(scan, trains)
    assert [(m.name, m.value, m.place) for m in one] == [(m.name, m.value, m.place) for m in other]
    assert set(faults(one)) == {(Measure.SPIKES, 4), (Measure.LINES_OUT_OF_ORDER, 4)}


def test_real_scans_raise_no_alarm(watch, shared_data):
    recordings = sorted((shared_data / "raw").rglob("*.h5"))
    assert recordings
    for path in recordings:
        scan, lines = received(list(open_messages(path)))
        found = watch(scan, lines)
        assert not faults(found), path.name
        assert values(found, Measure.SPIKES) == {0: 0}, path.name
