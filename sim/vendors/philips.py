"""What philips_to_ismrmrd makes of a scan."""

from collections.abc import Iterator
from dataclasses import dataclass
from xml.etree.ElementTree import SubElement

from ...streaming.errors import ConfigError
from ...streaming.header import read_header
from ...streaming.messages import Acquisition
from ...streaming.xmltree import children, words
from .document import arrange, fill, part, read_document, remove, state_all_limits, whole, write_document
from .readouts import CALIBRATION, NAVIGATION, NOISE, PHASE_CORRECTION, blank_fields, fields_of, rewritten
from .refusals import refuse_all_but_full_lines
from .words import site_settings

_COUNTERS = ("kspace_encode_step_1", "kspace_encode_step_2", "average", "slice", "contrast", "phase", "repetition")
"""Counters that are filled; ``repetition`` is Philips' dynamic. ``segment`` and ``set`` stay 0."""


@dataclass
class Philips:
    """Writes a neutral scan as philips_to_ismrmrd does: noise and ordinary lines, and little about either.

    Source: the converter, whose authors read Philips' files without documents. It knows no direction of readout and
    drops phase-correction data, so an EPI does not survive it, and is refused here.
    """

    def header(self, text: str) -> str:
        """Rewrite the header, and begin a new scan."""
        scan = read_header(text)
        refuse_all_but_full_lines("philips_to_ismrmrd", scan)
        if scan.encoding is not None and scan.encoding.echo_planar:
            raise ConfigError("philips_to_ismrmrd loses the direction of EPI lines; choose another profile or readout")
        root = read_document(text)
        remove(root, "version", "userParameters", "subjectInformation", "studyInformation")
        information = part(root, "measurementInformation")
        name = words(information, "protocolName")
        information.clear()
        fill(information, {"measurementID": "PATIENT_STUDY_", "patientPosition": "HFS", "protocolName": name})
        system = part(root, "acquisitionSystemInformation")
        system.clear()
        fill(system, {"systemVendor": "PHILIPS", "relativeReceiverNoiseBandwidth": 0.793})
        fill(system, {"receiverChannels": scan.coils})
        for coil in range(scan.coils):
            fill(SubElement(system, "coilLabel"), {"coilNumber": coil, "coilName": f"COIL_{coil}"})
        fill(part(root, "experimentalConditions"), {"H1resonanceFrequency_Hz": 0})
        for encoding in children(root, "encoding"):
            limits = state_all_limits(encoding)
            fill(part(limits, "segment"), {"maximum": 0})
            for step in ("kspace_encoding_step_1", "kspace_encoding_step_2"):
                center = whole(limits, step, "maximum") // 2  # 31 for 64 lines: one too low
                fill(part(limits, step), {"center": center})
            remove(encoding, "parallelImaging", "echoTrainLength")
        sequence = part(root, "sequenceParameters")
        remove(sequence, "echo_spacing", "sequence_type")
        fill(sequence, {"TR": "ETH"})  # its style sheet has this word in place of the time
        arrange(root, ("measurementInformation", "acquisitionSystemInformation", "experimentalConditions"))
        return write_document(root)

    def readout(self, acquisition: Acquisition) -> Iterator[Acquisition]:
        """Write one readout anew, with the few fields there are; what is neither noise nor image is dropped."""
        before = fields_of(acquisition)
        flags = int(before["flags"])
        if flags & (PHASE_CORRECTION | NAVIGATION | CALIBRATION) or before["encoding_space_ref"]:
            return
        fields, (coils, samples) = blank_fields(), acquisition.data.shape
        fields["flags"] = flags & NOISE
        fields["scan_counter"], fields["center_sample"] = before["scan_counter"], samples // 2
        fields["available_channels"] = coils
        for name in _COUNTERS:
            fields["idx"][name] = before["idx"][name]
        yield rewritten(acquisition, fields)

    def settings(self, text: str) -> dict[str, object]:
        """Give what the site must say instead of the header."""
        return site_settings(text)
