import json
from dataclasses import replace

import nibabel
import numpy as np
import pytest

from aslive.gadgets.average import Average
from aslive.gadgets.cbf import CBF
from aslive.gadgets.pair import Pair
from aslive.streaming.flow import Mask, Place
from aslive.streaming.notices import Level, Notice
from aslive.streaming.perfusion import Map, MapName, MeanDifference
from aslive.streaming.readouts import Counters, Geometry
from aslive.streaming.scan import LabelingType, Role, Scan, Source

SHAPE = (4, 3, 2)
C, L, M = Role.CONTROL, Role.LABEL, Role.M0SCAN


def mean(value=1.0, stderr=0.1, pairs=2):
    place = Place(3, Counters(), 0.0, Geometry())
    return MeanDifference(np.full(SHAPE, value, np.float32), np.full(SHAPE, stderr, np.float32), place, pairs)


def maps(out, name=MapName.CBF):
    return [m for m in out if isinstance(m, Map) and m.name == name]


def notices(out, level=None):
    return [m.text for m in out if isinstance(m, Notice) and level in (None, m.level)]


def quantify(
    run, make_volume, labeling, gadget: CBF | None = None, m0: float | None = 100.0, messages=(), **scan: float
):
    volumes = [make_volume(np.full(SHAPE, m0), M, 0)] if m0 is not None else []
    times = replace(Scan(labeling=labeling, repetition_time=10.0, field_strength=3.0), **scan)
    return run([gadget or CBF()], [*volumes, *messages, mean()], times)


@pytest.mark.parametrize(
    ("changes", "factor"),
    [
        ({}, 8630.0),
        ({"post_labeling_delay": (0.0, 2.0, 2.0), "labeling_duration": (0.0, 1.8, 1.8)}, 9742.1),
        ({"labeling_efficiency": None}, 8630.0),
        ({"labeling_efficiency": None, "arterial_spin_labeling_type": LabelingType.CASL}, 8630.0 * 0.85 / 0.68),
        (
            {
                "labeling_efficiency": None,
                "background_suppression": True,
                "background_suppression_number_pulses": 4,
            },
            10595.4,
        ),
    ],
)
def test_the_formula_is_that_of_the_white_paper(run, make_volume, pcasl, changes, factor):
    out = quantify(run, make_volume, pcasl(**changes))
    np.testing.assert_allclose(maps(out)[0].data, factor / 100, rtol=1e-5)
    np.testing.assert_allclose(maps(out, MapName.CBF_STDERR)[0].data, 0.1 * factor / 100, rtol=1e-5)
    assert not notices(out)


@pytest.mark.parametrize(
    ("technique", "times", "bolus"),
    [("QUIPSSII", (0.8,), 0.8), ("Q2TIPS", (0.8, 1.6), 0.8), ("QUIPSS", (0.8,), 1.0), (None, (0.8,), 0.8)],
)
def test_pasl_needs_its_bolus(run, make_volume, pcasl, technique, times, bolus):
    pasl = pcasl(
        arterial_spin_labeling_type=LabelingType.PASL,
        labeling_efficiency=None,
        bolus_cut_off_flag=True,
        bolus_cut_off_technique=technique,
        bolus_cut_off_delay_time=times,
    )
    out = quantify(run, make_volume, pasl)
    np.testing.assert_allclose(maps(out)[0].data, 10252.4 / 100 * 0.8 / bolus, rtol=1e-5)
    assert maps(out)[0].constants["bolus_cut_off_technique"].value == technique or technique is None


@pytest.mark.parametrize("cut", [{}, {"bolus_cut_off_flag": False, "bolus_cut_off_delay_time": (0.8,)}])
def test_pasl_without_a_cut_bolus_is_refused_aloud(run, make_volume, pcasl, cut):
    out = quantify(run, make_volume, pcasl(arterial_spin_labeling_type=LabelingType.PASL, **cut))
    assert not maps(out)
    assert len(maps(out, MapName.DELTAM)) == 1
    assert "Bolus" in notices(out, Level.ERROR)[0]


@pytest.mark.parametrize(
    ("missing", "word"),
    [
        ({"post_labeling_delay": ()}, "PostLabelingDelay"),
        ({"labeling_duration": ()}, "LabelingDuration"),
        ({"arterial_spin_labeling_type": None}, "ArterialSpinLabelingType"),
        ({"post_labeling_delay": (0.0, 1.0, 2.0)}, "single PostLabelingDelay"),
    ],
)
def test_what_is_missing_makes_the_map_relative_and_is_said_once(run, make_volume, pcasl, missing, word):
    out = quantify(run, make_volume, pcasl(**missing), messages=[mean()])
    assert not maps(out)
    assert len(maps(out, MapName.DELTAM)) == len(maps(out, MapName.DELTAM_STDERR)) == 2
    assert sum(word in text for text in notices(out)) == 1


