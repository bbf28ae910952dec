"""Sending the images themselves out, beside the maps."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ..streaming.flow import Volume
from ..streaming.gadget import Gadget
from ..streaming.perfusion import Map, MapName
from ..streaming.scan import Role

_NAMES = {Role.M0SCAN: MapName.M0SCAN, Role.CONTROL: MapName.CONTROL, Role.LABEL: MapName.LABEL}


@dataclass
class Publish(Gadget):
    """Shows each control, label and m0scan as it is reconstructed.

    The magnitude ``|image|`` of a volume goes out as a map named by its role, ``image`` where it has none; the volume
    itself passes on.
    """

    def process(self, message: Volume) -> Iterator[Volume | Map]:
        """Pass the volume on, then give its magnitude."""
        yield message
        name = _NAMES.get(message.place.role, MapName.IMAGE)
        yield Map(name, np.abs(message.data), message.place, "arbitrary")
