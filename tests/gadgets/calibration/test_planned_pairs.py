"""How many pairs a header plans."""

from collections.abc import Callable

from aslive.gadgets.calibration.planned_pairs import planned_pairs
from aslive.streaming.scan import Labeling, Role, TimeEncoding


def test_planned_pairs_have_a_control_and_a_label(pcasl: Callable[..., Labeling]) -> None:
    assert planned_pairs(pcasl(context=(Role.M0SCAN, *(Role.CONTROL, Role.LABEL) * 5, Role.CONTROL))) == 5
    assert planned_pairs(pcasl(context=())) is None
    cycle = TimeEncoding(((0, 1, 0, 1), (0, 0, 1, 1)), ())
    encoded = pcasl(context=(Role.M0SCAN, *(Role.CONTROL, *(Role.LABEL,) * 3) * 6), time_encoding=cycle)
    assert planned_pairs(encoded) == 6
