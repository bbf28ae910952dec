import numpy as np
import pytest

from aslive.gadgets.kernels.partial_fourier import project, smooth_phase
from aslive.gadgets.kernels.taper import edge_weights
from aslive.gadgets.partial_fourier import FillPartialFourier, Method
from aslive.streaming.flow import FULL, Place, Sampling, Slab
from aslive.streaming.notices import Level, Notice
from aslive.streaming.readouts import Counters, Geometry
from aslive.streaming.scan import Labeling, Role, Scan

STATED = Scan(labeling=Labeling(context=(Role.M0SCAN, Role.CONTROL, Role.LABEL)))
CUT = Sampling(y=(-0.5, 1.0))


def slab(seed, role=Role.CONTROL, sampling=CUT, missing=0, index=0, data=None):
    rng = np.random.default_rng(seed)
    if data is None:
        data = rng.standard_normal((1, 16, 14)) + 1j * rng.standard_normal((1, 16, 14))
    place = Place(seed, Counters(), 0.0, Geometry(), role, missing, sampling=sampling)
    return Slab(np.asarray(data, np.complex64), place, index, True)


def filled(run, messages, **parameters):
    gadget = FillPartialFourier(parameters.pop("method", Method.POCS), **parameters)
    out = run([gadget], messages, STATED)
    return [m for m in out if isinstance(m, Slab)], [m for m in out if isinstance(m, Notice)]


def test_it_is_left_out_of_the_line_unless_it_is_wanted():
    assert not FillPartialFourier().needed(STATED)
    assert FillPartialFourier(method=Method.HOMODYNE).needed(STATED)


def test_what_was_sampled_in_full_passes_as_it_is(run):
    message = slab(0, sampling=FULL)
    (out,), _ = filled(run, [message])
    assert out is message


@pytest.mark.parametrize("m0_sampling", [FULL, CUT])
def test_the_phase_is_that_of_the_m0scan_for_the_whole_run(run, m0_sampling):
    m0scan, control = slab(0, Role.M0SCAN, m0_sampling), slab(1)
    (_, out, again), notices = filled(run, [m0scan, control, slab(1, Role.LABEL)])
    weights = {1: edge_weights(16, CUT.y, 0.1)}
    phase = smooth_phase(m0scan.data, {1: 0.5, 2: 0.5})
    np.testing.assert_allclose(out.data, project(control.data, phase, weights, 8), atol=1e-6)
    np.testing.assert_array_equal(again.data, out.data)
    assert not notices


def test_without_an_m0scan_the_first_complete_volume_gives_the_phase_and_that_is_said(run):
    incomplete, control, label = slab(0, missing=2), slab(1), slab(2, Role.LABEL)
    (_, _, after), notices = filled(run, [incomplete, control, label])
    (_, expected), _ = filled(run, [control, label])
    np.testing.assert_array_equal(after.data, expected.data)
    assert [notice.level for notice in notices] == [Level.INFO]
    assert "first control" in notices[0].text


@pytest.mark.parametrize("method", [Method.POCS, Method.HOMODYNE])
def test_control_minus_label_is_what_their_difference_gives(run, method):
    m0scan, control, label = slab(0, Role.M0SCAN), slab(1), slab(2, Role.LABEL)
    difference = slab(3, data=control.data - label.data)
    (_, a, b, c), _ = filled(run, [m0scan, control, label, difference], method=method)
    np.testing.assert_allclose(a.data - b.data, c.data, atol=1e-5)


def test_each_slice_has_its_own_phase(run):
    first, second = slab(0), slab(1, index=1)
    (_, together), _ = filled(run, [first, second])
    (alone,), _ = filled(run, [second])
    np.testing.assert_array_equal(together.data, alone.data)


def test_a_volume_may_be_cut_along_two_axes(run):
    rng = np.random.default_rng(0)
    data = rng.standard_normal((6, 8, 10)) + 1j * rng.standard_normal((6, 8, 10))
    (out,), _ = filled(run, [slab(0, sampling=Sampling(y=(-0.5, 1.0), z=(-0.5, 1.0)), data=data)])
    assert out.data.shape == (6, 8, 10)
    assert np.isfinite(out.data).all()


def test_silence_stays_silence(run):
    (out,), _ = filled(run, [slab(0, data=np.zeros((1, 16, 14)))])
    np.testing.assert_array_equal(out.data, 0)
