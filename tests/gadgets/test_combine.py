from dataclasses import replace

import numpy as np
import pytest

from aslive.gadgets.combine import Combine, Mode
from aslive.streaming.flow import CoilImages, Place, Sampling, Slab
from aslive.streaming.notices import Level, Notice
from aslive.streaming.readouts import Counters, Geometry
from aslive.streaming.scan import Labeling, Role, Scan

STATED = Scan(labeling=Labeling(context=(Role.M0SCAN, Role.CONTROL, Role.LABEL)))


def images(seed, role, missing=0, index=0):
    rng = np.random.default_rng(seed)
    data = (rng.standard_normal((4, 1, 12, 12)) + 1j * rng.standard_normal((4, 1, 12, 12))).astype(np.complex64)
    return CoilImages(data, Place(seed, Counters(), 0.0, Geometry(), role, missing), index, True)


def scaled(message, factor, other=None):
    data = factor * message.data + (0 if other is None else other.data)
    return CoilImages(data.astype(np.complex64), message.place, message.index, message.last)


def test_after_the_first_volume_the_combination_is_linear_and_fixed(run):
    first, a, b = images(0, Role.M0SCAN), images(1, Role.CONTROL), images(2, Role.LABEL)
    _, one, two, both, again = (slab.data for slab in run([Combine()], [first, a, b, scaled(a, 2 - 1j, b), a], STATED))
    np.testing.assert_allclose(both, (2 - 1j) * one + two, atol=1e-4)
    np.testing.assert_array_equal(one, again)


@pytest.mark.parametrize("unfit", [images(5, Role.NOT_APPLICABLE), images(5, Role.CONTROL, missing=3)])
def test_maps_are_not_kept_from_what_is_no_whole_image(run, unfit):
    first, other = images(0, Role.M0SCAN), images(1, Role.CONTROL)
    with_unfit = run([Combine()], [unfit, first, other], STATED)[1:]
    without = run([Combine()], [first, other], STATED)
    for one, two in zip(with_unfit, without, strict=True):
        np.testing.assert_array_equal(one.data, two.data)


def test_each_slice_has_its_own_maps(run):
    first, second = images(0, Role.CONTROL), images(1, Role.CONTROL, index=1)
    alone = run([Combine()], [second], STATED)
    together = run([Combine()], [first, second], STATED)
    np.testing.assert_array_equal(alone[0].data, together[1].data)


def test_noise_of_unit_variance_stays_so(run):
    slabs = run([Combine()], [images(n, Role.CONTROL) for n in range(1, 12)], STATED)[1:]
    assert np.var([slab.data for slab in slabs]) == pytest.approx(2, rel=0.1)


def test_root_sum_of_squares_is_a_magnitude(run):
    message = images(0, Role.CONTROL)
    (slab,) = run([Combine(mode=Mode.RSS)], [message], STATED)
    np.testing.assert_allclose(slab.data, np.sqrt((np.abs(message.data) ** 2).sum(0)), rtol=1e-5)


@pytest.mark.parametrize(("step", "errors"), [(1, 0), (2, 1)])
def test_images_that_stay_folded_are_called_an_error_once(run, step, errors):
    messages = [images(n, Role.CONTROL) for n in range(3)]
    folded = [replace(m, place=replace(m.place, sampling=Sampling(step_y=step))) for m in messages]
    out = run([Combine()], folded, STATED)
    assert [m.level for m in out if isinstance(m, Notice)] == [Level.ERROR] * errors
    assert len([m for m in out if isinstance(m, Slab)]) == 3
