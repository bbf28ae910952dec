"""Lines that are lost, late, doubled or out of order: the pair is left out or whole, and the others are as ever."""

from collections.abc import Iterable, Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from through_session import maps, reconstruct

from aslive.sim.anatomy import brain
from aslive.sim.protocol import Order, Protocol
from aslive.sim.scanner import Scanner
from aslive.streaming.messages import Acquisition, Close, Message, Text

PAIRS = 4
VOLUMES = 1 + 2 * PAIRS


def closed(messages: Iterable[Message]) -> list[Message]:
    """Send what is left of a scan, and end it."""
    return reconstruct((*messages, Close()))


def texts(replies: Iterable[Message]) -> str:
    return "\n".join(reply.text for reply in replies if isinstance(reply, Text))


class Noisy:
    """A scan with noise, so that no pair is like another, cut into volumes."""

    def __init__(self, three_dimensional: bool) -> None:
        protocol = Protocol(
            matrix=(12, 10, 3),
            coils=2,
            pairs=PAIRS,
            three_dimensional=three_dimensional,
            slice_order=Order.LINEAR if three_dimensional else Order.INTERLEAVED,
        )
        header, *lines, _ = Scanner(protocol, seed=3, anatomy=brain(protocol.grid)).messages()
        readouts = [line for line in lines if isinstance(line, Acquisition)]
        self.opening: list[Message] = [header, *readouts[: protocol.noise_readouts]]
        lines = readouts[protocol.noise_readouts :]
        self.lines_each = len(lines) // VOLUMES
        self.volumes = [lines[start : start + self.lines_each] for start in range(0, len(lines), self.lines_each)]
        self.whole = closed(self.messages(self.volumes))
        self.control, self.label = (np.stack(maps(self.whole, role)).astype(float) for role in ("control", "label"))
        (deltam, *_), (cbf, *_) = maps(self.whole, "deltam"), maps(self.whole, "cbf")
        self.scale = np.divide(cbf, deltam, out=np.full(cbf.shape, np.nan), where=deltam != 0)

    def messages(self, volumes: Sequence[Sequence[Message]]) -> list[Message]:
        return [*self.opening, *(line for volume in volumes for line in volume)]

    def assert_cbf_without(self, pair: int | None, replies: Sequence[Message]) -> None:
        """Compare the last map with the mean over the other pairs of the undisturbed scan."""
        found = maps(replies, "cbf")
        kept = [number for number in range(PAIRS) if number != pair]
        assert len(found) == len(kept)
        difference = (self.control - self.label)[kept].mean(axis=0)
        tolerance = 1e-4 * float(np.nanmax(found[-1]))
        np.testing.assert_allclose(found[-1], self.scale * difference, rtol=1e-4, atol=tolerance)

    def assert_as_whole(self, replies: Sequence[Message]) -> None:
        """Compare every image and map with those of the undisturbed scan, to the rounding of its Fourier transforms."""
        tolerance = 1e-6 * float(np.max(maps(self.whole, "m0scan")))
        for name in ("m0scan", "control", "label", "deltam"):
            np.testing.assert_allclose(maps(replies, name), maps(self.whole, name), atol=tolerance)
        assert len(maps(replies, "cbf")) == PAIRS


@pytest.fixture(scope="module", params=[False, True], ids=["2D", "3D"])
def noisy(request) -> Noisy:
    return Noisy(request.param)


volume_numbers = st.integers(1, VOLUMES - 1)
shares = st.floats(0, 1, exclude_max=True)


@settings(max_examples=15, deadline=None)
@given(volume=volume_numbers, lost=st.sets(shares, min_size=1, max_size=29))
def test_a_pair_that_lacks_lines_is_left_out_and_named(noisy, volume, lost):
    numbers = {int(share * noisy.lines_each) for share in lost}
    volumes = list(noisy.volumes)
    volumes[volume] = [line for number, line in enumerate(volumes[volume]) if number not in numbers]
    replies = closed(noisy.messages(volumes))
    pair = (volume - 1) // 2
    noisy.assert_cbf_without(pair, replies)
    if volumes[volume]:
        assert f"Volume {volume} lacks {len(numbers)} of its {noisy.lines_each} lines" in texts(replies)
        assert f"Pair {pair} is left out" in texts(replies)


@pytest.mark.parametrize("volume", range(1, VOLUMES))
def test_a_volume_that_never_came_takes_its_partner_with_it_and_no_other(noisy, volume):
    volumes = [lines for number, lines in enumerate(noisy.volumes) if number != volume]
    replies = closed(noisy.messages(volumes))
    noisy.assert_cbf_without((volume - 1) // 2, replies)
    assert "partner" in texts(replies)


@settings(max_examples=8, deadline=None)
@given(volume=st.integers(0, VOLUMES - 1), seed=st.integers(0, 99))
def test_the_order_of_lines_in_a_volume_does_not_matter(noisy, volume, seed):
    volumes = list(noisy.volumes)
    order = np.random.default_rng(seed).permutation(noisy.lines_each)
    volumes[volume] = [volumes[volume][number] for number in order]
    replies = closed(noisy.messages(volumes))
    noisy.assert_as_whole(replies)
    assert "warning" not in texts(replies)


@settings(max_examples=15, deadline=None)
@given(volume=st.integers(0, VOLUMES - 1), line=shares, later=shares)
def test_a_line_that_comes_twice_changes_nothing(noisy, volume, line, later):
    lines = list(noisy.volumes[volume])
    first = int(line * len(lines))
    again = first + 1 + int(later * (len(lines) - first))
    volumes = list(noisy.volumes)
    volumes[volume] = [*lines[:again], lines[first], *lines[again:]]
    replies = closed(noisy.messages(volumes))
    noisy.assert_as_whole(replies)


def test_a_line_that_comes_volumes_later_is_counted_and_left_out(noisy):
    volumes = list(noisy.volumes)
    volumes[5] = [noisy.volumes[2][4], *volumes[5]]
    replies = closed(noisy.messages(volumes))
    noisy.assert_cbf_without(None, replies)
    assert "1 lines came too late for their volume" in texts(replies)


def test_an_m0scan_that_lacks_lines_is_not_used_and_unsuppressed_controls_stand_in(noisy):
    replies = closed(noisy.messages([noisy.volumes[0][2:], *noisy.volumes[1:]]))
    assert len(maps(replies, "cbf")) == len(maps(replies, "deltam")) == PAIRS
    assert "The m0scan (volume 0) lacks 2 lines and is not used" in texts(replies)
    cbf, deltam = maps(replies, "cbf")[-1], maps(replies, "deltam")[-1]
    factor = cbf / np.where(deltam == 0, np.nan, deltam) * np.mean(maps(replies, "control"), axis=0)
    both = np.isfinite(factor) & np.isfinite(noisy.scale)
    assert both.any()
    np.testing.assert_allclose(factor[both], (noisy.scale * maps(noisy.whole, "m0scan")[0])[both], rtol=1e-4)


def test_a_scan_that_is_stopped_in_the_middle_of_a_volume_keeps_what_was_whole(noisy):
    replies = closed(noisy.messages([*noisy.volumes[:-1], noisy.volumes[-1][:7]]))
    noisy.assert_cbf_without(PAIRS - 1, replies)
    assert f"Volume {VOLUMES - 1} lacks {noisy.lines_each - 7} of its {noisy.lines_each} lines" in texts(replies)
