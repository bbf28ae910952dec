"""The MRD header of a simulated scan."""

from collections.abc import Iterable, Mapping
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from ..streaming.scan import Role
from .bids import Parameter, bids_parameters
from .choices import NavigatorType, NoiseScan, ReferenceType
from .protocol import Protocol, ReadoutType
from .sequence import center
from .tissue import FIELD_STRENGTH

_NAMESPACE = "http://www.ismrm.org/ISMRMRD"
_PROTON = 42.577478518e6
"""Gyromagnetic ratio over 2 pi, Hz/T; CODATA 2018."""

NOISE_MEASUREMENT = "simulation_noise"
"""The measurementID of a noise scan of its own."""
_CALIBRATION = {
    ReferenceType.EMBEDDED: "embedded",
    ReferenceType.SEPARATE: "separate",
    ReferenceType.FLASH: "other",
}
"""MRD's word for where reference lines come from."""


def header_text(protocol: Protocol) -> str:
    """Write the header as ISMRMRD XML, version 2 of the schema; lengths in mm and times in ms, as it wants them."""
    root = _opening(protocol, "simulation", _protocol_name(protocol))
    if protocol.noise_scan is NoiseScan.EARLIER:
        measurement = root.find("measurementInformation")
        if measurement is not None:
            dependency = SubElement(measurement, "measurementDependency")
            _fill(dependency, {"dependencyType": "Noise", "measurementID": NOISE_MEASUREMENT})
    _rest(root, protocol)
    _user_parameters(SubElement(root, "userParameters"), bids_parameters(protocol))
    return _written(root)


def noise_header_text(protocol: Protocol) -> str:
    """Write the header of the measurement of noise that precedes a scan."""
    root = _opening(protocol, NOISE_MEASUREMENT, "noise")
    _rest(root, protocol)
    return _written(root)


def _written(root: Element) -> str:
    indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + tostring(root, encoding="unicode") + "\n"


