import math
from dataclasses import replace

import nibabel
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aslive.gadgets.m0 import Edge, FindM0
from aslive.streaming.errors import ConfigError
from aslive.streaming.flow import Mask, Sampling, Volume
from aslive.streaming.notices import Level, Notice
from aslive.streaming.perfusion import (
    M0,
    Map,
    MapName,
    Physiology,
    RelaxationMap,
    SliceTimes,
    TissueMaps,
)
from aslive.streaming.scan import Bolus, Role, Scan, Source, TimeEncoding

SHAPE = (4, 6, 5)
C, L, M = Role.CONTROL, Role.LABEL, Role.M0SCAN


def m0s(out):
    return [m for m in out if isinstance(m, M0)]


def notices(out, *levels):
    return [m.text for m in out if isinstance(m, Notice) and (not levels or m.level in levels)]


# From images


def test_m0_is_the_mean_m0scan_ahead_of_the_first_control(find_m0, flat):
    out = find_m0([flat(M, 90), flat(M, 110, 1), flat(C, 80, 2), flat(L, 79, 3)], background_suppression=True)
    (m0,) = m0s(out)
    np.testing.assert_allclose(m0.data, 100)
    assert m0.constants["m0"] == ("mean of 2 m0scan", "", Source.DATA)
    kinds = [type(message) for message in out]
    assert kinds.index(M0) < next(i for i, m in enumerate(out) if isinstance(m, Volume) and m.place.role is C)
    (published,) = (m for m in out if isinstance(m, Map))
    assert published.name is MapName.M0
    assert "Alsop" in published.equation
    assert not notices(out)


def test_everything_it_takes_passes_on(find_m0, flat):
    sent = [
        Mask(np.ones(SHAPE, bool)),
        SliceTimes((0.0,) * 4, Source.HEADER),
        TissueMaps(*(np.zeros(SHAPE, np.float32) for _ in range(3))),
        RelaxationMap(np.full(SHAPE, np.nan, np.float32)),
        flat(M),
        flat(C, 90, 1),
        flat(Role.NOT_APPLICABLE, 3, 2),
    ]
    out = find_m0(sent)
    assert [m for m in out if any(m is message for message in sent)] == sent


def test_a_late_m0scan_gives_m0_anew_and_takes_the_place_of_the_controls(find_m0, flat):
    out = find_m0([flat(C, 90), flat(L, 89, 1), flat(M, 100, 2), flat(C, 70, 3), flat(M, 110, 4)])
    first, second, third = m0s(out)
    assert first.constants["m0"].value == "mean of 1 control"
    assert not first.anew
    np.testing.assert_allclose(second.data, 100)
    np.testing.assert_allclose(third.data, 105)
    assert second.anew and third.anew


def test_an_m0scan_without_anything_behind_it_is_given_at_the_end(find_m0, flat):
    assert len(m0s(find_m0([flat(M)]))) == 1


@pytest.mark.parametrize(
    ("spoil", "words"),
    [({"missing": 3}, "lacks 3 lines"), ({"value": np.nan}, "not finite"), ({"shape": (2, 2, 2)}, "another matrix")],
)
def test_an_m0scan_that_is_not_whole_is_not_used_and_that_is_said(find_m0, flat, spoil, words):
    out = find_m0([flat(M), flat(M, number=1, **({"value": 7.0} | spoil)), flat(C, 90, 2)])
    assert words in notices(out)[0]
    np.testing.assert_allclose(m0s(out)[0].data, 100)


@pytest.mark.parametrize(("suppressed", "absolute"), [(False, True), (True, False), (None, False)])
@pytest.mark.parametrize("m0_type", ["Absent", None])
def test_controls_serve_only_where_suppression_is_stated_to_be_off(find_m0, flat, suppressed, absolute, m0_type):
    out = find_m0(
        [flat(C, 90), flat(L, 89, 1), flat(C, 110, 2), flat(L, 109, 3)],
        context=(C, L, C, L),
        background_suppression=suppressed,
        m0_type=m0_type,
    )
    assert [m.data.max() for m in m0s(out)] == ([90, 100] if absolute else [])
    assert len(notices(out)) == (0 if absolute else 1)
    if not absolute:
        assert "There is no M0" in notices(out)[0]
        assert ("M0Type is Absent" in notices(out)[0]) is (m0_type is not None)


