"""What the chain says beside its images: how far it is, what it measured, what is odd."""

from dataclasses import dataclass
from enum import StrEnum

from .flow import Place


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a volume is that comes in several segments."""

    place: Place
    segment: int
    """Segments complete."""
    segments: int
    """Segments of the volume."""


class Measure(StrEnum):
    """What is measured of the data on the way, for quality."""

    GHOST_LEVEL = "ghost_level"
    """Mean signal in the N/2 ghost over that in the object."""
    NAVIGATOR_SLOPE = "navigator_slope"
    """Odd-even phase of the navigators along x, rad per voxel."""
    NAVIGATOR_CONSTANT = "navigator_constant"
    """Odd-even phase of the navigators, rad."""
    FIELD_DRIFT = "field_drift"
    """Mean change of the frequency since the first volume, Hz."""
    PHASE_OFFSET = "phase_offset"
    """Constant phase of a volume against the reference volume, rad."""
    GRAY_MATTER_CBF = "gray_matter_cbf"
    """Flow of gray matter in the whole brain, mL/100 g/min."""
    GRAY_MATTER_CBF_STDERR = "gray_matter_cbf_stderr"
    """Its standard error."""
    WHITE_MATTER_CBF = "white_matter_cbf"
    """Flow of white matter in the whole brain, mL/100 g/min."""
    WHITE_MATTER_CBF_STDERR = "white_matter_cbf_stderr"
    """Its standard error."""


@dataclass(frozen=True, slots=True)
class Measurement:
    """One number that tells about the quality of the data."""

    name: Measure
    value: float
    """NaN where there is no answer."""
    place: Place


class Level(StrEnum):
    """How much a notice matters."""

    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Notice:
    """A line for the people at the console."""

    text: str
    level: Level = Level.WARNING
