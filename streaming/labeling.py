"""How the scan labels blood: from the header, the site's settings and a BIDS sidecar to one Labeling."""

from collections.abc import Mapping, Sequence
from functools import partial

from . import bids
from .per_volume import LONGEST_DELAY, Series
from .scan import CounterRule, Labeling, LabelingType, Limits, Role, Source
from .statements import Statements
from .suppression import read_suppression
from .time_encoding import is_time_encoded, read_time_encoding

LONGEST_REPETITION = 100.0
"""Repetition times beyond this many s are taken for ms that nobody converted."""
INVERSION_SWITCH = "PostLabelingDelayFromInversionTime"
"""The site's word that on its scanner TI is labeling duration + delay."""

_delays = partial(bids.times, longest=LONGEST_DELAY)


def read_labeling(
    statements: Statements, inversion_times: Sequence[float] = (), limits: Mapping[str, Limits] = {}
) -> Labeling:
    """Gather what is said about the labeling of blood, key by key, and who said it.

    Notes are left with the statements. ``limits`` are those of the encoding counters, which tell how many volumes come
    where no context does. ``inversion_times`` are the header's ``sequenceParameters.TI``, s. PASL takes them for its
    delay where that is missing (BIDS: both run from the labeling pulse to the excitation). (P)CASL takes
    TI - LabelingDuration only if the site says ``PostLabelingDelayFromInversionTime``: scanners disagree on what they
    call TI there.
    """
    ask = statements.ask
    context, rule = _read_roles(statements)
    series = Series.of(context, rule, limits)
    kind = ask("ArterialSpinLabelingType", bids.labeling_type)
    duration = ask("LabelingDuration", partial(series.durations, pulsed=kind is LabelingType.PASL)) or ()
    delay = ask("PostLabelingDelay", series.delays) or ()
    switched = ask(INVERSION_SWITCH, bids.claim) or False
    statements.forget("post_labeling_delay_from_inversion_time")
    if not delay:
        delay = _delay_from_inversion(statements, kind, duration, inversion_times, series, switched)
    time_encoding = read_time_encoding(statements, kind, context, delay, duration)
    if time_encoding is None and is_time_encoded(statements):
        delay = ()  # no image shows blood of one delay
        statements.forget("post_labeling_delay")
    suppressed, pulses, pulse_times = read_suppression(statements)
    labeling = Labeling(
        arterial_spin_labeling_type=kind,
        context=context,
        rule=rule,
        labeling_duration=duration,
        post_labeling_delay=delay,
        bolus_cut_off_flag=ask("BolusCutOffFlag", bids.claim),
        bolus_cut_off_technique=ask(
            "BolusCutOffTechnique", partial(bids.choice, choices=("QUIPSS", "QUIPSSII", "Q2TIPS"))
        ),
        bolus_cut_off_delay_time=ask("BolusCutOffDelayTime", partial(bids.cut_off, longest=LONGEST_DELAY)) or (),
        m0_type=ask("M0Type", partial(bids.choice, choices=("Separate", "Included", "Estimate", "Absent"))),
        m0_estimate=ask("M0Estimate", bids.positive),
        m0_repetition_time=_read_m0_repetition(statements, context),
        labeling_efficiency=ask("LabelingEfficiency", bids.fraction),
        background_suppression=suppressed,
        background_suppression_number_pulses=pulses,
        background_suppression_pulse_time=pulse_times,
        time_encoding=time_encoding,
        look_locker=ask("LookLocker", bids.claim),
        flip_angle=ask("FlipAngle", bids.angle),
        vascular_crushing=ask("VascularCrushing", bids.claim),
        slice_timing=_read_slice_timing(statements),
        mr_acquisition_type=ask("MRAcquisitionType", partial(bids.choice, choices=("2D", "3D"))),
        sources=statements.sources,
    )
    return labeling


def read_repetition_time(statements: Statements, context: Sequence[Role]) -> float | None:
    """Give the time from label to label, s: of a list, the value of the first control or label.

    BIDS ``RepetitionTimePreparation`` may be one value or one per volume.
    """
    return statements.ask(
        "RepetitionTimePreparation",
        partial(_read_repetition_of, roles=(Role.CONTROL, Role.LABEL, Role.DELTAM), context=context),
        "repetition_time",
    )


