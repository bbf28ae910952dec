"""Who says what about a scan: override, header, config and sidecar are asked in turn, in the words of BIDS."""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import TypeVar

from .bids import json_object
from .scan import Source

Value = TypeVar("Value")

_GROUPS = ("parameters", "labeling", "asl")
"""Objects inside the settings that are read as if their keys stood outside; ``parameters`` is FIRE's."""
_HUMPS = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


def snake(key: str) -> str:
    """Give our own name of a BIDS key.

    >>> snake("M0RepetitionTime"), snake("MRAcquisitionType")
    ('m0_repetition_time', 'mr_acquisition_type')
    """
    return _HUMPS.sub("_", key).lower()


def plain(key: str) -> str:
    """Make keys comparable: ``PostLabelingDelay``, ``post_labeling_delay`` and ``postLabelingDelay`` are one.

    >>> plain("post_labeling_delay") == plain("PostLabelingDelay")
    True
    """
    return re.sub(r"[\s_-]+", "", key).lower()


class Statements:
    """What the site's override, the header, the config and the sidecar say, in this order of weight, key by key.

    A value that cannot be right is not used: a note says so, and the next one in the order is asked.
    """

    def __init__(
        self,
        header: Mapping[str, object],
        settings: Mapping[str, object] = {},
        sidecar: Mapping[str, object] = {},
    ) -> None:
        self.notes: list[str] = []
        """What was not used, and why, in whole sentences."""
        self.sources: dict[str, Source] = {}
        """Who was believed, by our name of the key."""
        self.ranks: dict[str, int] = {}
        """How weighty that one is: 0 is the override, 3 the sidecar."""
        self._asked: set[str] = set()
        settings = _flatten(settings)
        override = self._read_override(settings.pop("override", None))
        self._speakers: tuple[tuple[str, Source, dict[str, object]], ...] = (
            ("config's override", Source.CONFIG, override),
            ("header", Source.HEADER, _plainly(header)),
            ("config", Source.CONFIG, settings),
            ("sidecar", Source.SIDECAR, _plainly(sidecar)),
        )

    def ask(self, key: str, read: Callable[[object], Value], name: str = "") -> Value | None:
        """Give the first value of a key that can be right, or None; remember who said it under our name of the key.

        ``read`` raises ValueError with the reason, as the end of a sentence that begins with the key.
        """
        found: Value | None = None
        believed = ""
        self._asked.add(plain(key))
        for rank, (speaker, source, said) in enumerate(self._speakers):
            value = said.get(plain(key))
            if value is None or value == [] or (isinstance(value, str) and not value.strip()):
                continue
            try:
                candidate = read(value)
            except ValueError as error:
                self.notes.append(f"{key} in the {speaker} {error}. It is not used.")
                continue
            if found is None:
                found, believed = candidate, speaker
                self.sources[name or snake(key)], self.ranks[name or snake(key)] = source, rank
            elif candidate != found:
                self.notes.append(f"{key}: the {believed} and the {speaker} disagree. The {believed} is believed.")
        return found

    def told(self, key: str) -> Iterator[tuple[int, Source, object]]:
        """Give everything that is said for a key, unread, the weightiest first: rank, source and value."""
        self._asked.add(plain(key))
        for rank, (_, source, said) in enumerate(self._speakers):
            if plain(key) in said:
                yield rank, source, said[plain(key)]

    def forget(self, name: str) -> None:
        """Take back that anyone was believed about ``name``."""
        self.sources.pop(name, None)
        self.ranks.pop(name, None)

    def unasked(self) -> list[str]:
        """Give the keys of the override that nobody asked for."""
        return sorted(set(self._speakers[0][2]) - self._asked)

    def _read_override(self, value: object) -> dict[str, object]:
        if value is None:
            return {}
        try:
            return _plainly(json_object(value))
        except ValueError as error:
            self.notes.append(f"override in the config {error}. It is not used.")
            return {}


def _flatten(settings: Mapping[str, object]) -> dict[str, object]:
    flat = _plainly(settings)
    for group in _GROUPS:
        inside = flat.pop(group, None)
        if isinstance(inside, Mapping):
            flat = _flatten(inside) | flat
    return flat


def _plainly(said: Mapping[str, object]) -> dict[str, object]:
    return {plain(str(key)): value for key, value in said.items()}
