"""One look at received lines, against NumPy."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from aslive.gadgets.kernels.coil_signal import CoilSignal
from aslive.gadgets.kernels.raw_lines import RawLines
from aslive.gadgets.kernels.received import as_words

COILS, SAMPLES = 4, 40


def lines_of(number: int, seed: int = 0) -> NDArray[np.complex64]:
    parts = np.random.default_rng(seed).standard_normal((number, COILS, SAMPLES, 2)).astype(np.float32)
    return parts.view(np.complex64)[..., 0]


def as_received(lines: NDArray[np.complex64], offset: int) -> NDArray[np.complex64]:
    """Put something between the lines, as the headers of the wire are."""
    room = lines[0].nbytes + offset
    buffer = bytearray(offset + len(lines) * room)
    received = np.ndarray(lines.shape, np.complex64, buffer, offset, (room, *lines.strides[1:]))
    received[...] = lines
    received.setflags(write=False)
    return received


def looking(lines: int) -> RawLines:
    look = RawLines(COILS, SAMPLES)
    look.spikes.places, look.spikes.floor = lines, np.inf
    return look


@pytest.mark.parametrize("offset", [0, 1, 2, 342])
def test_power_is_that_of_all_coils_and_signal_that_of_each_wherever_the_bytes_lie(offset):
    lines, look, signal = lines_of(5), looking(5), CoilSignal(COILS)
    parts = np.array([[16, 25, 0, 0], [0, 0, 30, 35], [0, 0, 0, 0], [16, 25, 30, 35], [0, 40, 0, 1]])
    found = look.look(as_received(lines, offset), np.arange(5), parts, "control", signal)
    squares = np.square(np.abs(lines.astype(np.complex128)))
    assert found[0] == 0
    np.testing.assert_allclose(look.power, squares[-1].sum(axis=0), rtol=1e-5)
    for which, columns in enumerate((slice(0, 2), slice(2, 4))):
        ranges = [slice(*part[columns]) for part in parts]
        expected = sum(square[:, where].sum(axis=1) for square, where in zip(squares, ranges, strict=True))
        np.testing.assert_allclose(signal.power[which], expected, rtol=1e-12)
        assert signal.samples[which] == sum(where.stop - where.start for where in ranges)


def test_flat_tops_are_those_that_numpy_counts():
    lines, look = 100 * lines_of(12), looking(12)
    lines[7:] = np.clip(lines[7:].view(np.float32), -120, 120).view(np.complex64)
    lines[:7] = (0.2 * lines[:7]).astype(np.complex64)
    tops = np.abs(lines.view(np.float32)).max(axis=2)
    touching = (np.abs(lines.view(np.float32)) == np.maximum.accumulate(tops)[..., np.newaxis]).sum(axis=2)
    expected = int((touching >= 3).any(axis=1).sum())
    _, limited = look.look(lines, np.arange(12), np.zeros((12, 4), np.int64), "control", CoilSignal(COILS))
    assert limited == expected == 5


@given(cuts=st.lists(st.integers(1, 9), min_size=1, max_size=8), seed=st.integers(0, 9))
def test_lines_that_come_together_are_judged_as_one_by_one(cuts, seed):
    """Also where some have spikes, and where a place comes twice."""
    lines = np.tile(lines_of(9, seed), (4, 1, 1))
    generator = np.random.default_rng(seed)
    lines[generator.integers(36, size=4), :, generator.integers(SAMPLES, size=4)] += 40
    places, parts = np.tile(np.arange(9) // 2, 4), np.tile(np.array([[16, 25, 30, 35]]), (9, 1))
    results = []
    for sizes in ([1], cuts):
        look, signal, begin, found = looking(9), CoilSignal(COILS), 0, np.zeros(2, np.int64)
        look.spikes.floor = 200.0
        while begin < len(lines):
            end = begin + sizes[begin % len(sizes)]
            found += look.look(lines[begin:end], places[begin:end], parts, "control", signal)
            begin = end
        results.append((*found, *signal.power.ravel(), *signal.samples))
    assert results[0] == results[1]
    assert results[0][0] > 0


def test_words_are_the_samples_and_nothing_is_copied_of_what_lies_evenly():
    lines = lines_of(3)
    words, step = as_words(lines)
    assert np.shares_memory(words, lines)
    assert step == lines[0].nbytes // 2
    np.testing.assert_array_equal(words.view(np.complex64).reshape(lines.shape), lines)
