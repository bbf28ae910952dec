"""Several delays in every schedule, as bytes: flow and transit time of each tissue come back, as sure as they say."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from pure_brain import GRAY, WHITE, pure_brain
from through_session import maps, reconstruct, texts
from tissue_images import segmentation, with_maps

from aslive.sim.protocol import Order, Protocol
from aslive.sim.scanner import Scanner
from aslive.streaming.messages import Header, Message
from aslive.streaming.scan import LabelingType

# Where no delay is shorter than the transit time, it and flow can be told apart only by their priors.
DELAYS = (0.25, 0.75, 1.25, 1.75, 2.25, 2.75)
SETTINGS: dict[str, object] = {"reply.maps": "cbf,att"}
TRUE_T1: dict[str, object] = {"physiology.t1_tissue": 1.33}
"""That of simulated gray matter, s."""
PARTS = ("", "_stderr", "_lower", "_upper")
TRUTH = {GRAY: (60.0, 0.8), WHITE: (20.0, 1.2)}
"""Flow and transit time of simulated tissue: mL/100 g/min and s."""

SLICES = Protocol(
    matrix=(20, 20, 6),
    coils=3,
    pairs=6,
    post_labeling_delay=DELAYS,
    excitation_time=0.06,  # slices are 70 ms apart
    slice_order=Order.INTERLEAVED,
    repetition_time=6.0,
)
SLAB = replace(SLICES, three_dimensional=True, slice_order=Order.LINEAR)
SCHEDULES = {
    "any order": replace(SLAB, delay_order=(3, 0, 5, 1, 4, 2)),
    "uneven numbers": replace(SLAB, pairs=11, delay_order=(0, 5, 5, 2, 2, 2, 4, 1, 3, 3, 1)),
    "label first": replace(SLAB, label_first=True),
    "own durations": replace(SLAB, labeling_duration=(2.4, 2.0, 1.8, 1.6, 1.4, 0.9)),
    "one delay, many durations": replace(SLAB, post_labeling_delay=(0.3,) * 6, labeling_duration=DELAYS),
    "CASL": replace(SLAB, labeling_type=LabelingType.CASL),
    "PASL": replace(SLAB, labeling_type=LabelingType.PASL, post_labeling_delay=(0.6, 0.9, 1.2, 1.6, 2.0, 2.6)),
    "2-D slices": SLICES,
    "Look-Locker": replace(SLAB, pairs=2, look_locker=True, flip_angle=25.0, repetition_time=8.0),
    "Look-Locker PASL": replace(
        SLAB, pairs=2, look_locker=True, flip_angle=35.0, labeling_type=LabelingType.PASL, repetition_time=8.0
    ),
    "background suppression": replace(SLAB, background_suppression=0.1),
}


def quiet(protocol: Protocol) -> Scanner:
    """Give a scanner without noise, with a pure brain in it."""
    return Scanner(protocol, snr=None, anatomy=pure_brain(protocol.grid))


def assert_true(
    replies: list[Message], scanner: Scanner, tissue: int, flow: float = 0.005, time: float = 0.005
) -> None:
    """Compare flow (relative) and transit time (s) of every voxel of a tissue with the truth."""
    inside = scanner.head.segmentation == tissue
    assert inside.sum() > 100
    cbf, att = (maps(replies, name)[-1][inside] for name in ("cbf", "att"))
    wanted = TRUTH[tissue]
    np.testing.assert_allclose(cbf, wanted[0], rtol=flow)
    np.testing.assert_allclose(att, wanted[1], atol=time)


@pytest.mark.parametrize("protocol", SCHEDULES.values(), ids=SCHEDULES)
def test_gray_and_white_matter_come_back_from_every_schedule(protocol):
    scanner = quiet(protocol)
    replies = reconstruct(with_maps(scanner, segmentation(scanner)), SETTINGS)
    assert_true(replies, scanner, GRAY)
    assert_true(replies, scanner, WHITE, flow=0.01)
    assert "swapped" not in texts(replies)


def test_gray_matter_comes_back_with_its_t1_as_a_setting():
    scanner = quiet(SCHEDULES["any order"])
    replies = reconstruct(scanner.messages(), SETTINGS | TRUE_T1)
    assert len(maps(replies, "cbf")) == scanner.protocol.pairs
    assert_true(replies, scanner, GRAY)


def without_slice_timing(messages: Iterator[Message]) -> Iterator[Message]:
    for message in messages:
        yield Header(message.text.replace("SliceTiming", "OtherTiming")) if isinstance(message, Header) else message


def test_slice_times_are_measured_where_the_header_has_none():
    scanner = quiet(SLICES)
    replies = reconstruct(without_slice_timing(scanner.messages()), SETTINGS | TRUE_T1)
    assert_true(replies, scanner, GRAY)


def test_estimates_are_as_sure_as_they_say():
    protocol = replace(SLAB, matrix=(32, 32, 12), pairs=24)
    scanner = Scanner(protocol, seed=3, snr=900, anatomy=pure_brain(protocol.grid))
    names = [f"{name}{what}" for name in ("cbf", "att") for what in PARTS]
    replies = reconstruct(with_maps(scanner, segmentation(scanner)), {"reply.maps": ",".join(names)})
    inside = scanner.head.segmentation == GRAY
    assert inside.sum() > 2000
    for name, true in zip(("cbf", "att"), TRUTH[GRAY], strict=True):
        mean, stderr, lower, upper = (maps(replies, f"{name}{what}")[-1][inside] for what in PARTS)
        assert np.std((mean - true) / stderr) == pytest.approx(1, abs=0.1)
        assert np.mean((lower < true) & (true < upper)) == pytest.approx(0.95, abs=0.02)