def _opening(protocol: Protocol, measurement: str, name: str) -> Element:
    root = Element("ismrmrdHeader", xmlns=_NAMESPACE)
    _fill(root, {"version": 2})
    _fill(
        SubElement(root, "measurementInformation"),
        {"measurementID": measurement, "patientPosition": "HFS", "protocolName": name},
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
    return root


def _rest(root: Element, protocol: Protocol) -> None:
    _fill(SubElement(root, "experimentalConditions"), {"H1resonanceFrequency_Hz": round(_PROTON * FIELD_STRENGTH)})
    _encoding(SubElement(root, "encoding"), protocol)
    if protocol.reference_type is ReferenceType.FLASH:
        _flash_encoding(SubElement(root, "encoding"), protocol)
    _fill(
        SubElement(root, "sequenceParameters"),
        {
            "TR": protocol.repetition_time * 1e3,
            "TE": protocol.echo_time * 1e3,
            "flipAngle_deg": protocol.flip_angle,
            "echo_spacing": protocol.echo_spacing * 1e3,
        },
    )


def _protocol_name(protocol: Protocol) -> str:
    plain = f"{protocol.labeling_type.value.lower()}_{'3d' if protocol.three_dimensional else '2d'}"
    return plain if protocol.readout == ReadoutType.CARTESIAN else f"{plain}_{protocol.readout.value}"


def _encoding(encoding: Element, protocol: Protocol) -> None:
    x, y, z = protocol.field_of_view
    columns, rows, slices = protocol.matrix
    samples, lines, partitions = protocol.encoded_matrix
    width = x * protocol.readout_oversampling
    if protocol.readout != ReadoutType.CARTESIAN:
        samples, width = columns, x
    if protocol.three_dimensional:
        encoded, recon = (samples, lines, partitions), protocol.matrix
        encoded_length, length = z * partitions / slices, z
    else:
        encoded, recon = (samples, lines, 1), (columns, rows, 1)
        encoded_length = length = z / slices
    _space(SubElement(encoding, "encodedSpace"), encoded, (width, y * lines / rows, encoded_length))
    _space(SubElement(encoding, "reconSpace"), recon, (x, y, length))
    limits = SubElement(encoding, "encodingLimits")
    _limits(limits, "kspace_encoding_step_0", protocol.samples, _center_sample(protocol))
    if protocol.readout == ReadoutType.SPIRAL:
        _limits(limits, "kspace_encoding_step_1", protocol.spiral.interleaves, 0)
    else:
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
    _limits(limits, "segment", protocol.excitations, 0)
    _fill(encoding, {"trajectory": _trajectory(protocol)})
    if protocol.echo_train:
        _train_description(SubElement(encoding, "trajectoryDescription"), protocol)
    parallel = SubElement(encoding, "parallelImaging")
    step_y, step_z = protocol.acceleration
    acceleration = SubElement(parallel, "accelerationFactor")
    _fill(acceleration, {"kspace_encoding_step_1": step_y, "kspace_encoding_step_2": step_z})
    if protocol.reference_type is not None:
        _fill(parallel, {"calibrationMode": _CALIBRATION[protocol.reference_type]})
    _fill(encoding, {"echoTrainLength": protocol.echo_train_length})


def _center_sample(protocol: Protocol) -> int:
    return 0 if protocol.readout == ReadoutType.SPIRAL and not protocol.spiral.radial else protocol.samples // 2


def _trajectory(protocol: Protocol) -> str:
    if protocol.readout == ReadoutType.SPIRAL:
        return "radial" if protocol.spiral.radial else "spiral"
    return "epi" if protocol.echo_train else "cartesian"


def _train_description(description: Element, protocol: Protocol) -> None:
    """Describe the echo train as converters do; times in microseconds, whole ones where they are whole."""
    train = protocol.echo_planar
    outside = (train.duration - train.samples * train.dwell) / 2
    _fill(description, {"identifier": "ConventionalEPI"})
    counts = {
        "etl": protocol.echo_train_length,
        "numberOfNavigators": 3 if train.navigators is NavigatorType.THREE_LINES else 0,
        "rampUpTime": round(train.ramp * 1e6),
        "rampDownTime": round(train.ramp * 1e6),
        "flatTopTime": round(train.flat_top * 1e6),
        "echoSpacing": round(protocol.echo_spacing * 1e6),
        "acqDelayTime": round(outside * 1e6),
        "numSamples": train.samples,
    }
    for name, count in counts.items():
        _fill(SubElement(description, "userParameterLong"), {"name": name, "value": count})
    _fill(SubElement(description, "userParameterDouble"), {"name": "dwellTime", "value": train.dwell * 1e6})
    _fill(description, {"comment": "simulated echo train"})


def _flash_encoding(encoding: Element, protocol: Protocol) -> None:
    """Describe the gradient-echo reference: the steps of k-space are those of the image, there are only fewer."""
    x, y, z = protocol.field_of_view
    columns, rows, slices = protocol.matrix
    _, full, full_partitions = protocol.encoded_matrix
    lines, partitions = protocol.reference_block
    oversampling = protocol.readout_oversampling
    length = z * full_partitions / slices if protocol.three_dimensional else z / slices
    field_of_view = (x, y * full / rows, length)
    samples = columns * oversampling
    _space(SubElement(encoding, "encodedSpace"), (samples, lines, partitions), (x * oversampling, *field_of_view[1:]))
    _space(SubElement(encoding, "reconSpace"), (columns, lines, partitions), field_of_view)
    limits = SubElement(encoding, "encodingLimits")
    _limits(limits, "kspace_encoding_step_0", samples, samples // 2)
    _limits(limits, "kspace_encoding_step_1", lines, lines // 2)
    _limits(limits, "kspace_encoding_step_2", partitions, partitions // 2)
    _limits(limits, "slice", 1 if protocol.three_dimensional else slices, 0)
    _fill(encoding, {"trajectory": "cartesian"})
    acceleration = SubElement(SubElement(encoding, "parallelImaging"), "accelerationFactor")
    _fill(acceleration, {"kspace_encoding_step_1": 1, "kspace_encoding_step_2": 1})


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
