"""What is said about quality, as documents."""

import json
from dataclasses import fields
from math import inf, nan

import numpy as np
import pytest

from aslive.streaming.documents import Topic, document, plain, text
from aslive.streaming.flow import Place, Volume
from aslive.streaming.notices import Level, Measure, Measurement, Notice
from aslive.streaming.quality import Action, Advice, Alarm, AlarmChange, Motion, NextDelay, Verdict
from aslive.streaming.readouts import Counters, Geometry
from aslive.streaming.scan import Bolus

PLACE = Place(7, Counters(), 43200.5, Geometry(), number=6)
SAID = [
    (Topic.QUALITY, Measurement(Measure.QEI, nan, PLACE, 0.1, pairs=3)),
    (Topic.MOTION, Motion(PLACE, (0.0, 1e-3, nan), (0.0, 0.0, 0.0), 1e-3, nan, 0.9)),
    (Topic.PAIR, Verdict(3, False, PLACE, ("it moved",), {"fd_cl": inf}, 0.0, (2, 3))),
    (Topic.ALARM, AlarmChange(Alarm.SPIKES, True, Level.ERROR, "spikes", 3.0, 0.0, "")),
    (Topic.ADVICE, Advice(Action.ENOUGH, "enough", PLACE, 9, "voxel_stderr", 9.5, 10.0, "mL/100g/min", 9.0, 0.0)),
    (Topic.NEXT_DELAY, NextDelay(Bolus(1.5, 1.8), {Bolus(1.5, 1.8): 0.1, Bolus(2.0, 1.8): nan}, PLACE, "1.5 s")),
    (Topic.NOTICE, Notice("hello")),
]


@pytest.mark.parametrize(("topic", "said"), SAID)
def test_every_field_of_what_is_said_stands_in_a_document_of_strict_json(topic: Topic, said: object) -> None:
    found = document(said)
    assert found is not None and found[0] is topic
    made = json.loads(text(found[1]))
    assert made == found[1]
    names = {field.name for field in fields(said)} - {"place"}  # type: ignore[arg-type]  # all are dataclasses
    assert names <= set(made)
    if getattr(said, "place", None) is not None:
        assert (made["volume"], made["number"], made["time"]) == (7, 6, 43200.5)


def test_images_make_no_document() -> None:
    assert document(Volume(np.zeros((1, 1, 1), np.complex64), PLACE)) is None


def test_what_is_not_a_number_is_null() -> None:
    assert plain((nan, inf, np.float32(0.5), np.int64(3), True)) == [None, None, 0.5, 3, True]


def test_what_json_cannot_hold_is_refused() -> None:
    with pytest.raises(TypeError, match="ndarray"):
        plain(np.zeros(3))