def _read_m0_repetition(statements: Statements, context: Sequence[Role]) -> float | None:
    """Give the repetition time of the m0scan, s, where it is stated or where a list tells it apart."""
    stated = statements.ask("M0RepetitionTime", partial(bids.one_time, longest=LONGEST_REPETITION))
    if stated is not None:
        return stated
    for _, source, said in statements.told("RepetitionTimePreparation"):
        if Role.M0SCAN not in context or len(bids.entries(said)) != len(context) or len(context) == 1:
            continue
        try:
            found = bids.times(said, LONGEST_REPETITION)[context.index(Role.M0SCAN)]
        except ValueError:
            continue  # read_repetition_time reads the same list, and notes what is wrong with it
        if found > 0:
            statements.sources["m0_repetition_time"] = source
            return found
        statements.notes.append(
            f"RepetitionTimePreparation in the {source} is 0 for the m0scan; expected s, above 0. It is not used."
        )
    return None


def _read_repetition_of(value: object, roles: Sequence[Role], context: Sequence[Role]) -> float:
    found = bids.times(value, LONGEST_REPETITION)
    if len(set(found)) > 1:
        if not context:
            raise ValueError(
                f"has {len(found)} values, and without aslcontext nothing says which volume each belongs to"
            )
        if len(found) != len(context):
            raise ValueError(f"has {len(found)} values for {len(context)} volumes of aslcontext")
        found = tuple(time for time, role in zip(found, context, strict=True) if role in roles)
    if not found or found[0] == 0:
        raise ValueError("is 0; expected s, above 0")
    return found[0]


def _read_roles(statements: Statements) -> tuple[tuple[Role, ...], CounterRule | None]:
    """Read ``aslcontext`` and ``rule``; the weightier speaker decides which of them rules, alike the context does."""
    context = statements.ask("aslcontext", partial(bids.context, notes=statements.notes), "context") or ()
    rule = statements.ask("rule", bids.counter_rule)
    if context and rule and statements.ranks["rule"] < statements.ranks["context"]:
        statements.notes.append("The config's rule tells control from label; the aslcontext below it is not used.")
        statements.forget("context")
        return (), rule
    if not context and rule is None and not is_time_encoded(statements):
        statements.notes.append(
            "Nothing says which volumes are control and label: they are taken to alternate, and the sign of their "
            "difference decides which is which."
        )
    return context, rule


def _read_slice_timing(statements: Statements) -> tuple[float, ...]:
    """Read the slice times by z index; a direction that ends in '-' lists them from the top (BIDS).

    Only the override, and who gave the times, may turn them: a sidecar's direction is that of its own image.
    """
    found = statements.ask("SliceTiming", _delays) or ()
    trusted = (0, statements.ranks.get("slice_timing"))
    said = statements.told("SliceEncodingDirection")
    direction = next((str(value) for rank, _, value in said if rank in trusted), "")
    return found[::-1] if direction.strip().endswith("-") else found


def _delay_from_inversion(
    statements: Statements,
    kind: LabelingType | None,
    duration: tuple[float, ...],
    inversion_times: Sequence[float],
    series: Series,
    switched: bool,
) -> tuple[float, ...]:
    if kind is None or not any(inversion_times):
        return ()
    listed = ", ".join(f"{time:g}" for time in inversion_times)
    try:
        inversion = series.delays(list(inversion_times))
    except ValueError as error:
        statements.notes.append(f"TI in the header {error}. It is not used.")
        return ()
    if kind is LabelingType.PASL:
        delay = inversion
        how = "it is taken from TI"
    elif switched and len(duration) == 1 and min(inversion) >= duration[0]:
        delay = tuple(round(time - duration[0], 9) for time in inversion)  # 1.8 + 1.8 - 1.8 shall be 1.8 again
        how = "the config lets it be TI - LabelingDuration"
    else:
        statements.notes.append(
            f"PostLabelingDelay is missing. TI is {listed} s, but on some scanners that is the delay, on others the "
            f"labeling duration + delay: it is not used unless the config says {INVERSION_SWITCH} (for the latter)."
        )
        return ()
    statements.notes.append(f"PostLabelingDelay is missing; {how}, {listed} s.")
    statements.sources["post_labeling_delay"] = Source.HEADER
    return delay
