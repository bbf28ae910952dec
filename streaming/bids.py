"""Read the values of BIDS keys, however they are written: numbers as text, lists with commas, any case.

Every reader takes a value as XML or JSON gave it and raises ValueError with the reason, as the end of a sentence that
begins with the key: ``LabelingDuration in the header`` + ``is 1800; expected s ...``.
"""

import json
import math
import re
from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import TypeVar

from .scan import CounterRule, LabelingType, Role

Word = TypeVar("Word", bound=StrEnum)

_BETWEEN = re.compile(r"[\s,;\\]+")
_TRUE, _FALSE = frozenset(("true", "yes", "on", "1")), frozenset(("false", "no", "off", "0"))
_COUNTERS = ("set", "repetition", "average", "contrast", "phase", "segment")
_NUMBERED = {f"user_{n}" for n in range(8)} | {f"flag_{n}" for n in range(1, 65)}
_VELOCITY_SELECTIVE = ("vs", "velocity")
_PAIR = frozenset((Role.CONTROL, Role.LABEL))
_MOST_VOLUMES = 65536
"""The counter ``repetition`` has 16 bits."""


def entries(value: object) -> list[str]:
    """Split a list into its words: a JSON list, or text with commas, white space or line ends between them."""
    if isinstance(value, str):
        return [word for word in _BETWEEN.split(value.strip().strip("[]()")) if word.strip("\"'")]
    if isinstance(value, Iterable) and not isinstance(value, Mapping | bytes):
        return [str(entry) for entry in value]
    return [str(value)]


def number(value: object) -> float:
    """Read one finite number."""
    try:
        found = float(str(value))
    except ValueError as error:
        raise ValueError(f"is {_shown(value)}; expected a number") from error
    if not math.isfinite(found):
        raise ValueError(f"is {_shown(value)}; expected a finite number")
    return found


def whole(value: object) -> int:
    """Read one whole number that is not negative; ``2.0`` is one."""
    found = number(value)
    if found < 0 or found != int(found):
        raise ValueError(f"is {_shown(value)}; expected a whole number from 0 on")
    return int(found)


def times(value: object, longest: float) -> tuple[float, ...]:
    """Read one or more times, s.

    A time beyond ``longest`` is refused, not converted: it is likely in ms, but nothing proves it.
    """
    found = tuple(number(entry) for entry in entries(value))
    if not found:
        raise ValueError("is empty; expected s")
    for time in found:
        if time < 0:
            raise ValueError(f"is {time:g}; expected s, not negative")
        if time > longest:
            raise ValueError(f"is {time:g}, which looks like ms; expected s, at most {longest:g}")
    return found


def one_time(value: object, longest: float) -> float:
    """Read one time that is not 0, s."""
    found = times(value, longest)
    if len(found) != 1 or found[0] == 0:
        raise ValueError(f"is {_shown(value)}; expected one time above 0 s")
    return found[0]


def fraction(value: object) -> float:
    """Read a number above 0 and up to 1."""
    found = number(value)
    if not 0 < found <= 1:
        raise ValueError(f"is {found:g}; expected a fraction above 0, at most 1")
    return found


def positive(value: object) -> float:
    """Read a number above 0."""
    found = number(value)
    if found <= 0:
        raise ValueError(f"is {found:g}; expected a number above 0")
    return found


def claim(value: object) -> bool:
    """Read true or false, in any case."""
    word = str(value).strip().lower()
    if word not in _TRUE | _FALSE:
        raise ValueError(f"is {_shown(value)}; expected true or false")
    return word in _TRUE


def choice(value: object, choices: Iterable[str]) -> str:
    """Read one of several words; case, blanks and hyphens do not matter."""
    known = {_squeezed(word): word for word in choices}
    found = known.get(_squeezed(str(value)))
    if found is None:
        raise ValueError(f"is {_shown(value)}; expected one of {', '.join(known.values())}")
    return found


