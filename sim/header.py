"""The MRD header of a simulated scan, with the words of BIDS for everything that is ASL."""

from collections.abc import Iterable, Mapping
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from ..streaming.scan import LabelingType, Role
from .protocol import Protocol
from .sequence import center, excitation_times
from .tissue import FIELD_STRENGTH

_NAMESPACE = "http://www.ismrm.org/ISMRMRD"
_PROTON = 42.577478518e6
"""Gyromagnetic ratio over 2 pi, Hz/T; CODATA 2018."""

Parameter = str | bool | int | float | tuple[float, ...] | tuple[Role, ...]
"""What a BIDS key may hold here."""


def bids_parameters(protocol: Protocol) -> dict[str, Parameter]:
    """Say how the scan labels blood, in the keys and units of BIDS; lists are by volume or by slice."""
    parameters: dict[str, Parameter] = {
        "aslcontext": protocol.context,
        "ArterialSpinLabelingType": protocol.labeling_type.value,
        "PostLabelingDelay": _delays(protocol),
        "LabelingEfficiency": protocol.efficiency,
        "BackgroundSuppression": protocol.background_suppression < 1,
        "M0Type": "Included" if protocol.m0scan else "Absent",
        "MRAcquisitionType": "3D" if protocol.three_dimensional else "2D",
    }
    if protocol.labeling_type is LabelingType.PASL:
        parameters["BolusCutOffFlag"] = True
        parameters["BolusCutOffTechnique"] = "QUIPSSII"
        parameters["BolusCutOffDelayTime"] = protocol.bolus_cut_off_delay_time
    else:
        parameters["LabelingDuration"] = protocol.labeling_duration
    if protocol.background_suppression < 1:
        parameters["BackgroundSuppressionNumberPulses"] = protocol.background_suppression_number_pulses
    if protocol.m0scan:
        parameters["M0RepetitionTime"] = protocol.m0_repetition_time
    if not protocol.three_dimensional:
        parameters["SliceTiming"] = excitation_times(protocol)
    return parameters


def _delays(protocol: Protocol) -> float | tuple[float, ...]:
    if len(protocol.post_labeling_delay) == 1:
        return protocol.post_labeling_delay[0]
    return tuple(protocol.delay(volume) for volume in range(len(protocol.context)))


def header_text(protocol: Protocol) -> str:
    """Write the header as ISMRMRD XML, version 2 of the schema; lengths in mm and times in ms, as it wants them."""
    root = Element("ismrmrdHeader", xmlns=_NAMESPACE)
    _fill(root, {"version": 2})
    _fill(
        SubElement(root, "measurementInformation"),
        {"measurementID": "simulation", "patientPosition": "HFS", "protocolName": _protocol_name(protocol)},
    )
    _fill(
        SubElement(root, "acquisitionSystemInformation"),
        {
            "systemVendor": "aslive",
            "systemModel": "simulator",
            "systemFieldStrength_T": FIELD_STRENGTH,
            # The noise is white over the whole band, oversampled part included.
            "relativeReceiverNoiseBandwidth": 1.0,
            "receiverChannels": protocol.coils,
        },
    )
    _fill(SubElement(root, "experimentalConditions"), {"H1resonanceFrequency_Hz": round(_PROTON * FIELD_STRENGTH)})
    _encoding(SubElement(root, "encoding"), protocol)
    _fill(
        SubElement(root, "sequenceParameters"),
        {
            "TR": protocol.repetition_time * 1e3,
            "TE": protocol.echo_time * 1e3,
            "echo_spacing": protocol.echo_spacing * 1e3,
        },
    )
    _user_parameters(SubElement(root, "userParameters"), bids_parameters(protocol))
    indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + tostring(root, encoding="unicode") + "\n"


def _protocol_name(protocol: Protocol) -> str:
    return f"{protocol.labeling_type.value.lower()}_{'3d' if protocol.three_dimensional else '2d'}"


def _encoding(encoding: Element, protocol: Protocol) -> None:
    x, y, z = protocol.field_of_view
    columns, rows, slices = protocol.matrix
    samples, lines, partitions = protocol.encoded_matrix
    if protocol.three_dimensional:
        encoded, recon = (samples, lines, partitions), protocol.matrix
        encoded_length, length = z * partitions / slices, z
    else:
        encoded, recon = (samples, lines, 1), (columns, rows, 1)
        encoded_length = length = z / slices
    _space(
        SubElement(encoding, "encodedSpace"),
        encoded,
        (x * protocol.readout_oversampling, y * lines / rows, encoded_length),
    )
    _space(SubElement(encoding, "reconSpace"), recon, (x, y, length))
    limits = SubElement(encoding, "encodingLimits")
    _limits(limits, "kspace_encoding_step_0", samples, samples // 2)
    _limits(limits, "kspace_encoding_step_1", protocol.line_count, center(lines, protocol.line_count))
    if protocol.three_dimensional:
        _limits(
            limits, "kspace_encoding_step_2", protocol.partition_count, center(partitions, protocol.partition_count)
        )
    else:
        _limits(limits, "kspace_encoding_step_2", 1, 0)
    _limits(limits, "average", protocol.averages, 0)
    _limits(limits, "slice", 1 if protocol.three_dimensional else slices, 0)
    _limits(limits, "repetition", len(protocol.context), 0)
    _limits(limits, "segment", protocol.shots, 0)
    _fill(encoding, {"trajectory": "cartesian"})
    acceleration = SubElement(SubElement(encoding, "parallelImaging"), "accelerationFactor")
    _fill(acceleration, {"kspace_encoding_step_1": 1, "kspace_encoding_step_2": 1})
    _fill(encoding, {"echoTrainLength": protocol.line_count})


def _space(space: Element, matrix: tuple[int, int, int], field_of_view: tuple[float, float, float]) -> None:
    _fill(SubElement(space, "matrixSize"), dict(zip("xyz", matrix, strict=True)))
    lengths = (length * 1e3 for length in field_of_view)
    _fill(SubElement(space, "fieldOfView_mm"), dict(zip("xyz", lengths, strict=True)))


def _limits(limits: Element, counter: str, count: int, middle: int) -> None:
    _fill(SubElement(limits, counter), {"minimum": 0, "maximum": count - 1, "center": middle})


def _user_parameters(parent: Element, parameters: Mapping[str, Parameter]) -> None:
    """Write each parameter by its type; the schema wants whole numbers first, then others, then texts."""
    for kind, wanted in (("Long", int), ("Double", float), ("String", str)):
        for name, value in parameters.items():
            value = _plain(value)
            if type(value) is wanted:
                _fill(SubElement(parent, f"userParameter{kind}"), {"name": name, "value": value})


def _plain(value: Parameter) -> str | int | float:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, tuple):
        return ",".join(_words(value))
    return value


def _words(values: Iterable[float | Role]) -> Iterable[str]:
    return (value.value if isinstance(value, Role) else f"{value:.10g}" for value in values)


def _fill(parent: Element, children: Mapping[str, str | int | float]) -> None:
    for name, value in children.items():
        SubElement(parent, name).text = f"{value:.10g}" if isinstance(value, float) else str(value)
