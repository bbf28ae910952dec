"""Alarms, raised and ended."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from math import nan
from pathlib import Path

import numpy as np
import pytest

from aslive.gadgets.alarms import RaiseAlarms
from aslive.streaming.errors import ConfigError
from aslive.streaming.flow import Place, Volume
from aslive.streaming.notices import Level, Measure, Measurement, Notice
from aslive.streaming.quality import Alarm, AlarmChange, Motion, Verdict
from aslive.streaming.readouts import Counters, Geometry
from aslive.streaming.scan import Labeling, Role, Scan

PLACE = Place(0, Counters(), 0.0, Geometry(), Role.CONTROL, number=0)
SCAN = Scan(labeling=Labeling(context=(Role.M0SCAN, *(Role.CONTROL, Role.LABEL) * 10)))
Run = Callable[..., list[object]]


def volumes(count: int, missing: int = 0) -> list[Volume]:
    return [
        Volume(np.zeros((1, 1, 1), np.complex64), replace(PLACE, volume=n, number=n, missing=missing))
        for n in range(count)
    ]


def moved(displacement: float, *translation: float, agreement: float = 0.99) -> Motion:
    x, y, z = translation or (0.0, 0.0, 0.0)
    return Motion(PLACE, (x, y, z), (0.0, 0.0, 0.0), displacement, displacement, agreement)


def changes(made: Iterable[object]) -> list[tuple[Alarm, bool]]:
    return [(change.alarm, change.raised) for change in made if isinstance(change, AlarmChange)]


def test_a_clean_scan_raises_nothing(run: Run) -> None:
    messages: list[object] = list(volumes(21))
    messages += [Measurement(Measure.DVARS, 1.1, PLACE), moved(0.1e-3), Measurement(Measure.QEI, nan, PLACE, pairs=1)]
    messages += [Verdict(n, True, PLACE) for n in range(10)]
    assert changes(run([RaiseAlarms()], messages, SCAN)) == []


def test_everything_passes_by_unchanged_and_first(run: Run) -> None:
    messages = [*volumes(21, missing=3), moved(9e-3), Verdict(0, False, PLACE), Measurement(Measure.SPIKES, 5, PLACE)]
    made = run([RaiseAlarms()], messages, SCAN)
    assert [one for one in made if not isinstance(one, AlarmChange | Notice)] == messages
    assert made[0] is messages[0]


def test_an_alarm_tells_number_limit_and_remedy_and_its_end(run: Run) -> None:
    made = run([RaiseAlarms()], [moved(2.3e-3), *[moved(0.1e-3)] * 4, *volumes(21)], SCAN)
    assert changes(made) == [(Alarm.MOTION, True), (Alarm.MOTION, False)]
    begin, end = (notice for notice in made if isinstance(notice, Notice))
    assert "2.3 mm" in begin.text and "0.8 mm" in begin.text and "lie still" in begin.text
    assert begin.level is Level.WARNING and end.level is Level.INFO


def test_regions_have_alarms_of_their_own(run: Run) -> None:
    def ratio(region: str, value: float) -> Measurement:
        return Measurement(Measure.REGION_RATIO, value, PLACE, 0.02, region, pairs=6)

    twice = [ratio("left_middle", 0.1), ratio("right_middle", 1.2)] * 2
    made = run([RaiseAlarms()], [*twice, *volumes(21)], SCAN)
    (change,) = (one for one in made if isinstance(one, AlarmChange))
    assert (change.alarm, change.region) == (Alarm.TERRITORY, "left_middle")
    assert "left middle" in change.text


def test_blood_that_comes_late_to_one_territory_is_named_with_by_how_much(run: Run) -> None:
    def times(late: float) -> list[Measurement]:
        names = [f"{side}_{artery}" for side in ("left", "right") for artery in ("anterior", "middle", "posterior")]
        return [
            Measurement(Measure.REGION_ATT, 1.0 + late * (name == "right_middle"), PLACE, 0.05, name, pairs=12)
            for name in names
        ]

    assert changes(run([RaiseAlarms()], [*times(0.3), *times(0.3), *volumes(21)], SCAN)) == []
    made = run([RaiseAlarms()], [*times(1.2), *times(1.2), *volumes(21)], SCAN)
    (change,) = (one for one in made if isinstance(one, AlarmChange))
    assert (change.alarm, change.region) == (Alarm.LATE_TERRITORY, "right_middle")
    assert "1.2 s later" in change.text


def test_swapped_order_hides_what_follows_from_it(run: Run) -> None:
    faults = [
        *[Measurement(Measure.ORDER_T, -12.0, PLACE, pairs=12)] * 3,
        *[Measurement(Measure.LABELING_SHARE, -1.0, PLACE, 0.1, pairs=12)] * 3,
        *[Measurement(Measure.NEGATIVE_CBF, 0.9, PLACE, pairs=12)] * 3,
    ]
    assert changes(run([RaiseAlarms()], [*faults, *volumes(21)], SCAN)) == [(Alarm.ORDER, True)]
    alone = changes(run([RaiseAlarms()], [*faults[3:], *volumes(21)], SCAN))
    assert alone == [(Alarm.LABELING, True)]  # which in turn hides the negative flow


def test_maps_of_too_few_pairs_are_not_judged(run: Run) -> None:
    few = [Measurement(Measure.NEGATIVE_CBF, 0.9, PLACE, pairs=2)] * 5
    assert changes(run([RaiseAlarms()], [*few, *volumes(21)], SCAN)) == []


def test_slow_movement_adds_up_and_steps_do_not_count_as_drift(run: Run) -> None:
    slow = [moved(0.3e-3, 0.3e-3 * n, 0, 0) for n in range(12)]
    assert changes(run([RaiseAlarms()], [*slow, *volumes(21)], SCAN)) == [(Alarm.HEAD_DRIFT, True)]
    step = [moved(0.0), moved(4e-3, 4e-3, 0, 0), *[moved(0.0, 4e-3, 0, 0)] * 40]
    assert {alarm for alarm, _ in changes(run([RaiseAlarms()], [*step, *volumes(21)], SCAN))} == {Alarm.MOTION}


def test_a_volume_that_lacks_lines_does_not_tell_where_the_head_lies(run: Run) -> None:
    elsewhere = replace(moved(3e-3, 3e-3, 0, 0), place=replace(PLACE, missing=9))
    messages = [moved(0.0), elsewhere, *[moved(0.0)] * 20, *volumes(21)]
    assert changes(run([RaiseAlarms()], messages, SCAN)) == []


def test_lost_lines_and_an_early_end_are_told_apart(run: Run) -> None:
    whole = volumes(21)
    whole[5] = volumes(21, missing=4)[5]
    assert changes(run([RaiseAlarms()], whole, SCAN))[0] == (Alarm.LOST_LINES, True)
    broken_off = [*volumes(9), volumes(10, missing=700)[9]]
    made = run([RaiseAlarms()], broken_off, SCAN)
    assert changes(made) == [(Alarm.ENDED_EARLY, True)]
    (change,) = (one for one in made if isinstance(one, AlarmChange))
    assert change.value == 21 - 9


def test_a_scan_that_never_said_its_length_cannot_end_early(run: Run) -> None:
    assert changes(run([RaiseAlarms()], volumes(3), Scan())) == []


def test_many_rejected_pairs_are_an_alarm_until_they_are_few_again(run: Run) -> None:
    verdicts = [Verdict(n, n % 2 == 0, PLACE) for n in range(12)]
    again = [Verdict(n, True, PLACE, anew=True) for n in range(12)]
    made = run([RaiseAlarms()], [*verdicts, *again, *volumes(21)], SCAN)
    assert changes(made) == [(Alarm.REJECTED_PAIRS, True), (Alarm.REJECTED_PAIRS, False)]


def test_a_site_brings_its_own_profile(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "site.toml"
    path.write_text(
        '[motion]\ntext = "Der Kopf hat sich um {value} bewegt."\n'
        'limits = [{ quantity = "displacement", above = 0.2, unit = "mm" }]\n'
    )
    made = run([RaiseAlarms(str(path))], [moved(0.3e-3), *volumes(3)], SCAN)
    assert [one.text for one in made if isinstance(one, Notice)] == ["Der Kopf hat sich um 0.3 mm bewegt."]


def test_an_unknown_profile_is_refused_with_those_there_are() -> None:
    with pytest.raises(ConfigError, match="clinical, paediatric, research"):
        RaiseAlarms("adults").start(SCAN)
