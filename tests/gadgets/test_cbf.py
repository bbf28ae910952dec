import json

import nibabel
import numpy as np
import pytest

from aslive.gadgets.average import Average
from aslive.gadgets.cbf import CBF
from aslive.gadgets.pair import Pair
from aslive.gadgets.physiology import StatePhysiology
from aslive.gadgets.slice_timing import TimeSlices
from aslive.streaming.flow import Mask, Place
from aslive.streaming.notices import Level, Notice
from aslive.streaming.perfusion import M0, Constant, Map, MapName, MeanDifference, Physiology, SliceTimes
from aslive.streaming.readouts import Counters, Geometry
from aslive.streaming.scan import LabelingType, Role, Scan, Source

SHAPE = (4, 3, 2)
C, L, M = Role.CONTROL, Role.LABEL, Role.M0SCAN
USUAL = SliceTimes((0.0,) * 4, Source.HEADER)


def mean(value=1.0, stderr=0.1, pairs=2, boluses=1):
    place = Place(3, Counters(), 0.0, Geometry())
    data, error = (np.full((boluses, *SHAPE), number, np.float32) for number in (value, stderr))
    return MeanDifference(data, error, place, pairs, boluses=(None,) * boluses)


def m0(value=100.0, anew=True):
    constants = {"m0": Constant("mean of 1 m0scan", "", Source.DATA)}
    return M0(np.full(SHAPE, value, np.float32), constants, anew)


def maps(out, name=MapName.CBF):
    return [m for m in out if isinstance(m, Map) and m.name == name]


def notices(out, level=None):
    return [m.text for m in out if isinstance(m, Notice) and level in (None, m.level)]


@pytest.fixture(scope="session")
def quantify(run, make_volume, pcasl):
    """Give all that becomes of an M0, and of a mean difference of 1 +- 0.1."""

    def run_it(messages=None, times=USUAL, physiology: StatePhysiology | None = None, **changes: object):
        scan = Scan(labeling=pcasl(**changes), repetition_time=10.0, field_strength=3.0)
        messages = [m0(), mean()] if messages is None else messages
        volume = make_volume(np.ones(SHAPE), M, 0)
        return run([physiology or StatePhysiology(), CBF()], [volume, times, *messages], scan)

    return run_it


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
def test_the_formula_is_that_of_the_white_paper(quantify, changes, factor):
    out = quantify(**changes)
    np.testing.assert_allclose(maps(out)[0].data, factor / 100, rtol=1e-5)
    np.testing.assert_allclose(maps(out, MapName.CBF_STDERR)[0].data, 0.1 * factor / 100, rtol=1e-5)
    assert "Alsop" in maps(out)[0].equation
    assert not notices(out)


@pytest.mark.parametrize(
    ("technique", "times", "bolus"),
    [("QUIPSSII", (0.8,), 0.8), ("Q2TIPS", (0.8, 1.6), 0.8), ("QUIPSS", (0.8,), 1.0), (None, (0.8,), 0.8)],
)
def test_pasl_needs_its_bolus(quantify, technique, times, bolus):
    out = quantify(
        arterial_spin_labeling_type=LabelingType.PASL,
        labeling_efficiency=None,
        bolus_cut_off_flag=True,
        bolus_cut_off_technique=technique,
        bolus_cut_off_delay_time=times,
    )
    np.testing.assert_allclose(maps(out)[0].data, 10252.4 / 100 * 0.8 / bolus, rtol=1e-5)
    assert maps(out)[0].constants["bolus_cut_off_technique"].value == technique or technique is None


@pytest.mark.parametrize("cut", [{}, {"bolus_cut_off_flag": False, "bolus_cut_off_delay_time": (0.8,)}])
def test_pasl_without_a_cut_bolus_is_refused_aloud(quantify, cut):
    out = quantify(arterial_spin_labeling_type=LabelingType.PASL, **cut)
    assert not maps(out)
    assert len(maps(out, MapName.DELTAM)) == 1
    assert "Bolus" in notices(out, Level.ERROR)[0]


@pytest.mark.parametrize(
    ("missing", "word"),
    [
        ({"post_labeling_delay": ()}, "PostLabelingDelay"),
        ({"labeling_duration": ()}, "LabelingDuration"),
        ({"labeling_duration": (0.0,)}, "LabelingDuration above 0 s"),
        ({"arterial_spin_labeling_type": None}, "ArterialSpinLabelingType"),
        ({"post_labeling_delay": (0.0, 1.0, 2.0)}, "single PostLabelingDelay (there are 2"),
        ({"post_labeling_delay": (8.5,)}, "fit into RepetitionTime"),
    ],
)
def test_what_is_missing_makes_the_map_relative_and_is_said_once(quantify, missing, word):
    out = quantify([m0(), mean(), mean()], **missing)
    assert not maps(out)
    assert len(maps(out, MapName.DELTAM)) == len(maps(out, MapName.DELTAM_STDERR)) == 2
    assert sum(word in text for text in notices(out)) == 1


