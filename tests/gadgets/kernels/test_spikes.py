"""The search for spikes, against NumPy."""

import numpy as np
import pytest
from numpy.typing import NDArray

from aslive.gadgets.kernels.received import as_words
from aslive.gadgets.kernels.spikes import SpikeSearch


def lines_of(number: int, seed: int = 0) -> NDArray[np.complex64]:
    parts = np.random.default_rng(seed).standard_normal((number, 4, 40, 2)).astype(np.float32)
    return parts.view(np.complex64)[..., 0]


@pytest.mark.parametrize("offset", [0, 1, 2, 342])
def test_the_power_is_that_of_all_coils_wherever_the_bytes_lie(offset):
    lines = lines_of(5)
    room = lines[0].nbytes + offset
    received = np.ndarray(lines.shape, np.complex64, bytearray(offset + 5 * room), offset, (room, *lines.strides[1:]))
    received[...] = lines
    received.setflags(write=False)
    search = SpikeSearch(40)
    search.places = 5
    power, tops, spiky = search.look(received, np.arange(5), "control")
    expected = np.square(np.abs(lines)).sum(axis=1)
    np.testing.assert_allclose(power, expected, rtol=1e-5)
    np.testing.assert_allclose(tops, expected.max(axis=1), rtol=1e-5)
    assert spiky == []


def test_words_are_the_samples_and_nothing_is_copied_of_what_lies_evenly():
    lines = lines_of(3)
    words, step = as_words(lines)
    assert np.shares_memory(words, lines)
    assert step == lines[0].nbytes // 2
    np.testing.assert_array_equal(words.view(np.complex64).reshape(lines.shape), lines)


def test_a_spike_does_not_teach_what_is_usual():
    search = SpikeSearch(40)
    search.places, search.floor = 1, 200.0
    places = np.zeros(1, np.int64)
    for volume in range(8):
        line = lines_of(1, volume)
        line[:, :, 12] += np.float32(40 * (volume >= 3))
        _, _, spiky = search.look(line, places, "control")
        assert spiky == [0] * (volume >= 3)


def test_a_line_that_grows_as_a_whole_has_no_spike():
    search = SpikeSearch(40)
    search.places = 1
    places = np.zeros(1, np.int64)
    line = (20 + lines_of(1)).astype(np.complex64)
    for scale in (1, 1, 3, 10):
        assert search.look((scale * line).astype(np.complex64), places, "control")[2] == []


def test_values_that_are_no_numbers_do_not_blind_it():
    search = SpikeSearch(40)
    search.places, search.floor = 1, 200.0
    places = np.zeros(1, np.int64)
    search.look(lines_of(1), places, "control")
    spoilt = lines_of(1, 1)
    spoilt[0, 0, 12] = np.nan
    search.look(spoilt, places, "control")
    line = lines_of(1, 2)
    line[:, :, 12] += 40
    assert search.look(line, places, "control")[2] == [0]
