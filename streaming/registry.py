"""Finds gadgets and chains by name: ours, and those that other distributions add.

A gadget is found by its entry point in the group ``aslive.gadgets``; a chain is an XML file in a chain folder.
Nothing else can be named from outside: no module, no path.
"""

import re
from collections.abc import Iterable, Mapping
from importlib.metadata import EntryPoint, entry_points
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from .errors import ConfigError
from .gadget import Gadget

GROUP = "aslive.gadgets"
OURS = "aslive"
LONGEST_NAME = 100
"""As much of a name as is said back to those who sent it."""
_CHAIN_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}(\.xml)?")


class Registry:
    """The gadgets and chains that may be asked for by name."""

    def __init__(self, chain_folders: Iterable[Path] = ()) -> None:
        folders: list[Traversable] = [files(OURS).joinpath("streaming", "chains"), *chain_folders]
        self._folders = folders
        self._gadgets = _entry_points()

    @property
    def gadgets(self) -> tuple[str, ...]:
        """The names of all gadgets, sorted."""
        return tuple(sorted(self._gadgets))

    @property
    def chains(self) -> tuple[str, ...]:
        """The names of all chains, sorted."""
        folders = [folder for folder in self._folders if folder.is_dir()]
        names = {entry.name for folder in folders for entry in folder.iterdir() if entry.name.endswith(".xml")}
        return tuple(sorted(name.removesuffix(".xml") for name in names))

    def gadget(self, name: str) -> type[Gadget]:
        """Load a gadget's class; raises ``ConfigError`` if there is none of that name, or if it cannot be loaded."""
        if name not in self._gadgets:
            raise ConfigError(f"there is no gadget {name[:LONGEST_NAME]!r}; there are: {', '.join(self.gadgets)}")
        try:
            found = self._gadgets[name].load()
        except Exception as error:  # a site's own module may fail in any way while it is imported
            raise ConfigError(f"gadget {name!r} ({self._gadgets[name].value}) cannot be loaded: {error}") from error
        if not (isinstance(found, type) and issubclass(found, Gadget)):
            raise ConfigError(f"entry point {name!r} ({self._gadgets[name].value}) is no Gadget")
        return found

    def chain(self, name: str) -> str | None:
        """Give the XML of a chain by its name, with or without ``.xml``; ``None`` if there is no such chain.

        Raises ``ConfigError`` if its file cannot be read.
        """
        if not _CHAIN_NAME.fullmatch(name):
            return None
        file_name = name.removesuffix(".xml") + ".xml"
        for folder in self._folders:
            file = folder.joinpath(file_name)
            if file.is_file():
                try:
                    return file.read_text(encoding="utf-8")
                except (OSError, UnicodeDecodeError) as error:
                    raise ConfigError(f"chain {name!r} cannot be read: {error}") from error
        return None


def _entry_points() -> Mapping[str, EntryPoint]:
    """Collect the gadgets of all distributions; ours win over another's of the same name."""
    found: dict[str, EntryPoint] = {}
    for entry in entry_points(group=GROUP):
        if entry.name not in found or entry.value.startswith(OURS + "."):
            found[entry.name] = entry
    return found
