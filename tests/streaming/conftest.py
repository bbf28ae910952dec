"""What the tests of sessions share: a site with two small gadgets and three chains of them."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import settings

from aslive.streaming.errors import ConfigError
from aslive.streaming.flow import Place
from aslive.streaming.gadget import Gadget
from aslive.streaming.notices import Notice
from aslive.streaming.perfusion import Map, MapName
from aslive.streaming.readouts import Readout
from aslive.streaming.registry import Registry
from aslive.streaming.scan import Scan

settings.register_profile("busy machine", deadline=None)  # an example that had to wait its turn is no failure
settings.load_profile("busy machine")


@dataclass
class Mean(Gadget):
    """Sends the mean of every readout as a tiny map, and has a last word."""

    factor: float = 1.0
    map_name: MapName = MapName.CBF

    def process(self, message: Readout) -> Iterator[Map]:
        data = np.full((1, 1, 1), self.factor * np.abs(message.data).mean(), np.float32)
        yield Map(self.map_name, data, Place(0, message.counters, message.time, message.geometry), "au", 1)

    def finish(self) -> Iterator[Notice]:
        yield Notice(f"the factor was {self.factor:g}")


@dataclass
class Break(Gadget):
    """Fails where it is told to."""

    where: str = "nowhere"

    def start(self, scan: Scan) -> None:
        self._fail("start")

    def process(self, message: Readout) -> Iterator[Readout]:
        self._fail("process")
        yield message

    def finish(self) -> Iterator[Readout]:
        self._fail("finish")
        yield from ()

    def _fail(self, place: str) -> None:
        if place == self.where:
            raise ZeroDivisionError(f"in {place}")


@dataclass
class Site(Registry):
    """A site with two gadgets, and three chains of them."""

    known: dict[str, type[Gadget]] = field(default_factory=lambda: {"mean": Mean, "break": Break})

    @property
    def gadgets(self) -> tuple[str, ...]:
        return tuple(self.known)

    @property
    def chains(self) -> tuple[str, ...]:
        return ("asl", "image", "loud")

    def gadget(self, name: str) -> type[Gadget]:
        if name not in self.known:
            raise ConfigError(f"there is no gadget {name!r}")
        return self.known[name]

    def chain(self, name: str) -> str | None:
        return {"asl": chain("cbf"), "image": chain("image"), "loud": chain("cbf", 100)}.get(name.removesuffix(".xml"))


def chain(map_name: str, factor: float = 1) -> str:
    return (
        "<configuration><stream><gadget><classname>break</classname></gadget><gadget><classname>mean</classname>"
        f'<property name="map_name" value="{map_name}"/><property name="factor" value="{factor}"/></gadget></stream>'
        "</configuration>"
    )


@pytest.fixture(scope="session")
def site() -> Registry:
    """Give the gadgets and chains of the site."""
    return Site()
