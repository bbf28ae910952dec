"""The gadget on differences that the simulator's own model makes, and on what may be missing."""

from dataclasses import replace

import numpy as np
import pytest

from aslive.gadgets.kernels.dispersion import Dispersion
from aslive.gadgets.kernels.kinetics import Blood, Boluses, arterial_response, tissue_response
from aslive.gadgets.kernels.look_locker import seen_by_small_flips
from aslive.gadgets.kinetics import FitKinetics, Spread
from aslive.sim.kinetics import continuous_difference, pulsed_difference
from aslive.streaming.errors import ConfigError
from aslive.streaming.flow import Mask, Place
from aslive.streaming.notices import Level, Notice
from aslive.streaming.perfusion import (
    M0,
    Constant,
    Map,
    MapName,
    MeanDifference,
    Physiology,
    RelaxationMap,
    SliceTimes,
    TissueMaps,
)
from aslive.streaming.readouts import Counters, Geometry
from aslive.streaming.scan import Bolus, LabelingType, Role, Scan, Source

SHAPE = (3, 4, 5)
DELAYS = (0.25, 0.5, 0.75, 1.0, 1.25, 1.5)
DURATION, T1, BRIGHTNESS = 1.4, 1.33, 80.0
CBF = np.linspace(20, 90, 60).reshape(SHAPE)
ATT = np.linspace(0.5, 1.9, 60)[::-1].reshape(SHAPE)
PLACE = Place(3, Counters(), 0.0, Geometry())
BLOOD = Blood(1.65, 0.85, 0.9)


def physiology(missing=(), **changes):
    usual = {
        "t1_blood": 1.65,
        "t1_tissue": 1.607,
        "t1_gray_matter": T1,
        "t1_white_matter": 0.83,
        "t1_fluid": 4.3,
        "partition_coefficient": 0.9,
        "labeling_efficiency": 0.85,
    }
    constants = {name: Constant(value, "s", Source.DEFAULT) for name, value in (usual | changes).items()}
    return Physiology(constants, missing)


def m0(anew=True, data=None):
    data = np.full(SHAPE, BRIGHTNESS, np.float32) if data is None else data
    return M0(data, {"m0": Constant("mean of 1 m0scan", "", Source.DATA)}, anew)


def scheme(pcasl, delays=DELAYS, **changes):
    roles = tuple(role for _ in delays for role in (Role.CONTROL, Role.LABEL))
    each = tuple(delay for delay in delays for _ in range(2))
    return pcasl(**({"context": roles, "post_labeling_delay": each, "labeling_duration": (DURATION,)} | changes))


def difference(offsets=(0.0,) * 3, t1: object = T1, delays=DELAYS, pulsed=False):
    """Give deltam of all voxels by the simulator's model, ``(boluses, z, y, x)``."""
    shared = {"labeling_efficiency": 0.85, "t1_blood": 1.65, "partition_coefficient": 0.9}
    t1 = np.broadcast_to(np.asarray(t1), SHAPE)
    out = np.empty((len(delays), *SHAPE))
    for index in np.ndindex(SHAPE):
        times = np.array(delays) + offsets[index[0]]
        voxel = float(CBF[index]), float(ATT[index]), float(t1[index])
        if pulsed:
            made = pulsed_difference(*voxel, bolus_duration=0.7, inversion_time=times, **shared)
        else:
            made = continuous_difference(*voxel, labeling_duration=DURATION, post_labeling_delay=times, **shared)
        out[(slice(None), *index)] = BRIGHTNESS * made
    return out.astype(np.float32)


def mean(data=None, boluses=None, pairs=2, sigma=1e-4, degrees=6):
    data = difference() if data is None else data
    boluses = tuple(Bolus(delay, DURATION) for delay in DELAYS) if boluses is None else boluses
    stderr = np.full(data.shape, sigma, np.float32)
    variance = np.full(data.shape[1:], sigma**2, np.float32)
    return MeanDifference(
        data, stderr, PLACE, pairs, False, boluses, np.full((len(data), 1), float(pairs)), variance, degrees
    )


