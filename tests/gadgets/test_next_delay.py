"""The advice on the next delay, behind the gadgets that fit flow and transit time."""

import math
from collections.abc import Callable, Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from aslive.gadgets.average import Average
from aslive.gadgets.kinetics import FitKinetics
from aslive.gadgets.next_delay import AdviseNextDelay
from aslive.sim.kinetics import continuous_difference
from aslive.streaming.errors import ConfigError
from aslive.streaming.flow import Mask, Place
from aslive.streaming.notices import Level, Notice
from aslive.streaming.perfusion import M0, Constant, Difference, Map, Physiology, Remove, SliceTimes
from aslive.streaming.quality import NextDelay, Regions, Verdict
from aslive.streaming.readouts import Counters, Geometry
from aslive.streaming.scan import Bolus, Labeling, Role, Scan, Source, TimeEncoding

Run = Callable[..., list[object]]
DELAYS, DURATION = (0.5, 1.25, 2.0, 2.75), 1.8
SHAPE, BRIGHTNESS, NOISE = (2, 10, 10), 80.0, 0.15
CONSTANTS = {
    "t1_blood": 1.65,
    "t1_tissue": 1.607,
    "t1_gray_matter": 1.33,
    "t1_white_matter": 0.83,
    "t1_fluid": 4.3,
    "partition_coefficient": 0.9,
    "labeling_efficiency": 0.85,
}
Listed = Callable[[Sequence[float]], Labeling]


@pytest.fixture
def listed(pcasl: Callable[..., Labeling]) -> Listed:
    """Give a labeling whose pairs have these delays."""

    def make(delays: Sequence[float]) -> Labeling:
        return pcasl(
            context=(Role.CONTROL, Role.LABEL) * len(delays),
            post_labeling_delay=tuple(delay for delay in delays for _ in range(2)),
            labeling_duration=(DURATION,),
        )

    return make


def place(pair: int) -> Place:
    return Place(2 * pair + 1, Counters(), 9.0 * (pair + 1), Geometry(), Role.LABEL, number=2 * pair + 1)


def signal(att: NDArray[np.float64], delay: float) -> NDArray[np.float64]:
    """Give deltam of a flow of 60 by the simulator's model, in the shape of the transit times."""
    seen = continuous_difference(
        60.0,
        att,
        1.33,
        labeling_duration=DURATION,
        post_labeling_delay=delay,
        labeling_efficiency=0.85,
        t1_blood=1.65,
        partition_coefficient=0.9,
    )
    return BRIGHTNESS * seen


def differences(labeling: Labeling, delays: Sequence[float], att: NDArray[np.float64]) -> list[Difference]:
    generator = np.random.default_rng(0)
    return [
        Difference(
            (signal(att, delay) + NOISE * generator.standard_normal(att.shape)).astype(np.float32),
            place(pair),
            pair,
            bolus=labeling.bolus(2 * pair),
        )
        for pair, delay in enumerate(delays)
    ]


def known(with_m0: bool = True) -> list[object]:
    made: list[object] = [
        Physiology({name: Constant(value, "s", Source.DEFAULT) for name, value in CONSTANTS.items()}),
        SliceTimes((0.0,) * SHAPE[0], Source.HEADER),
        Mask(np.ones(SHAPE, np.bool_)),
    ]
    return [*made, M0(np.full(SHAPE, BRIGHTNESS, np.float32), {})] if with_m0 else made


def advise(
    run: Run, labeling: Labeling, messages: Sequence[object], gadget: AdviseNextDelay | None = None
) -> list[object]:
    return run([Average(), FitKinetics(), gadget or AdviseNextDelay()], messages, Scan(labeling=labeling))


def advice(out: Sequence[object]) -> list[NextDelay]:
    return [message for message in out if isinstance(message, NextDelay)]


def test_late_blood_calls_for_long_delays_and_early_blood_does_not(run: Run, listed: Listed) -> None:
    delays = DELAYS * 3
    labeling = listed(delays)
    last = {}
    for att in (0.7, 2.6):
        out = advise(run, labeling, [*known(), *differences(labeling, delays, np.full(SHAPE, att))])
        last[att] = advice(out)[-1]
    assert last[2.6].bolus.post_labeling_delay >= 2.0
    assert last[0.7].bolus.post_labeling_delay < 2.0
    for given in last.values():
        assert set(given.gains) == set(labeling.boluses)
        assert given.bolus == max(given.gains, key=lambda bolus: given.gains[bolus])
        assert all(0 < gain < 1 for gain in given.gains.values())


def test_what_was_measured_often_is_advised_less(run: Run, listed: Listed) -> None:
    often = (0.5, 2.0, 0.5, 2.0, *((2.0,) * 10))
    seldom = (0.5, 2.0, 0.5, 2.0, *((0.5,) * 10))
    att = np.full(SHAPE, 1.2)
    gain = {}
    for name, delays in (("often", often), ("seldom", seldom)):
        labeling = listed(delays)
        given = advice(advise(run, labeling, [*known(), *differences(labeling, delays, att)]))[-1]
        gain[name] = given.gains[Bolus(2.0, DURATION)]
    assert gain["often"] < 0.5 * gain["seldom"]


