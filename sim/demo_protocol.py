"""The protocols of the demo: typical readouts and ways to label."""

from enum import StrEnum

from ..streaming.scan import LabelingType
from .choices import Order, ReadoutType
from .epi import EchoPlanar
from .protocol import Protocol
from .spiral import Spiral
from .time_encoding import TimeEncoded

_GHOST = EchoPlanar(delay=2e-6, phase=0.3)
"""Gradients come 2 us late, and lines to and fro differ in phase, so that there is a ghost to correct."""
_EXCITATIONS = {ReadoutType.GRASE: 4, ReadoutType.SPIRAL: 8}
"""TRs that share the k-space of a volume: segments of GRASE, interleaves of a spiral."""
_DELAYS = (0.5, 1.0, 1.5, 2.0, 2.5)
_SUB_BOLUSES = (1.2, 0.8, 0.5, 0.4, 0.3, 0.25, 0.2)
"""The first have decayed most, and are longest, s."""


class DemoLabeling(StrEnum):
    """How the demo labels blood."""

    SINGLE = "single"
    """PCASL with one delay."""
    MULTI_DELAY = "multi-delay"
    """PCASL with five delays in turn."""
    TIME_ENCODED = "time-encoded"
    """PCASL with seven sub-boluses, Hadamard."""
    PASL = "pasl"
    """FAIR or the like, with QUIPSS II and one inversion time."""


def pairs_of(labeling: DemoLabeling) -> int:
    """Tell how many pairs, or cycles, make a good map in a short time."""
    return {DemoLabeling.MULTI_DELAY: 20, DemoLabeling.TIME_ENCODED: 5}.get(labeling, 12)


def protocol_of(
    readout: ReadoutType,
    matrix: tuple[int, int, int],
    coils: int,
    pairs: int,
    deep: bool,
    labeling: DemoLabeling = DemoLabeling.SINGLE,
) -> Protocol:
    """Give a typical protocol with this readout; GRASE and spirals are 3-D, the others if ``deep``."""
    deep = deep or readout in _EXCITATIONS
    excitations = _EXCITATIONS.get(readout, 1)
    many = labeling in (DemoLabeling.MULTI_DELAY, DemoLabeling.TIME_ENCODED)
    encoded = labeling is DemoLabeling.TIME_ENCODED
    return Protocol(
        matrix=matrix,
        field_of_view=(0.22, 0.22, 0.144),
        readout=readout,
        echo_planar=_GHOST,
        segments=excitations if readout is ReadoutType.GRASE else 1,
        spiral=Spiral(interleaves=excitations),
        three_dimensional=deep,
        partition_order=Order.CENTRIC if readout in _EXCITATIONS else Order.LINEAR,
        coils=coils,
        pairs=pairs,
        labeling_type=LabelingType.PASL if labeling is DemoLabeling.PASL else LabelingType.PCASL,
        post_labeling_delay=(0.2,) if encoded else _DELAYS if many else (1.8,),
        time_encoding=TimeEncoded(durations=_SUB_BOLUSES) if encoded else None,
        repetition_time=6.0 if many else 5.0,
    )
