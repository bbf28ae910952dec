"""The header as the style sheets of ge_to_ismrmrd write it."""

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
    write_document,
)

_ROOT = (
    "subjectInformation",
    "studyInformation",
    "measurementInformation",
    "acquisitionSystemInformation",
    "experimentalConditions",
    "encoding",
    "sequenceParameters",
    "userParameters",
)
_FIXED_DWELL = 2
"""The style sheet for EPI holds this number, µs, whatever was played."""


def ge_header(text: str, scan: Scan) -> str:
    """Rewrite a neutral header: patient and all, no word of labeling, and no count of repetitions."""
    root = read_document(text)
    remove(root, "version")
    fill(renew(root, "subjectInformation"), {"patientName": "SIMULATED^HEAD", "patientID": "0"})
    fill(renew(root, "studyInformation"), {"studyDate": "2026-01-01", "studyTime": "12:00:00", "studyID": "1"})
    information = part(root, "measurementInformation")
    name = words(information, "protocolName")
    information.clear()
    fill(information, {"measurementID": 3, "seriesDate": "2026-01-01", "seriesTime": "12:00:00"})
    fill(information, {"patientPosition": "HFS", "initialSeriesNumber": 3, "protocolName": name})
    system = part(root, "acquisitionSystemInformation")
    remove(system, "coilLabel")
    fill(system, {"systemVendor": "GE MEDICAL SYSTEMS", "systemModel": "DISCOVERY MR750"})
    fill(system, {"relativeReceiverNoiseBandwidth": 1.0, "institutionName": "aslive", "stationName": "simulator"})
    for encoding in children(root, "encoding"):
        _encoding(encoding)
    sequence = part(root, "sequenceParameters")
    times = {name: words(sequence, name) for name in ("TR", "TE")}
    sequence.clear()
    fill(sequence, times)
    for name in ("TE", "TI"):  # second echo and inversion time stand there even if there are none
        SubElement(sequence, name).text = "0"
    said = {"imageType": "ORIGINAL", "scanOptions": "EPI_GEMS", "mrAcquisitionType": "2D", "triggerTime": "0"}
    add_parameters(renew(root, "userParameters"), "String", {**said, "freqEncodingDirection": "ROW"})
    arrange(root, _ROOT)
    return write_document(root)


def _encoding(encoding: Element) -> None:
    """Write k-space without oversampling, limits whose counts are not known, and EPI as far as it is."""
    encoded, recon = part(encoding, "encodedSpace"), part(encoding, "reconSpace")
    for name in ("matrixSize", "fieldOfView_mm"):
        fill(part(encoded, name), {"x": words(recon, name, "x")})
    limits = state_all_limits(encoding)
    for counter in limits:
        if counter.tag in ("average", "segment"):
            fill(counter, {"maximum": 0})
        elif counter.tag == "repetition":
            fill(counter, {"maximum": "NaN", "center": "NaN"})  # the style sheet asks for a count that nobody writes
        elif counter.tag == "slice":
            fill(counter, {"center": (int(words(counter, "maximum")) + 1) // 2})
    description = descend(encoding, "trajectoryDescription")
    if description is not None:
        echo_spacing = parameter(description, "echoSpacing")
        if echo_spacing is not None:
            description.remove(echo_spacing)
        dwell = parameter(description, "dwellTime")
        if dwell is not None:
            fill(dwell, {"value": _FIXED_DWELL})
        remove(description, "comment")
    remove(encoding, "parallelImaging")
    order = ("encodedSpace", "reconSpace", "encodingLimits", "trajectory", "trajectoryDescription", "echoTrainLength")
    arrange(encoding, order)
