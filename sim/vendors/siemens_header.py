"""The header as the two style sheets of siemens_to_ismrmrd write it."""

from collections.abc import Mapping
from xml.etree.ElementTree import Element, SubElement

from ...streaming.scan import Scan
from ...streaming.xmltree import children, descend, words
from .document import (
    add_parameters,
    arrange,
    fill,
    parameter,
    part,
    read_document,
    remove,
    renew,
    state_all_limits,
    whole,
    write_document,
)

_ROOT = (
    "studyInformation",
    "measurementInformation",
    "acquisitionSystemInformation",
    "experimentalConditions",
    "encoding",
    "sequenceParameters",
    "userParameters",
)
_LONGS, _DOUBLES = 64, 16
"""Slots of the sequence's own memory."""
_DEVICE = 45001
_STUDY = f"{_DEVICE}_6000001_6000002_"
"""Stands before the number of each measurement: scanner, patient, study."""


def siemens_header(
    text: str, scan: Scan, measurement: int, epi_style: bool, volumes: Mapping[int, tuple[int, int]]
) -> str:
    """Rewrite a neutral header.

    The two styles differ in ``encodedSpace`` along x, ``trajectory``, ``relativeTablePosition``, ``echoSpacing``, a
    comment, and whether there are ``userParameters`` at all. ``volumes`` gives repetition and set of each volume,
    where sets are used.
    """
    root = read_document(text)
    remove(root, "version", "subjectInformation")
    fill(renew(root, "studyInformation"), {"studyTime": "12:00:00"})
    noise = {"Noise": str(measurement - 1)} if scan.labeling.stated else {}  # the measurement of noise needs none
    _measurement(part(root, "measurementInformation"), noise, epi_style)
    _system(part(root, "acquisitionSystemInformation"), scan.coils)
    for number, encoding in enumerate(children(root, "encoding")):
        _encoding(encoding, epi_style and number == 0)
        if volumes:
            limits = part(encoding, "encodingLimits")
            for place, counter in enumerate(("repetition", "set")):
                fill(part(limits, counter), {"maximum": max(pair[place] for pair in volumes.values())})
    echo_planar = scan.encoding is not None and scan.encoding.echo_planar
    _sequence(part(root, "sequenceParameters"), echo_planar)
    remove(root, "userParameters")
    if not epi_style:
        _user_parameters(SubElement(root, "userParameters"), scan)
    arrange(root, _ROOT)
    return write_document(root)


def _measurement(information: Element, earlier: dict[str, str], epi_style: bool) -> None:
    """Name the measurement and, by kind, the earlier ones that it needs; those that the header names go first."""
    protocol_name, position = words(information, "protocolName"), words(information, "patientPosition")
    measured = _STUDY + words(information, "measurementID")
    stated = children(information, "measurementDependency")
    earlier |= {words(dependency, "dependencyType"): words(dependency, "measurementID") for dependency in stated}
    information.clear()
    fill(information, {"measurementID": measured, "patientPosition": position})
    if not epi_style:
        fill(SubElement(information, "relativeTablePosition"), {"x": 0, "y": 0, "z": 0})
    fill(information, {"protocolName": protocol_name})
    for kind, number in earlier.items():
        depends = {"dependencyType": kind, "measurementID": _STUDY + number}
        fill(SubElement(information, "measurementDependency"), depends)
    fill(information, {"frameOfReferenceUID": f"1.3.12.2.1107.5.2.19.{_DEVICE}.1"})