def test_the_controls_of_a_look_locker_readout_do_not_serve(find_m0, flat):
    assert not m0s(find_m0([flat(C), flat(L, 99, 1)], context=(C, L), look_locker=True))


@settings(max_examples=20, deadline=None)
@given(values=st.lists(st.floats(10, 1000), min_size=1, max_size=8))
def test_the_running_mean_control_is_that_of_all_of_them(find_m0, flat, values):
    out = find_m0([flat(C, value, 2 * n) for n, value in enumerate(values)], context=(C, L) * len(values))
    np.testing.assert_allclose(m0s(out)[-1].data, np.mean(values), rtol=1e-5)
    assert len(m0s(out)) == len(values)


def test_of_time_encoded_images_only_those_without_label_serve(find_m0, flat):
    encoding = TimeEncoding(
        ((0, 1, 0, 1), (0, 0, 1, 1), (0, 1, 1, 0)), (Bolus(2.5, 0.5), Bolus(2.0, 0.5), Bolus(1.5, 0.5))
    )
    volumes = [flat(C, value, n) for n, value in enumerate((100, 1, 2, 3, 110, 4, 5, 6))]
    (first, second) = m0s(find_m0(volumes, context=(C,) * 8, time_encoding=encoding))
    np.testing.assert_allclose(first.data, 100)
    np.testing.assert_allclose(second.data, 105)


# Relaxation


def test_a_short_repetition_time_is_corrected_with_the_t1_of_tissue(find_m0, flat):
    (m0,) = m0s(find_m0([flat(M), flat(C, 90, 1)], m0_repetition_time=2.0))
    np.testing.assert_allclose(m0.data, 100 / (1 - math.exp(-2 / 1.607)), rtol=1e-6)
    assert m0.constants["m0_repetition_time"] == (2.0, "s", Source.HEADER)
    assert m0.constants["t1_tissue"] == (1.607, "s", Source.DEFAULT)


def test_from_5_s_on_m0_counts_as_recovered(find_m0, flat):
    (m0,) = m0s(find_m0([flat(M), flat(C, 90, 1)], m0_repetition_time=5.0))
    np.testing.assert_allclose(m0.data, 100)
    assert "t1_tissue" not in m0.constants


def test_with_tissue_maps_each_tissue_recovers_with_its_own_t1(find_m0, flat):
    shares = np.zeros((3, *SHAPE), np.float32)
    shares[0, 0], shares[1, 1], shares[2, 2] = 1, 1, 1
    shares[:2, 3] = 0.5
    signal = [80 * (1 - math.exp(-2 / t1)) for t1 in (1.33, 0.83, 4.3)]
    image = np.array([*signal, (signal[0] + signal[1]) / 2]).reshape(4, 1, 1)
    out = find_m0([TissueMaps(*shares), flat(M, image), flat(C, 20, 1)], m0_repetition_time=2.0)
    np.testing.assert_allclose(m0s(out)[0].data, 80, rtol=1e-6)
    assert m0s(out)[0].constants["t1_white_matter"].value == 0.83


def test_tissue_maps_and_measured_t1_that_come_late_give_m0_again(find_m0, flat):
    maps = TissueMaps(*(np.full(SHAPE, share, np.float32) for share in (0, 1, 0)))
    measured = RelaxationMap(np.full(SHAPE, 1.0, np.float32))
    out = find_m0([flat(M), flat(C, 70, 1), maps, measured], m0_repetition_time=2.0)
    expected = [100 / (1 - math.exp(-2 / t1)) for t1 in (1.607, 0.83, 1.0)]
    np.testing.assert_allclose([m.data.max() for m in m0s(out)], expected, rtol=1e-6)