def fit(run, labeling, *messages, gadget=None, known=None, **scan):
    """Run the gadget with all that it needs ahead of the messages."""
    known = (
        [physiology(), SliceTimes((0.0,) * 3, Source.HEADER), m0(), Mask(np.ones(SHAPE, bool))]
        if known is None
        else known
    )
    return run([gadget or FitKinetics()], [*known, *messages], Scan(labeling=labeling, **scan))


def maps(out, name=MapName.CBF):
    return [message for message in out if isinstance(message, Map) and message.name == name]


def notices(out, level=None):
    return [message.text for message in out if isinstance(message, Notice) and level in (None, message.level)]


def assert_recovered(out, cbf=CBF, att=ATT):
    np.testing.assert_allclose(maps(out)[-1].data, cbf, rtol=2e-3)
    np.testing.assert_allclose(maps(out, MapName.ATT)[-1].data, att, atol=2e-3)


def test_flow_and_transit_time_come_back_together(run, pcasl):
    out = fit(run, scheme(pcasl), mean())
    assert_recovered(out)
    assert not notices(out)
    inside = (ATT > 0.3) & (ATT < 1.45)
    crossed = maps(out, MapName.ATT_WEIGHTED_DELAY)[0].data
    np.testing.assert_allclose(crossed[inside], ATT[inside], atol=0.02)


def test_intervals_hold_what_they_are_about(run, pcasl):
    out = fit(run, scheme(pcasl), mean(sigma=0.02))
    for name, true in ((MapName.CBF, CBF), (MapName.ATT, ATT)):
        lower, upper, stderr = (maps(out, MapName(f"{name}_{end}"))[0].data for end in ("lower", "upper", "stderr"))
        assert np.all((lower < true) & (true < upper))
        np.testing.assert_allclose(upper - lower, 2 * 1.96 * stderr, rtol=0.35)


def test_pulsed_labeling_has_its_own_model(run, pcasl):
    times = (0.6, 0.9, 1.2, 1.5, 1.8, 2.1, 2.4)
    labeling = scheme(
        pcasl,
        times,
        arterial_spin_labeling_type=LabelingType.PASL,
        bolus_cut_off_flag=True,
        bolus_cut_off_technique="QUIPSSII",
        bolus_cut_off_delay_time=(0.7,),
    )
    out = fit(run, labeling, mean(difference(delays=times, pulsed=True), tuple(Bolus(time) for time in times)))
    assert_recovered(out)
    assert maps(out)[0].constants["prior_att"].value == 0.7
    assert "labeling_duration" not in maps(out)[0].constants


def test_in_2d_each_slice_has_its_own_delays(run, pcasl):
    offsets = (0.0, 0.4, 0.2)
    known = [physiology(), SliceTimes(offsets, Source.DATA), m0()]
    out = fit(run, scheme(pcasl), mean(difference(offsets)), known=known)
    assert_recovered(out)
    assert maps(out)[0].constants["slice_timing"] == (offsets, "s", Source.DATA)


def test_slice_times_that_come_late_give_the_maps_again(run, pcasl):
    offsets = (0.0, 0.4, 0.2)
    late = SliceTimes(offsets, Source.DATA)
    assert_recovered(fit(run, scheme(pcasl), mean(difference(offsets)), late, known=[physiology(), m0()]))


def test_each_tissue_relaxes_in_its_own_time(run, pcasl):
    gray = np.zeros(SHAPE, np.float32)
    gray[:, :2] = 1
    tissues = TissueMaps(gray, 1 - gray, np.zeros(SHAPE, np.float32))
    out = fit(run, scheme(pcasl), mean(difference(t1=np.where(gray > 0, 1.33, 0.83))), tissues)
    assert_recovered(out)
    assert maps(out)[-1].constants["t1_white_matter"].value == 0.83
    assert "t1_white_matter" not in maps(out)[0].constants


def test_a_measured_t1_counts_more_than_the_kind_of_tissue(run, pcasl):
    t1 = np.linspace(0.9, 1.8, 60).reshape(SHAPE)
    tissues = TissueMaps(*(np.full(SHAPE, share, np.float32) for share in (0.5, 0.5, 0.0)))
    measured = RelaxationMap(t1.astype(np.float32))
    out = fit(run, scheme(pcasl), tissues, measured, mean(difference(t1=t1)))
    assert_recovered(out)
    words = "t1map, else t1_gray_matter, t1_white_matter by share, else t1_gray_matter"
    assert maps(out)[0].constants["kinetics_t1"] == (words, "", Source.DATA)