def _system(system: Element, coils: int) -> None:
    remove(system, "coilLabel", "institutionName", "stationName", "deviceID", "deviceSerialNumber")
    fill(system, {"systemVendor": "SIEMENS", "systemModel": "Skyra", "relativeReceiverNoiseBandwidth": 0.792999983})
    arrange(
        system,
        (
            "systemVendor",
            "systemModel",
            "systemFieldStrength_T",
            "relativeReceiverNoiseBandwidth",
            "receiverChannels",
        ),
    )
    for coil in range(coils):
        # Connectors: from 1, neighbors exchanged, and with gaps where a plug has more contacts than elements.
        number = 1 + (coil ^ 1) + 4 * (coil // 8)
        fill(SubElement(system, "coilLabel"), {"coilNumber": number, "coilName": f"Head_{coils}:1:H{coil + 1}"})
    fill(system, {"institutionName": "aslive", "deviceID": _DEVICE})


def _encoding(encoding: Element, epi_style: bool) -> None:
    """State all limits and the k-space along x, and describe the train of an EPI."""
    limits = state_all_limits(encoding)
    description = descend(encoding, "trajectoryDescription")
    if description is not None and words(description, "identifier") == "ConventionalEPI":
        fill(part(limits, "segment"), {"maximum": 0})  # though the readouts count 0 and 1, by their direction
        _describe(description, whole(limits, "kspace_encoding_step_1", "maximum") + 1, epi_style)
        fill(encoding, {"trajectory": "epi" if epi_style else "cartesian"})
        _encode_along_x(encoding, 1 if epi_style else 2)
        partitions = whole(encoding, "encodedSpace", "matrixSize", "z")
        if epi_style and partitions > 1:
            # This style sheet forgets partial Fourier along z; the readouts' user counters have it right.
            fill(part(limits, "kspace_encoding_step_2"), {"center": partitions // 2})
    elif words(encoding, "trajectory") in ("spiral", "radial"):
        fill(part(limits, "kspace_encoding_step_1"), {"center": 0})
    parallel = part(encoding, "parallelImaging")
    if descend(parallel, "calibrationMode") is None:
        fill(parallel, {"calibrationMode": "other"})
    remove(encoding, "echoTrainLength")
    order = ("encodedSpace", "reconSpace", "encodingLimits", "trajectory", "trajectoryDescription", "parallelImaging")
    arrange(encoding, order)


def _encode_along_x(encoding: Element, oversampling: int) -> None:
    """Count the columns of k-space with or without oversampling, whatever the samples of a line are."""
    encoded, recon = part(encoding, "encodedSpace"), part(encoding, "reconSpace")
    for name in ("matrixSize", "fieldOfView_mm"):
        length = float(words(recon, name, "x") or 0) * oversampling
        fill(part(encoded, name), {"x": int(length) if name == "matrixSize" else length})


def _describe(description: Element, lines: int, epi_style: bool) -> None:
    """Write the readout gradient as product EPI has it."""
    etl = parameter(description, "etl")
    if etl is not None:
        fill(etl, {"value": 1 << lines.bit_length()})  # a power of two above the lines: 128 for 80 in the real file
    if epi_style:
        echo_spacing = parameter(description, "echoSpacing")
        if echo_spacing is not None:
            description.remove(echo_spacing)
    remove(description, "comment")
    fill(description, {"comment": "Conventional EPI sequence" if epi_style else "Conventional 2D EPI sequence"})


def _sequence(sequence: Element, echo_planar: bool) -> None:
    if echo_planar:
        fill(sequence, {"sequence_type": "EPI"})
    else:
        remove(sequence, "echo_spacing")
        fill(sequence, {"sequence_type": "Flash"})
    arrange(sequence, ("TR", "TE", "TI", "flipAngle_deg", "sequence_type", "echo_spacing"))


def _user_parameters(parameters: Element, scan: Scan) -> None:
    """Write the sequence's own memory: numbers without names, which only their sequence understands.

    ASL sequences keep labeling duration and delays in it, in µs; which slot holds what differs between sequences.
    """
    labeling = scan.labeling
    delays = sorted({delay for delay in labeling.post_labeling_delay if delay > 0})
    held = [round(time * 1e6) for time in (*labeling.labeling_duration[:1], *delays)][:_LONGS]
    longs = {f"sWipMemBlock.alFree[{n}]": value for n, value in enumerate(held + [0] * (_LONGS - len(held)))}
    add_parameters(parameters, "Long", longs)
    add_parameters(parameters, "Double", {f"sWipMemBlock.adFree[{n}]": 0 for n in range(_DOUBLES)})
    add_parameters(parameters, "Double", {f"MaxwellCoefficient_{n}": 0 for n in range(_DOUBLES)})