@pytest.mark.parametrize("repetition_time", [None, 0.0])
def test_without_a_repetition_time_nothing_is_corrected_and_that_is_said(run, pcasl, tissue, flat, repetition_time):
    scan = Scan(labeling=pcasl(m0_repetition_time=repetition_time), repetition_time=repetition_time)
    out = run([FindM0()], [tissue(), flat(M), flat(C, 90, 1)], scan)
    np.testing.assert_allclose(m0s(out)[0].data, 100)
    assert len(notices(out)) == 1
    assert "repetition time of the m0scan is not stated" in notices(out)[0]


def test_without_constants_of_tissue_a_short_repetition_time_is_said(find_m0, flat):
    out = find_m0([flat(M), flat(C, 90, 1)], physiology=Physiology({}), m0_repetition_time=2.0)
    np.testing.assert_allclose(m0s(out)[0].data, 100)
    assert "physiology" in notices(out)[0]


# Surface


@pytest.mark.parametrize("masked", [True, False])
def test_smoothing_does_not_darken_the_edge(find_m0, flat, make_scan, masked):
    inside = np.zeros(SHAPE, bool)
    inside[:, 1:5, 1:4] = True
    encodings = make_scan((5, 6, 4), three_dimensional=True).encodings
    messages = [flat(M, np.where(inside, 100.0, 0.0)), flat(C, np.where(inside, 90.0, 0.0), 1)]
    ahead = [Mask(inside)] if masked else []
    (m0,) = m0s(find_m0([*ahead, *messages], FindM0(smoothing=0.03), scan={"encodings": encodings}))
    np.testing.assert_allclose(m0.data, np.where(inside, 100, 0), rtol=1e-5)
    assert m0.constants["m0_smoothing"] == (0.03, "m", Source.CONFIG)


def test_a_dark_edge_is_filled_up_from_inside(find_m0, flat):
    image = np.full(SHAPE, 40.0)
    mask = np.zeros(SHAPE, bool)
    mask[:, 1:, 1:] = True
    image[:, 2:, 2:] = 100
    out = find_m0([Mask(mask), flat(M, image), flat(C, 0.9 * image, 1)], FindM0(edge=Edge.EXTRAPOLATE))
    edge = mask & (image < 100)
    assert np.median(m0s(out)[0].data[edge]) >= 90
    assert not m0s(out)[0].data[~mask].any()
    assert m0s(out)[0].constants["m0_edge"].value == "extrapolated"


def test_what_cannot_be_done_to_the_surface_is_said(find_m0, flat):
    out = find_m0([flat(M), flat(C, 90, 1)], FindM0(edge=Edge.EXTRAPOLATE, smoothing=0.005))
    np.testing.assert_allclose(m0s(out)[0].data, 100)
    assert len(notices(out)) == 2


@pytest.mark.parametrize(("floor", "kept"), [(0.05, False), (0.0, True)])
def test_below_the_floor_there_is_no_tissue(find_m0, flat, floor, kept):
    image = np.full(SHAPE, 100.0)
    image[0, 0] = 3
    (m0,) = m0s(find_m0([flat(M, image), flat(C, 0.9 * image, 1)], FindM0(floor=floor)))
    assert bool(m0.data[0, 0, 0]) is kept


# What cannot be right


@pytest.mark.parametrize(
    ("m0scan", "control", "words"),
    [
        ({"value": 50.0}, {}, "another gain"),
        ({"value": 0.0}, {}, "zero everywhere"),
        ({"shape": (2, 2, 2)}, {}, "another matrix"),
    ],
)
def test_an_m0_that_cannot_be_right_is_refused_aloud(find_m0, flat, m0scan, control, words):
    out = find_m0([flat(M, **m0scan), flat(C, 100, 1, **control), flat(C, 100, 2)])
    assert not m0s(out)
    (text,) = notices(out, Level.ERROR)
    assert words in text


def test_an_m0_is_compared_as_it_would_be_after_a_long_wait(find_m0, flat):
    """At a TR of 2 s it is darker than the controls, and right."""
    out = find_m0([flat(M, 71), flat(C, 97, 1)], m0_repetition_time=2.0)
    assert len(m0s(out)) == 1
    assert not notices(out)


