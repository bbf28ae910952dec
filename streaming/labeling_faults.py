"""What a header says about labeling that cannot all be true, or is hardly ever meant, in sentences that help.

Nothing is changed here: who reads the sentences before the scan can put the header right, or say under ``override``
what holds. What absolute flow cannot do without is listed in ``requirements.py``.
"""

from collections.abc import Iterator, Sequence

from .repetition import crowded
from .scan import Labeling, LabelingType, Role

_SHORTEST_DELAY = 0.5
"""s; a single delay below this serves nothing."""
_LONGEST_DELAY = 3.5
"""s; beyond this hardly any label is left (exp(-3.5 s / 1.65 s) = 12 %)."""
_TOLERANCE = 1e-3
"""s, as times are rounded by who writes them."""
_OVERRIDE = "If so, state the right one under 'override'; as it stands it is believed."


def contradictions(
    labeling: Labeling, inversion_times: Sequence[float] = (), repetition_time: float | None = None
) -> Iterator[str]:
    """Say what cannot all be true, or is hardly ever meant; ``inversion_times`` are the header's TI, all times in s."""
    if not labeling.stated:
        return
    if labeling.arterial_spin_labeling_type is LabelingType.PASL:
        yield from _of_pulsed_delays(labeling, inversion_times)
    elif what := crowded(labeling, repetition_time):
        yield what
    else:
        yield from _of_delays(labeling, inversion_times)
    yield from _of_m0(labeling)
    if labeling.look_locker and len(labeling.boluses) == 1:
        yield "LookLocker is stated with a single PostLabelingDelay: each of its readouts needs its own."


def _of_delays(labeling: Labeling, inversion_times: Sequence[float]) -> Iterator[str]:
    """Look for delays of (P)CASL that count from the beginning of labeling, as TI does on some scanners."""
    boluses = [bolus for bolus in labeling.boluses if bolus.labeling_duration > 0]
    if not boluses or labeling.time_encoding is not None:
        return
    delays = sorted({bolus.post_labeling_delay for bolus in boluses})
    shorter = sorted({bolus.post_labeling_delay - bolus.labeling_duration for bolus in boluses})
    if delays == [0.0]:
        yield (
            "PostLabelingDelay is 0 s, so that blood would be imaged the moment labeling ends. If the delay is not "
            "known, leave the key out."
        )
    if shorter[0] < 0 or shorter[-1] < _SHORTEST_DELAY:
        return
    if _alike(delays, sorted(set(inversion_times))):
        why = "the same as TI, and longer than LabelingDuration: some scanners call labeling duration + delay TI"
    elif delays[-1] > _LONGEST_DELAY:
        why = "unusually long, and longer than LabelingDuration: it counts from the end of labeling"
    else:
        return
    yield f"PostLabelingDelay is {_listed(delays)} s, {why}. It may have to be {_listed(shorter)} s. {_OVERRIDE}"


def _of_pulsed_delays(labeling: Labeling, inversion_times: Sequence[float]) -> Iterator[str]:
    delays = sorted({bolus.post_labeling_delay for bolus in labeling.boluses})
    times = sorted(set(inversion_times))
    if delays and times and not _alike(delays, times):
        yield (
            f"PostLabelingDelay is {_listed(delays)} s, but TI in the header is {_listed(times)} s: in PASL both count "
            "from the labeling pulse to the excitation. PostLabelingDelay is believed."
        )


def _of_m0(labeling: Labeling) -> Iterator[str]:
    kind, context = labeling.m0_type, labeling.context
    included = Role.M0SCAN in context or (labeling.rule is not None and labeling.rule.leading_m0scan > 0)
    if not included and labeling.m0_estimate is None and labeling.background_suppression is not False:
        yield (
            "Nothing gives M0: no m0scan is listed, and neither is M0Estimate stated nor that BackgroundSuppression is "
            "off, so that the controls could serve. Without it the maps stay relative."
        )
    if kind == "Included" and context and Role.M0SCAN not in context:
        yield "M0Type is Included, but aslcontext lists no m0scan."
    if kind == "Absent" and Role.M0SCAN in context:
        yield "M0Type is Absent, but aslcontext lists an m0scan."
    if kind == "Estimate" and labeling.m0_estimate is None:
        yield "M0Type is Estimate, but M0Estimate is missing."
    delayed = [
        number
        for number, role in enumerate(context)
        if role is Role.M0SCAN and len(labeling.post_labeling_delay) > 1 and labeling.post_labeling_delay[number] > 0
    ]
    if delayed:
        yield (
            f"PostLabelingDelay is {labeling.post_labeling_delay[delayed[0]]:g} s for volume {delayed[0]}, an m0scan, "
            "where BIDS has 0: see that the list is in the order of aslcontext."
        )


def _alike(delays: Sequence[float], others: Sequence[float]) -> bool:
    return len(delays) == len(others) and all(abs(a - b) < _TOLERANCE for a, b in zip(delays, others, strict=True))


def _listed(times: Sequence[float]) -> str:
    """Write times for people; of many the first and the last."""
    if len(times) > 8:
        return f"{times[0]:g} to {times[-1]:g}"
    return ", ".join(f"{time:g}" for time in times)