def test_means_of_several_boluses_are_no_work_for_one_formula(quantify, pcasl):
    out = quantify([m0(), mean(boluses=3)])
    assert not maps(out)
    assert "there are 3" in notices(out)[0]
    several = pcasl(context=(C, L, C, L), post_labeling_delay=(1.0, 1.0, 2.0, 2.0))
    assert not CBF().needed(Scan(labeling=several))
    assert CBF().needed(Scan(labeling=pcasl()))
    assert CBF().needed(Scan())


def test_without_constants_the_map_is_relative(run):
    out = run([CBF()], [m0(), mean()], Scan())
    assert not maps(out)
    assert "physiology" in notices(out)[0]


def test_without_m0_the_map_is_relative_until_it_comes(quantify):
    out = quantify([mean(), m0(), mean()])
    names = [m.name for m in out if isinstance(m, Map)]
    relative, absolute = names[:2], names[2:]
    assert relative == [MapName.DELTAM, MapName.DELTAM_STDERR]
    assert absolute == [MapName.CBF, MapName.CBF_STDERR, MapName.DELTAM, MapName.DELTAM_STDERR] * 2
    np.testing.assert_allclose(maps(out)[0].data, 86.3, rtol=1e-4)
    assert "m0scan" in notices(out)[0]


def test_a_better_m0_gives_the_maps_again_and_one_more_control_waits_for_the_next_pair(quantify):
    out = quantify([m0(), mean(), m0(50.0), m0(25.0, anew=False), mean()])
    found = [m.data[0, 0, 0] for m in maps(out)]
    np.testing.assert_allclose(found, [86.3, 2 * 86.3, 4 * 86.3], rtol=1e-4)


def test_an_m0_of_another_shape_is_no_m0(quantify):
    odd = M0(np.ones((1, 2, 2), np.float32), {})
    assert not maps(quantify([odd, mean()]))


def test_the_constants_of_m0_stand_beside_those_of_the_formula(quantify):
    constants = maps(quantify())[0].constants
    assert constants["m0"].value == "mean of 1 m0scan"
    assert constants["subtraction"].value == "magnitude"
    assert "t1_tissue" not in constants


def test_in_2d_each_slice_has_its_own_delay(quantify):
    times = (0.0, 0.04, 0.08, 0.12)
    out = quantify(times=SliceTimes(times, Source.SIDECAR), sources={"post_labeling_delay": Source.CONFIG})
    np.testing.assert_allclose(maps(out)[0].data[:, 0, 0], 86.3 * np.exp(np.array(times) / 1.65), rtol=1e-4)
    assert maps(out)[0].constants["post_labeling_delay"].value == pytest.approx((1.8, 1.84, 1.88, 1.92))
    assert maps(out)[0].constants["post_labeling_delay"].source is Source.CONFIG
    assert maps(out)[0].constants["slice_timing"] == (times, "s", Source.SIDECAR)


def test_delays_from_measured_slice_times_are_data(quantify):
    out = quantify(times=SliceTimes((0.0, 0.1, 0.05, 0.15), Source.DATA))
    expected = 86.3 * np.exp(np.array([0, 0.1, 0.05, 0.15]) / 1.65)
    np.testing.assert_allclose(maps(out)[0].data[:, 0, 0], expected, rtol=1e-4)
    assert maps(out)[0].constants["post_labeling_delay"].source is Source.DATA


def test_slice_times_that_come_late_give_the_maps_again(quantify):
    late = SliceTimes((0.0, 0.1, 0.2, 0.3), Source.DATA)
    out = quantify([m0(), mean(), late])
    np.testing.assert_allclose(maps(out)[1].data[3], maps(out)[0].data[3] * np.exp(0.3 / 1.65), rtol=1e-5)


def test_where_m0_is_not_positive_there_is_no_cbf(quantify):
    dark = m0()
    dark.data[0, 0] = 0
    out = quantify([Mask(np.ones(SHAPE, bool)), dark, mean()])
    assert np.isnan(maps(out)[0].data[0, 0]).all()
    assert np.isfinite(maps(out)[0].data[1:]).all()
    assert "2 voxels" in notices(out)[0]


