from collections.abc import Callable, Iterable, Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from aslive.gadgets.labeling import CheckLabeling
from aslive.sim.kinetics import continuous_difference
from aslive.streaming.flow import Mask, Place
from aslive.streaming.notices import Measure, Measurement
from aslive.streaming.perfusion import M0, Constant, Difference, Physiology, Remove
from aslive.streaming.quality import Regions
from aslive.streaming.readouts import Counters, Geometry
from aslive.streaming.scan import Bolus, Labeling, LabelingType, Role, Scan, Source

SHAPE = (4, 18, 20)
NAMES = tuple(f"{side}_{artery}" for side in ("left", "right") for artery in ("anterior", "middle", "posterior"))
LABELS = np.repeat(np.arange(1, 7), 3)[:, None] + np.zeros(SHAPE, int)
GRAY = np.where(np.arange(20) < 10, 0.9, 0.2) + np.zeros(SHAPE)
REGIONS = Regions(
    GRAY.astype(np.float32),
    (1 - GRAY).astype(np.float32),
    np.zeros(SHAPE, np.float32),
    LABELS.astype(np.uint8),
    NAMES,
    "sent",
)
MASK = Mask(np.ones(SHAPE, bool))
M0_MAP = M0(np.random.default_rng(0).uniform(50, 150, SHAPE).astype(np.float32), {})
CONSTANTS = {"t1_blood": 1.65, "partition_coefficient": 0.9, "labeling_efficiency": 0.85, "t1_gray_matter": 1.33}
PHYSIOLOGY = Physiology({name: Constant(value, "", Source.DEFAULT) for name, value in CONSTANTS.items()})
AHEAD = (PHYSIOLOGY, MASK, REGIONS, M0_MAP)
DELAYS = (0.5, 1.0, 1.5, 2.0)
ONE_DELAY = Bolus(1.8, 1.8)
SIGNAL = M0_MAP.data * 50 / 8630  # of a flow of 50, by the white paper's formula
NOISE = 1.0


def labeling(delays: Sequence[float] = (1.8,)) -> Labeling:
    listed = tuple(np.repeat(delays, 2).tolist()) if len(delays) > 1 else tuple(delays)
    return Labeling(
        LabelingType.PCASL,
        (Role.CONTROL, Role.LABEL) * len(delays),
        labeling_duration=(1.8,),
        post_labeling_delay=listed,
    )


def difference(
    signal: NDArray[np.floating], pair: int, rng: np.random.Generator | None = None, bolus: Bolus | None = ONE_DELAY
) -> Difference:
    place = Place(2 * pair + 1, Counters(), 0.0, Geometry(), Role.LABEL)
    noise = 0.0 if rng is None else NOISE * rng.standard_normal(SHAPE)
    return Difference(np.asarray(signal + noise, np.float32), place, pair, bolus=bolus)


@pytest.fixture
def check(run) -> Callable[..., list[Measurement]]:
    """Run the gadget, and give what it measured behind the last difference."""

    def measure(
        messages: Iterable[object], ahead: Sequence[object] = AHEAD, of: Labeling | None = None
    ) -> list[Measurement]:
        out = run([CheckLabeling()], [*ahead, *messages], Scan(labeling=of or labeling()))
        last = max(n for n, made in enumerate(out) if isinstance(made, Difference))
        return [made for made in out[last + 1 :] if isinstance(made, Measurement)]

    return measure


def named(found: Iterable[Measurement], name: Measure, region: str = "") -> Measurement:
    (one,) = (each for each in found if each.name is name and each.region == region)
    return one


@pytest.mark.parametrize("flow", [0.0, 25.0, 50.0, 80.0, -50.0])
def test_the_share_is_the_flow_that_the_map_will_show_over_fifty(check, flow):
    found = named(check([difference(SIGNAL * flow / 50, 0)]), Measure.LABELING_SHARE)
    assert found.value == pytest.approx(flow / 50, rel=1e-4)
    assert found.source == "sent"
    assert found.pairs == 1