def test_m0_of_a_short_repetition_time_is_corrected(run, make_volume, pcasl):
    plain = maps(quantify(run, make_volume, pcasl()))[0].data
    short = maps(quantify(run, make_volume, pcasl(m0_repetition_time=2.0)))[0]
    np.testing.assert_allclose(short.data, plain * (1 - np.exp(-2.0 / 1.607)), rtol=1e-5)
    assert short.constants["m0_repetition_time"].value == 2.0
    assert short.constants["t1_tissue"].source is Source.DEFAULT


def test_a_late_m0scan_gives_the_maps_again(run, make_volume, pcasl):
    late = make_volume(np.full(SHAPE, 100), M, 9)
    gadget = CBF()
    out = run([gadget], [mean(), late], Scan(labeling=pcasl(), repetition_time=10.0, field_strength=3.0))
    assert [m.name for m in out if isinstance(m, Map)][:2] == [MapName.DELTAM, MapName.DELTAM_STDERR]
    np.testing.assert_allclose(maps(out)[0].data, 86.3, rtol=1e-4)
    assert "m0scan" in notices(out)[0]


def test_several_m0scans_are_averaged(run, make_volume, pcasl):
    out = quantify(run, make_volume, pcasl(), m0=50.0, messages=[make_volume(np.full(SHAPE, 150), M, 1)])
    np.testing.assert_allclose(maps(out)[0].data, 86.3, rtol=1e-4)


def test_an_incomplete_m0scan_is_not_used(run, make_volume, pcasl):
    broken = make_volume(np.full(SHAPE, 7), M, 1, missing=3)
    out = quantify(run, make_volume, pcasl(), messages=[broken])
    np.testing.assert_allclose(maps(out)[0].data, 86.3, rtol=1e-4)
    assert "lacks 3 lines" in notices(out)[0]


@pytest.mark.parametrize(("suppressed", "absolute"), [(False, True), (True, False), (None, False)])
def test_controls_serve_as_m0_only_where_suppression_is_stated_to_be_off(run, make_volume, pcasl, suppressed, absolute):
    labeling = pcasl(context=(C, L), background_suppression=suppressed)
    control = make_volume(np.full(SHAPE, 100), C, 0)
    out = quantify(run, make_volume, labeling, m0=None, messages=[control])
    assert bool(maps(out)) is absolute
    if absolute:
        np.testing.assert_allclose(maps(out)[0].data, 86.3, rtol=1e-4)


def test_an_estimate_of_m0_is_that_of_blood(run, make_volume, pcasl):
    out = quantify(run, make_volume, pcasl(context=(C, L), m0_estimate=100 / 0.9), m0=None)
    np.testing.assert_allclose(maps(out)[0].data, 86.3, rtol=1e-4)


def test_in_2d_each_slice_has_its_own_delay(run, make_volume, pcasl):
    times = (0.0, 0.04, 0.08, 0.12)
    out = quantify(run, make_volume, pcasl(mr_acquisition_type="2D", slice_timing=times))
    np.testing.assert_allclose(maps(out)[0].data[:, 0, 0], 86.3 * np.exp(np.array(times) / 1.65), rtol=1e-4)
    assert maps(out)[0].constants["post_labeling_delay"].value == pytest.approx((1.8, 1.84, 1.88, 1.92))


def test_slice_times_are_measured_where_they_are_not_stated(run, make_volume, pcasl):
    control = make_volume(np.ones(SHAPE), C, 1, slice_times=(10.0, 10.1, 10.05, 10.15))
    out = quantify(run, make_volume, pcasl(mr_acquisition_type="2D"), messages=[control])
    expected = 86.3 * np.exp(np.array([0, 0.1, 0.05, 0.15]) / 1.65)
    np.testing.assert_allclose(maps(out)[0].data[:, 0, 0], expected, rtol=1e-4)
    assert maps(out)[0].constants["post_labeling_delay"].source is Source.DATA


def test_slice_times_that_contradict_the_header_are_said(run, make_volume, pcasl):
    control = make_volume(np.ones(SHAPE), C, 1, slice_times=(10.0, 10.1, 10.2, 10.3))
    labeling = pcasl(mr_acquisition_type="2D", slice_timing=(0.0, 0.04, 0.08, 0.12))
    assert "SliceTiming" in notices(quantify(run, make_volume, labeling, messages=[control]))[0]


def test_where_m0_is_not_positive_there_is_no_cbf(run, make_volume, pcasl):
    m0 = np.full(SHAPE, 100.0)
    m0[0, 0] = 0
    messages = [Mask(np.ones(SHAPE, bool)), make_volume(m0, M, 0)]
    out = quantify(run, make_volume, pcasl(), m0=None, messages=messages)
    assert np.isnan(maps(out)[0].data[0, 0]).all()
    assert np.isfinite(maps(out)[0].data[1:]).all()
    assert "2 voxels" in notices(out)[0]


def test_a_map_without_any_number_is_an_error(run, make_volume, pcasl):
    out = quantify(run, make_volume, pcasl(), m0=0.0)
    assert notices(out, Level.ERROR)


