"""What makes the map of one delay lie, as bytes: blood that comes late, is still in arteries, or badly labeled."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from pure_brain import GRAY, pure_brain
from through_session import maps, reconstruct, texts

from aslive.sim.anatomy import Anatomy
from aslive.sim.arteries import arterial_blood_volume
from aslive.sim.preparation import EfficiencyChange
from aslive.sim.protocol import Protocol
from aslive.sim.scanner import Scanner
from aslive.sim.territories import Late, Territory, number_of
from aslive.streaming.messages import Message
from aslive.streaming.scan import LabelingType

SETTINGS: dict[str, object] = {"reply.maps": "cbf,cbf_stderr,att,abv", "physiology.t1_tissue": 1.33}
DELAYS = (0.25, 0.75, 1.25, 1.75, 2.25, 2.75)
PROTOCOL = Protocol(
    matrix=(20, 20, 6), coils=3, pairs=6, post_labeling_delay=DELAYS, three_dimensional=True, repetition_time=6.0
)
HEAD = pure_brain(PROTOCOL.grid)
GRAY_MATTER = HEAD.segmentation == GRAY
WITH_ARTERIES = replace(HEAD, arterial_blood_volume=arterial_blood_volume(PROTOCOL.grid))
ON_ARTERIES = GRAY_MATTER & (WITH_ARTERIES.abv > 0.005)


def scan(head: Anatomy, settings: dict[str, object] | None = None, **changes: object) -> list[Message]:
    """Play a scan without noise."""
    protocol = replace(PROTOCOL, **changes)  # pyright: ignore[reportArgumentType] (fields of Protocol)
    return reconstruct(Scanner(protocol, snr=None, anatomy=head).messages(), SETTINGS | (settings or {}))


def last(replies: list[Message], name: str) -> NDArray[np.float32]:
    return maps(replies, name)[-1]


def test_blood_that_comes_late_reads_low_with_one_delay_and_right_with_several():
    head = replace(HEAD, late=(Late(Territory.LEFT_MIDDLE, 1.6),))
    late = head.territories == number_of(Territory.LEFT_MIDDLE)
    there, elsewhere = GRAY_MATTER & late, GRAY_MATTER & ~late
    assert there.sum() > 50
    single = last(scan(head, post_labeling_delay=(1.8,), pairs=1), "cbf")
    np.testing.assert_allclose(single[there], 29.9, rtol=0.005)  # the white-paper formula for ATT 2.4 s
    np.testing.assert_allclose(single[elsewhere], 45.8, rtol=0.005)
    several = scan(head)
    np.testing.assert_allclose(last(several, "cbf")[GRAY_MATTER], 60, rtol=0.005)
    np.testing.assert_allclose(last(several, "att")[there], 2.4, atol=0.005)
    np.testing.assert_allclose(last(several, "att")[elsewhere], 0.8, atol=0.005)


@pytest.mark.parametrize("kind", [LabelingType.PCASL, LabelingType.PASL])
def test_blood_in_arteries_counts_as_flow_unless_it_is_fitted(kind):
    delays = DELAYS if kind is LabelingType.PCASL else (0.6, 0.8, 1.0, 1.2, 1.5, 1.8, 2.2, 2.6)
    protocol = {"labeling_type": kind, "post_labeling_delay": delays, "pairs": len(delays)}
    plain = scan(WITH_ARTERIES, **protocol)
    assert not maps(plain, "abv")
    assert np.median(last(plain, "cbf")[ON_ARTERIES]) > 80
    fitted = scan(WITH_ARTERIES, {"kinetics.macrovascular": True}, **protocol)
    np.testing.assert_allclose(last(fitted, "cbf")[ON_ARTERIES], 60, rtol=0.01)
    np.testing.assert_allclose(last(fitted, "att")[ON_ARTERIES], 0.8, atol=0.05)
    assert np.median(last(fitted, "att")[ON_ARTERIES]) == pytest.approx(0.8, abs=0.005)
    found, true = last(fitted, "abv")[ON_ARTERIES], WITH_ARTERIES.abv[ON_ARTERIES]
    assert np.corrcoef(found, true)[0, 1] > 0.99
    # One delay of PCASL sees arteries, and cannot tell their volume from when blood gets there.
    assert np.polyfit(true, found, 1)[0] == pytest.approx(1, abs=0.15 if kind is LabelingType.PCASL else 0.01)


def test_where_arteries_are_crushed_nothing_is_left_to_fit():
    protocol = {"vascular_crushing": True}
    replies = scan(WITH_ARTERIES, {"kinetics.macrovascular": True}, **protocol)
    np.testing.assert_allclose(last(replies, "cbf")[GRAY_MATTER], 60, rtol=0.005)
    assert not maps(replies, "abv")
    assert "VascularCrushing is stated" in texts(replies)


def test_labeling_that_gets_worse_lowers_flow_and_leaves_transit_times():
    pairs = 8 * len(DELAYS)
    change = EfficiencyChange(pairs // 2, 0.5)
    replies = scan(HEAD, {"outliers.mode": "off"}, pairs=pairs, efficiency_change=change)  # else the worse are left out
    flow = [maps(replies, "cbf")[pair - 1][GRAY_MATTER] for pair in (pairs // 2, pairs)]
    np.testing.assert_allclose(flow[0], 60, rtol=0.005)
    # The change looks like noise, which makes the prior count for a little.
    np.testing.assert_allclose(flow[1], 45, rtol=0.02)
    np.testing.assert_allclose(last(replies, "att")[GRAY_MATTER], 0.8, atol=0.02)
    before, after = (maps(replies, "cbf_stderr")[pair - 1][GRAY_MATTER] for pair in (pairs // 2, pairs))
    assert np.all(after > 10 * before)
