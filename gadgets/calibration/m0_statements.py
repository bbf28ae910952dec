"""What the header says about the images that M0 comes from."""

import math

from ...streaming.bids import entries, number
from ...streaming.perfusion import Constant
from ...streaming.scan import Bolus, Labeling, LabelingType, Role, Scan, Source
from ...streaming.statements import plain

GAIN_RATIO = "M0GainRatio"
"""The factor that brings the m0scan to the scale of the control; not BIDS."""


def repetition_time(scan: Scan, of_m0scan: bool) -> Constant | None:
    """Give the repetition time of the m0scan, or of the controls that stand for it, s; none where it is not stated."""
    labeling = scan.labeling
    own, usual = labeling.m0_repetition_time, scan.repetition_time
    if of_m0scan and own is not None and own > 0:
        return Constant(own, "s", labeling.sources.get("m0_repetition_time", Source.HEADER))
    if usual is not None and usual > 0:
        return Constant(usual, "s", labeling.sources.get("repetition_time", Source.HEADER))
    return None


def gain_ratio(scan: Scan) -> Constant | None:
    """Give the stated factor between the scales of m0scan and control; none where there is no usable one."""
    ratios = _numbers(scan, GAIN_RATIO)
    return Constant(ratios[0], "", Source.HEADER) if len(ratios) == 1 and ratios[0] > 0 else None


def shows_all(labeling: Labeling) -> bool:
    """Tell whether the controls are stated to show all of the magnetization, so that they could be M0."""
    return labeling.background_suppression is False and not labeling.look_locker


def since_labeling(labeling: Labeling, bolus: Bolus | None) -> float:
    """Tell how long after the beginning of labeling a control was excited, s; NaN where that is not stated.

    In a time-encoded scan that is the time of the whole train of sub-boluses.
    """
    if labeling.time_encoding is not None:
        return max(sum(each) for each in labeling.time_encoding.boluses)
    pulsed = labeling.arterial_spin_labeling_type is LabelingType.PASL
    if bolus is None or not (pulsed or bolus.labeling_duration > 0):
        return math.nan
    return bolus.post_labeling_delay + bolus.labeling_duration


def voxel_size(scan: Scan) -> tuple[float, float, float]:
    """Give how far voxels lie apart along z, y, x, m; 0 where it is not known, and along z in 2-D, which may have gaps.

    >>> voxel_size(Scan())
    (0.0, 0.0, 0.0)
    """
    if scan.encoding is None:
        return 0.0, 0.0, 0.0
    lengths, counts = scan.encoding.recon_field_of_view, scan.encoding.recon_matrix
    x, y, z = (length / count if count > 0 else 0.0 for length, count in zip(lengths, counts, strict=True))
    return z if scan.three_dimensional else 0.0, y, x


def is_static(labeling: Labeling, control: int) -> bool:
    """Tell whether a control shows no labeled blood, by its number; of a time-encoded cycle some images may.

    >>> is_static(Labeling(), 0)
    True
    """
    image = labeling.encoding_of(control) if control >= 0 else None
    if labeling.time_encoding is None or image is None:
        return True
    return not any(row[image[1]] for row in labeling.time_encoding.matrix)


def of_m0scan_and_control(scan: Scan, key: str) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Give the different values that a key has for m0scans, and for controls and labels: one list, or a key of its own.

    ``M0EchoTime`` stands beside ``EchoTime`` as ``M0RepetitionTime`` does; else a value for each volume.
    """
    values, own, roles = _numbers(scan, key), _numbers(scan, f"M0{key}"), scan.labeling.context
    if len(values) == len(roles) and len(roles) > 1:
        own = own or tuple(value for value, role in zip(values, roles, strict=True) if role is Role.M0SCAN)
        values = tuple(value for value, role in zip(values, roles, strict=True) if role is not Role.M0SCAN)
    return tuple(dict.fromkeys(own)), tuple(dict.fromkeys(values))


def _numbers(scan: Scan, key: str) -> tuple[float, ...]:
    """Read one of the header's parameters as numbers; nothing where it is absent, or not numbers."""
    said = next((value for name, value in scan.parameters.items() if plain(name) == plain(key)), "")
    try:
        return tuple(number(entry) for entry in entries(said))
    except ValueError:
        return ()
