"""Places of k-space, by number; and which parts of their lines lie in the middle and in a corner."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from aslive.gadgets.calibration.line_places import LinePlaces
from aslive.streaming.numbering import Numbering
from aslive.streaming.readouts import Readout
from aslive.streaming.scan import Scan

BACKWARDS = 1 << 21
MakeLine = Callable[..., Readout]


def lines_of(make_readout: MakeLine, rows: NDArray[np.integer], plane: int = 0) -> list[Readout]:
    data = np.zeros((2, 32), np.complex64)
    return [
        make_readout(data, flags=BACKWARDS * (row % 3 == 0), kspace_encode_step_1=int(row), slice=plane) for row in rows
    ]


def places_of(scan: Scan) -> LinePlaces:
    return LinePlaces(Numbering(scan))


def test_a_train_has_the_places_of_its_lines(make_scan, make_readout, make_train):
    scan = make_scan(matrix=(32, 64, 2))
    one, other = places_of(scan), places_of(scan)
    generator = np.random.default_rng(0)
    for plane in (0, 1, 0, 1):
        rows = generator.permutation(64)[:40]
        lines = lines_of(make_readout, rows, plane)
        singly = [int(one.find(line, line, range(1))[0]) for line in lines]
        train = make_train(lines)
        together = [*other.find(train, lines[0], range(25)), *other.find(train, lines[25], range(25, 40))]
        assert together == singly
        assert len(set(singly)) == 40, "rows differ"
    assert one.count == other.count <= 128
    np.testing.assert_array_equal(one.parts[: one.count], other.parts[: one.count])


def test_the_same_line_of_another_plane_or_direction_is_another_place(make_scan, make_readout):
    places, data = places_of(make_scan(matrix=(32, 8, 2))), np.zeros((2, 32), np.complex64)
    lines = [make_readout(data, flags=flags, slice=plane) for plane in (0, 1) for flags in (0, BACKWARDS)]
    assert [int(places.find(line, line, range(1))[0]) for line in lines * 2] == [0, 1, 2, 3] * 2


def test_a_broken_stream_finds_an_end(make_scan, make_readout, monkeypatch):
    monkeypatch.setattr("aslive.gadgets.calibration.line_places._MOST", 10)
    places = places_of(make_scan(matrix=(32, 8, 2)))
    for row in range(30):
        (line,) = lines_of(make_readout, np.array([row]), plane=row)
        assert places.find(line, line, range(1))[0] == min(row, 9)
    assert places.count == 10


def test_only_central_rows_have_a_middle_and_only_outer_ones_a_corner(make_scan, make_readout):
    places = places_of(make_scan(matrix=(32, 64, 1)))
    for line in lines_of(make_readout, np.arange(64)):
        places.find(line, line, range(1))
    middle, corner = places.parts[:64, 1] > places.parts[:64, 0], places.parts[:64, 3] > places.parts[:64, 2]
    assert np.flatnonzero(middle).tolist() == list(range(28, 37)), "an eighth of the rows, around row 32"
    assert np.flatnonzero(corner).tolist() == [*range(9), *range(56, 64)]
    assert (places.parts[:64][middle][:, :2] == (14, 19)).all(), "around sample 16"


def test_a_line_of_a_spiral_always_crosses_the_middle(make_scan, make_readout):
    places = places_of(Scan())
    line = make_readout(np.zeros((2, 32), np.complex64), center=0)
    number = int(places.find(line, line, range(1))[0])
    begin, end = places.parts[number, :2]
    assert end > begin
