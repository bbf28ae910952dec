import numpy as np
import pytest

from aslive.gadgets.calibration.m0_images import M0Images
from aslive.streaming.scan import Bolus, Labeling, LabelingType, Role

C, L, M = Role.CONTROL, Role.LABEL, Role.M0SCAN


def test_the_first_control_or_label_that_is_whole_is_kept_for_comparison(flat):
    images = M0Images(Labeling(background_suppression=True))
    for volume in (flat(C, 1.0, missing=2), flat(C, np.nan, 1), flat(L, 3.0, 2), flat(C, 4.0, 3)):
        assert not images.add_control_or_label(volume, wanted=False)
    assert images.first is not None
    assert images.first.max() == 3
    assert images.place is not None
    assert images.place.number == 3


@pytest.mark.parametrize(
    ("suppressed", "wanted", "m0scan", "serves"),
    [
        (False, False, False, True),
        (False, False, True, False),
        (False, True, True, True),
        (True, False, False, False),
        (True, True, False, True),
    ],
)
def test_a_control_serves_where_it_is_wanted_or_unsuppressed_while_there_is_no_m0scan(
    flat, suppressed, wanted, m0scan, serves
):
    images = M0Images(Labeling(background_suppression=suppressed))
    if m0scan:
        assert images.add_m0scan(flat(M)) == ""
    assert images.add_control_or_label(flat(C), wanted) is serves
    assert not images.add_control_or_label(flat(L), wanted)


def test_suppressed_controls_are_gathered_by_delay_and_not_without_bound(flat):
    delays = tuple(0.01 * (n + 1) for n in range(70))
    labeling = Labeling(
        LabelingType.PCASL, (C,) * 70, labeling_duration=(1.8,), post_labeling_delay=delays, background_suppression=True
    )
    images = M0Images(labeling)
    taken = [images.add_control_or_label(flat(C, number=n), wanted=True) for n in range(70)]
    assert taken == [True] * 64 + [False] * 6
    assert next(iter(images.controls)) == Bolus(0.01, 1.8)