def test_following_the_advice_gains_more_than_going_round(run: Run, listed: Listed) -> None:
    """The posterior of the gadget kinetics is the judge, which knows nothing of the advice."""
    begin, att = DELAYS * 2, np.random.default_rng(1).uniform(1.6, 2.4, SHAPE)
    labeling = listed(begin)
    advised = advice(advise(run, labeling, [*known(), *differences(labeling, begin, att)]))[-1]

    def error(more: Sequence[float]) -> float:
        delays = (*begin, *more)
        labeling = listed(delays)
        out = advise(run, labeling, [*known(), *differences(labeling, delays, att)])
        stderr = [made.data for made in out if isinstance(made, Map) and made.name == "cbf_stderr"][-1]
        return float(np.mean(np.square(stderr)))

    following = error((advised.bolus.post_labeling_delay,) * 4)
    assert following < error(DELAYS)
    worst = min(advised.gains, key=lambda bolus: advised.gains[bolus])
    assert following < error((worst.post_labeling_delay,) * 4)


def test_pairs_that_are_taken_out_do_not_count(run: Run, listed: Listed) -> None:
    delays = (*DELAYS * 2, 2.0, 2.0)
    labeling = listed(delays)
    pairs = differences(labeling, delays, np.full(SHAPE, 1.4))
    out_again: list[object] = []
    for pair in (8, 9):
        out_again += [Remove(pair), Verdict(pair, False, place(pair), anew=True)]
    restored = advice(advise(run, labeling, [*known(), *pairs, *out_again, M0(np.full(SHAPE, 80, np.float32), {})]))[-1]
    clean = advice(advise(run, labeling, [*known(), *pairs[:8]]))[-1]
    for bolus in labeling.boluses:
        assert restored.gains[bolus] == pytest.approx(clean.gains[bolus], rel=1e-3)


def test_the_advice_is_said_only_when_it_changes(run: Run, listed: Listed) -> None:
    delays = DELAYS * 5
    labeling = listed(delays)
    out = advise(run, labeling, [*known(), *differences(labeling, delays, np.full(SHAPE, 2.0))])
    said = [message for message in out if isinstance(message, Notice) and message.text.startswith("Most is gained")]
    assert 1 <= len(said) <= 3 < len(advice(out))
    assert {message.level for message in said} == {Level.INFO}


def test_only_gray_matter_is_asked_where_there_are_regions(run: Run, listed: Listed) -> None:
    delays, att = DELAYS * 3, np.full(SHAPE, 0.7)
    att[1] = 2.6
    labeling, gray = listed(delays), np.zeros(SHAPE, np.float32)
    gray[1] = 1.0
    none = np.zeros(SHAPE, np.float32)
    regions = Regions(gray, none, none, np.zeros(SHAPE, np.uint8), (), "sent")
    out = advise(run, labeling, [*known(), regions, *differences(labeling, delays, att)])
    assert advice(out)[-1].bolus.post_labeling_delay >= 2.0


def test_durations_are_named_where_delays_are_the_same(run: Run, pcasl: Callable[..., Labeling]) -> None:
    labeling = pcasl(
        context=(Role.CONTROL, Role.LABEL) * 6,
        post_labeling_delay=(1.5,),
        labeling_duration=(1.0, 1.0, 2.0, 2.0) * 3,
    )
    pairs = differences(labeling, (1.5,) * 6, np.full(SHAPE, 1.2))
    assert "1.5 s after a labeling of 2 s" in advice(advise(run, labeling, [*known(), *pairs]))[-1].text


def test_without_m0_or_repeated_delays_nothing_is_advised(run: Run, listed: Listed) -> None:
    labeling, att = listed(DELAYS * 2), np.full(SHAPE, 1.2)
    pairs = differences(labeling, DELAYS * 2, att)
    assert not advice(advise(run, labeling, [*known(with_m0=False), *pairs]))
    assert not advice(advise(run, labeling, [*known(), *pairs[:4]]))
    assert advice(advise(run, labeling, [*known(), *pairs[:5]]))


def test_the_maps_leave_ahead_of_the_advice(run: Run, listed: Listed) -> None:
    labeling = listed(DELAYS * 2)
    out = advise(run, labeling, [*known(), *differences(labeling, DELAYS * 2, np.full(SHAPE, 1.2))])
    last = [message for message in out if not isinstance(message, Notice)][-2:]
    assert isinstance(last[0], Map)
    assert last[0].name == "deltam_stderr"
    assert isinstance(last[1], NextDelay)
    assert math.isclose(last[1].place.time, last[0].place.time)


def test_only_scans_whose_delays_can_be_chosen_need_it(listed: Listed, pcasl: Callable[..., Labeling]) -> None:
    gadget = AdviseNextDelay()
    assert gadget.needed(Scan(labeling=listed(DELAYS)))
    assert not gadget.needed(Scan(labeling=pcasl()))
    each = {"context": (Role.CONTROL, Role.LABEL) * 2, "post_labeling_delay": (1.0, 1.0, 2.0, 2.0)}
    assert not gadget.needed(Scan(labeling=pcasl(**each, look_locker=True)))
    cycle = TimeEncoding(((0, 1, 0, 1), (0, 0, 1, 1)), (Bolus(1.0, 1.0), Bolus(2.0, 1.0)))
    assert not gadget.needed(Scan(labeling=pcasl(context=(), time_encoding=cycle)))


@pytest.mark.parametrize("name", ["prior_cbf_deviation", "prior_att_deviation", "att_step"])
def test_parameters_that_make_no_sense_are_refused(name: str) -> None:
    gadget = AdviseNextDelay(**{name: 0.0})
    with pytest.raises(ConfigError, match=name):
        gadget.start(Scan())
