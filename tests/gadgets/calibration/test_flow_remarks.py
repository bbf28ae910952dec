import numpy as np
import pytest

from aslive.gadgets.calibration.flow_remarks import for_want_of, holes
from aslive.streaming.notices import Level


@pytest.mark.parametrize(
    ("missing", "level"),
    [(["LabelingDuration", "an m0scan"], Level.WARNING), (["BolusCutOffFlag", "an m0scan"], Level.ERROR)],
)
def test_all_that_is_missing_is_named_and_an_unknown_bolus_is_an_error(missing, level):
    notice = for_want_of("No absolute CBF", missing)
    assert notice.text == f"No absolute CBF, for want of {missing[0]}, an m0scan."
    assert notice.level is level


@pytest.mark.parametrize(("dark", "level"), [(1, Level.INFO), (5, Level.INFO), (6, Level.WARNING)])
def test_dark_voxels_of_the_brain_are_counted_and_many_are_a_warning(dark, level):
    m0 = np.ones((2, 100), np.float32)
    m0[1] = 0  # outside of the brain
    m0[0, : dark - 1], m0[0, dark - 1] = 0, np.nan
    brain = np.array([[True] * 100, [False] * 100])
    (notice,) = holes(m0, brain)
    assert f"in {dark} voxel{'s' if dark > 1 else ''} of the brain" in notice.text
    assert notice.level is level


def test_nothing_is_counted_where_the_brain_is_whole_or_not_known():
    m0 = np.ones((2, 3), np.float32)
    assert not list(holes(m0, m0 > 0))
    assert not list(holes(0 * m0, None))
