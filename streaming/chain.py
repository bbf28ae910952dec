"""The line of gadgets: pushes each message down the line, times every gadget, and names the one that fails."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from time import perf_counter

from .errors import AsliveError, ConfigError, GadgetError
from .gadget import Gadget
from .messages import Array, Image, Waveform
from .notices import Measurement, Notice
from .readouts import Readout, Train
from .scan import Scan

ENTERS = (Readout, Image, Waveform, Array, Notice, Measurement)
"""What comes in at the head of every chain."""

_END = object()


@dataclass(slots=True)
class Timing:
    """What one gadget has cost so far."""

    name: str
    messages: int = 0
    """Messages it was given."""
    seconds: float = 0.0
    """Time spent in it, without the gadgets after it, s."""
    longest: float = 0.0
    """Longest uninterrupted time in it, s."""

    def add(self, seconds: float) -> None:
        """Count a stretch of time spent in the gadget."""
        self.seconds += seconds
        if seconds > self.longest:
            self.longest = seconds


class Chain:
    """A line of gadgets, built and checked once, run for one scan.

    Depth first: what a gadget makes goes through the rest of the line before the gadget is asked for more, so a result
    leaves as soon as it exists. A message passes by the gadgets that do not take its kind.
    """

    def __init__(self, gadgets: Sequence[tuple[str, Gadget]]) -> None:
        check(gadgets)
        self._line = list(gadgets)
        self._set_out(self._line)

    def _set_out(self, gadgets: Sequence[tuple[str, Gadget]]) -> None:
        self._gadgets = [gadget for _, gadget in gadgets]
        self.timings = [Timing(name) for name, _ in gadgets]
        self._takes = [gadget.takes() for gadget in self._gadgets]
        self._routes: dict[type, list[int]] = {}

    def start(self, scan: Scan) -> None:
        """Leave out the gadgets that this scan does not need, and let every other one prepare for it.

        Where what is left would not fit together, the line was made for other scans: then all of it stays.
        """
        needed = []
        for stage, (name, gadget) in enumerate(self._line):
            try:
                if gadget.needed(scan):
                    needed.append((name, gadget))
            except Exception as error:  # a gadget may be a site's own code, and fail in any way
                raise self._failure(stage, error) from error
        self._set_out(needed if _fault(needed) is None else self._line)
        for stage, gadget in enumerate(self._gadgets):
            try:
                gadget.start(scan)
            except Exception as error:  # a gadget may be a site's own code, and fail in any way
                raise self._failure(stage, error) from error

    def push(self, message: object) -> Iterator[object]:
        """Send one message down the line and give what comes out at its end."""
        return self._run(iter((message,)), -1)

    def finish(self) -> Iterator[object]:
        """Let every gadget, from the first to the last, give what it has left."""
        for stage, gadget in enumerate(self._gadgets):
            yield from self._run(self._begin(stage, gadget.finish), stage)

    def _run(self, source: Iterator[object], origin: int) -> Iterator[object]:
        iterators, stages = [source], [origin]
        while iterators:
            stage = stages[-1]
            if stage < 0:
                made = next(iterators[-1], _END)
            else:
                timing, begin = self.timings[stage], perf_counter()
                try:
                    made = next(iterators[-1], _END)
                except Exception as error:  # a gadget may be a site's own code, and fail in any way
                    raise self._failure(stage, error) from error
                timing.add(perf_counter() - begin)
            if made is _END:
                iterators.pop()
                stages.pop()
                continue
            target = self._route(type(made))[stage + 1]
            if isinstance(made, Train) and self._route(Readout)[stage + 1] < target:
                iterators.append(made.split())  # the next gadget works line by line
                stages.append(stage)
            elif target == len(self._gadgets):
                yield made
            else:
                self.timings[target].messages += 1
                iterators.append(self._begin(target, self._gadgets[target].process, made))
                stages.append(target)

    def _begin(self, stage: int, call: Callable[..., Iterator[object]], *message: object) -> Iterator[object]:
        """Call a gadget; one that is no generator does its work, and may fail, here and not when it is iterated."""
        timing, begin = self.timings[stage], perf_counter()
        try:
            made = call(*message)
        except Exception as error:  # a gadget may be a site's own code, and fail in any way
            raise self._failure(stage, error) from error
        timing.add(perf_counter() - begin)
        return made

    def _route(self, kind: type) -> list[int]:
        """Tell, for each place in the line, the next gadget that takes this kind of message; its length at the end."""
        route = self._routes.get(kind)
        if route is None:
            route = [len(self._gadgets)] * (len(self._gadgets) + 1)
            for stage in reversed(range(len(self._gadgets))):
                route[stage] = stage if issubclass(kind, self._takes[stage]) else route[stage + 1]
            self._routes[kind] = route
        return route

    def _failure(self, stage: int, error: Exception) -> AsliveError:
        return GadgetError(f"gadget {self.timings[stage].name!r} failed: {type(error).__name__}: {error}")


def check(gadgets: Sequence[tuple[str, Gadget]]) -> None:
    """See that something upstream makes what each gadget takes; raises ``ConfigError`` that names the gadget."""
    fault = _fault(gadgets)
    if fault is not None:
        raise ConfigError(fault)


def _fault(gadgets: Sequence[tuple[str, Gadget]]) -> str | None:
    """Tell why gadgets make no chain; None where they do."""
    if not gadgets:
        return "the chain has no gadgets"
    available = set(ENTERS)
    for name, gadget in gadgets:
        takes = gadget.takes()
        if not any(issubclass(kind, takes) for kind in available):
            wanted = " or ".join(kind.__name__ for kind in takes)
            return (
                f"gadget {name!r} takes {wanted}, which nothing before it in the chain makes; "
                f"before it there is: {', '.join(sorted(kind.__name__ for kind in available))}"
            )
        available.update(gadget.makes())
    return None
