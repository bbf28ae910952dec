from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aslive.sim.choices import Order, ReadoutType
from aslive.sim.effects import Effects
from aslive.sim.epi import EchoPlanar
from aslive.sim.magnetization import decay
from aslive.sim.protocol import Protocol
from aslive.sim.sequence import center, excitation_times, line_steps, ordered, shots, train_planes, trains
from aslive.sim.spiral import Spiral
from aslive.sim.tissue import TISSUES
from aslive.streaming.errors import ConfigError
from aslive.streaming.scan import LabelingType, Role


@given(count=st.integers(1, 99), order=st.sampled_from(Order), middle=st.integers(0, 98))
def test_every_order_plays_each_step_once(count, order, middle):
    assert sorted(ordered(count, order, min(middle, count - 1))) == list(range(count))


@given(
    lines=st.integers(1, 130),
    fraction=st.floats(0.5, 1, exclude_min=True),
    order=st.sampled_from(Order),
)
def test_the_middle_of_k_space_is_always_acquired(lines, fraction, order):
    protocol = Protocol(matrix=(4, lines, 1), partial_fourier=fraction, line_order=order)
    steps = line_steps(protocol)
    middle = center(lines, len(steps))
    assert middle in steps
    assert len(steps) >= lines * fraction - 1e-6
    assert len(steps) - middle == lines - lines // 2
    if order is Order.CENTRIC:
        assert steps[0] == middle


@given(
    slices=st.integers(1, 12),
    pairs=st.integers(1, 3),
    averages=st.integers(1, 2),
    m0scan=st.booleans(),
    order=st.sampled_from([Order.LINEAR, Order.INTERLEAVED]),
)
def test_each_slice_of_each_volume_is_played_once_and_in_time(slices, pairs, averages, m0scan, order):
    protocol = Protocol(
        matrix=(4, 4, slices), pairs=pairs, averages=averages, m0scan=m0scan, slice_order=order, repetition_time=6
    )
    played = list(trains(protocol))
    volumes = 2 * pairs + m0scan
    assert len({(train.volume, train.average, train.plane) for train in played}) == len(played)
    assert len(played) == volumes * slices * averages == protocol.readouts / protocol.line_count
    assert all(a.time + protocol.line_count * protocol.echo_spacing <= b.time for a, b in pairwise(played))
    assert sum(train.first for train in played) == sum(train.last for train in played) == volumes


@given(partitions=st.integers(1, 12), shots=st.integers(1, 4), order=st.sampled_from(Order))
def test_the_shots_of_a_volume_share_its_partitions(partitions, shots, order):
    if shots > partitions:
        return
    protocol = Protocol(matrix=(4, 4, partitions), three_dimensional=True, shots=shots, pairs=1, partition_order=order)
    played = [plane for shot in range(shots) for plane in train_planes(protocol, shot)]
    assert sorted(played) == list(range(partitions))
    ends = [train.volume for train in trains(protocol) if train.last]
    assert ends == [0, 1, 2]


@pytest.mark.parametrize("labeling_type", list(LabelingType))
def test_the_first_slice_is_excited_when_the_delay_is_over(labeling_type):
    protocol = Protocol(matrix=(4, 4, 3), pairs=2, labeling_type=labeling_type, post_labeling_delay=(1.5, 1.7))
    begin = 0.0
    for train in trains(protocol):
        if train.first and train.preparation.role is not Role.M0SCAN:
            begin = protocol.m0_repetition_time + (train.volume - 1) * protocol.repetition_time
            labeled = 0.0 if labeling_type is LabelingType.PASL else 1.8
            delay = 1.5 if train.volume < 3 else 1.7
            assert protocol.delay(train.volume) == delay
            assert train.time == pytest.approx(begin + labeled + delay + protocol.excitation_time)


def test_interleaved_slices_are_timed_as_they_are_played():
    protocol = Protocol(matrix=(4, 10, 5), slice_order=Order.INTERLEAVED)
    duration = 10 * 0.5e-3 + 10e-3
    assert excitation_times(protocol) == pytest.approx([0, 3 * duration, duration, 4 * duration, 2 * duration])


