"""The same bytes give the same maps, whatever pieces they come in."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aslive.sim.protocol import Order, Protocol
from aslive.sim.scanner import Scanner
from aslive.streaming.messages import Image
from aslive.streaming.registry import Registry
from aslive.streaming.session import Session
from aslive.streaming.wire import Decoder, encode
from aslive.streaming.worker import converse

REGISTRY = Registry()


def maps(pieces) -> list[tuple[bytes, np.ndarray]]:
    replies = converse(iter(pieces), Session(REGISTRY), Decoder())
    return [(message.header, message.data) for message in replies if isinstance(message, Image)]


@pytest.fixture(scope="module", params=["2-D", "3-D", "centric, averaged, partial"])
def stream(request) -> bytes:
    odd = {"line_order": Order.CENTRIC, "averages": 2, "partial_fourier": 0.75}
    extra = {"2-D": {}, "3-D": {"three_dimensional": True}}.get(request.param, odd)
    protocol = Protocol(matrix=(12, 10, 3), field_of_view=(0.22, 0.22, 0.09), coils=3, pairs=2, **extra)
    return b"".join(encode(message) for message in Scanner(protocol, seed=3).messages())


@settings(max_examples=12, deadline=None)
@given(step=st.integers(300, 60_000), first=st.integers(1, 5_000))
def test_the_maps_do_not_depend_on_the_pieces(stream, step, first):
    view = memoryview(stream)
    cuts = [0, *range(first, len(view), step), len(view)]
    cut = maps(view[a:b] for a, b in pairwise(cuts))
    whole = maps([view])
    assert [header for header, _ in cut] == [header for header, _ in whole]
    for (_, one), (_, other) in zip(cut, whole, strict=True):
        np.testing.assert_array_equal(one, other)