@pytest.mark.parametrize("order", [DELAYS, DELAYS[::-1]], ids=["up", "down"])
def test_with_several_delays_each_has_a_prediction_of_its_own(check, order):
    """Against the simulator's model, which is another implementation."""
    constants = {"labeling_duration": 1.8, "labeling_efficiency": 0.85}
    seen = continuous_difference(60.0, 1.3, 1.33, post_labeling_delay=list(order), **constants)
    pairs = [
        difference(M0_MAP.data * one, n, bolus=Bolus(delay, 1.8))
        for n, (one, delay) in enumerate(zip(seen, order, strict=True))
    ]
    found = named(check(pairs, of=labeling(DELAYS)), Measure.LABELING_SHARE)
    assert found.value == pytest.approx(60 / 50, rel=0.01)


def test_errors_are_as_large_as_they_say(check):
    scores: dict[tuple[Measure, str], list[float]] = {}
    true = {Measure.LABELING_SHARE: 1.0, Measure.LABELING_CHANGE: 1.0, Measure.REGION_RATIO: 1.0}
    for seed in range(120):
        rng = np.random.default_rng(seed)
        beats = 1 + 0.1 * rng.standard_normal(12)  # all voxels of a pair together
        found = check(difference(SIGNAL * beat, n, rng) for n, beat in enumerate(beats))
        for each in found:
            if each.name in true:
                scores.setdefault((each.name, each.region), []).append((each.value - true[each.name]) / each.stderr)
    assert len(scores) == 8
    for name, score in scores.items():
        assert abs(np.mean(score)) < 0.35, name
        assert 0.75 < np.std(score) < 1.35, name  # 11 degrees of freedom


def test_order_is_plain_where_labels_and_controls_are_swapped(check):
    rng = np.random.default_rng(1)
    assert named(check(difference(SIGNAL, n, rng) for n in range(4)), Measure.ORDER_T).value > 10
    assert named(check(difference(-SIGNAL, n, rng) for n in range(4)), Measure.ORDER_T).value < -10


@pytest.mark.parametrize("beats", [0.0, 1.0], ids=["noise", "all voxels together"])
def test_without_blood_the_order_is_not_plain_even_where_all_voxels_are_wrong_together(check, beats):
    large = 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        pairs = [difference(np.full(SHAPE, beats * rng.standard_normal()), n, rng) for n in range(8)]
        large += abs(named(check(pairs), Measure.ORDER_T).value) > 5
    assert large <= 1


@pytest.mark.parametrize("left", [0.0, 0.4])
def test_label_that_fails_from_a_pair_on_shows_three_pairs_later(check, left):
    rng = np.random.default_rng(2)
    signals = [1.0] * 8 + [left] * 3
    found = named(check(difference(SIGNAL * one, n, rng) for n, one in enumerate(signals)), Measure.LABELING_CHANGE)
    assert found.value == pytest.approx(left, abs=0.1)
    assert found.value + 3 * found.stderr < 0.7
    assert found.pairs == 11


def test_a_change_is_told_by_delay(check):
    """Delays differ by themselves; that is no change."""
    rng = np.random.default_rng(3)
    seen = {0.5: 0.3, 1.0: 0.7, 1.5: 1.0, 2.0: 0.8}
    pairs = [difference(SIGNAL * seen[delay], n, rng, Bolus(delay, 1.8)) for n, delay in enumerate(DELAYS * 3)]
    found = named(check(pairs, of=labeling(DELAYS)), Measure.LABELING_CHANGE)
    assert abs(found.value - 1) < 3 * found.stderr < 0.3


@pytest.mark.parametrize("pairs", [1, 3])
def test_few_pairs_tell_of_no_change(check, pairs):
    rng = np.random.default_rng(4)
    found = named(check(difference(SIGNAL, n, rng) for n in range(pairs)), Measure.LABELING_CHANGE)
    assert np.isnan(found.value)


def test_without_label_from_the_begin_there_is_nothing_to_change_and_no_territory_to_miss(check):
    rng = np.random.default_rng(5)
    found = check(difference(0 * SIGNAL, n, rng) for n in range(10))
    assert np.isnan(named(found, Measure.LABELING_CHANGE).value)
    assert all(np.isnan(named(found, Measure.REGION_RATIO, name).value) for name in NAMES)
    assert abs(named(found, Measure.LABELING_SHARE).value) < 0.1