def test_without_maps_of_tissue_label_fades_as_in_gray_matter_and_that_is_written_down(run, pcasl):
    out = fit(run, scheme(pcasl), mean(difference(t1=1.2)), known=[physiology(t1_gray_matter=1.2), m0()])
    assert_recovered(out)
    constants = maps(out)[0].constants
    assert constants["kinetics_t1"] == ("t1_gray_matter", "", Source.DEFAULT)
    assert constants["t1_gray_matter"].value == 1.2
    assert "t1_tissue" not in constants


def test_without_m0_there_are_transit_times_and_no_flow(run, pcasl):
    out = fit(run, scheme(pcasl), mean(), mean(), known=[physiology()])
    assert not maps(out)
    assert not maps(out, MapName.CBF_LOWER)
    np.testing.assert_allclose(maps(out, MapName.ATT)[0].data, ATT, atol=5e-3)
    assert len(maps(out, MapName.DELTAM)) == 2
    assert notices(out) == [
        "No absolute CBF, only transit times (att) and the difference (deltam), for want of an m0scan."
    ]


def test_a_late_m0_gives_the_maps_again_unless_it_is_much_the_same(run, pcasl):
    out = fit(run, scheme(pcasl), mean(), m0(), m0(anew=False), known=[physiology()])
    assert len(maps(out)) == 1
    assert_recovered(out)


@pytest.mark.parametrize(
    ("missing", "level"), [(("LabelingDuration",), Level.WARNING), (("BolusCutOffFlag",), Level.ERROR)]
)
def test_where_timing_is_in_doubt_there_is_the_difference_alone(run, pcasl, missing, level):
    out = fit(run, scheme(pcasl), mean(), mean(), known=[physiology(missing), m0()])
    assert {message.name for message in out if isinstance(message, Map)} == {MapName.DELTAM, MapName.DELTAM_STDERR}
    assert notices(out, level) == [
        f"No absolute CBF and no transit times, only the difference (deltam), for want of {missing[0]}."
    ]


def test_without_constants_there_is_the_difference_alone(run, pcasl):
    out = fit(run, scheme(pcasl), mean(), known=[m0()])
    assert not maps(out, MapName.ATT)
    assert "physiology" in notices(out)[0]


def test_the_first_pair_already_gives_maps(run, pcasl):
    first = replace(mean(difference()[:1], (Bolus(DELAYS[0], DURATION),), 1), variance=None, degrees_of_freedom=0)
    out = fit(run, scheme(pcasl), first)
    assert np.isfinite(maps(out)[0].data).all()
    assert np.all(maps(out, MapName.ATT_STDERR)[0].data > 0.2)
    assert np.isnan(maps(out, MapName.DELTAM_STDERR)[0].data).all()


def test_a_bolus_that_the_schedule_does_not_list_is_fitted_by_its_own_times(run, pcasl):
    merged = (Bolus(0.25, 2.0), Bolus(1.5, 0.8))
    made = [
        continuous_difference(
            60, 0.8, T1, labeling_duration=duration, post_labeling_delay=delay, labeling_efficiency=0.85
        )
        for delay, duration in merged
    ]
    data = BRIGHTNESS * np.broadcast_to(np.reshape(made, (2, 1, 1, 1)), (2, *SHAPE)).astype(np.float32)
    out = fit(run, scheme(pcasl), mean(data, merged))
    assert_recovered(out, np.full(SHAPE, 60.0), np.full(SHAPE, 0.8))