def labeling_type(value: object) -> LabelingType:
    """Read CASL, PCASL or PASL; for velocity-selective labeling, which BIDS has no word for, the reason is said."""
    if _squeezed(str(value)).startswith(_VELOCITY_SELECTIVE):
        raise ValueError(
            f"is {_shown(value)}: velocity-selective labeling is not supported, its maps stay relative; expected one "
            f"of {', '.join(LabelingType)}"
        )
    return LabelingType(choice(value, LabelingType))


def cut_off(value: object, longest: float) -> tuple[float, ...]:
    """Read when a bolus is cut off, s after the labeling pulse: one time, or for Q2TIPS the first and the last."""
    found = times(value, longest)
    if len(found) > 2 or min(found) == 0 or list(found) != sorted(found):
        raise ValueError(f"is {_shown(value)}; expected s above 0, one time or the first and the last")
    return found


def angle(value: object) -> float:
    """Read an angle above 0 and up to 360 degrees."""
    found = number(value)
    if not 0 < found <= 360:
        raise ValueError(f"is {found:g}; expected degrees, above 0, at most 360")
    return found


def context(value: object, notes: list[str]) -> tuple[Role, ...]:
    """Read ``aslcontext``: the role of every volume, as a list or as the text of the BIDS table.

    A word that BIDS does not have leaves its volume out, with a note; a list that then names no pair is refused.
    """
    found = [word.strip("\"' ") for word in entries(value)]
    if found[:1] == ["volume_type"]:
        found = found[1:]
    if not 0 < len(found) <= _MOST_VOLUMES:
        raise ValueError(f"lists {len(found)} volumes; expected 1 to {_MOST_VOLUMES}")
    roles = {role.lower(): role for role in Role}
    strange = sorted({word for word in found if word.lower() not in roles})
    context = tuple(roles.get(word.lower(), Role.NOT_APPLICABLE) for word in found)
    if strange:
        expected = f"{_shown(strange[0])}, which is no role; expected {', '.join(Role)}"
        if set(context) <= {Role.NOT_APPLICABLE, Role.M0SCAN, Role.NORF} or len(set(context) & _PAIR) == 1:
            raise ValueError(f"has {expected}")
        notes.append(f"aslcontext has {expected}. Such volumes are left out.")
    return context


def counter_rule(value: object) -> CounterRule:
    """Read which counter tells control from label; JSON sent as text is read too."""
    said = json_object(value)
    unknown = sorted(set(said) - set(CounterRule.__dataclass_fields__))
    if unknown:
        raise ValueError(f"has no key {_shown(unknown[0])}; it has: {', '.join(CounterRule.__dataclass_fields__)}")
    counter = str(said.get("counter", "")).strip().lower().replace("[", "_").removesuffix("]")
    if counter not in _COUNTERS and counter not in _NUMBERED:
        raise ValueError(f"has the counter {_shown(counter)}; expected {', '.join(_COUNTERS)}, user_0-7 or flag_1-64")
    amounts = {}
    for key in ("label_value", "modulo", "leading_m0scan", "leading_dummies"):
        if key in said:
            try:
                amounts[key] = whole(said[key])
            except ValueError as error:
                raise ValueError(f"has a {key} that {error}") from error
    rule = CounterRule(counter, **amounts)
    if rule.modulo and rule.label_value >= rule.modulo:
        raise ValueError(f"never meets label_value {rule.label_value} with modulo {rule.modulo}")
    if rule.modulo == 1:
        raise ValueError("calls every volume label with modulo 1; expected 2 or more, or 0 for the value itself")
    return rule


def json_object(value: object) -> Mapping[str, object]:
    """Read a JSON object, also one that was sent as text."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError) as error:
            raise ValueError("is no JSON object") from error
    if not isinstance(value, Mapping):
        raise ValueError("is no JSON object")
    return {str(key): entry for key, entry in value.items()}


def _squeezed(word: str) -> str:
    return re.sub(r"[\s_-]+", "", word).lower()


def _shown(value: object) -> str:
    text = repr(value) if isinstance(value, str) else str(value)
    return text if len(text) <= 40 else f"{text[:37]}..."