def test_a_map_without_any_number_is_an_error(quantify):
    assert notices(quantify([m0(0.0), mean()]), Level.ERROR)


def test_every_constant_says_where_it_came_from(quantify):
    sources = {"labeling_duration": Source.SIDECAR, "post_labeling_delay": Source.HEADER}
    constants = maps(quantify(physiology=StatePhysiology(t1_blood=1.7), sources=sources))[0].constants
    assert constants["labeling_duration"] == (1.8, "s", Source.SIDECAR)
    assert constants["post_labeling_delay"] == (1.8, "s", Source.HEADER)
    assert constants["t1_blood"] == (1.7, "s", Source.CONFIG)
    assert constants["partition_coefficient"] == (0.9, "mL/g", Source.DEFAULT)


def test_cbf_leaves_first_and_every_map_tells_its_equation(quantify):
    found = [m for m in quantify() if isinstance(m, Map)]
    assert [m.name for m in found] == [MapName.CBF, MapName.CBF_STDERR, MapName.DELTAM, MapName.DELTAM_STDERR]
    assert all(m.equation for m in found)


def test_what_later_gadgets_need_passes_on(quantify):
    mask = Mask(np.ones(SHAPE, bool))
    out = quantify([mask, m0(), mean()])
    passed = [type(m) for m in out if isinstance(m, Mask | M0 | Physiology | SliceTimes)]
    assert passed == [Physiology, SliceTimes, Mask, M0]


def series(path, make_volume):
    """Give the volumes of a BIDS series, and its sidecar."""
    data = np.asarray(nibabel.Nifti1Image.from_filename(f"{path}.nii.gz").dataobj, np.float32)
    context = path.with_name(path.name.replace("_asl", "") + "_aslcontext.tsv")
    roles = [Role(word) for word in context.read_text().split()[1:]]
    volumes = [make_volume(data[..., n].transpose(), role, n) for n, role in enumerate(roles)]
    return volumes, tuple(roles), json.loads(path.with_name(path.name + ".json").read_text())


def through(run, volumes, scan):
    """Run volumes down the tail of the chain, with the mean of their m0scans."""
    m0scans = np.mean([np.abs(volume.data) for volume in volumes if volume.place.role is M], axis=0)
    line = [StatePhysiology(), TimeSlices(), Pair(), Average(), CBF()]
    return run(line, [M0(m0scans.astype(np.float32), {}), *volumes], scan)


def truth(folder, name):
    return np.asarray(nibabel.Nifti1Image.from_filename(folder / f"gt_{name}.nii.gz").dataobj).transpose()


def test_the_simulated_head_gives_what_the_formula_must_give(run, make_volume, pcasl, shared_data):
    folder = shared_data / "truth/dro_single_pld"
    data = np.asarray(nibabel.Nifti1Image.from_filename(folder / "asl_noisefree.nii.gz").dataobj, np.float32)
    roles = [Role(word) for word in (folder / "asl_noisefree_aslcontext.tsv").read_text().split()[1:]]
    volumes = [make_volume(data[..., n].transpose(), role, n) for n, role in enumerate(roles)]
    labeling = pcasl(context=tuple(roles), m0_repetition_time=10.0)
    out = through(run, volumes, Scan(labeling=labeling, repetition_time=5.0, field_strength=3.0))
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
    out = through(run, volumes, Scan(labeling=labeling, field_strength=3.0))
    m0 = np.mean([np.abs(volume.data) for volume in volumes[:10]], axis=0)
    mask = m0 > 0.3 * np.percentile(m0, 99)
    last = maps(out)[-1]
    assert last.pairs == 50
    assert np.mean(last.data[mask]) == pytest.approx(41.8, abs=0.1)
    assert np.median(last.data[mask]) == pytest.approx(41.3, abs=0.1)
    one_by_one = np.diff([m.pairs * np.mean(m.data[mask], dtype=np.float64) for m in maps(out)], prepend=0)
    assert np.std(one_by_one, ddof=1) == pytest.approx(5.2, abs=0.1)
    assert not notices(out)


def test_a_slice_without_pairs_has_no_cbf_and_the_others_keep_theirs(quantify):
    holed = mean()
    holed.data[0, 2], holed.stderr[0, 2] = np.nan, np.nan
    (whole,), (cbf,) = maps(quantify()), maps(quantify([m0(), holed]))
    assert np.isnan(cbf.data[2]).all()
    others = [0, 1, 3]
    np.testing.assert_array_equal(cbf.data[others], whole.data[others])
