"""What a scan must say of itself so that flow can be absolute, and what is wrong with what it says."""

from collections.abc import Iterator

from .repetition import crowded
from .scan import Labeling, LabelingType, Role, Scan

TECHNIQUES = ("QUIPSS", "QUIPSSII", "Q2TIPS")
"""BIDS ``BolusCutOffTechnique``, without blanks and in capitals."""


def missing(scan: Scan) -> tuple[str, ...]:
    """Tell what absolute flow lacks, each in words that go on from "... for want of"; nothing where it lacks nothing.

    >>> missing(Scan())[:2]
    ('an ArterialSpinLabelingType of CASL, PCASL or PASL', 'PostLabelingDelay')
    """
    return tuple(_missing(scan))


def technique(labeling: Labeling) -> str:
    """Give the ``BolusCutOffTechnique`` as one of ``TECHNIQUES``; QUIPSS II where the header does not say."""
    return (labeling.bolus_cut_off_technique or "QUIPSSII").replace(" ", "").upper()


def _missing(scan: Scan) -> Iterator[str]:
    labeling = scan.labeling
    kind = labeling.arterial_spin_labeling_type
    if kind is None:
        yield "an ArterialSpinLabelingType of CASL, PCASL or PASL"
    if not labeling.post_labeling_delay and labeling.time_encoding is None:
        yield "PostLabelingDelay"
    yield from _unlisted("PostLabelingDelay", labeling.post_labeling_delay, labeling.context)
    if kind is LabelingType.PASL:
        yield from _bolus(labeling)
    elif kind is not None:
        yield from _duration(labeling)
        if crowded(labeling, scan.repetition_time):
            yield "LabelingDuration and PostLabelingDelay that fit into RepetitionTime"
    if labeling.look_locker and labeling.flip_angle is None:
        yield "FlipAngle (each readout of Look-Locker takes its share of the label away)"
    if scan.repetition_time is not None and scan.repetition_time <= 0:
        yield f"a RepetitionTime above 0 s (it is {scan.repetition_time:g})"
    if labeling.m0_repetition_time is not None and labeling.m0_repetition_time <= 0:
        yield f"an M0RepetitionTime above 0 s (it is {labeling.m0_repetition_time:g})"


def _unlisted(key: str, values: tuple[float, ...], context: tuple[Role, ...]) -> Iterator[str]:
    """Say where a list is not one of the volumes."""
    if context and len(values) > 1 and len(values) != len(context):
        yield f"one {key} for each of the {len(context)} volumes of aslcontext (there are {len(values)} values)"


def _bolus(labeling: Labeling) -> Iterator[str]:
    """Say what is wrong with how PASL ends its bolus."""
    times = labeling.bolus_cut_off_delay_time
    if not labeling.bolus_cut_off_flag or len(times) == 0 or min(times) <= 0:
        yield "BolusCutOffFlag with BolusCutOffDelayTime (without them the bolus of PASL is unknown)"
        return
    if technique(labeling) not in TECHNIQUES:
        yield f"a BolusCutOffTechnique of QUIPSS, QUIPSSII or Q2TIPS (it is {labeling.bolus_cut_off_technique})"
    latest = max((bolus.post_labeling_delay for bolus in labeling.boluses), default=times[0])
    if labeling.post_labeling_delay and latest <= times[0]:
        yield (
            f"a PostLabelingDelay (the inversion time of PASL, {latest:g} s) that is longer than the "
            f"BolusCutOffDelayTime ({times[0]:g} s): the bolus ends after the readout"
        )


def _duration(labeling: Labeling) -> Iterator[str]:
    """Say what is wrong with the labeling duration of (P)CASL."""
    stated = labeling.labeling_duration
    if not stated and labeling.time_encoding is None:
        yield "LabelingDuration"
        return
    yield from _unlisted("LabelingDuration", stated, labeling.context)
    shown = tuple(bolus.labeling_duration for bolus in labeling.boluses) or stated
    if min(shown) <= 0:
        yield f"a LabelingDuration above 0 s (it is {min(shown):g})"
