"""How a map was acquired, in BIDS's keys: what whoever computes with the map later has to know."""

from typing import Any

from ..flow import Place
from ..perfusion import MapName
from ..scan import Bolus, LabelingType, Role, Scan

_VOLUMES = frozenset((MapName.IMAGE, MapName.M0SCAN, MapName.CONTROL, MapName.LABEL))
"""Maps that are one volume, not made of many."""


def acquisition(scan: Scan, name: MapName, place: Place) -> dict[str, Any]:  # Any: what JSON can hold
    """Give the keys of BIDS that are known of a map: times in s, angles in degrees, field strength in T.

    A control or label has the delay of its own volume; what is made of several has each different delay once, in rising
    order, and the duration of each where they differ; an m0scan has none. The manufacturer is left out on purpose:
    tools would scale M0 as that scanner's own images need it, which images from raw k-space do not.
    """
    labeling = scan.labeling
    kind = labeling.arterial_spin_labeling_type
    known = {
        "MagneticFieldStrength": scan.field_strength,
        "MRAcquisitionType": labeling.mr_acquisition_type,
        "EchoTime": scan.echo_time,
        "FlipAngle": labeling.flip_angle,
        "RepetitionTimePreparation": labeling.m0_repetition_time if name is MapName.M0SCAN else scan.repetition_time,
        "SliceTiming": labeling.slice_timing,
    }
    if name is not MapName.M0SCAN:
        known |= {
            "ArterialSpinLabelingType": kind and kind.value,
            **_timing(scan, name, place),
            "LabelingEfficiency": labeling.labeling_efficiency,
            "BackgroundSuppression": labeling.background_suppression,
            "BackgroundSuppressionNumberPulses": labeling.background_suppression_number_pulses,
            "BackgroundSuppressionPulseTime": labeling.background_suppression_pulse_time,
            "VascularCrushing": labeling.vascular_crushing,
            "LookLocker": labeling.look_locker,
            "M0Type": labeling.m0_type,
            "M0Estimate": labeling.m0_estimate,
        }
    if kind is LabelingType.PASL and name is not MapName.M0SCAN:
        times = labeling.bolus_cut_off_delay_time
        known |= {
            "BolusCutOffFlag": labeling.bolus_cut_off_flag,
            "BolusCutOffTechnique": labeling.bolus_cut_off_technique,
            "BolusCutOffDelayTime": times[0] if len(times) == 1 else times,
        }
    return {key: value for key, value in known.items() if value is not None and value != ()}


def _timing(scan: Scan, name: MapName, place: Place) -> dict[str, Any]:  # Any: what JSON can hold
    boluses = _boluses(scan, name, place)
    timing: dict[str, Any] = {}  # Any: as above
    if boluses:
        timing["PostLabelingDelay"] = _plainly([bolus.post_labeling_delay for bolus in boluses])
    if any(bolus.labeling_duration for bolus in boluses):
        durations = [bolus.labeling_duration for bolus in boluses]
        timing["LabelingDuration"] = durations[0] if len(set(durations)) == 1 else durations
    return timing


def _boluses(scan: Scan, name: MapName, place: Place) -> tuple[Bolus, ...]:
    if name not in _VOLUMES:
        return scan.labeling.boluses
    if scan.labeling.time_encoding is not None or place.role not in (Role.CONTROL, Role.LABEL):
        return ()  # an image of a cycle shows several boluses at once
    bolus = scan.labeling.bolus(place.number if place.number >= 0 else place.volume)
    return () if bolus is None else (bolus,)


def _plainly(values: list[float]) -> float | list[float]:
    return values[0] if len(values) == 1 else values
