"""The line of gadgets: results leave at once, all else passes by, and whoever fails is named."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from time import sleep

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aslive.streaming.chain import Chain
from aslive.streaming.errors import ConfigError, DataError, GadgetError
from aslive.streaming.flow import CoilImages, KSpace, Place, Slab
from aslive.streaming.gadget import Gadget
from aslive.streaming.messages import Array, Waveform
from aslive.streaming.notices import Notice
from aslive.streaming.readouts import Counters, Geometry, Kind, Readout
from aslive.streaming.scan import Scan

PLACE = Place(0, Counters(), 0.0, Geometry())
DATA = np.zeros((1, 1, 1, 1), np.complex64)


def readout(number: int) -> Readout:
    counters = Counters(kspace_encode_step_1=number)
    return Readout(np.zeros((1, 1), np.complex64), Kind.IMAGING, counters, 0, 0, 0.0, 0.0, b"")


@dataclass
class Split(Gadget):
    """Makes a few k-spaces of each readout, and writes down when it is asked for each."""

    count: int = 2
    diary: list[str] = field(default_factory=list)

    def process(self, message: Readout) -> Iterator[KSpace]:
        for index in range(self.count):
            self.diary.append(f"split {index}")
            yield KSpace(DATA, PLACE, index, index == self.count - 1)


@dataclass
class Write(Gadget):
    """Turns k-spaces into images, writes down when, and keeps a last word."""

    diary: list[str] = field(default_factory=list)

    def process(self, message: KSpace) -> Iterator[CoilImages]:
        self.diary.append(f"write {message.index}")
        yield CoilImages(DATA, message.place, message.index, message.last)

    def finish(self) -> Iterator[CoilImages]:
        yield CoilImages(DATA, PLACE, -1, True)


@dataclass
class Count(Gadget):
    """Counts readouts and images, and passes on the latter."""

    seen: list[type] = field(default_factory=list)

    def process(self, message: Readout | CoilImages) -> Iterator[Notice]:
        self.seen.append(type(message))
        yield Notice(f"{type(message).__name__} {len(self.seen)}")


def test_a_result_leaves_before_the_next_is_begun():
    diary: list[str] = []
    chain = Chain([("split", Split(2, diary)), ("write", Write(diary))])
    for image in chain.push(readout(0)):
        assert isinstance(image, CoilImages)
        diary.append(f"out {image.index}")
    assert diary == ["split 0", "write 0", "out 0", "split 1", "write 1", "out 1"]


def test_nothing_is_done_before_it_is_asked_for():
    diary: list[str] = []
    chain = Chain([("split", Split(5, diary)), ("write", Write(diary))])
    list(islice(chain.push(readout(0)), 1))
    assert diary == ["split 0", "write 0"]


def test_what_no_gadget_takes_passes_by():
    chain = Chain([("split", Split()), ("write", Write())])
    wave, array, notice = Waveform(b"", np.zeros((0, 0), np.uint32)), Array(np.zeros(1)), Notice("hello")
    for message in (wave, array, notice):
        (out,) = chain.push(message)
        assert out is message
    assert [timing.messages for timing in chain.timings] == [0, 0]


def test_a_message_may_skip_gadgets_on_its_way():
    count = Count()
    chain = Chain([("split", Split(1)), ("write", Write()), ("count", count)])
    assert [type(out) for out in chain.push(readout(0))] == [Notice]
    assert count.seen == [CoilImages]


def test_a_subclass_is_taken_like_its_parent():
    @dataclass(frozen=True)
    class Marked(Readout):
        pass

    marked = Marked(np.zeros((1, 1), np.complex64), Kind.IMAGING, Counters(), 0, 0, 0.0, 0.0, b"")
    assert len(list(Chain([("split", Split(3))]).push(marked))) == 3


@given(st.lists(st.integers(0, 3), max_size=4), st.integers(0, 5))
def test_every_message_is_counted(counts, pushed):
    @dataclass
    class Repeat(Gadget):
        count: int

        def process(self, message: Readout) -> Iterator[Readout]:
            yield from (message for _ in range(self.count))

    chain = Chain([("first", Repeat(1)), *((f"repeat {n}", Repeat(count)) for n, count in enumerate(counts))])
    out = [made for number in range(pushed) for made in chain.push(readout(number))]
    given_to, expected = pushed, []
    for count in (1, *counts):
        expected.append(given_to)
        given_to *= count
    assert [timing.messages for timing in chain.timings] == expected
    assert len(out) == given_to


def test_a_gadget_is_charged_for_its_own_time_only():
    class Slow(Gadget):
        def process(self, message: Readout) -> Iterator[Readout]:
            sleep(0.01)
            yield message
            yield message

    class Returning(Gadget):
        def process(self, message: Readout) -> Iterator[Notice]:
            sleep(0.1)
            return iter(())

    chain = Chain([("slow", Slow()), ("returning", Returning()), ("quick", Split())])
    assert list(chain.push(readout(0))) == []
    slow, returning, quick = chain.timings
    assert 0.01 <= slow.longest <= slow.seconds < 0.1
    assert 0.2 <= returning.seconds
    assert returning.longest < returning.seconds
    assert quick.seconds == quick.messages == 0


def test_the_end_goes_down_the_line_from_the_first_gadget():
    class Last(Split):
        def finish(self) -> Iterator[KSpace]:
            yield KSpace(DATA, PLACE, 7, True)

    chain = Chain([("last", Last()), ("write", Write())])
    indices = [out.index for out in chain.finish() if isinstance(out, CoilImages)]
    assert indices == [7, -1]


def test_every_gadget_learns_of_the_scan():
    @dataclass
    class Learn(Split):
        scan: Scan | None = None

        def start(self, scan: Scan) -> None:
            self.scan = scan

    gadgets = [Learn(), Learn()]
    scan = Scan()
    Chain([(str(n), gadget) for n, gadget in enumerate(gadgets)]).start(scan)
    assert all(gadget.scan is scan for gadget in gadgets)


# Failures


class FailingStart(Split):
    def start(self, scan: Scan) -> None:
        raise DataError("no matrix")


class FailingLater(Split):
    def process(self, message: Readout) -> Iterator[KSpace]:
        yield from super().process(message)
        raise ZeroDivisionError("by nothing")


class FailingAtOnce(Split):
    def process(self, message: Readout) -> Iterator[KSpace]:
        raise ZeroDivisionError("by nothing")


class FailingFinish(Split):
    def finish(self) -> Iterator[KSpace]:
        yield KSpace(DATA, PLACE, 0, True)
        raise KeyError("pair")


class FailingFinishAtOnce(Split):
    def finish(self) -> Iterator[KSpace]:
        raise KeyError("pair")


class GivingNothing(Split):
    def process(self, message: Readout) -> Iterator[KSpace]:
        return None  # type: ignore[return-value]  # what a forgotten yield does


def between(gadget: Gadget) -> Chain:
    return Chain([("count", Count()), ("pass", Split(0)), ("broken one", gadget), ("write", Write())])


def test_a_gadget_that_cannot_start_is_named():
    with pytest.raises(GadgetError, match="gadget 'broken one' failed: DataError: no matrix") as caught:
        between(FailingStart()).start(Scan())
    assert isinstance(caught.value.__cause__, DataError)


@pytest.mark.parametrize("kind", [FailingLater, FailingAtOnce])
def test_a_gadget_that_fails_on_a_message_is_named(kind):
    chain = Chain([("broken one", kind()), ("write", Write())])
    with pytest.raises(GadgetError, match="gadget 'broken one' failed: ZeroDivisionError: by nothing") as caught:
        list(chain.push(readout(0)))
    assert isinstance(caught.value.__cause__, ZeroDivisionError)


def test_what_came_before_the_failure_has_left():
    out = []
    with pytest.raises(GadgetError):
        out.extend(Chain([("broken one", FailingLater(2))]).push(readout(0)))
    assert len(out) == 2


@pytest.mark.parametrize("kind", [FailingFinish, FailingFinishAtOnce])
def test_a_gadget_that_fails_at_the_end_is_named(kind):
    with pytest.raises(GadgetError, match="gadget 'broken one' failed: KeyError: 'pair'"):
        list(Chain([("broken one", kind()), ("write", Write())]).finish())


def test_a_gadget_that_forgets_to_yield_is_named():
    with pytest.raises(GadgetError, match="gadget 'broken one' failed: TypeError"):
        list(Chain([("broken one", GivingNothing())]).push(readout(0)))


def test_a_later_gadget_is_named_though_an_earlier_one_drives_it():
    class FailOnThird(Write):
        def process(self, message: KSpace) -> Iterator[CoilImages]:
            if message.index == 2:
                raise ValueError("the third")
            yield from super().process(message)

    with pytest.raises(GadgetError, match="gadget 'later' failed: ValueError: the third"):
        list(Chain([("split", Split(5)), ("later", FailOnThird())]).push(readout(0)))


# What is checked when the chain is built


def test_a_gadget_without_input_is_refused():
    class TakesSlab(Gadget):
        def process(self, message: Slab) -> Iterator[Notice]:
            yield Notice("seen")

    with pytest.raises(
        ConfigError,
        match="gadget 'mask' takes Slab, which nothing before it in the chain makes; before it there is: "
        "Array, Image, KSpace, Measurement, Notice, Readout, Waveform",
    ):
        Chain([("split", Split()), ("mask", TakesSlab())])


def test_the_order_matters():
    Chain([("split", Split()), ("write", Write())])
    with pytest.raises(ConfigError, match="gadget 'write' takes KSpace"):
        Chain([("write", Write()), ("split", Split())])


def test_one_of_several_inputs_is_enough():
    Chain([("count", Count())])


def test_a_chain_without_gadgets_is_refused():
    with pytest.raises(ConfigError, match="the chain has no gadgets"):
        Chain([])


@dataclass
class Optional(Count):
    """Counts, in scans that have coils."""

    def needed(self, scan: Scan) -> bool:
        return scan.coils > 0


@pytest.mark.parametrize("coils", [0, 8])
def test_a_gadget_that_the_scan_does_not_need_is_left_out(coils):
    chain = Chain([("split", Split(1)), ("count", Optional()), ("write", Write())])
    chain.start(Scan(coils=coils))
    out = list(chain.push(readout(0)))
    assert [timing.name for timing in chain.timings] == (["split", "count", "write"] if coils else ["split", "write"])
    assert any(isinstance(made, CoilImages) for made in out)


def test_a_line_that_would_break_without_a_gadget_keeps_it():
    @dataclass
    class Unneeded(Split):
        def needed(self, scan: Scan) -> bool:
            return False

    chain = Chain([("split", Unneeded(1)), ("write", Write())])
    chain.start(Scan())
    assert [timing.name for timing in chain.timings] == ["split", "write"]


def test_the_same_chain_serves_a_scan_that_needs_less_and_then_one_that_needs_more():
    chain = Chain([("split", Split(1)), ("count", Optional()), ("write", Write())])
    for coils, length in ((0, 2), (8, 3), (0, 2)):
        chain.start(Scan(coils=coils))
        assert len(chain.timings) == length


def test_a_gadget_that_cannot_tell_whether_it_is_needed_is_named():
    @dataclass
    class Lost(Count):
        def needed(self, scan: Scan) -> bool:
            raise KeyError("no such thing")

    with pytest.raises(GadgetError, match="'lost'"):
        Chain([("split", Split(1)), ("lost", Lost())]).start(Scan())
