"""A head that moves between the shots of a volume is seen in its navigators, and one that lies still is not."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from aslive.gadgets.readout import TransformReadout
from aslive.gadgets.shots import CompareShots
from aslive.sim.anatomy import brain
from aslive.sim.choices import ReadoutType
from aslive.sim.grid import BRAIN_CENTER
from aslive.sim.protocol import Protocol
from aslive.sim.scanner import Scanner
from aslive.streaming.door import Door
from aslive.streaming.header import read_header
from aslive.streaming.messages import Acquisition, Header
from aslive.streaming.notices import Measure, Measurement
from aslive.streaming.readouts import Kind, Readout
from aslive.streaming.scan import Scan

GRASE = Protocol(
    matrix=(48, 48, 6),
    coils=6,
    pairs=3,
    readout=ReadoutType.GRASE,
    shots=2,
    segments=2,
    background_suppression=0.15,
)


def play(moved: float, seed: int) -> tuple[Scan, list[Readout]]:
    """Play the scan of a head that lies some m further along x."""
    left, posterior, superior = BRAIN_CENTER
    head = brain(replace(GRASE, center=(left + moved, posterior, superior)).grid)
    scan, door, lines = Scan(), Door(Scan()), []
    for message in Scanner(GRASE, seed=seed, anatomy=replace(head, grid=GRASE.grid)).messages():
        if isinstance(message, Header):
            scan = read_header(message.text)
            door = Door(scan)
        elif isinstance(message, Acquisition):
            lines += [made for made in door.receive(message) if isinstance(made, Readout)]
    return scan, lines


@pytest.fixture(scope="module")
def still() -> tuple[Scan, list[Readout]]:
    return play(0.0, seed=0)


@pytest.fixture(scope="module")
def compare(run: Callable[..., list[object]]) -> Callable[[Scan, list[Readout]], dict[int, float]]:
    def through(scan: Scan, lines: list[Readout]) -> dict[int, float]:
        out = run([TransformReadout(), CompareShots()], lines, scan)
        told = [made for made in out if isinstance(made, Measurement)]
        assert all(made.name is Measure.SHOT_DISPLACEMENT for made in told)
        return {made.place.volume: made.value for made in told if made.place is not None}

    return through


def test_shots_of_a_head_that_lies_still_lie_together(still, compare):
    scan, lines = still
    found = compare(scan, lines)
    assert list(found) == [3, 4, 5, 6], "the first volume of each role is what the others are compared with"
    assert max(found.values()) < 0.1e-3


@pytest.mark.parametrize("distance", [0.5e-3, -3e-3])
def test_the_shot_in_which_the_head_lay_elsewhere_is_measured(still, compare, distance):
    scan, lines = still
    _, moved = play(distance, seed=1)

    def elsewhere(line: Readout) -> bool:
        return line.counters.repetition == 4 and line.counters.segment == 3

    mixed = [two if elsewhere(two) else one for one, two in zip(lines, moved, strict=True)]
    found = compare(scan, mixed)
    assert found[4] == pytest.approx(abs(distance), abs=0.2e-3)
    assert max(found[3], found[5], found[6]) < 0.1e-3


def test_a_head_that_moved_between_volumes_did_not_move_within(still, compare):
    scan, lines = still
    _, moved = play(3e-3, seed=1)
    mixed = [two if two.counters.repetition >= 4 else one for one, two in zip(lines, moved, strict=True)]
    assert max(compare(scan, mixed).values()) < 0.15e-3


def test_without_navigators_nothing_is_told_and_all_passes(still, run):
    scan, lines = still
    bare = [line for line in lines if line.kind is not Kind.NAVIGATOR]
    out = run([CompareShots()], bare, scan)
    assert all(one is other for one, other in zip(out, bare, strict=True))


def test_scans_of_one_shot_or_without_echo_trains_do_not_need_it(still):
    assert CompareShots().needed(still[0])
    assert not CompareShots().needed(Scan())
