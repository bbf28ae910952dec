"""What ge_to_ismrmrd makes of a scan."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from ...streaming.errors import ConfigError
from ...streaming.header import read_header
from ...streaming.messages import Acquisition
from ...streaming.scan import Encoding, Scan
from .ge_header import ge_header
from .readouts import (
    FIRST_IN_SLICE,
    LAST_IN_SLICE,
    NOISE,
    PHASE_CORRECTION,
    REVERSE,
    Navigators,
    fields_of,
    in_reverse,
    rewritten,
)
from .refusals import refuse_all_but_full_lines
from .words import site_settings

_CONVERTED = 1_790_000_000
"""When the file was converted, s since 1970: the time stamp of every readout."""
_KEPT = FIRST_IN_SLICE | LAST_IN_SLICE | PHASE_CORRECTION


@dataclass
class GE:
    """Writes a neutral scan as ge_to_ismrmrd does: lines already turned round, no noise, one time stamp for all.

    Source: the converter's general and EPI plug-ins. It does not convert 3-D scans, averages or separate reference
    lines, which are refused or dropped here.
    """

    _encoding: Encoding | None = field(default=None, init=False, repr=False)
    _navigators: Navigators = field(default_factory=Navigators, init=False, repr=False)

    def header(self, text: str) -> str:
        """Rewrite the header, and begin a new scan."""
        scan = read_header(text)
        _refuse_unknown(scan)
        self._encoding = scan.encoding
        self._navigators = Navigators()
        return ge_header(text, scan)

    def readout(self, acquisition: Acquisition) -> Iterator[Acquisition]:
        """Rewrite one readout; noise and separate reference lines are dropped."""
        fields, data = fields_of(acquisition), acquisition.data
        before = int(fields["flags"])
        self._navigators.count(before)
        if self._encoding is None or before & NOISE or fields["encoding_space_ref"]:
            return
        if before & REVERSE:
            data = in_reverse(data)
        elif not self._encoding.echo_planar:
            data = without_oversampling(data, self._encoding.recon_matrix[0])
        flags = before & _KEPT
        counters = fields["idx"]
        if self._navigators.number:
            flags = (flags & ~FIRST_IN_SLICE) | (FIRST_IN_SLICE if self._navigators.number == 1 else 0)
            counters["kspace_encode_step_1"] = self._encoding.recon_matrix[1] // 2
        elif self._navigators.just_ended:
            flags &= ~FIRST_IN_SLICE
        counters["average"] = counters["segment"] = 0
        fields["flags"] = flags
        fields["measurement_uid"] = 0
        fields["scan_counter"] -= 1
        fields["acquisition_time_stamp"] = _CONVERTED
        fields["sample_time_us"] = 0
        fields["center_sample"] = data.shape[1] // 2
        yield rewritten(acquisition, fields, data)

    def settings(self, text: str) -> dict[str, object]:
        """Give what the site must say instead of the header."""
        return site_settings(text)


def without_oversampling(data: NDArray[np.complex64], columns: int) -> NDArray[np.complex64]:
    """Keep the inner columns of the image of a line, as GE's receiver does.

    Samples of shape ``(coils, samples)``, to ``(coils, columns)``; the scale of the k-space values is kept, so that the
    image has the one it would have had with all samples.
    """
    samples = data.shape[1]
    image = fft.fftshift(fft.ifft(fft.ifftshift(data, -1), axis=-1, norm="ortho"), -1)
    begin = samples // 2 - columns // 2
    inner = image[:, begin : begin + columns]
    return fft.fftshift(fft.fft(fft.ifftshift(inner, -1), axis=-1, norm="ortho"), -1).astype(np.complex64)


def _refuse_unknown(scan: Scan) -> None:
    refuse_all_but_full_lines("ge_to_ismrmrd", scan)
    if scan.three_dimensional:
        raise ConfigError("ge_to_ismrmrd does not convert 3-D scans; choose another profile or a 2-D protocol")
    average = scan.encoding.limits.get("average") if scan.encoding else None
    if average is not None and average.maximum > average.minimum:
        raise ConfigError("ge_to_ismrmrd counts no averages; choose another profile or one average")
