"""What is said at the console about M0: what it lacks, and what may be wrong with it."""

from collections.abc import Iterator

from ...streaming.flow import Place
from ...streaming.notices import Level, Notice
from ...streaming.scan import Labeling, Scan
from .m0_statements import GAIN_RATIO, gain_ratio, of_m0scan_and_control

ESTIMATED = (
    "M0 is ESTIMATED from controls under background suppression: it hangs on T1 and on the pulses, and flow may be "
    "wrong by tens of percent."
)
NO_T1 = "Without the gadget physiology T1 is not known: M0 of a short TR stays low."
NO_EDGE = "There is no mask of the brain: the edge of M0 stays as it is."
NO_SIZE = "The size of a voxel is not known: M0 is not smoothed."
_OTHER_DWELL = 0.01  # share by which dwell times differ when they differ


def why_none(scan: Scan) -> str:
    """Say why nothing of a scan without m0scan serves as M0, and what would."""
    labeling = scan.labeling
    if labeling.background_suppression:
        reason = "background suppression turns the controls down"
    else:
        reason = "the header does not say that BackgroundSuppression is off, so that the controls could serve"
    stated = f" (M0Type is {labeling.m0_type})" if labeling.m0_type else ""
    return (
        f"There is no M0: no m0scan is listed{stated}, M0Estimate is not stated, and {reason}. An m0scan in this "
        "measurement, or M0Estimate, gives absolute flow; m0.source=control estimates M0 from the times of the pulses."
    )


def suppression_lacks(labeling: Labeling, timed: bool, relaxation: bool) -> str:
    """Say what an M0 from suppressed controls lacks; nothing where it lacks nothing."""
    lacking = [] if labeling.background_suppression_pulse_time else ["BackgroundSuppressionPulseTime"]
    lacking += [] if timed else ["LabelingDuration and PostLabelingDelay that end after the presaturation"]
    lacking += [] if relaxation else ["the gadget physiology, which knows T1"]
    return f"M0 cannot be estimated from suppressed controls for want of {', '.join(lacking)}." if lacking else ""


def region_lacks(tissue: str, image: bool, partition: bool, voxels: bool) -> str:
    """Say what an M0 from a region of one tissue lacks; nothing where it lacks nothing."""
    lacking = [] if image else ["an m0scan, or controls that are stated not to be suppressed"]
    lacking += [] if partition else ["the gadget physiology, which knows the partition coefficient"]
    lacking += [] if voxels else [f"tissue maps with voxels that are over 90 % {tissue}"]
    return f"There is no M0 from {tissue} for want of {', '.join(lacking)}." if lacking else ""


def statement_lacks(stated: bool) -> str:
    """Say what an M0 from the header lacks."""
    what = "the gadget physiology, which knows the partition coefficient" if stated else "M0Estimate"
    return f"There is no M0 from the header for want of {what}."


def differences(scan: Scan, m0scan: Place, control: Place) -> Iterator[Notice]:
    """Say in what the m0scan was measured otherwise than the controls, and what that does to M0."""
    dwells = m0scan.dwell, control.dwell
    if min(dwells) > 0 and max(dwells) > (1 + _OTHER_DWELL) * min(dwells):
        yield Notice(
            f"A sample of the m0scan takes {dwells[0] * 1e6:.2f} us, one of the controls {dwells[1] * 1e6:.2f} us: raw "
            "data keep their scale over that only with the same receiver gain, which the data do not tell."
        )
    if m0scan.sampling != control.sampling:
        yield Notice(
            "The m0scan covers k-space otherwise than the controls: its noise and blur differ, its scale does not.",
            Level.INFO,
        )
    own, usual = of_m0scan_and_control(scan, "EchoTime")
    usual = usual or ((scan.echo_time,) if scan.echo_time is not None else ())
    if own and usual and set(own) != set(usual):
        yield Notice(
            f"The m0scan is read at an echo time of {_shown(own)} s, the controls at {_shown(usual)} s: M0 decays "
            "otherwise than the difference, and that is not corrected."
        )
    own, usual = of_m0scan_and_control(scan, "ReceiverGain")
    if own and usual and set(own) != set(usual) and gain_ratio(scan) is None:
        yield Notice(
            f"The receiver gain of the m0scan is {_shown(own)}, that of the controls {_shown(usual)}: CBF is wrong by "
            f"their ratio. Their unit is not known, so nothing is corrected; {GAIN_RATIO} in the header, or m0.gain, "
            "says what the m0scan must be multiplied by."
        )


def no_repetition_time(m0scan: bool) -> str:
    """Say that M0 cannot be corrected for a short repetition time."""
    return (
        f"The repetition time of the {'m0scan' if m0scan else 'control'} is not stated: M0 is taken as fully "
        "recovered; with a TR of 2 s CBF would read 40 % high."
    )


def region_uncorrected(tissue: str) -> str:
    """Say that the signal of a reference tissue is compared with blood as it is."""
    return f"M0 from {tissue} is not corrected for what is not stated: RepetitionTimePreparation or EchoTime."


def zero(name: str) -> str:
    """Say that an M0 holds nothing."""
    return f"{name} is zero everywhere: flow stays relative."


def other_matrix(name: str) -> str:
    """Say that an M0 has other voxels than the controls."""
    return f"{name} has another matrix than the controls: flow stays relative. Both must be read on one."


def dark(name: str, ratio: float) -> str:
    """Say that an M0 is darker than what is less than it."""
    return (
        f"{name} has only {ratio:.2g} of the brain signal of the controls: it is no M0, or was received with another "
        "gain, which m0.gain would tell. Flow stays relative."
    )


def bright(name: str, ratio: float) -> str:
    """Say that an M0 is brighter than the controls allow for."""
    return f"{name} is {ratio:.2g} times as bright as controls without suppression let expect: another gain?"


def _shown(values: tuple[float, ...]) -> str:
    return ", ".join(f"{value:g}" for value in values)