def test_label_can_come_first():
    assert Protocol(pairs=2, label_first=True).context == ("m0scan", "label", "control", "label", "control")


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"pairs": 0}, "at least 1"),
        ({"shots": 0, "three_dimensional": True}, "at least 1"),
        ({"repetition_time": 4.0}, "more than the repetition time"),
        ({"m0_repetition_time": 0.5}, "more than the M0 repetition time"),
        ({"dwell": 10e-6}, "more than the echo spacing"),
        ({"partial_fourier": 0.5}, "above 0.5"),
        ({"shots": 2}, "3-D"),
        ({"shots": 25, "three_dimensional": True}, "partitions"),
        ({"slice_order": Order.CENTRIC}, "not centric"),
        ({"phase_lines": 60}, "fewer"),
        ({"post_labeling_delay": ()}, "at least one"),
        ({"post_labeling_delay": (-0.1,)}, "negative"),
        ({"labeling_type": LabelingType.PASL, "bolus_cut_off_delay_time": 2.0}, "before the inversion time"),
        ({"background_suppression": -1.5}, "between -1 and 1"),
        ({"acceleration": (0, 1)}, "at least 1"),
        ({"acceleration": (1, 2)}, "3-D"),
        ({"segments": 65}, "segments are more"),
        ({"readout": ReadoutType.SPIRAL, "acceleration": (2, 1)}, "interleaves"),
        ({"readout": ReadoutType.EPI, "line_order": Order.CENTRIC}, "only Cartesian"),
        ({"readout": ReadoutType.EPI, "echo_time": 0.01}, "shorter than the"),
        ({"readout": ReadoutType.EPI, "echo_spacing": 0.4e-3}, "more than the echo spacing"),
        ({"echo_planar": EchoPlanar(samples=200)}, "more than the trapezoid"),
        ({"echo_planar": EchoPlanar(delay=1e-3)}, "late"),
        ({"spiral": Spiral(interleaves=0)}, "interleave"),
        ({"labeling_efficiency": 1.2}, "at most 1"),
    ],
)
def test_what_no_scanner_could_play_is_refused_with_words(wrong, words):
    with pytest.raises(ConfigError, match=words):
        Protocol(**wrong)


@pytest.mark.parametrize("segments", [1, 2, 3])
def test_the_middle_of_k_space_is_read_at_the_echo_time(segments):
    protocol = Protocol(readout=ReadoutType.EPI, matrix=(8, 20, 2), segments=segments, partial_fourier=0.75)
    found = [
        float(shot.lines.after[n])
        for shot in shots(protocol)
        for n in np.flatnonzero(shot.lines.imaging & (shot.lines.ky == 0))
    ]
    assert found == pytest.approx([protocol.echo_time] * 2)
    assert all(shot.lines.after[0] > 0 for shot in shots(protocol))


@pytest.mark.parametrize("order", [Order.LINEAR, Order.CENTRIC])
def test_each_refocusing_of_grase_reads_one_partition(order):
    protocol = Protocol(
        readout=ReadoutType.GRASE, matrix=(8, 12, 6), segments=3, shots=2, partition_order=order, pairs=1
    )
    seen = set()
    for shot in shots(protocol):
        lines = shot.lines
        assert (np.diff(lines.after) > 0).all()
        assert (~lines.imaging).sum() == 3
        for kz in np.unique(lines.kz[lines.imaging]):
            chosen = lines.imaging & (lines.kz == kz)
            assert chosen.sum() == 4
            echo = lines.after[chosen] - lines.evolution[chosen]  # when the field has no say
            assert echo == pytest.approx(np.full(4, echo[0]))
            assert echo[0] / protocol.refocusing_spacing == pytest.approx(round(echo[0] / protocol.refocusing_spacing))
        seen |= {(int(y), int(z)) for y, z in zip(lines.ky[lines.imaging], lines.kz[lines.imaging], strict=True)}
    assert len(seen) == 12 * 6
    assert len(shots(protocol)) == protocol.excitations == 6


def test_the_decay_of_grase_follows_the_refocusing_pulses():
    protocol = Protocol(readout=ReadoutType.GRASE, matrix=(8, 8, 4), segments=8, pairs=1, effects=Effects(decay=True))
    lines = shots(protocol)[4].lines  # the segment with the middle line
    left = decay(protocol, lines)[:, lines.imaging]
    echoes = np.arange(1, 5) * protocol.refocusing_spacing - protocol.echo_time
    for tissue, found in zip(TISSUES, left, strict=True):
        np.testing.assert_allclose(found, np.exp(-echoes / tissue.t2), rtol=1e-5)
