"""Profiles of limits: which number of which quantity is an alarm, in a TOML file."""

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...streaming.errors import ConfigError
from ...streaming.notices import Level
from ...streaming.quality import Alarm
from .quantities import QUANTITIES

SCALES = {"": 1.0, "mm": 1e3, "ms": 1e3, "%": 100.0, "s": 1.0, "Hz": 1.0, "lines": 1.0, "volumes": 1.0, "coils": 1.0}
"""By what a value in SI units is multiplied to be in the unit of a profile."""
_SUFFIX = ".toml"
_FOLDER = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Limit:
    """One bound of one quantity, with the bound at which the alarm ends again."""

    quantity: str
    bound: float
    """In SI units, as all that follows."""
    above: bool
    """Whether values above the bound are bad; else those below it."""
    clears: float
    """Bound that a value must be within for the alarm to end."""
    after: int = 1
    """Bad values one after the other that raise the alarm."""
    clear_after: int = 1
    """Good values one after the other that end it."""
    pairs: int = 0
    """Pairs from which on the quantity is looked at, where it is one of the maps."""
    unit: str = ""
    """In which it is told to people."""

    def __str__(self) -> str:
        text = f"`{self.quantity}` {'>' if self.above else '<'} {self.told(self.bound)}"
        row = f", {self.after} in a row" if self.after > 1 else ""
        return f"{text}{row}{f', from {self.pairs} pairs' if self.pairs > 1 else ''}"

    def told(self, value: float) -> str:
        """Write a value for people."""
        scaled = f"{value * SCALES[self.unit]:.3g}"
        return f"{scaled} {self.unit}".rstrip()


@dataclass(frozen=True, slots=True)
class Rule:
    """What one alarm is raised by, and what is said then."""

    alarm: Alarm
    severity: Level
    text: str
    """With ``{value}``, ``{limit}`` and ``{region}``."""
    remedy: str
    """What to do."""
    limits: tuple[Limit, ...]
    hides: frozenset[Alarm] = frozenset()
    """Alarms that would only tell of the same fault once more, while this one is raised and shortly after."""


@dataclass(frozen=True, slots=True)
class Profile:
    """All limits of one kind of scan."""

    name: str
    rules: tuple[Rule, ...]
    certainty: float = 3.0
    """Standard errors by which a value must be beyond a bound, where it has one."""
    hides_for: int = 8
    """Volumes for which an alarm that has ended still hides others."""


def names() -> tuple[str, ...]:
    """Give the profiles that come with the program."""
    return tuple(sorted(path.stem for path in _FOLDER.glob(f"*{_SUFFIX}")))


def profile_of(name: str) -> Profile:
    """Read a profile: by name one of ours, else the path of a site's own file, which ends with ``.toml``.

    A profile may ``inherit`` another, of which it then changes only what it names.
    """
    general, alarms = _merged(name, ())
    known = {str(alarm) for alarm in Alarm}
    for alarm in alarms:
        if alarm not in known:
            raise ConfigError(f"profile {name}: there is no alarm {alarm!r}; there are: {', '.join(sorted(known))}")
    extra = set(general) - {"certainty", "hides_for", "description"}
    if extra:
        raise ConfigError(f"profile {name}: {', '.join(sorted(extra))} means nothing; certainty and hides_for do")
    rules = tuple(_rule(name, Alarm(alarm), table) for alarm, table in alarms.items() if table.get("enabled", True))
    return Profile(name, rules, float(general.get("certainty", 3.0)), int(general.get("hides_for", 8)))


def _merged(name: str, heirs: tuple[str, ...]) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:  # Any: TOML values
    """Read a profile and what it inherits: what stands before the tables, and the tables by alarm."""
    if name in heirs:
        raise ConfigError(f"profile {name} inherits itself: {' -> '.join((*heirs, name))}")
    given = _read(name)
    general = {key: value for key, value in given.items() if not isinstance(value, dict)}
    alarms = {key: value for key, value in given.items() if isinstance(value, dict)}
    parent = general.pop("inherits", None)
    if parent is None:
        return general, alarms
    inherited, rules = _merged(str(parent), (*heirs, name))
    for alarm, table in alarms.items():
        rules[alarm] = rules.get(alarm, {}) | table
    return inherited | general, rules


def _read(name: str) -> dict[str, Any]:  # Any: TOML values
    ours = name in names()
    if not ours and not name.endswith(_SUFFIX):
        raise ConfigError(f"there is no profile {name!r}; there are {', '.join(names())}, or a path that ends in .toml")
    try:
        return tomllib.loads((_FOLDER / f"{name}{_SUFFIX}" if ours else Path(name)).read_text())
    except OSError as error:
        raise ConfigError(f"the profile {name} cannot be read: {error.strerror}") from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"the profile {name} is no TOML: {error}") from error


def _rule(profile: str, alarm: Alarm, table: Mapping[str, Any]) -> Rule:  # Any: TOML values
    where = f"profile {profile}, alarm {alarm}"
    extra = set(table) - {"enabled", "severity", "text", "remedy", "limits", "hides"}
    if extra:
        raise ConfigError(
            f"{where}: {', '.join(sorted(extra))} means nothing; enabled, severity, text, remedy, limits, hides do"
        )
    try:
        rule = Rule(
            alarm,
            Level(table.get("severity", "warning")),
            str(table["text"]),
            str(table.get("remedy", "")),
            tuple(_limits(where, table["limits"])),
            frozenset(map(Alarm, table.get("hides", ()))),
        )
        rule.text.format(value="", limit="", region="")
    except (KeyError, IndexError, ValueError, TypeError) as error:
        raise ConfigError(
            f"{where}: {error}; it needs text, with {{value}}, {{limit}}, {{region}}, and limits"
        ) from error
    return rule


def _limits(where: str, tables: list[dict[str, Any]]) -> Iterator[Limit]:  # Any: TOML values
    allowed = {"quantity", "above", "below", "clears", "after", "clear_after", "pairs", "unit"}
    for table in tables:
        if extra := set(table) - allowed:
            raise ConfigError(f"{where}: {', '.join(sorted(extra))} means nothing; {', '.join(sorted(allowed))} do")
        quantity, unit = str(table.get("quantity", "")), str(table.get("unit", ""))
        if quantity not in QUANTITIES:
            raise ConfigError(f"{where}: there is no quantity {quantity!r}; there are: {', '.join(QUANTITIES)}")
        if unit not in SCALES:
            raise ConfigError(f"{where}: there is no unit {unit!r}; there are: {', '.join(filter(None, SCALES))}")
        if ("above" in table) == ("below" in table):
            raise ConfigError(f"{where}: a limit of {quantity} needs either above or below")
        above = "above" in table
        bound = float(table["above" if above else "below"])
        clears = float(table.get("clears", bound))
        if (clears > bound) if above else (clears < bound):
            raise ConfigError(f"{where}: {quantity} cannot clear at {clears:g}, which is beyond its limit of {bound:g}")
        after, clear_after, pairs = (int(table.get(name, 1)) for name in ("after", "clear_after", "pairs"))
        scale = SCALES[unit]
        yield Limit(quantity, bound / scale, above, clears / scale, after, clear_after, pairs, unit)
