"""What siemens_to_ismrmrd makes of a scan, with either of its two style sheets."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from ...streaming.errors import ConfigError
from ...streaming.header import read_header
from ...streaming.messages import Acquisition
from ...streaming.scan import Encoding, Role, Scan
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
    REAL_TIME_FEEDBACK,
    REVERSE,
    Navigators,
    Polarity,
    fields_of,
    rewritten,
)
from .siemens_header import siemens_header
from .words import roles_of, site_settings

MEASUREMENT = 360
"""Number of the measurement on its scanner; the noise was measured just before."""
_KEPT = FIRST_IN_SLICE | LAST_IN_SLICE | NOISE | CALIBRATION | CALIBRATION_AND_IMAGING | REVERSE | PHASE_CORRECTION
"""Flags that the neutral stream and this converter share; all other FIRST and LAST flags are never set."""
_TABLE = (0.0, 0.0, -1_040_015.0)
"""As the converter writes it: surely not in mm, as MRD wants it."""
_PHYSIOLOGY_BEGAN = 12_304_632
"""The clock of the physiology unit runs this many ticks behind the other."""


@dataclass
class Siemens:
    """Writes a neutral scan as siemens_to_ismrmrd does.

    Source: the headers and readouts of product ``ep2d_bold`` and ``gre`` scans, and the converter itself;
    ``docs/reference/vendors.md`` says which is which.
    """

    epi_style: bool = False
    """Whether the style sheet for EPI wrote the header, else the general one."""
    volumes_by_set: bool = False
    """Whether ``set`` tells control (0) from label (1) and ``repetition`` counts pairs; else ``repetition`` counts
    volumes."""
    starts_reversed: bool | None = True
    """Whether the trains of an EPI begin against the readout direction, as in ``ep2d_bold``: navigators - + -; none
    leaves it as it is."""

    _encoding: Encoding | None = field(default=None, init=False, repr=False)
    _center: tuple[int, int] = field(default=(0, 0), init=False, repr=False)
    _volumes: dict[int, tuple[int, int]] = field(default_factory=dict, init=False, repr=False)
    _navigators: Navigators = field(default_factory=Navigators, init=False, repr=False)
    _polarity: Polarity = field(default_factory=Polarity, init=False, repr=False)

    def header(self, text: str) -> str:
        """Rewrite the header, and begin a new scan."""
        scan = read_header(text)
        self._encoding = scan.encoding
        self._center = _center(scan)
        self._volumes = _pairs_and_sets(roles_of(text)) if self.volumes_by_set else {}
        self._navigators, self._polarity = Navigators(), Polarity(self.starts_reversed)
        return siemens_header(text, scan, MEASUREMENT, self.epi_style, self._volumes)

    def readout(self, acquisition: Acquisition) -> Iterator[Acquisition]:
        """Rewrite flags, counters and times of one readout."""
        fields, data = fields_of(acquisition), acquisition.data
        before = int(fields["flags"])
        self._navigators.count(before)
        flags = before & _KEPT
        if before & LAST_IN_REPETITION:
            flags |= LAST_IN_REPETITION | LAST_IN_MEASUREMENT  # one bit of the scanner's stands for both
        counters = fields["idx"]
        echo_planar = self._encoding is not None and self._encoding.echo_planar
        if echo_planar and not fields["encoding_space_ref"]:
            data, flags = self._polarity.turn(data, flags)
            counters["segment"] = int(bool(flags & REVERSE))
        if self._navigators.number:
            flags |= NAVIGATION | REAL_TIME_FEEDBACK
            counters["kspace_encode_step_1"] = self._center[0]
            counters["average"] = int(self._navigators.number == 3)
        if self._navigators.number == 1 or self._navigators.just_ended:
            flags |= FIRST_IN_SLICE
        if self._volumes and not before & NOISE:
            counters["repetition"], counters["set"] = self._volumes[int(counters["repetition"])]
        counters["user"][5:7] = self._center
        fields["flags"] = flags
        fields["measurement_uid"] = MEASUREMENT
        fields["physiology_time_stamp"][0] = max(0, int(fields["acquisition_time_stamp"]) - _PHYSIOLOGY_BEGAN)
        fields["channel_mask"] = 0
        fields["patient_table_position"] = _TABLE
        yield rewritten(acquisition, fields, data)

    def settings(self, text: str) -> dict[str, object]:
        """Give what the site must say instead of the header; with sets a rule takes the place of the list of roles."""
        settings = site_settings(text)
        if self.volumes_by_set:
            roles = roles_of(text)
            delays = {float(word) for word in str(settings.get("PostLabelingDelay", "")).split(",") if word} - {0.0}
            if len(delays) > 1:
                raise ConfigError("several delays need volumes by repetition: without aslcontext a list cannot be read")
            settings["PostLabelingDelay"] = str(max(delays, default=0.0))
            del settings["aslcontext"]
            first = roles.index(Role.LABEL) - _leading(roles)
            settings["rule"] = {"counter": "set", "label_value": first, "leading_m0scan": _leading(roles)}
        return settings


def _center(scan: Scan) -> tuple[int, int]:
    """Give the lines at the centre of k-space along y and z, which every readout carries."""
    limits = scan.encoding.limits if scan.encoding else {}
    steps = (limits.get(f"kspace_encode_step_{number}") for number in (1, 2))
    line, partition = (step.center if step else 0 for step in steps)
    return line, partition


def _leading(roles: tuple[Role, ...]) -> int:
    """Count the volumes before the first pair."""
    return next((n for n, role in enumerate(roles) if role in (Role.CONTROL, Role.LABEL)), len(roles))


def _pairs_and_sets(roles: tuple[Role, ...]) -> dict[int, tuple[int, int]]:
    """Give repetition and set of every volume, where pairs are counted and ``set`` tells their halves apart."""
    before = _leading(roles)
    pairs = {before + n: (before + n // 2, n % 2) for n in range(len(roles) - before)}
    return {n: (n, 0) for n in range(before)} | pairs
