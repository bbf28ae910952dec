"""The scanner that is played keeps the pace of the scan, and knows which images belong to which lines."""

from math import inf
from time import monotonic, sleep

import numpy as np
import pytest

from aslive.streaming.client import _ACQUISITION_VOLUME_AT, _IMAGE_VOLUME_AT, _STAMP_AT, Client, Pace
from aslive.streaming.errors import AsliveError
from aslive.streaming.layouts import ACQUISITION_HEADER, COUNTERS, IMAGE_HEADER


def header(stamp: int) -> bytes:
    fields = np.zeros((), ACQUISITION_HEADER)
    fields["acquisition_time_stamp"] = stamp
    return fields.tobytes()


def lasting(pace: Pace, *stamps: int) -> float:
    """Tell how long readouts of these time stamps are held up, s."""
    begin = monotonic()
    for stamp in stamps:
        pace.wait(header(stamp))
    return monotonic() - begin


@pytest.mark.parametrize(
    ("speed", "tick", "expected"), [(1, 2.5e-3, 0.1), (2, 2.5e-3, 0.05), (10, 2.5e-3, 0.01), (1, 1e-3, 0.04)]
)
def test_readouts_leave_at_the_pace_of_the_scan(speed, tick, expected):
    assert expected <= lasting(Pace(speed, tick), 1000, 1010, 1020, 1020, 1040) < expected + 0.5


def test_time_that_passes_elsewhere_is_not_waited_again():
    pace = Pace()
    assert lasting(pace, 1000, 1040) >= 0.1
    sleep(0.1)
    assert lasting(pace, 1080) < 0.09


def test_an_infinite_speed_never_waits():
    assert lasting(Pace(inf), 1, 10**9, 5) < 0.5


def test_the_first_readout_does_not_wait():
    assert lasting(Pace(), 17_280_000) < 0.5


def test_a_stamp_that_goes_back_is_due_at_once():
    assert lasting(Pace(), 34_559_990, 34_560_000, 3, 13) < 0.5


def test_after_a_stamp_that_went_back_the_pace_is_kept():
    assert 0.1 <= lasting(Pace(), 34_560_000, 3, 43) < 0.6


def test_readouts_without_stamps_do_not_wait():
    assert lasting(Pace(), *[0] * 1000) < 0.5


def test_a_readout_without_a_stamp_among_others_does_not_wait():
    assert lasting(Pace(), 0, 17_280_000, 0, 17_280_001) < 0.5


def test_fields_are_read_where_the_layouts_have_them():
    def offset(kind: np.dtype, name: str) -> int:
        return {str(key): field[1] for key, field in (kind.fields or {}).items()}[name]

    assert offset(ACQUISITION_HEADER, "acquisition_time_stamp") == _STAMP_AT
    assert offset(ACQUISITION_HEADER, "idx") + offset(COUNTERS, "contrast") == _ACQUISITION_VOLUME_AT
    assert offset(IMAGE_HEADER, "contrast") == _IMAGE_VOLUME_AT
    for kind in (COUNTERS, IMAGE_HEADER):
        names = ("contrast", "phase", "repetition", "set")
        assert [offset(kind, name) - offset(kind, "contrast") for name in names] == [0, 2, 4, 6]


def test_a_server_that_is_not_there_is_said():
    with pytest.raises(AsliveError, match=r"no server answers at 127.0.0.1:1: "):
        Client("127.0.0.1", 1).run([], print)
