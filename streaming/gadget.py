"""What a gadget is: one step of the reconstruction, with its parameters as fields."""

from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from types import UnionType
from typing import Any, ClassVar, Union, get_args, get_origin, get_type_hints

from .errors import ConfigError
from .scan import Scan


class Gadget:
    """One step of the reconstruction; subclasses are dataclasses whose fields are its parameters.

    ``process`` is annotated with the messages it takes and the messages it makes; all others pass by:
    ``def process(self, message: KSpace) -> Iterator[CoilImages | Notice]``. A gadget keeps its state in itself, and
    never catches, prints or opens files.
    """

    name: ClassVar[str] = ""
    """The name in chains; by default the class's own."""

    def needed(self, scan: Scan) -> bool:
        """Tell whether this scan needs the gadget; one that is not needed is left out of the line."""
        return True

    def start(self, scan: Scan) -> None:
        """Prepare everything that can be prepared before the first readout."""

    def process(self, message: Any) -> Iterator[Any]:  # Any: each gadget narrows it to what it takes
        """Take one message, make none or more."""
        raise NotImplementedError

    def finish(self) -> Iterator[Any]:  # Any: as in process
        """Give what is left when no more readouts will come."""
        return iter(())

    @classmethod
    def takes(cls) -> tuple[type, ...]:
        """Tell the kinds of message this gadget works on."""
        return _kinds(_hints(cls)["message"])

    @classmethod
    def makes(cls) -> tuple[type, ...]:
        """Tell the kinds of message this gadget can give."""
        made = get_args(_hints(cls)["return"])
        if len(made) != 1:
            raise _unclear(cls)
        return _kinds(made[0])

    @classmethod
    def parameters(cls) -> dict[str, Any]:  # Any: types as dataclasses state them
        """Tell the parameters by name, with their types."""
        return parameters_of(cls)


def parameters_of(kind: type) -> dict[str, Any]:  # Any: types as dataclasses state them
    """Tell the fields of a dataclass that may be given, with their types; none for any other class."""
    if not is_dataclass(kind):
        return {}
    hints = get_type_hints(kind)
    return {field.name: hints[field.name] for field in fields(kind) if field.init}


def _hints(gadget: type[Gadget]) -> dict[str, Any]:  # Any: as typing gives them
    try:
        hints = get_type_hints(gadget.process)
    except NameError as error:  # a name that only type checkers import
        raise _unclear(gadget) from error
    if "message" not in hints or "return" not in hints:
        raise _unclear(gadget)
    return hints


def _unclear(gadget: type[Gadget]) -> ConfigError:
    return ConfigError(
        f"gadget {gadget.__name__}: process must be annotated with messages, as in "
        "'def process(self, message: KSpace) -> Iterator[CoilImages]'"
    )


def _kinds(hint: Any) -> tuple[type, ...]:  # Any: a class or a union of classes
    if get_origin(hint) in (Union, UnionType):
        return tuple(kind for part in get_args(hint) for kind in _kinds(part))
    return (hint,) if isinstance(hint, type) else ()
