"""What is done to blood and tissue before each volume of a scan is read."""

from typing import NamedTuple

from ..streaming.scan import Bolus, Role
from .territories import Territory


class Preparation(NamedTuple):
    """All that tells one image of a scan from another; volumes that share it are alike but for their noise."""

    role: Role
    boluses: tuple[Bolus, ...] = ()
    """What was labeled, with delays to the first slice; nothing for control and m0scan."""
    efficiency: float = 1.0
    """Share of this blood that was inverted."""
    reading: int = 0
    """Look-Locker: how many readings of the same labeling came before."""
    unlike: tuple[tuple[Territory, float], ...] = ()
    """Territories whose blood is labeled otherwise, and by which factor of the efficiency."""


class Volume(NamedTuple):
    """One volume of the schedule, in the order of acquisition."""

    preparation: Preparation
    bolus: Bolus = Bolus(0.0, 0.0)
    """As the header tells it: delay and labeling duration; 0 for the m0scan, as BIDS has it."""
    lead: float = 0.0
    """From the begin of its TR to the first excitation, s; without meaning for the m0scan."""
    ends_repetition: bool = True
    """Whether the next volume has labeling of its own."""


class EfficiencyChange(NamedTuple):
    """Labeling that becomes better or worse in the middle of a scan, as when the patient moves the neck."""

    pair: int
    """From which pair, or cycle, on, counted from 0."""
    factor: float
    """By which the labeling efficiency changes."""
