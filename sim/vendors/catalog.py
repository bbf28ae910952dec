"""Which profile belongs to which vendor."""

from collections.abc import Iterable, Iterator

from ...streaming.messages import Message
from .ge import GE
from .philips import Philips
from .profile import Profile, Vendor, apply
from .pulseq import Pulseq
from .siemens import Siemens


def profile_of(vendor: Vendor) -> Profile | None:
    """Give a new profile of a vendor, with its default habits; none for the neutral stream."""
    match vendor:
        case Vendor.NEUTRAL:
            return None
        case Vendor.SIEMENS:
            return Siemens()
        case Vendor.SIEMENS_EPI:
            return Siemens(epi_style=True)
        case Vendor.PHILIPS:
            return Philips()
        case Vendor.GE:
            return GE()
        case Vendor.PULSEQ:
            return Pulseq()


def as_written_by(vendor: Vendor, messages: Iterable[Message], tell_settings: bool = False) -> Iterator[Message]:
    """Give a stream of the simulator as a vendor's converter would have written it."""
    profile = profile_of(vendor)
    return iter(messages) if profile is None else apply(profile, messages, tell_settings)
