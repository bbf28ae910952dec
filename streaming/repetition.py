"""Whether the stated repetition time can be that from one labeling to the next, and what fits into it."""

from dataclasses import replace
from typing import NamedTuple

from .scan import Bolus, Labeling, LabelingType, Role

_ROUNDING = 1e-3  # s; of times that were written in ms


class _Course(NamedTuple):
    """What follows on the beginning of labeling; s."""

    duration: float
    """Of all labeling ahead of the delay; 0 in PASL, whose delay counts from the labeling pulse."""
    delay: float
    readout: float
    """From the first to the last slice."""


def first_bolus(labeling: Labeling) -> Bolus | None:
    """Give the bolus of the first control or label volume; none where nothing says so."""
    roles = enumerate(labeling.context)
    first = next((number for number, role in roles if role in (Role.CONTROL, Role.LABEL, Role.DELTAM)), 0)
    if not labeling.context and labeling.rule is not None:
        first = labeling.rule.leading_dummies + labeling.rule.leading_m0scan
    return labeling.bolus(first)


def from_label_to_label(
    labeling: Labeling, repetition_time: float | None, notes: list[str]
) -> tuple[Labeling, float | None]:
    """Give the repetition time, s, unless not even the delay fits into it: then none, which is noted.

    Some headers state the time of a line or of a slice. That is no fault of the labeling, so that nothing is refused;
    but M0 must not be corrected by it. What the same list says of the m0scan goes with it.
    """
    course = _course(labeling)
    if course is None or repetition_time is None or not _too_short(repetition_time, course):
        return labeling, repetition_time
    notes.append(
        f"RepetitionTime is {repetition_time:g} s, shorter than PostLabelingDelay ({course.delay:g} s) alone: it is "
        "not the time from label to label, and not used. RepetitionTimePreparation would state that."
    )
    own = labeling.m0_repetition_time
    if own is not None and own <= repetition_time:
        labeling = replace(labeling, m0_repetition_time=None)
    return labeling, None


def crowded(labeling: Labeling, repetition_time: float | None) -> str:
    """Say that the delay fits into a repetition time (s), but not behind its labeling; nothing where both do.

    The delay was counted from the beginning of labeling, it seems, as TI is.
    """
    course = _course(labeling)
    if course is None or course.duration <= 0 or repetition_time is None:
        return ""
    if sum(course) <= repetition_time + _ROUNDING or _too_short(repetition_time, course):
        return ""
    slices = f" + the latest SliceTiming {course.readout:g} s" if course.readout > 0 else ""
    meant = course.delay - course.duration
    hint = f"; if it was counted from its beginning, as TI is, it should be {meant:g} s" if meant > 0 else ""
    return (
        f"LabelingDuration {course.duration:g} s + PostLabelingDelay {course.delay:g} s{slices} are more than the "
        f"RepetitionTime of {repetition_time:g} s. PostLabelingDelay counts from the END of labeling to the "
        f"readout{hint}. RepetitionTimePreparation counts from label to label."
    )


def _too_short(repetition_time: float, course: _Course) -> bool:
    return course.delay > repetition_time + _ROUNDING


def _course(labeling: Labeling) -> _Course | None:
    """Give what has to fit into the repetition time of the first control or label; none where no delay is stated.

    Of a list of repetition times a scan knows that of this volume only, so where delays differ from volume to volume
    it alone is looked at.
    """
    readout = max(labeling.slice_timing, default=0.0)
    if labeling.time_encoding is not None:
        boluses = labeling.time_encoding.boluses
        delay = min(bolus.post_labeling_delay for bolus in boluses)
        return _Course(max(map(sum, boluses)) - delay, delay, readout)
    bolus = first_bolus(labeling)
    if bolus is None:
        return None
    pulsed = labeling.arterial_spin_labeling_type is LabelingType.PASL
    return _Course(0.0 if pulsed else bolus.labeling_duration, bolus.post_labeling_delay, readout)