@pytest.mark.parametrize("number", [1, 5])
def test_one_artery_without_label_is_found_whatever_the_brightness_of_its_territory(check, number):
    rng = np.random.default_rng(6)
    signal = np.where(number == LABELS, 0.0, SIGNAL)
    bright = M0(np.where(number == LABELS, 0.5, 1.0).astype(np.float32) * M0_MAP.data, {})
    for m0 in (M0_MAP, bright):
        found = check((difference(signal, n, rng) for n in range(20)), (*AHEAD[:3], m0))
        by_region = [m0.data[(place == LABELS) & (GRAY > 0.5)].sum() for place in range(1, 7)]
        for place, name in enumerate(NAMES, 1):
            ratio = named(found, Measure.REGION_RATIO, name)
            others = sum(by_region) - by_region[place - 1]
            expected = 0 if place == number else others / (others - by_region[number - 1])
            assert abs(ratio.value - expected) < 4 * ratio.stderr < 0.4


def test_what_only_looks_dark_is_no_failure_of_label(check):
    """Where M0 is as low as the difference, blood is labeled as everywhere."""
    shade = np.where(LABELS == 2, 0.3, 1.0).astype(np.float32)
    rng = np.random.default_rng(7)
    found = check((difference(SIGNAL * shade, n, rng) for n in range(6)), (*AHEAD[:3], M0(M0_MAP.data * shade, {})))
    ratio = named(found, Measure.REGION_RATIO, NAMES[1])
    assert abs(ratio.value - 1) < 4 * ratio.stderr


def test_a_late_territory_is_no_failure_of_label(check):
    rng = np.random.default_rng(8)
    pairs = [
        difference(np.where((LABELS == 3) & (delay < 1.2), 0, SIGNAL), n, rng, Bolus(delay, 1.8))
        for n, delay in enumerate(DELAYS * 3)
    ]
    ratio = named(check(pairs, of=labeling(DELAYS)), Measure.REGION_RATIO, NAMES[2])
    assert abs(ratio.value - 1) < 4 * ratio.stderr


def test_the_difference_goes_on_before_anything_is_computed():
    gadget = CheckLabeling()
    gadget.start(Scan(labeling=labeling()))
    for message in AHEAD:
        assert list(gadget.process(message)) == [message]
    pair = difference(SIGNAL, 0)
    assert next(gadget.process(pair)) is pair


def test_a_cycle_that_is_decoded_anew_replaces_what_it_told_before(check):
    early, whole = difference(5 * SIGNAL, 0), difference(SIGNAL, 0)
    assert named(check([early, Remove(0, last=False), whole]), Measure.LABELING_SHARE).value == pytest.approx(
        1, rel=1e-4
    )


def test_without_regions_the_whole_brain_tells_order_and_change_alone(check):
    rng = np.random.default_rng(9)
    found = check((difference(SIGNAL, n, rng) for n in range(6)), (PHYSIOLOGY, MASK, M0_MAP))
    assert {each.name for each in found} == {Measure.ORDER_T, Measure.LABELING_CHANGE}
    assert not any(each.source for each in found)


@pytest.mark.parametrize("lacking", [PHYSIOLOGY, M0_MAP], ids=["constants", "M0"])
def test_what_is_not_known_is_not_predicted(check, lacking):
    rng = np.random.default_rng(10)
    found = check((difference(SIGNAL, n, rng) for n in range(6)), [each for each in AHEAD if each is not lacking])
    assert Measure.LABELING_SHARE not in {each.name for each in found}
    assert named(found, Measure.LABELING_CHANGE).value == pytest.approx(1, abs=0.2)


def test_voxels_that_are_no_numbers_are_left_out(check):
    holes = SIGNAL.copy()
    holes[0, 4, :5] = np.nan
    found = check([difference(holes, 0)])
    assert named(found, Measure.LABELING_SHARE).value == pytest.approx(1, rel=0.01)
    assert named(found, Measure.REGION_RATIO, NAMES[1]).value == pytest.approx(1, rel=0.05)
