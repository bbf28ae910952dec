"""What research converters make of a scan that was played from a ``.seq`` file."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from ...streaming.header import read_header
from ...streaming.messages import Acquisition
from ...streaming.scan import Encoding
from ...streaming.xmltree import children, descend, words
from .document import arrange, fill, part, read_document, remove, state_all_limits, write_document
from .readouts import (
    CALIBRATION,
    CALIBRATION_AND_IMAGING,
    FIRST_IN_SLICE,
    LAST_IN_MEASUREMENT,
    LAST_IN_REPETITION,
    LAST_IN_SLICE,
    NAVIGATION,
    NOISE,
    PHASE_CORRECTION,
    REVERSE,
    Navigators,
    Polarity,
    fields_of,
    rewritten,
)
from .words import site_settings

_LABELED = NOISE | CALIBRATION | CALIBRATION_AND_IMAGING | REVERSE | PHASE_CORRECTION
"""Flags that come from labels of the sequence: NOISE, REF, IMA, REV, NAV."""
_LAST = LAST_IN_SLICE | LAST_IN_REPETITION | LAST_IN_MEASUREMENT


@dataclass
class Pulseq:
    """Writes a neutral scan as converters of Pulseq scans do: labels become counters and flags, and times are lost.

    Source: four converted EPI scans of phantoms; ``docs/reference/vendors.md``.
    """

    starts_reversed: bool | None = False
    """Whether the trains of an EPI begin against the readout direction; none leaves it as it is."""

    _encoding: Encoding | None = field(default=None, init=False, repr=False)
    _navigators: Navigators = field(default_factory=Navigators, init=False, repr=False)
    _polarity: Polarity = field(default_factory=Polarity, init=False, repr=False)
    _began: bool = field(default=False, init=False, repr=False)

    def header(self, text: str) -> str:
        """Rewrite the header, and begin a new scan."""
        scan = read_header(text)
        self._encoding, self._began = scan.encoding, False
        self._navigators, self._polarity = Navigators(), Polarity(self.starts_reversed)
        root = read_document(text)
        remove(root, "version", "studyInformation", "subjectInformation", "sequenceParameters", "userParameters")
        information = part(root, "measurementInformation")
        name = words(information, "protocolName")
        information.clear()
        fill(information, {"measurementID": f"pulseq_{name}", "patientPosition": "HFS", "protocolName": name})
        system = part(root, "acquisitionSystemInformation")
        remove(system, "coilLabel", "institutionName", "stationName", "deviceID")
        fill(system, {"systemVendor": "SIEMENS", "systemModel": "(pulseq)", "relativeReceiverNoiseBandwidth": 0.793})
        for encoding in children(root, "encoding"):
            limits = state_all_limits(encoding)
            if descend(encoding, "trajectoryDescription") is not None:
                fill(part(limits, "segment"), {"maximum": 1})
            remove(encoding, "echoTrainLength")
        arrange(root, ("measurementInformation", "acquisitionSystemInformation", "experimentalConditions"))
        return write_document(root, schema_location=False)

    def readout(self, acquisition: Acquisition) -> Iterator[Acquisition]:
        """Rewrite one readout: flags from labels, no times, and LAST flags on the last line of the scan only."""
        fields, data = fields_of(acquisition), acquisition.data
        before = int(fields["flags"])
        self._navigators.count(before)
        flags = before & _LABELED
        if self._encoding is not None and self._encoding.echo_planar and not fields["encoding_space_ref"]:
            data, flags = self._polarity.turn(data, flags)
            fields["idx"]["segment"] = int(bool(flags & REVERSE))
        if self._navigators.number:
            flags |= NAVIGATION
            fields["idx"]["kspace_encode_step_1"] = 0
        elif not before & NOISE and not self._began:
            self._began = True
            flags |= FIRST_IN_SLICE
        if before & LAST_IN_MEASUREMENT:
            flags |= _LAST
        fields["flags"] = flags
        fields["measurement_uid"] = 0
        fields["scan_counter"] -= 1
        fields["acquisition_time_stamp"] = 0
        fields["physiology_time_stamp"] = 0
        fields["channel_mask"] = 0
        yield rewritten(acquisition, fields, data)

    def settings(self, text: str) -> dict[str, object]:
        """Give what the site must say instead of the header."""
        return site_settings(text)
