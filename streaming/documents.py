"""What the chain says about quality as documents that JSON can hold: for files, and for whoever listens."""

import json
from collections.abc import Mapping
from dataclasses import fields
from enum import StrEnum
from math import isfinite
from typing import Any

import numpy as np

from .flow import Place
from .notices import Measurement, Notice
from .quality import Advice, AlarmChange, Motion, NextDelay, Verdict
from .scan import Bolus

Document = dict[str, Any]  # Any: what JSON can hold
"""One thing that was said, by name of what it tells."""


class Topic(StrEnum):
    """What a document is about."""

    QUALITY = "quality"
    MOTION = "motion"
    PAIR = "pair"
    ALARM = "alarm"
    ADVICE = "advice"
    NEXT_DELAY = "next_delay"
    NOTICE = "notice"


_TOPICS: Mapping[type, Topic] = {
    Measurement: Topic.QUALITY,
    Motion: Topic.MOTION,
    Verdict: Topic.PAIR,
    AlarmChange: Topic.ALARM,
    Advice: Topic.ADVICE,
    NextDelay: Topic.NEXT_DELAY,
    Notice: Topic.NOTICE,
}


def document(output: object) -> tuple[Topic, Document] | None:
    """Give the topic and the document of one thing that left the chain; None for images and what stays inside.

    Its keys are the fields of the message, in SI units; in place of ``place`` stand ``volume``, ``number`` and ``time``
    (s, by the scanner's clock). What is not a number is null.
    """
    topic = _TOPICS.get(type(output))
    if topic is None:
        return None
    made: Document = {}
    for name in (field.name for field in fields(output)):  # type: ignore[arg-type]  # all of them are dataclasses
        value = getattr(output, name)
        made |= _placed(value) if name == "place" else {name: plain(value)}
    return topic, made


def text(made: Document) -> str:
    """Write a document as one line of JSON."""
    return json.dumps(made, allow_nan=False, separators=(",", ":"))


def plain(value: object) -> Any:  # Any: what JSON can hold
    """Make a value one that JSON can hold: what is not a number becomes null, a tuple a list."""
    match value:
        case float() | np.floating():
            return float(value) if isfinite(value) else None
        case StrEnum():
            return str(value)
        case None | bool() | int() | str():
            return value
        case np.integer():
            return int(value)
        case Bolus():
            return value._asdict()
        case Mapping():
            return {_key(key): plain(item) for key, item in value.items()}
        case tuple() | list():
            return [plain(item) for item in value]
    raise TypeError(f"{type(value).__name__} is nothing that JSON can hold")


def _key(key: object) -> str:
    if isinstance(key, Bolus):
        return f"{key.post_labeling_delay:g}/{key.labeling_duration:g}"
    return str(key)


def _placed(place: Place | None) -> Document:
    if place is None:
        return {"volume": None, "number": None, "time": None}
    return {"volume": place.volume, "number": place.number, "time": place.time}