def test_an_m0_that_is_far_too_bright_is_doubted(find_m0, flat):
    out = find_m0([flat(M, 300), flat(C, 97, 1)])
    assert len(m0s(out)) == 1
    assert "another gain?" in notices(out, Level.WARNING)[0]


@pytest.mark.parametrize(
    ("gadget", "parameters", "source"),
    [(FindM0(gain=4.0), {"M0GainRatio": "2"}, Source.CONFIG), (FindM0(), {"M0GainRatio": "4"}, Source.HEADER)],
)
def test_a_stated_gain_is_applied_and_remembered(find_m0, flat, gadget, parameters, source):
    (m0,) = m0s(find_m0([flat(M, 25), flat(C, 97, 1)], gadget, scan={"parameters": parameters}))
    np.testing.assert_allclose(m0.data, 100)
    assert m0.constants["m0_gain"] == (4.0, "", source)


def test_an_m0scan_that_was_measured_otherwise_is_said_once(find_m0, flat):
    m0scan, control = flat(M), flat(C, 90, 1)
    m0scan = replace(m0scan, place=replace(m0scan.place, dwell=5e-6, sampling=Sampling(y=(-0.5, 1.0))))
    control = replace(control, place=replace(control.place, dwell=4e-6))
    out = find_m0([m0scan, control, replace(m0scan, place=replace(m0scan.place, number=2))])
    assert len(notices(out, Level.WARNING)) == len(notices(out, Level.INFO)) == 1
    assert "5.00 us" in notices(out, Level.WARNING)[0]


@pytest.mark.parametrize("wrong", [{"gain": 0.0}, {"gain": math.nan}, {"smoothing": -1.0}])
def test_parameters_that_make_no_sense_are_refused(wrong):
    with pytest.raises(ConfigError):
        FindM0(**wrong).start(Scan())


def test_nothing_is_kept_for_the_next_scan(find_m0, flat):
    gadget = FindM0()
    find_m0([flat(M), flat(C, 90, 1)], gadget)
    out = find_m0([flat(C, 80)], gadget, context=(C, L))
    np.testing.assert_allclose(m0s(out)[-1].data, 80)
    assert m0s(out)[-1].constants["m0"].value == "mean of 1 control"


# Real and simulated heads


def images(path):
    return np.asarray(nibabel.Nifti1Image.from_filename(path).dataobj, np.float32).transpose()


def test_of_a_simulated_head_read_fast_m0_is_the_true_one(find_m0, make_volume, shared_data):
    """Gray matter, white matter and fluid, seen 2 s after they were saturated, with the T1 of each voxel."""
    folder = shared_data / "truth/dro_single_pld"
    true, t1 = images(folder / "gt_m0.nii.gz"), images(folder / "gt_t1.nii.gz")
    seen = np.where(t1 > 0.1, -true * np.expm1(-2 / np.maximum(t1, 0.1)), 0)
    messages = [RelaxationMap(t1), make_volume(seen, M, 0), make_volume(seen, C, 1)]
    (m0,) = m0s(find_m0(messages, m0_repetition_time=2.0))
    tissue = m0.data > 0
    assert np.count_nonzero(tissue) > 20000
    np.testing.assert_allclose(m0.data[tissue], true[tissue], rtol=1e-4)


def test_of_the_human_study_extrapolation_keeps_the_inside_and_fills_the_edge(find_m0, make_volume, shared_data):
    data = images(shared_data / "asl/ds000240/sub-01_asl.nii.gz")
    mean = data[:10].mean(axis=0)
    mask = mean > 0.3 * np.percentile(mean, 99)
    messages = [
        Mask(mask),
        *(make_volume(image, M, n) for n, image in enumerate(data[:10])),
        make_volume(data[11], C, 11),
    ]
    plain, mended = (m0s(find_m0(messages, FindM0(edge=edge)))[0].data for edge in Edge)
    assert (mended[mask] > 0).all()
    assert np.median(mended[mask]) == pytest.approx(np.median(plain[mask]), rel=0.1)