def test_blood_that_spreads_is_fitted_as_it_was_told(run, pcasl):
    way = Dispersion.of_peak(5.0, 0.2)
    apparent = np.array([1 / (1 / T1 + 60 / 6000 / 0.9)])
    boluses = Boluses(np.array(DELAYS) + DURATION, np.full(6, DURATION))
    seen = tissue_response(np.array([0.8]), apparent, boluses, BLOOD._replace(dispersion=way))[0, :, 0]
    data = 60 * BRIGHTNESS * np.broadcast_to(seen[:, None, None, None], (6, *SHAPE)).astype(np.float32)
    gadget = FitKinetics(dispersion=Spread.GAMMA, dispersion_sharpness=5.0, dispersion_time_to_peak=0.2)
    out = fit(run, scheme(pcasl), mean(data), gadget=gadget)
    assert_recovered(out, np.full(SHAPE, 60.0), np.full(SHAPE, 0.8))
    assert maps(out)[0].constants["dispersion_sharpness"] == (5.0, "1/s", Source.CONFIG)


def test_readouts_of_one_labeling_cost_each_other_signal(run, pcasl):
    apparent = np.array([1 / (1 / T1 + 60 / 6000 / 0.9)])
    boluses = Boluses(np.array(DELAYS) + DURATION, np.full(6, DURATION))
    single = tissue_response(np.array([0.8]), apparent, boluses, BLOOD)
    seen = seen_by_small_flips(single, boluses, apparent, np.radians(30))[0, :, 0]
    data = 60 * BRIGHTNESS * np.broadcast_to(seen[:, None, None, None], (6, *SHAPE)).astype(np.float32)
    out = fit(run, scheme(pcasl, look_locker=True, flip_angle=30.0), mean(data))
    assert_recovered(out, np.full(SHAPE, 60.0), np.full(SHAPE, 0.8))


def test_the_difference_that_goes_out_is_the_mean_over_all_delays(run, pcasl):
    data = difference()
    weights = np.arange(1.0, 7.0)[:, np.newaxis]
    out = fit(run, scheme(pcasl), replace(mean(data), weights=weights))
    expected = np.average(data, axis=0, weights=weights[:, 0])
    np.testing.assert_allclose(maps(out, MapName.DELTAM)[0].data, expected, rtol=1e-5)
    np.testing.assert_allclose(maps(out, MapName.DELTAM_STDERR)[0].data, 1e-4 / np.sqrt(21), rtol=1e-5)


def test_where_m0_is_dark_there_is_no_flow_and_that_is_counted(run, pcasl):
    dark = np.full(SHAPE, BRIGHTNESS, np.float32)
    dark[0, 0, :2] = 0
    out = fit(run, scheme(pcasl), mean(), m0(data=dark))
    assert np.isnan(maps(out)[-1].data[0, 0, :2]).all()
    assert np.isnan(maps(out, MapName.ATT)[-1].data[0, 0, :2]).all()
    assert notices(out) == ["M0 is too dark in 2 voxels of the brain: CBF is NaN there."]


def test_maps_without_any_number_are_an_error(run, pcasl):
    out = fit(run, scheme(pcasl), mean(), known=[physiology(), m0(data=np.zeros(SHAPE, np.float32))])
    assert notices(out, Level.ERROR)


def test_blood_outside_of_what_the_delays_see_is_said_once(run, pcasl):
    out = fit(run, scheme(pcasl), mean(), mean(), gadget=FitKinetics(att_maximum=0.9))
    assert sum("transit time" in text for text in notices(out)) == 1


def test_blood_in_arteries_is_told_from_that_in_tissue(run, pcasl):
    delays = np.array(DELAYS)
    boluses = Boluses(delays + DURATION, np.full(6, DURATION))
    tissue = continuous_difference(
        60, 1.3, T1, labeling_duration=DURATION, post_labeling_delay=delays, labeling_efficiency=0.85
    )
    seen = tissue + 0.02 * arterial_response(np.array([0.9]), boluses, BLOOD)[:, 0]
    data = BRIGHTNESS * np.broadcast_to(seen[:, None, None, None], (6, *SHAPE)).astype(np.float32)
    out = fit(run, scheme(pcasl), mean(data, sigma=0.01), gadget=FitKinetics(macrovascular=True))
    without = fit(run, scheme(pcasl), mean(data, sigma=0.01))
    np.testing.assert_allclose(maps(out, MapName.ABV)[0].data, 0.02, rtol=0.15)
    np.testing.assert_allclose(maps(out, MapName.ABAT)[0].data, 0.9, atol=0.2)
    np.testing.assert_allclose(maps(out)[0].data, 60, rtol=0.15)
    assert np.all(maps(without)[0].data > 75)
    assert maps(out, MapName.ABV)[0].units == "mL/mL"
    assert maps(out)[0].constants["prior_abv_deviation"].value == 0.01


