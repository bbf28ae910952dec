"""Volumes of a scan, told by its lines."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aslive.gadgets.calibration.volume_ends import VolumeEnds
from aslive.streaming.readouts import Readout, Train
from aslive.streaming.scan import Scan

DATA = np.zeros((1, 4), np.complex64)
ROWS, SLICES, VOLUMES = 4, 3, 5
TOLD_BY = ("limits", "nothing")


def lines_of(make_readout, counted: bool = True) -> list[Readout]:
    return [
        make_readout(DATA, kspace_encode_step_1=row, slice=plane, repetition=volume * counted)
        for volume in range(VOLUMES)
        for plane in range(SLICES)
        for row in range(ROWS)
    ]


def followed(scan: Scan, messages: Sequence[Readout | Train]) -> tuple[list[int], dict[int, int]]:
    """Give the volume of every line, and how many lines had come when each volume was over."""
    ends, volumes, over = VolumeEnds(scan), [], {}
    for message in messages:
        for stretch in ends.stretches(message):
            volumes += [stretch.volume] * len(stretch.lines)
            over |= dict.fromkeys(ends.ended(), len(volumes))
    return volumes, over | dict.fromkeys(ends.finish(), len(volumes))


@pytest.mark.parametrize("counted", [True, False])
def test_a_volume_is_over_with_its_last_line_even_where_no_counter_tells(make_scan, make_readout, counted):
    volumes, over = followed(make_scan(matrix=(4, ROWS, SLICES)), lines_of(make_readout, counted))
    size = ROWS * SLICES
    assert volumes == [n // size for n in range(VOLUMES * size)]
    assert over == {volume: (volume + 1) * size for volume in range(VOLUMES)}


@given(cuts=st.lists(st.integers(1, 20), min_size=1, max_size=6), counted=st.booleans())
@settings(max_examples=30, deadline=None)
def test_trains_of_any_length_end_the_same_volumes(make_scan, make_readout, make_train, cuts, counted):
    scan, lines = make_scan(matrix=(4, ROWS, SLICES)), lines_of(make_readout, counted)
    trains, begin = [], 0
    while begin < len(lines):
        trains.append(make_train(lines[begin : begin + cuts[len(trains) % len(cuts)]]))
        begin += len(trains[-1].data)
    assert followed(scan, trains) == followed(scan, lines)


def test_lost_lines_end_a_volume_when_more_begin_than_can_be_in_work(make_scan, make_readout):
    lines = lines_of(make_readout)
    size = ROWS * SLICES
    volumes, over = followed(make_scan(matrix=(4, ROWS, SLICES)), lines[1:])
    assert volumes[0] == 0
    assert over[1] == 2 * size - 1
    assert over[0] == over[1], "an earlier one is over when a later one is"


def test_where_the_header_says_nothing_the_first_volume_teaches(make_readout):
    _, over = followed(Scan(), lines_of(make_readout))
    size = ROWS * SLICES
    assert {volume: over[volume] for volume in (3, 4)} == {3: 4 * size, 4: 5 * size}
