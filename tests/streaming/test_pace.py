"""How far the computation is behind."""

from hypothesis import given
from hypothesis import strategies as st

from aslive.streaming.pace import Pace


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@given(st.lists(st.tuples(st.integers(1, 100), st.floats(0.01, 10), st.floats(0, 10)), min_size=1, max_size=20))
def test_what_arrives_evenly_is_dated_exactly_however_slow_the_work(steps: list[tuple[int, float, float]]) -> None:
    """Bytes arrive at 10 per s; the journal is looked at, and worked off, in pieces."""
    clock = Clock()
    pace = Pace(clock)
    pace.grew(0)
    done = 0
    for pieces, wait, work in steps:
        clock.now += wait
        size = int(10 * clock.now)
        if size == done:
            continue
        pace.grew(size)
        arrived_from, grown = done, size - done
        for piece in range(min(pieces, grown)):
            count = grown // min(pieces, grown) if piece < min(pieces, grown) - 1 else grown - (done - arrived_from)
            clock.now += work / pieces
            pace.take(count)
            done += count
            assert abs(pace.arrived - done / 10) <= 0.1 + 1e-9
            assert abs(pace.lag - (clock.now - pace.arrived)) < 1e-9


def test_what_came_this_moment_has_not_waited() -> None:
    clock = Clock()
    pace = Pace(clock)
    clock.now = 5.0
    pace.take_now()
    assert (pace.arrived, pace.lag) == (5.0, 0.0)
    clock.now = 7.0
    assert pace.since_arrival == 2.0
