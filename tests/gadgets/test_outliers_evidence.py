"""Pairs that are left out for what was said of their volumes: motion, spikes, gain; whatever the others are like."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from aslive.gadgets.average import Average
from aslive.gadgets.outliers import OutlierMode, RejectOutliers
from aslive.streaming.flow import Place, Volume
from aslive.streaming.notices import Measure, Measurement
from aslive.streaming.perfusion import Difference, MeanDifference, Remove
from aslive.streaming.quality import Motion, Verdict
from aslive.streaming.readouts import Counters, Geometry
from aslive.streaming.scan import Bolus, Labeling, Role, Scan

SHAPE = (6, 24, 24)
Run = Callable[..., list[object]]


def scan_of(kind: str = "3D") -> Scan:
    return Scan(labeling=Labeling(context=(Role.CONTROL, Role.LABEL) * 32, mr_acquisition_type=kind))


def place_of(pair: int, role: Role = Role.LABEL) -> Place:
    number = 2 * pair + (role is Role.LABEL)
    return Place(number, Counters(), 0.0, Geometry(), role, number=number)


def pairs_of(count: int, seed: int = 0) -> list[Difference]:
    """Give differences of a flow that is the same everywhere, with white noise of 1."""
    data = 5 + np.random.default_rng(seed).standard_normal((count, *SHAPE), np.float32)
    return [Difference(image, place_of(pair), pair) for pair, image in enumerate(data)]


def striped(pair: Difference, slices: slice) -> Difference:
    """Draw the stripes of a spike over some slices."""
    data = pair.data.copy()
    _, y, x = np.indices(data[slices].shape)
    data[slices] += 3 * np.cos(2 * np.pi * (7 * y / 24 + 5 * x / 24)).astype(np.float32)
    return Difference(data, pair.place, pair.pair)


def said(measure: Measure, value: float, pair: int, role: Role = Role.LABEL) -> Measurement:
    """Say it at the head of the chain, where nobody knows role and number yet."""
    return Measurement(measure, value, Place(place_of(pair, role).volume, Counters(), 0.0, Geometry()))


def in_line(pairs: Sequence[Difference], said_of: Sequence[Measurement], late: bool) -> list[object]:
    """Put what is said of volumes ahead of the differences, or behind them; volumes follow their difference."""
    messages: list[object] = []
    for pair in pairs:
        own = [one for one in said_of if one.place is not None and one.place.volume // 2 == pair.pair]
        control = Volume(np.ones(SHAPE, np.complex64), place_of(pair.pair, Role.CONTROL))
        label = Volume(np.ones(SHAPE, np.complex64), pair.place)
        messages += [control, pair, *own, label] if late else [control, *own, pair, label]
    return messages


def latest(out: Sequence[object]) -> dict[int, Verdict]:
    return {verdict.pair: verdict for verdict in out if isinstance(verdict, Verdict)}


def left_out(out: Sequence[object]) -> set[int]:
    return {pair for pair, verdict in latest(out).items() if not verdict.accepted}


def final(out: Sequence[object]) -> NDArray[np.float32]:
    return [message for message in out if isinstance(message, MeanDifference)][-1].data[0]


# Motion.


def motion(pair: int, role: Role, along_y: float, corrected: bool = False) -> Motion:
    return Motion(place_of(pair, role), (0.0, along_y, 0.0), (0.0, 0.0, 0.0), 0.0, 0.0, 0.99, corrected)


@pytest.mark.parametrize(("distance", "corrected", "kept"), [(2.3e-3, False, False), (0.4e-3, False, True),
                                                             (1.5e-3, True, True), (2.3e-3, True, False)])  # fmt: skip
def test_motion_between_control_and_label_counts_from_the_first_pair(
    run: Run, distance: float, corrected: bool, kept: bool
):
    poses = [motion(0, Role.CONTROL, 0.0), motion(0, Role.LABEL, distance, corrected)]
    verdict = latest(run([RejectOutliers()], [*poses, *pairs_of(1)], scan_of()))[0]
    assert verdict.accepted is kept
    assert verdict.features["fd_cl"] == pytest.approx(distance)
    if not kept:
        limit = "2.0 mm" if corrected else "0.5 mm"
        assert verdict.reasons == (f"the head moved 2.3 mm between control and label; limit {limit}",)


def test_a_restless_patient_still_gets_a_map(run: Run):
    messages: list[object] = []
    for pair in pairs_of(12):
        messages += [motion(pair.pair, Role.CONTROL, 0.0), motion(pair.pair, Role.LABEL, 1e-3), pair]
    assert left_out(run([RejectOutliers()], messages, scan_of())) == set()


# Spikes.


@pytest.mark.parametrize("kind", ["2D", "3D"])
@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize("role", [Role.CONTROL, Role.LABEL])
@pytest.mark.parametrize("bad", [1, 6])
def test_a_pair_with_spikes_is_left_out_though_nobody_sees_them(run: Run, kind: str, late: bool, role: Role, bad: int):
    messages = in_line(pairs_of(8), [said(Measure.SPIKES, 2, bad, role)], late)
    out = run([RejectOutliers(), Average()], messages, scan_of(kind))
    assert left_out(out) == {bad}
    assert latest(out)[bad].reasons == ("2 readouts have a spike; limit 0",)
    np.testing.assert_allclose(final(out), np.mean([one.data for one in pairs_of(8) if one.pair != bad], 0), rtol=1e-5)


def test_stripes_of_a_spike_count_from_the_first_pair_though_the_spike_is_told_late(run: Run):
    messages = in_line([striped(pairs_of(1)[0], slice(None))], [said(Measure.SPIKES, 1, 0)], late=True)
    out = run([RejectOutliers()], messages, scan_of())
    verdicts = [message for message in out if isinstance(message, Verdict)]
    assert [verdict.accepted for verdict in verdicts] == [True, False]
    assert "stripes" in verdicts[-1].reasons[0]
    taken_out = [message for message in out if isinstance(message, Remove)]
    assert [message.last for message in taken_out] == [True]


@pytest.mark.parametrize("count", [3, 10])
@pytest.mark.parametrize(("spikes", "shown", "slice_wise", "left"), [
    (1, slice(4, 5), True, (4,)), (2, slice(2, 4), True, (2, 3)), (2, slice(4, 5), True, None),
    (5, slice(0, 5), True, None), (1, slice(4, 5), False, None)])  # fmt: skip
def test_only_slices_are_left_out_where_every_spike_shows_in_one(
    run: Run, count: int, spikes: int, shown: slice, slice_wise: bool, left: tuple[int, ...] | None
):
    pairs = pairs_of(count)
    pairs[2] = striped(pairs[2], shown)
    messages = in_line(pairs, [said(Measure.SPIKES, spikes, 2)], late=False)
    out = run([RejectOutliers(slice_wise=slice_wise)], messages, scan_of("2D"))
    assert left_out(out) == (set() if left else {2})
    assert latest(out)[2].slices_left_out == (left or ())
    assert len(latest(out)[2].reasons) == len(left or (1,))


def test_where_most_pairs_have_spikes_only_those_are_left_out_that_show_them(run: Run):
    pairs = pairs_of(8)
    pairs[5] = striped(pairs[5], slice(None))
    spikes = [said(Measure.SPIKES, 1, pair) for pair in range(2, 8)]
    assert left_out(run([RejectOutliers()], in_line(pairs, spikes, late=False), scan_of())) == {5}


# Gain.


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize("factor", [0.9, 1.2])
@pytest.mark.parametrize("jump", [3, 6, 9, 17])
def test_from_a_jump_of_gain_on_pairs_are_left_out_however_many(run: Run, late: bool, factor: float, jump: int):
    """``jump`` is a volume: a control begins a pair, and a label spoils the one in which it comes."""
    gains = [
        said(Measure.GAIN, factor if 2 * pair + second >= jump else 1.0, pair, role)
        for pair in range(10)
        for second, role in enumerate((Role.CONTROL, Role.LABEL))
    ]
    messages = in_line(pairs_of(10), gains, late)
    out = run([RejectOutliers(), Average()], messages, scan_of())
    first = jump // 2
    assert left_out(out) == set(range(first, 10))
    assert latest(out)[9].features["gain"] == factor
    assert latest(out)[9].reasons[0].startswith(f"all signal is {factor:.2f} times that of the first volumes")
    np.testing.assert_allclose(final(out), np.mean([one.data for one in pairs_of(10)[:first]], axis=0), rtol=1e-5)


def test_a_gain_within_its_limit_changes_nothing(run: Run):
    gains = [said(Measure.GAIN, 1.04, pair) for pair in range(4, 8)]
    assert left_out(run([RejectOutliers()], in_line(pairs_of(8), gains, late=False), scan_of())) == set()
    strict = RejectOutliers(gain_limit=0.03)
    assert left_out(run([strict], in_line(pairs_of(8), gains, late=False), scan_of())) == {4, 5, 6, 7}


def test_without_any_pair_of_the_first_gain_there_is_still_a_map(run: Run):
    gains = [said(Measure.GAIN, 1.2, pair) for pair in range(8)]
    assert left_out(run([RejectOutliers()], in_line(pairs_of(8), gains, late=False), scan_of())) == set()


def test_soft_weights_and_mere_verdicts_know_the_same_limits(run: Run):
    spoilt = [said(Measure.SPIKES, 1, 2), said(Measure.GAIN, 1.2, 7)]
    messages = in_line(pairs_of(8), spoilt, late=False)
    assert left_out(run([RejectOutliers(OutlierMode.HUBER)], messages, scan_of())) == {2, 7}
    off = latest(run([RejectOutliers(OutlierMode.OFF)], messages, scan_of()))
    assert [pair for pair, verdict in off.items() if verdict.reasons] == [2, 7]
    assert all(verdict.accepted for verdict in off.values())


def test_few_pairs_of_each_delay_lose_the_slices_with_spikes_as_well(run: Run):
    delays = tuple(0.5 + 0.25 * n for n in range(6))
    pairs = [replace(pair, bolus=Bolus(delays[pair.pair], 1.8)) for pair in pairs_of(6)]
    pairs[2] = replace(pairs[2], data=striped(pairs[2], slice(4, 5)).data)
    listed = tuple(delays[n // 2 % 6] for n in range(64))
    labeling = replace(scan_of("2D").labeling, post_labeling_delay=listed, labeling_duration=(1.8,))
    messages = in_line(pairs, [said(Measure.SPIKES, 1, 2)], late=False)
    out = run([RejectOutliers()], messages, Scan(labeling=labeling))
    assert left_out(out) == set()
    assert latest(out)[2].slices_left_out == (4,)
