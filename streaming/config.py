"""How a scanner or a site asks for a chain: Gadgetron XML, JSON, or a name -> Recipe -> Chain.

A recipe says which gadgets, with which parameters. Parameters come as text or JSON values and are converted to the
types of the gadget's fields; what does not fit is refused with the name of the parameter and of those there are.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin
from xml.etree.ElementTree import Element, ParseError

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

from .chain import Chain
from .errors import ConfigError
from .gadget import Gadget
from .registry import Registry

DEFAULT_CHAIN = "default"
_WORDS = {"true": True, "1": True, "yes": True, "on": True, "false": False, "0": False, "no": False, "off": False}


@dataclass(frozen=True, slots=True)
class Step:
    """One gadget of a recipe."""

    gadget: str
    """Its name among the entry points."""
    name: str
    """What it is called in this chain; parameters and timings use it."""
    parameters: Mapping[str, Any] = field(default_factory=dict)  # Any: text or JSON values, converted by build


@dataclass(frozen=True, slots=True)
class Recipe:
    """The gadgets of a chain, in order."""

    name: str
    steps: tuple[Step, ...]


def read_settings(text: str) -> dict[str, Any] | None:  # Any: JSON values
    """Read JSON parameters; ``None`` if the text is no JSON object.

    Siemens sends ``{"version": .., "parameters": {..}}``: the inner object is given.
    """
    try:
        settings = json.loads(text)
    except (ValueError, RecursionError):  # the latter from brackets without end
        return None
    if not isinstance(settings, dict):
        return None
    inner = settings.get("parameters")
    return inner if isinstance(inner, dict) else settings


def read_json(path: Path | None) -> dict[str, Any]:  # Any: JSON values
    """Read a file of parameters, or a sidecar; empty for no file, ``ConfigError`` for one that holds no JSON object."""
    if path is None:
        return {}
    try:
        found = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path} is no JSON file: {error}") from error
    if not isinstance(found, dict):
        raise ConfigError(f"{path} holds no JSON object")
    inner = found.get("parameters")
    return inner if isinstance(inner, dict) else found


def chain_name(settings: Mapping[str, Any]) -> str | None:  # Any: JSON values
    """Tell which chain JSON parameters ask for: ``customconfig``, else ``config``."""
    for key in ("customconfig", "config"):
        value = settings.get(key)
        if isinstance(value, str) and value and value != "default":
            return value
    return None


def named_recipe(name: str, registry: Registry) -> Recipe | None:
    """Give the recipe of a chain in the chain folders; ``None`` if there is none of that name."""
    text = registry.chain(name)
    return None if text is None else xml_recipe(text, name.removesuffix(".xml"))


def listed_recipe(names: list[Any], name: str = "listed") -> Recipe:  # Any: JSON values
    """Give the recipe of a JSON list: gadget names, or objects ``{"gadget": name, parameter: value, ..}``."""
    steps: list[Step] = []
    for entry in names:
        if isinstance(entry, str):
            steps.append(Step(entry, entry))
        elif isinstance(entry, dict) and isinstance(entry.get("gadget"), str):
            parameters = {key: value for key, value in entry.items() if key not in ("gadget", "name")}
            steps.append(Step(entry["gadget"], str(entry.get("name", entry["gadget"])), parameters))
        else:
            raise ConfigError(f'a chain lists gadget names or {{"gadget": name, ...}}; got {entry!r}')
    return Recipe(name, tuple(steps))


def xml_recipe(text: str, name: str = "inline") -> Recipe:
    """Read Gadgetron XML, in its legacy form (``gadgetronStreamConfiguration``) or its second (``configuration``).

    A gadget is named by ``classname``; readers and writers are ours and pass unread. A property ``value="p@g"`` takes
    the value of property ``p`` of gadget ``g``.
    """
    try:
        root = fromstring(text.strip("\ufeff\0 \t\r\n"))
    except (ParseError, DefusedXmlException, ValueError) as error:
        raise ConfigError(f"the configuration is no XML: {error}") from error
    kind = _tag(root)
    if kind == "gadgetronStreamConfiguration":
        elements = [child for child in root if _tag(child) == "gadget"]
    elif kind == "configuration":
        stream = next((child for child in root if _tag(child) == "stream"), None)
        if stream is None:
            raise ConfigError("the configuration has no <stream> of gadgets")
        elements = list(stream)
    else:
        raise ConfigError(
            f"the configuration begins with <{kind}>; served are <gadgetronStreamConfiguration> and <configuration>"
        )
    return Recipe(name, _resolved([_xml_step(element) for element in elements if isinstance(element.tag, str)]))


def _tag(element: Element) -> str:
    return str(element.tag).rpartition("}")[2]


def _xml_step(element: Element) -> Step:
    if _tag(element) != "gadget":
        raise ConfigError(f"the chain has a <{_tag(element)}> node; aslive serves a line of <gadget> nodes")
    texts = {_tag(child): (child.text or "").strip() for child in element}
    gadget = texts.get("classname") or texts.get("name")
    if not gadget:
        raise ConfigError("a <gadget> has no <classname>")
    parameters: dict[str, str] = {}
    for child in element:
        if _tag(child) == "property":
            inner = {_tag(part): (part.text or "").strip() for part in child}
            inner.update({key: value.strip() for key, value in child.attrib.items()})
            if not inner.get("name"):
                raise ConfigError(f"a <property> of gadget {gadget!r} has no name")
            parameters[inner["name"]] = inner.get("value", "")
    return Step(gadget, texts.get("name") or gadget, parameters)


def _resolved(steps: list[Step]) -> tuple[Step, ...]:
    """Replace every reference ``property@gadget`` by the value it names."""
    values = {(step.name, key): value for step in steps for key, value in step.parameters.items()}

    names = {step.name for step in steps}

    def resolve(value: str) -> str:
        seen: dict[str, tuple[str, str]] = {}
        while True:
            key, at, owner = value.partition("@")
            if not at or owner not in names:
                values.update(dict.fromkeys(seen.values(), value))  # so that no reference is followed twice
                return value
            if value in seen:
                raise ConfigError(f"the properties {' -> '.join((*seen, value))} refer to each other")
            if (owner, key) not in values:
                raise ConfigError(f"property {value!r} refers to gadget {owner!r}, which has no property {key!r} here")
            seen[value] = (owner, key)
            value = values[owner, key]

    return tuple(
        Step(step.gadget, step.name, {key: resolve(value) for key, value in step.parameters.items()}) for step in steps
    )


def build(recipe: Recipe, registry: Registry, settings: Mapping[str, Any] | None = None) -> Chain:  # Any: JSON values
    """Build the chain of a recipe; ``settings`` override it: ``{"gadget.parameter": v}`` or ``{"gadget": {..}}``."""
    gadgets: list[tuple[str, Gadget]] = []
    for step in recipe.steps:
        kind = registry.gadget(step.gadget)
        given = {**step.parameters, **addressed(step.name, settings or {})}
        gadgets.append((step.name, kind(**converted(f"gadget {step.name!r}", kind.parameters(), given))))
    return Chain(gadgets)


def addressed(name: str, settings: Mapping[str, Any]) -> dict[str, Any]:  # Any: JSON values
    """Pick the parameters that are meant for one part: ``{"name": {"key": v}}`` and ``{"name.key": v}``.

    >>> addressed("pair", {"pair": {"subtraction": "complex"}, "pair.allow_incomplete": True, "mask.erosion": 2})
    {'subtraction': 'complex', 'allow_incomplete': True}
    """
    nested, prefix = settings.get(name), name + "."
    dotted = {key.removeprefix(prefix): value for key, value in settings.items() if key.startswith(prefix)}
    return {**(nested if isinstance(nested, dict) else {}), **dotted}


def merged(site: Mapping[str, Any], scanner: Mapping[str, Any]) -> dict[str, Any]:  # Any: JSON values
    """Put the scanner's parameters over the site's, whichever way either addresses a part.

    >>> merged({"m0.floor": 0.1, "m0": {"gain": 2}}, {"m0": {"floor": 0.2}})
    {'m0': {'gain': 2, 'floor': 0.2}}
    """
    nested = {key: {**addressed(key, site), **value} for key, value in scanner.items() if isinstance(value, dict)}
    kept = {key: value for key, value in site.items() if not any(key.startswith(part + ".") for part in nested)}
    return {**kept, **scanner, **nested}


def converted(part: str, known: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:  # Any: types, values
    """Convert given parameters to the types that are known; raises ``ConfigError`` naming what does not fit."""
    values = {}
    for key, value in given.items():
        if key not in known:
            raise ConfigError(f"{part} has no parameter {key!r}; it has: {', '.join(known) or 'none'}")
        try:
            values[key] = convert(value, known[key])
        except (TypeError, ValueError, OverflowError) as error:
            raise ConfigError(f"parameter {key!r} of {part} cannot be {value!r}: {error}") from error
    return values


def convert(value: Any, kind: Any) -> Any:  # Any: JSON in, the field's type out
    """Convert text or a JSON value to the type of a field; raises ``TypeError``, ``ValueError`` or ``OverflowError``.

    >>> convert("0.9", float), convert("yes", bool), convert("1, 2", tuple[float, ...]), convert("", float | None)
    (0.9, True, (1.0, 2.0), None)
    """
    origin, parts = get_origin(kind), get_args(kind)
    if origin in (Union, UnionType):
        if NoneType in parts and (value is None or value in ("", "none")):
            return None
        return convert(value, next(part for part in parts if part is not NoneType))
    if origin is tuple:
        items = [item.strip() for item in value.split(",") if item.strip()] if isinstance(value, str) else list(value)
        return tuple(convert(item, parts[0]) for item in items)
    if isinstance(kind, type) and issubclass(kind, Enum):
        try:
            return kind(value)
        except ValueError:
            raise ValueError(f"it is one of: {', '.join(str(member.value) for member in kind)}") from None
    if kind is bool:
        word = str(value).lower()
        if word not in _WORDS:
            raise ValueError("it is true or false")
        return _WORDS[word]
    if kind in (int, float) and not isinstance(value, bool):
        number = float(value)
        if kind is float:
            return number
        if number != int(number):
            raise ValueError("it is a whole number")
        return int(number)
    if kind is str:
        return str(value)
    raise TypeError(f"a value of type {type(value).__name__} does not fit")