@pytest.mark.parametrize(
    ("tesla", "t1", "said"), [(1.5, 1.35, 0), (2.89, 1.65, 0), (7.0, 2.087, 0), (0.55, 1.3765, 0), (None, 1.65, 1)]
)
def test_t1_of_blood_follows_the_field(run, make_volume, pcasl, tesla, t1, said):
    out = quantify(run, make_volume, pcasl(), field_strength=tesla)
    assert maps(out)[0].constants["t1_blood"].value == pytest.approx(t1)
    assert len(notices(out)) == said


def test_every_constant_says_where_it_came_from(run, make_volume, pcasl):
    labeling = pcasl(sources={"labeling_duration": Source.SIDECAR, "post_labeling_delay": Source.HEADER})
    constants = maps(quantify(run, make_volume, labeling, CBF(t1_blood=1.7)))[0].constants
    assert constants["labeling_duration"] == (1.8, "s", Source.SIDECAR)
    assert constants["post_labeling_delay"] == (1.8, "s", Source.HEADER)
    assert constants["t1_blood"] == (1.7, "s", Source.CONFIG)
    assert constants["partition_coefficient"] == (0.9, "mL/g", Source.DEFAULT)


def test_an_unknown_number_of_suppression_pulses_is_said(run, make_volume, pcasl):
    labeling = pcasl(labeling_efficiency=None, background_suppression=True)
    out = quantify(run, make_volume, labeling)
    np.testing.assert_allclose(maps(out)[0].data, 86.3 / 0.95, rtol=1e-4)
    assert "number of its pulses" in notices(out)[0]


def test_cbf_leaves_first(run, make_volume, pcasl):
    names = [m.name for m in quantify(run, make_volume, pcasl()) if isinstance(m, Map)]
    assert names == [MapName.CBF, MapName.CBF_STDERR, MapName.DELTAM, MapName.DELTAM_STDERR]


def series(path, make_volume):
    """Give the volumes of a BIDS series, and its sidecar."""
    data = np.asarray(nibabel.Nifti1Image.from_filename(f"{path}.nii.gz").dataobj, np.float32)
    context = path.with_name(path.name.replace("_asl", "") + "_aslcontext.tsv")
    roles = [Role(word) for word in context.read_text().split()[1:]]
    volumes = [make_volume(data[..., n].transpose(), role, n) for n, role in enumerate(roles)]
    return volumes, tuple(roles), json.loads(path.with_name(path.name + ".json").read_text())


def truth(folder, name):
    return np.asarray(nibabel.Nifti1Image.from_filename(folder / f"gt_{name}.nii.gz").dataobj).transpose()


def test_the_simulated_head_gives_what_the_formula_must_give(run, make_volume, pcasl, shared_data):
    folder = shared_data / "truth/dro_single_pld"
    data = np.asarray(nibabel.Nifti1Image.from_filename(folder / "asl_noisefree.nii.gz").dataobj, np.float32)
    roles = [Role(word) for word in (folder / "asl_noisefree_aslcontext.tsv").read_text().split()[1:]]
    volumes = [make_volume(data[..., n].transpose(), role, n) for n, role in enumerate(roles)]
    labeling = pcasl(context=tuple(roles), m0_repetition_time=10.0)
    out = run([Pair(), Average(), CBF()], volumes, Scan(labeling=labeling, repetition_time=5.0, field_strength=3.0))
    cbf, segments, true = maps(out)[-1].data, truth(folder, "seg"), truth(folder, "cbf")
    assert np.nanmean(cbf[(np.abs(true - 60) < 0.1) & (segments == 1)]) == pytest.approx(45.88, rel=0.005)
    assert np.nanmean(cbf[(np.abs(true - 20) < 0.1) & (segments == 2)]) == pytest.approx(9.34, rel=0.005)


def test_the_human_study_gives_its_known_cbf(run, make_volume, pcasl, shared_data):
    volumes, roles, sidecar = series(shared_data / "asl/ds000240/sub-01_asl", make_volume)
    labeling = pcasl(
        context=roles,
        labeling_duration=(sidecar["LabelingDuration"],),
        post_labeling_delay=(sidecar["PostLabelingDelay"],),
        labeling_efficiency=sidecar["LabelingEfficiency"],
    )
    out = run([Pair(), Average(), CBF()], volumes, Scan(labeling=labeling, field_strength=3.0))
    m0 = np.mean([np.abs(volume.data) for volume in volumes[:10]], axis=0)
    mask = m0 > 0.3 * np.percentile(m0, 99)
    last = maps(out)[-1]
    assert last.pairs == 50
    assert np.mean(last.data[mask]) == pytest.approx(41.8, abs=0.1)
    assert np.median(last.data[mask]) == pytest.approx(41.3, abs=0.1)
    one_by_one = np.diff([m.pairs * np.mean(m.data[mask], dtype=np.float64) for m in maps(out)], prepend=0)
    assert np.std(one_by_one, ddof=1) == pytest.approx(5.2, abs=0.1)
    assert not notices(out)
