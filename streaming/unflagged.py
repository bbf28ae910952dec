"""Recognise an EPI whose polarity and navigators were lost when its file was converted."""

from collections.abc import Sequence

from .layouts import flag
from .notices import Level, Notice
from .readouts import Readout
from .scan import Encoding

LINES_TO_JUDGE = 64
"""Imaging lines after which the question can be answered."""
FASTEST_SINGLE_LINE = 1.5e-3
"""s; with one line per excitation nothing is faster, while lines of an EPI follow each other in 0.4 to 1.2 ms."""

_FEWEST = 16
_REVERSE = flag(22)

LOST_POLARITY = Notice(
    "These data look like an EPI that lost its polarity flags and navigators in conversion: the lines follow each "
    "other too fast for one excitation each, and none is marked as reversed. Every second line may be mirrored: the "
    "images are reported as uncorrected and cannot be trusted. Convert the scan again, with a converter that knows its "
    "sequence.",
    Level.ERROR,
)


def looks_like_unflagged_epi(encoding: Encoding | None, lines: Sequence[Readout], tick: float) -> bool:
    """Tell whether the first imaging lines of a scan came as fast as only an EPI sends them, and unflagged.

    ``lines`` are in order of arrival; judged is the run from the first one in which only the phase-encoding step and
    the segment change, so that echoes and interleaved slices do not count. Besides the pace, ``tick`` s being the
    resolution of the time stamps, one more thing must be wrong: the samples fit no matrix of the header, or take
    longer than a line has.
    """
    if encoding is None or encoding.trajectory != "cartesian" or encoding.trajectory_identifier:
        return False
    first = lines[0] if lines else None
    if first is None or first.time == 0:
        return False  # without time stamps nothing can be said
    run = [first]
    for line in lines[1:]:
        if _group(line) != _group(first) or line.counters.kspace_encode_step_1 == run[-1].counters.kspace_encode_step_1:
            break
        run.append(line)
    if len(run) < _FEWEST or any(line.flags & _REVERSE for line in run):
        return False
    span = run[-1].time - first.time
    slowest = (span + tick) / (len(run) - 1)
    if not tick < span or slowest > FASTEST_SINGLE_LINE:
        return False
    samples = first.data.shape[1]
    sizes = {size for size in (encoding.encoded_matrix[0], encoding.recon_matrix[0]) if size}
    fits = samples in sizes | {2 * size for size in sizes}
    return not fits or samples * first.dwell > slowest


def _group(line: Readout) -> tuple[int, ...]:
    return (*line.counters[1:8], *line.counters[9:])
