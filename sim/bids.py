"""What the simulated scanner says about labeling, in the words and units of BIDS."""

from ..streaming.scan import Role
from .protocol import Protocol
from .sequence import excitation_times
from .time_encoding import TimeEncoded

Parameter = str | bool | int | float | tuple[float, ...] | tuple[Role, ...]
"""What a BIDS key may hold here."""


def bids_parameters(protocol: Protocol) -> dict[str, Parameter]:
    """Say how the scan labels blood; lists are by volume or by slice. BIDS has no words for time encoding."""
    parameters: dict[str, Parameter] = {
        "aslcontext": protocol.context,
        "ArterialSpinLabelingType": protocol.labeling_type.value,
        "PostLabelingDelay": _by_volume(
            tuple(volume.bolus.post_labeling_delay for volume in protocol.volumes), protocol
        ),
        "LabelingEfficiency": protocol.efficiency,
        "BackgroundSuppression": protocol.suppressed,
        "M0Type": "Included" if protocol.m0scan else "Absent",
        "MRAcquisitionType": "3D" if protocol.three_dimensional else "2D",
    }
    if protocol.pulsed:
        parameters["BolusCutOffFlag"] = True
        parameters["BolusCutOffTechnique"] = "QUIPSSII"
        parameters["BolusCutOffDelayTime"] = protocol.bolus_cut_off_delay_time
    else:
        durations = tuple(volume.bolus.labeling_duration for volume in protocol.volumes)
        parameters["LabelingDuration"] = _by_volume(durations, protocol)
    if protocol.suppressed:
        parameters["BackgroundSuppressionNumberPulses"] = protocol.background_suppression_number_pulses
    if protocol.vascular_crushing:
        parameters["VascularCrushing"] = True
    if protocol.look_locker:
        parameters["LookLocker"] = True
        parameters["FlipAngle"] = protocol.flip_angle
    if protocol.m0scan:
        parameters["M0RepetitionTime"] = protocol.m0_repetition_time
    if not protocol.three_dimensional:
        parameters["SliceTiming"] = excitation_times(protocol)
    if protocol.time_encoding is not None:
        parameters |= _time_encoding(protocol.time_encoding, protocol)
    return parameters


def _by_volume(values: tuple[float, ...], protocol: Protocol) -> float | tuple[float, ...]:
    """Give one value where all volumes but the m0scan share it; else one for each, 0 for the m0scan."""
    blood = values[protocol.m0scan :]
    return blood[0] if len(set(blood)) == 1 else values


def _time_encoding(encoding: TimeEncoded, protocol: Protocol) -> dict[str, Parameter]:
    """Name the matrix, or write it out: rows are sub-boluses in playing order, columns images of a cycle."""
    parameters: dict[str, Parameter] = {"TimeEncodedLabelSign": encoding.label_sign}
    if encoding.own_matrix:
        rows = (",".join(map(str, row)) for row in encoding.own_matrix)
        parameters["TimeEncodedMatrix"] = ";".join(rows)
    else:
        parameters["TimeEncodedMatrixType"] = encoding.kind.value
        parameters["TimeEncodedMatrixSize"] = encoding.size
    durations = tuple(bolus.labeling_duration for bolus in protocol.boluses)
    if encoding.durations:
        parameters["TimeEncodedLabelingDuration"] = durations[0] if len(set(durations)) == 1 else durations
    return parameters
