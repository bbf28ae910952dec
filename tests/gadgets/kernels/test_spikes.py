"""The search for spikes, against NumPy."""

import numpy as np
from numpy.typing import NDArray

from aslive.gadgets.kernels.coil_signal import CoilSignal
from aslive.gadgets.kernels.raw_lines import RawLines

PLACE = np.zeros(1, np.int64)
NO_PARTS = np.zeros((1, 4), np.int64)


def lines_of(number: int, seed: int = 0) -> NDArray[np.complex64]:
    parts = np.random.default_rng(seed).standard_normal((number, 4, 40, 2)).astype(np.float32)
    return parts.view(np.complex64)[..., 0]


def searching(floor: float) -> RawLines:
    search = RawLines(4, 40)
    search.spikes.places, search.spikes.floor = 1, floor
    return search


def spiky(search: RawLines, line: NDArray[np.complex64]) -> int:
    return search.look(line, PLACE, NO_PARTS, "control", CoilSignal(4))[0]


def test_a_spike_does_not_teach_what_is_usual():
    search = searching(200.0)
    for volume in range(8):
        line = lines_of(1, volume)
        line[:, :, 12] += np.float32(40 * (volume >= 3))
        assert spiky(search, line) == (volume >= 3)


def test_a_line_that_grows_as_a_whole_has_no_spike():
    search = searching(0.0)
    line = (20 + lines_of(1)).astype(np.complex64)
    for scale in (1, 1, 3, 10):
        assert spiky(search, (scale * line).astype(np.complex64)) == 0


def test_values_that_are_no_numbers_do_not_blind_it():
    search = searching(200.0)
    spiky(search, lines_of(1))
    spoilt = lines_of(1, 1)
    spoilt[0, 0, 12] = np.nan
    spiky(search, spoilt)
    line = lines_of(1, 2)
    line[:, :, 12] += 40
    assert spiky(search, line) == 1


def test_without_memory_each_line_is_judged_by_its_neighbors(monkeypatch):
    """Also when several come together: none of them is what another one is compared with."""
    monkeypatch.setattr("aslive.gadgets.kernels.spikes._MOST_BYTES", 0)
    search = searching(20.0)
    quiet, loud = lines_of(1), (10 * lines_of(1)).astype(np.complex64)
    together = np.concatenate([quiet, loud, quiet, loud])
    together[2, :, 12] += 40
    assert search.look(together, np.zeros(4, np.int64), NO_PARTS, "control", CoilSignal(4))[0] == 1