def test_crushed_arteries_are_not_fitted(run, pcasl):
    out = fit(run, scheme(pcasl, vascular_crushing=True), mean(), gadget=FitKinetics(macrovascular=True))
    assert_recovered(out)
    assert not maps(out, MapName.ABV)
    assert "VascularCrushing" in notices(out, Level.INFO)[0]


def test_every_map_says_with_what_it_was_made(run, pcasl):
    labeling = scheme(pcasl, sources={"post_labeling_delay": Source.SIDECAR})
    out = fit(run, labeling, mean(), gadget=FitKinetics(prior_att=1.1))
    for message in out:
        if isinstance(message, Map):
            assert message.equation
            assert message.pairs == 2
    constants = maps(out)[0].constants
    assert constants["post_labeling_delay"] == (DELAYS, "s", Source.SIDECAR)
    assert constants["labeling_duration"] == ((DURATION,) * 6, "s", Source.HEADER)
    assert constants["prior_att"] == (1.1, "s", Source.CONFIG)
    assert constants["prior_cbf"] == (50.0, "mL/100g/min", Source.DEFAULT)
    assert constants["m0"].value == "mean of 1 m0scan"
    assert constants["t1_gray_matter"].value == T1
    assert {"t1_fluid", "prior_abv_deviation", "dispersion_sharpness"}.isdisjoint(constants)


def test_what_flow_is_made_of_passes_on(run, pcasl):
    known = [physiology(), SliceTimes((0.0,) * 3, Source.HEADER), m0(), Mask(np.ones(SHAPE, bool))]
    assert fit(run, scheme(pcasl), known=known) == known


def test_flow_leaves_first(run, pcasl):
    names = [message.name for message in fit(run, scheme(pcasl), mean()) if isinstance(message, Map)]
    assert names[:2] == [MapName.CBF, MapName.CBF_STDERR]
    assert names[-2:] == [MapName.DELTAM, MapName.DELTAM_STDERR]


def test_one_delay_needs_no_kinetics(pcasl):
    assert FitKinetics().needed(Scan(labeling=scheme(pcasl)))
    assert not FitKinetics().needed(Scan(labeling=pcasl()))


@pytest.mark.parametrize(
    "wrong",
    [
        {"att_step": 0.0},
        {"prior_cbf_deviation": -1.0},
        {"att_minimum": -0.1},
        {"att_minimum": 1.0, "att_maximum": 0.5},
        {"dispersion_sharpness": float("nan")},
    ],
)
def test_impossible_parameters_are_refused(wrong):
    with pytest.raises(ConfigError, match="kinetics"):
        FitKinetics(**wrong).start(Scan())


def test_a_delay_without_pairs_in_a_slice_leaves_the_other_delays_to_tell(run, pcasl):
    holed, weights = difference(), np.full((6, 3), 2.0)
    holed[3, 1], weights[3, 1] = np.nan, 0
    holed[:, 2], weights[:, 2] = np.nan, 0
    variance = np.full(SHAPE, 1e-8, np.float32)
    variance[2] = np.nan
    told = replace(mean(holed), weights=weights, variance=variance, degrees_by_slice=np.array([6, 5, 0]))
    out = fit(run, scheme(pcasl), told)
    for name, true, atol in ((MapName.CBF, CBF, 0.2), (MapName.ATT, ATT, 2e-3)):
        found = maps(out, name)[-1].data
        np.testing.assert_allclose(found[:2], true[:2], atol=atol)
        assert np.isnan(found[2]).all()
    together = maps(out, MapName.DELTAM)[-1].data
    np.testing.assert_allclose(together[1], np.delete(difference()[:, 1], 3, axis=0).mean(axis=0), rtol=1e-5)
    assert np.isfinite(together[:2]).all()
    assert np.isnan(together[2]).all()
