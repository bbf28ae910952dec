"""The scans that are measured, and their simulated streams."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rich.progress import Progress

from aslive.sim.choices import Order, ReadoutType, ReferenceType
from aslive.sim.protocol import Protocol
from aslive.sim.scanner import Scanner
from aslive.sim.spiral import Spiral
from aslive.streaming.messages import Acquisition, ConfigFile
from aslive.streaming.wire import encode

_SLAB = {"matrix": (96, 96, 40), "field_of_view": (0.22, 0.22, 0.16), "pairs": 3, "three_dimensional": True}
_STEP = 64  # readouts between two moves of the bar

PRESETS: dict[str, Callable[[], Protocol]] = {
    "cartesian": lambda: Protocol(pairs=20),
    "cartesian-3d": lambda: Protocol(pairs=20, three_dimensional=True),
    "epi": lambda: Protocol(readout=ReadoutType.EPI, pairs=20, acceleration=(2, 1), reference=ReferenceType.SEPARATE),
    "grase": lambda: Protocol(readout=ReadoutType.GRASE, segments=4, partition_order=Order.CENTRIC, **_SLAB),
    "spiral": lambda: Protocol(
        readout=ReadoutType.SPIRAL, spiral=Spiral(interleaves=8), partition_order=Order.CENTRIC, **_SLAB
    ),
}
"""What can be chosen by name; 32 coils each."""


@dataclass(frozen=True, slots=True)
class Stream:
    """A recorded wire stream, and what is in it."""

    path: Path
    protocol: Protocol
    readouts: int
    """Noise, navigators and reference lines included."""

    @property
    def size(self) -> int:
        """Bytes."""
        return self.path.stat().st_size


def changed(protocol: Protocol, changes: dict[str, Any]) -> Protocol:  # Any: fields of a protocol
    """Give the protocol with other values for some of its fields; the echo time follows from them."""
    return replace(protocol, echo_time=0.0, **changes) if changes else protocol


def record(protocol: Protocol, folder: Path, progress: Progress) -> Stream:
    """Simulate a scan into a folder; a scan that is there already is taken as it is."""
    key = hashlib.sha256(repr(protocol).encode()).hexdigest()[:12]
    path = folder / f"{protocol.readout}-{key}.mrd"
    told = path.with_suffix(".json")
    if not told.exists():
        scanner = Scanner(protocol)
        task = progress.add_task(f"simulate {protocol.readout}", total=scanner.readouts)
        passed = 0
        with path.open("wb") as file:
            file.write(encode(ConfigFile("asl")))
            for message in scanner.messages():
                file.write(encode(message))
                passed += isinstance(message, Acquisition)
                if passed % _STEP == 0:
                    progress.update(task, completed=passed)
        progress.update(task, completed=passed)
        told.write_text(json.dumps({"readouts": passed, "protocol": repr(protocol)}, indent=2))  # last: now it is whole
    return Stream(path, protocol, json.loads(told.read_text())["readouts"])
