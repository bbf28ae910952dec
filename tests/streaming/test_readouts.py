"""Trains of readouts."""

from itertools import groupby

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from aslive.streaming.layouts import ACQUISITION_HEADER
from aslive.streaming.readouts import Counters, Train


def train_of(values: NDArray[np.integer], apart: int) -> Train:
    """Make lines with some counters, between whose headers lie other bytes."""
    size = ACQUISITION_HEADER.itemsize + apart
    headers = np.ndarray((len(values),), ACQUISITION_HEADER, bytearray(size * len(values) + apart), apart, (size,))
    for name, column in zip(Counters._fields[:9], values.T, strict=True):
        headers["idx"][name] = column
    headers["idx"]["user"] = values[:, :8] + 100
    return Train(np.zeros((len(values), 1, 2), np.complex64), headers, 1.0)


@pytest.mark.parametrize("apart", [0, 2, 77])
def test_counters_are_those_of_each_readout_wherever_the_headers_lie(apart):
    train = train_of(np.random.default_rng(0).integers(0, 60000, (7, 9)), apart)
    assert [tuple(row) for row in train.counters.tolist()] == [line.counters for line in train.split()]


@given(values=st.lists(st.tuples(*[st.integers(0, 1)] * 9), min_size=1, max_size=12), fixed=st.booleans())
@settings(max_examples=60, deadline=None)
def test_stretches_are_the_runs_of_equal_counters(values, fixed):
    numbers = np.array(values)
    numbers[:, 2:5] *= not fixed
    asked = (2, 3, 4)
    runs = [len(list(run)) for _, run in groupby(numbers[:, list(asked)].tolist())]
    stretches = list(train_of(numbers, 2).stretches(asked))
    assert [len(stretch) for stretch in stretches] == runs
    assert [line for stretch in stretches for line in stretch] == list(range(len(values)))
