"""What M0 was made of: the constants that go with it, and where each of them came from."""

from ...streaming.perfusion import Constant, Physiology
from ...streaming.scan import Labeling, Scan, Source
from .m0_statements import gain_ratio, repetition_time


def number_of(constant: Constant | None) -> float:
    """Give a constant as a number; NaN where there is none."""
    return Physiology({"": constant}).number("") if constant is not None else float("nan")


def of_images(scan: Scan, m0scan: bool, count: int, gain: float | None) -> dict[str, Constant]:
    """Name the mean image, with its repetition time where that is known, and the gain of the m0scan if there is one."""
    constants = {"m0": Constant(f"mean of {count} {'m0scan' if m0scan else 'control'}", "", Source.DATA)}
    repetition = repetition_time(scan, m0scan)
    if repetition is not None:
        constants["m0_repetition_time"] = repetition
    ratio = gain_ratio(scan) if gain is None else Constant(gain, "", Source.CONFIG)
    if m0scan and ratio is not None:
        constants["m0_gain"] = ratio
    return constants


def of_suppression(labeling: Labeling, count: int) -> dict[str, Constant]:
    """Name an M0 that is estimated under background suppression, with the pulses that it hangs on."""
    pulses = labeling.background_suppression_pulse_time
    source = labeling.sources.get("background_suppression_pulse_time", Source.HEADER)
    return {
        "m0": Constant(f"ESTIMATED from {count} control under background suppression", "", Source.DATA),
        "background_suppression_pulse_time": Constant(pulses, "s", source),
    }


def of_region(name: str, t1: Constant, t2: float, partition_coefficient: float) -> dict[str, Constant]:
    """Name the region of one tissue that M0 is read from, and give what is taken to be known of that tissue; s."""
    return {
        "m0": Constant(name, "", Source.DATA),
        "m0_reference_t1": t1,
        "m0_reference_t2": Constant(t2, "s", Source.DEFAULT),
        "m0_reference_partition_coefficient": Constant(partition_coefficient, "", Source.DEFAULT),
    }
