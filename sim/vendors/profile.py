"""What a vendor profile is, and how a stream is put through one."""

import json
from collections.abc import Iterable, Iterator
from enum import StrEnum
from typing import Protocol

from ...streaming.messages import Acquisition, Header, Message, Text


class Vendor(StrEnum):
    """The converters whose habits are known; ``docs/reference/vendors.md`` lists them."""

    NEUTRAL = "neutral"
    """As the simulator writes: all that MRD has a place for."""
    SIEMENS = "siemens"
    """siemens_to_ismrmrd with ``IsmrmrdParameterMap_Siemens.xsl``."""
    SIEMENS_EPI = "siemens_epi"
    """The same with ``IsmrmrdParameterMap_Siemens_EPI.xsl``."""
    PHILIPS = "philips"
    """philips_to_ismrmrd."""
    GE = "ge"
    """ge_to_ismrmrd, through GE's Orchestra."""
    PULSEQ = "pulseq"
    """Research converters that take flags and counters from the labels of a ``.seq`` file."""


class Profile(Protocol):
    """Rewrites a neutral stream as one converter would have written it; holds what it must know of the scan."""

    def header(self, text: str) -> str:
        """Rewrite the header, and begin a new scan."""
        ...

    def readout(self, acquisition: Acquisition) -> Iterator[Acquisition]:
        """Rewrite one readout; none comes out where the converter writes none."""
        ...

    def settings(self, text: str) -> dict[str, object]:
        """Give what the site must say instead, from the neutral header: the vendor's says nothing of ASL."""
        ...


def apply(profile: Profile, messages: Iterable[Message], tell_settings: bool = False) -> Iterator[Message]:
    """Put a stream through a profile; what is neither header nor readout passes by.

    ``tell_settings`` sends the settings as JSON text right behind the header, as Siemens FIRE does.
    """
    for message in messages:
        match message:
            case Header(text):
                yield Header(profile.header(text))
                if tell_settings:
                    yield Text(json.dumps({"parameters": profile.settings(text)}))
            case Acquisition():
                yield from profile.readout(message)
            case _:
                yield message
