"""A gadget's annotations are its wiring, and its fields are its parameters."""

from collections.abc import Generator, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Never, Optional, Union

import pytest

from aslive.streaming.errors import ConfigError
from aslive.streaming.flow import CoilImages, KSpace, Slab
from aslive.streaming.gadget import Gadget
from aslive.streaming.notices import Notice
from aslive.streaming.readouts import Readout

if TYPE_CHECKING:
    from aslive.streaming.flow import Volume


@dataclass
class Transform(Gadget):
    size: int = 8
    window: tuple[float, ...] = ()
    _seen: int = field(default=0, init=False)

    def process(self, message: KSpace) -> Iterator[CoilImages | Notice]:
        yield Notice("seen")


@dataclass
class Narrower(Transform):
    strict: bool = False


def test_the_annotation_tells_what_a_gadget_takes_and_makes():
    assert Transform.takes() == (KSpace,)
    assert Transform.makes() == (CoilImages, Notice)


def test_unions_may_be_written_in_any_way():
    class Joined(Gadget):
        def process(self, message: "Union[KSpace, Optional[Slab]]") -> "Iterator[Slab | Union[Readout, Notice]]":  # noqa: UP007, UP045  (older code writes so)
            yield Notice("seen")

    assert Joined.takes() == (KSpace, Slab, type(None))
    assert Joined.makes() == (Slab, Readout, Notice)


def test_a_gadget_that_makes_nothing_says_so():
    class Sink(Gadget):
        def process(self, message: KSpace) -> Iterator[Never]:
            return iter(())

    assert Sink.makes() == ()


def no_return(self, message: KSpace):
    yield message


def no_message(self, message) -> Iterator[KSpace]:
    yield message


def returns_none(self, message: KSpace) -> None:
    """Make nothing."""


def returns_a_generator(self, message: KSpace) -> Generator[KSpace, None, None]:
    yield message


def unknown_name(self, message: "Volume") -> Iterator[KSpace]:
    yield KSpace(message.data, message.place, 0, True)


@pytest.mark.parametrize("process", [no_return, no_message, returns_none, returns_a_generator, unknown_name])
def test_annotations_that_do_not_tell_the_wiring_are_refused(process):
    odd = type("Odd", (Gadget,), {"process": process})
    with pytest.raises(ConfigError, match="gadget Odd: process must be annotated with messages, as in 'def process"):
        odd.takes()
        odd.makes()


def test_fields_are_parameters_and_state_is_not():
    assert Transform.parameters() == {"size": int, "window": tuple[float, ...]}
    assert list(Narrower.parameters()) == ["size", "window", "strict"]


def test_a_plain_class_has_no_parameters():
    assert Gadget.parameters() == {}


def test_a_gadget_has_nothing_left_unless_it_says_so():
    assert list(Transform().finish()) == []


def test_a_gadget_without_process_takes_nothing_that_exists():
    assert Gadget.takes() == (Any,)
    with pytest.raises(NotImplementedError):
        Gadget().process(None)
