"""The option ``--fault`` of ``aslive simulate`` and ``aslive demo``: what is wrong with the patient."""

from collections.abc import Iterable
from math import isfinite, radians
from types import NoneType
from typing import Any, get_args, get_type_hints

import click

from ..streaming.errors import ConfigError
from .patient import FAULTS, Fault, Patient, field_names, kind_of
from .territories import Territory

_LENGTHS, _ANGLES = ("x", "y", "z", "size"), ("pitch", "roll", "yaw")
"""mm and degrees on the command line, m and rad inside."""
_WORDS = {int: "a whole number", float: "a number", bool: "true or false", Territory: "one of " + ", ".join(Territory)}
_TRUTHS = {"true": True, "false": False}

fault_option = click.option(
    "--fault",
    multiple=True,
    metavar="NAME[:FIELD=VALUE,...]",
    help="What goes wrong with the patient, lengths in mm and angles in degrees; may be given several times: "
    + ", ".join(FAULTS)
    + ".",
)


def patient_of(texts: Iterable[str], seed: int) -> Patient:
    """Make a patient of faults as they stand on the command line."""
    return Patient.of([fault_of(text) for text in texts], seed)


def fault_of(text: str) -> Fault:
    """Read one fault.

    >>> fault_of("gain-jump:volume=9,factor=0.8")
    GainJump(volume=9, factor=0.8)
    """
    name, _, rest = text.partition(":")
    kind = kind_of(name)
    hints = get_type_hints(kind)
    given: dict[str, Any] = {}
    for word in filter(None, rest.split(",")):
        key, equals, value = word.partition("=")
        if key not in field_names(kind):
            there = ", ".join(field_names(kind)) or "nothing to set"
            raise ConfigError(f"{name} has no {key!r}; it has: {there}")
        if not equals:
            raise ConfigError(f"{name}: {key} wants a value, as in {name}:{key}=1")
        if key in given:
            raise ConfigError(f"{name}: {key} is given twice")
        found = _value(f"{name}: {key}", hints[key], value)
        given[key] = found * 1e-3 if key in _LENGTHS else radians(found) if key in _ANGLES else found
    return kind(**given)


def _value(name: str, hint: Any, text: str) -> Any:  # Any: a type of a field, or a union of one with None
    kind = next((one for one in get_args(hint) if one is not NoneType), hint)
    try:
        found = _TRUTHS[text] if kind is bool else kind(text)
    except (KeyError, ValueError) as error:
        raise ConfigError(f"{name} is {_WORDS[kind]}, not {text!r}") from error
    if kind is float and not isfinite(found):
        raise ConfigError(f"{name} is a finite number, not {text!r}")
    return found
