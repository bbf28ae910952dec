"""Indices of maps: the digital reference object, plain implementations, and maps whose truth is known."""

from collections.abc import Callable, Iterable
from pathlib import Path

import nibabel
import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from aslive.gadgets.indices import ComputeIndices
from aslive.gadgets.kernels.map_indices import rating
from aslive.sim.anatomy import brain
from aslive.sim.grid import Grid
from aslive.streaming.flow import Mask, Place
from aslive.streaming.notices import Measure, Measurement
from aslive.streaming.perfusion import Map, MapName
from aslive.streaming.quality import Regions, Verdict
from aslive.streaming.readouts import Counters, Geometry
from aslive.streaming.scan import Scan

FIELD_OF_VIEW = (0.2, 0.2, 0.096)
HEAD = brain(Grid((40, 40, 16), FIELD_OF_VIEW))
SHAPE = HEAD.grid.shape
NAMES = ("left_anterior", "left_middle", "left_posterior", "right_anterior", "right_middle", "right_posterior")
INSIDE = HEAD.fractions.sum(axis=0) > 0.5
GRAY = HEAD.gray_matter > 0.7
SHARES = [np.ascontiguousarray(share) for share in HEAD.fractions]
REGIONS = Regions(SHARES[0], SHARES[1], SHARES[2], HEAD.territories, NAMES, "atlas", 0.9)
AHEAD = (Mask(INSIDE), REGIONS)
FACTOR = 8630.0  # from deltam / M0 to flow
RELATIVE = {
    *(Measure.SPATIAL_COV, Measure.SPATIAL_COV_DEBIASED, Measure.TEMPORAL_SNR, Measure.RATING, Measure.NEGATIVE_CBF),
    *(Measure.GRAY_WHITE_RATIO, Measure.ASYMMETRY, Measure.EMPTY_MAP, Measure.MISSING_VOXELS),
}
"""What needs no absolute flow."""


def place(field_of_view: tuple[float, float, float] = FIELD_OF_VIEW) -> Place:
    return Place(7, Counters(), 0.0, Geometry(field_of_view=field_of_view))


def a_set(
    maps: dict[MapName, NDArray[np.floating]], pairs: int, field_of_view: tuple[float, float, float] = FIELD_OF_VIEW
) -> list[Map]:
    order = sorted(maps, key=lambda name: (name is MapName.DELTAM_STDERR, name is MapName.DELTAM))
    return [Map(name, np.asarray(maps[name], np.float32), place(field_of_view), "", pairs) for name in order]


def of_flow(flow: NDArray[np.floating], stderr: NDArray[np.floating] | float, pairs: int, **more: object) -> list[Map]:
    """Give the maps of one update, of a uniform M0 of 100."""
    error = np.broadcast_to(np.asarray(stderr, np.float32), flow.shape)
    maps = {MapName.CBF: flow, MapName.CBF_STDERR: error}
    maps |= {MapName.DELTAM: flow * 100 / FACTOR, MapName.DELTAM_STDERR: error * 100 / FACTOR}
    return a_set(maps | {MapName(name): np.asarray(data) for name, data in more.items()}, pairs)


@pytest.fixture
def measure(run) -> Callable[..., list[Measurement]]:
    def compute(maps: Iterable[object], ahead: Iterable[object] = AHEAD) -> list[Measurement]:
        messages = [*ahead, *maps]
        out = run([ComputeIndices()], messages, Scan())
        assert [made for made in out if not isinstance(made, Measurement)] == messages
        return [made for made in out if isinstance(made, Measurement)]

    return compute


def value(found: Iterable[Measurement], name: Measure, region: str = "") -> float:
    return named(found, name, region).value


def named(found: Iterable[Measurement], name: Measure, region: str = "") -> Measurement:
    (one,) = (each for each in found if each.name is name and each.region == region)
    return one


def noisy(rng: np.random.Generator, deviation: float, pairs: int) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
    """Give the mean of some maps of true flow and noise, and its standard error."""
    flows = HEAD.cbf + deviation * rng.standard_normal((pairs, *SHAPE))
    return flows.mean(axis=0), flows.std(axis=0, ddof=1) / np.sqrt(pairs)


# The digital reference object.


class ReferenceObject:
    """Pairs, M0 and tissues of the object with one delay."""

    def __init__(self, folder: Path) -> None:
        def read(name: str) -> NDArray[np.float64]:
            return np.asarray(nibabel.Nifti1Image.from_filename(folder / name).dataobj, np.float64).transpose()

        series, context = read("asl.nii.gz"), (folder / "aslcontext.tsv").read_text().split()[1:]
        of = {role: series[[n for n, each in enumerate(context) if each == role]] for role in set(context)}
        self.pairs, self.m0 = of["control"] - of["label"], of["m0scan"][0]
        self.tissue = read("gt_seg.nii.gz")
        zooms = nibabel.Nifti1Image.from_filename(folder / "asl.nii.gz").header.get_zooms()[:3]
        self.field_of_view = tuple(1e-3 * zoom * n for zoom, n in zip(zooms, self.m0.shape[::-1], strict=True))
        gray, white, fluid = ((self.tissue == number).astype(np.float32) for number in (1, 2, 3))
        regions = Regions(gray, white, fluid, np.zeros(self.m0.shape, np.uint8), (), "sent")
        self.ahead = Mask(self.tissue > 0), regions

    def maps(self, pairs: int) -> list[Map]:
        mean = self.pairs[:pairs].mean(axis=0)
        stderr = self.pairs[:pairs].std(axis=0, ddof=1) / np.sqrt(pairs) if pairs > 1 else np.full(mean.shape, np.nan)
        factor = np.divide(FACTOR, self.m0, out=np.full(self.m0.shape, np.nan), where=self.m0 > 0)
        maps = {MapName.CBF: factor * mean, MapName.CBF_STDERR: factor * stderr}
        return a_set(maps | {MapName.DELTAM: mean, MapName.DELTAM_STDERR: stderr}, pairs, self.field_of_view)  # pyright: ignore[reportArgumentType] (three of them)


@pytest.fixture(scope="module")
def reference(shared_data: Path) -> ReferenceObject:
    return ReferenceObject(shared_data / "truth/dro_single_pld")


@pytest.mark.parametrize(
    ("pairs", "index"), [(1, 0.560), (2, 0.734), (3, 0.798), (5, 0.839), (8, 0.872), (10, 0.882), (15, 0.893)]
)
def test_the_index_of_the_reference_object_is_what_others_measured(measure, reference, pairs, index):
    assert value(measure(reference.maps(pairs), reference.ahead), Measure.QEI) == pytest.approx(index, abs=0.01)


def test_the_other_indices_of_the_reference_object_are_what_others_measured(measure, reference):
    first, last = (measure(reference.maps(pairs), reference.ahead) for pairs in (1, 15))
    assert value(first, Measure.SPATIAL_COV) == pytest.approx(1.21, rel=0.05)  # a few dark voxels weigh much
    assert value(last, Measure.SPATIAL_COV) == pytest.approx(0.325, abs=0.001)
    assert value(first, Measure.NEGATIVE_CBF) == pytest.approx(0.179, abs=0.001)
    assert value(last, Measure.NEGATIVE_CBF) == pytest.approx(0.005, abs=0.001)
    assert value(last, Measure.TEMPORAL_SNR) == pytest.approx(0.97, abs=0.005)
    assert value(last, Measure.RATING) == 1
    difference, stderr = (each.data for each in reference.maps(15)[2:])
    assert rating(difference, stderr, reference.tissue > 0)[1] == pytest.approx(0.409, rel=0.05)
    assert value(last, Measure.MEAN_GRAY_MATTER_CBF) == pytest.approx(45.81, rel=0.03)  # by the formula, mixed a little


# Plain implementations.


def plain_index(flow: NDArray[np.float64]) -> tuple[float, float, float, float]:
    """Compute the quality evaluation index from the paper's text, mask by mask."""
    voxel = np.array(FIELD_OF_VIEW[::-1]) / SHAPE
    smooth = gaussian_filter(
        np.where(INSIDE & np.isfinite(flow), flow, 0), 0.005 / 2.3548200450309493 / voxel, mode="constant"
    )
    gray, white, fluid = HEAD.fractions
    there = smooth != 0
    rho = max(0.0, np.corrcoef(smooth[there], (2.5 * gray + white)[there])[0, 1])
    tissues = [smooth[share > 0.7] for share in (gray, white, fluid)]
    pooled = sum((len(each) - 1) * np.var(each) for each in tissues) / (sum(map(len, tissues)) - 3)
    spread, negative = pooled / abs(np.mean(tissues[0])), np.mean(tissues[0] < 0)
    index = (1 - np.exp(-3.0126 * rho**2.4419)) * np.exp(-(0.054 * spread**0.9272 + 2.8478 * negative**0.5196))
    return float(np.cbrt(index)), float(rho), float(spread), float(negative)


@pytest.mark.parametrize("deviation", [0.0, 30.0, 200.0])
@pytest.mark.parametrize("sign", [1, -1])
def test_the_index_is_what_the_paper_says(measure, deviation, sign):
    flow, stderr = noisy(np.random.default_rng(0), deviation, 3)
    flow = sign * flow
    flow[3, 10:14, 10:14] = np.nan
    found = measure(of_flow(flow, stderr, 3))
    names = Measure.QEI, Measure.QEI_CORRELATION, Measure.QEI_DISPERSION, Measure.QEI_NEGATIVE
    np.testing.assert_allclose([value(found, name) for name in names], plain_index(flow), rtol=1e-5, atol=1e-9)
    assert named(found, Measure.QEI).source == "atlas"


def test_variation_and_shares_are_what_their_formulas_say(measure):
    flow, stderr = noisy(np.random.default_rng(1), 40.0, 6)
    flow[5, 15:20, 15:20] = np.nan
    known = GRAY & np.isfinite(flow)
    found = measure(of_flow(flow, stderr, 6))
    gray, error = flow[known], stderr[known]
    assert value(found, Measure.SPATIAL_COV) == pytest.approx(gray.std() / gray.mean(), rel=1e-5)
    debiased = np.sqrt(gray.var() - np.mean(error**2)) / gray.mean()
    assert value(found, Measure.SPATIAL_COV_DEBIASED) == pytest.approx(debiased, rel=1e-4)
    assert value(found, Measure.TEMPORAL_SNR) == pytest.approx(np.mean(gray / error) / np.sqrt(6), rel=1e-5)
    assert value(found, Measure.NEGATIVE_CBF) == pytest.approx(np.mean(gray < 0), abs=1e-9)
    high = flow[INSIDE & np.isfinite(flow)] > 150
    assert value(found, Measure.HIGH_CBF) == pytest.approx(np.mean(high), abs=1e-9)
    assert value(found, Measure.MISSING_VOXELS) == pytest.approx(1 - np.isfinite(flow[INSIDE]).mean(), abs=1e-9)
    middle = [z for z in range(SHAPE[0]) if INSIDE[z].any()][2:-2]
    within = INSIDE[middle] & np.isfinite(flow[middle])
    error = stderr[middle][within].mean() / abs(flow[middle][within].mean())
    assert value(found, Measure.RATING) == np.clip(np.round((error - 0.072) / 0.265), 1, 4)


def test_the_share_of_noise_is_taken_out_of_the_variation(measure):
    flow, stderr = noisy(np.random.default_rng(2), 60.0, 10)
    pattern = 20 * np.sin(np.arange(SHAPE[2]))
    pure = (HEAD.cbf + pattern)[GRAY].std() / (HEAD.cbf + pattern)[GRAY].mean()
    found = measure(of_flow(flow + pattern, stderr, 10))
    assert value(found, Measure.SPATIAL_COV) > 1.4 * pure
    assert value(found, Measure.SPATIAL_COV_DEBIASED) == pytest.approx(pure, rel=0.05)


@pytest.mark.parametrize(("pairs", "said"), [(4, 0), (5, 1)])
def test_few_pairs_do_not_tell_how_much_is_noise(measure, pairs, said):
    found = measure(of_flow(*noisy(np.random.default_rng(3), 20.0, pairs), pairs))
    assert sum(each.name is Measure.SPATIAL_COV_DEBIASED for each in found) == said


# Regions.


def test_regions_and_sides_are_told_by_name(measure):
    weights = np.choose(HEAD.territories, (0, 1, 2, 3, 1.5, 2, 1))
    found = measure(of_flow(20.0 * weights, 1.0, 5))
    expected = dict(zip(NAMES, (20, 40, 60, 30, 40, 20), strict=True))
    for name, flow in expected.items():
        assert value(found, Measure.REGION_CBF, name) == pytest.approx(flow, rel=1e-5)
    for name, percent in {"anterior": 40, "middle": 0, "posterior": -100}.items():
        assert value(found, Measure.ASYMMETRY, name) == pytest.approx(percent, abs=1e-3)
    assert not [each for each in found if each.name is Measure.REGION_ATT]


def test_transit_times_are_told_by_region_too(measure):
    late = np.where(HEAD.territories == 2, 1.6, 0.8)
    found = measure(of_flow(HEAD.cbf, 1.0, 5, att=late, att_stderr=np.full(SHAPE, 0.2)))
    for number, name in enumerate(NAMES, 1):
        time = named(found, Measure.REGION_ATT, name)
        assert time.value == pytest.approx(1.6 if number == 2 else 0.8, rel=1e-5)
        assert time.stderr == pytest.approx(0.2 / np.sqrt(np.sum(GRAY & (HEAD.territories == number))), rel=1e-4)


def test_errors_of_means_and_ratios_are_as_large_as_they_say(measure):
    true = {(each.name, each.region): each.value for each in measure(of_flow(HEAD.cbf, 0.0, 8))}
    scores: dict[tuple[Measure, str], list[float]] = {}
    for seed in range(60):
        for each in measure(of_flow(*noisy(np.random.default_rng(seed), 40.0, 8), 8)):
            if np.isfinite(each.stderr):
                which = each.name, each.region
                scores.setdefault(which, []).append((each.value - true[which]) / each.stderr)
    assert len(scores) == 2 + 1 + 6 + 3  # tissues, their ratio, regions, sides
    for which, score in scores.items():
        assert abs(np.mean(score)) < 0.5, which
        assert 0.65 < np.std(score) < 1.35, which


def test_what_all_voxels_share_widens_means_and_not_ratios(measure):
    """Pairs whose gray matter differs by 20 % as a whole: the mean of 16 is known to 5 %."""
    rng = np.random.default_rng(5)
    means = 10 * (1 + 0.2 * rng.standard_normal(16))
    verdicts = [Verdict(n, True, place(), features={"gm_mean": mean}) for n, mean in enumerate(means.tolist())]
    out = Verdict(16, False, place(), features={"gm_mean": -500.0})
    maps = of_flow(HEAD.cbf, 8.0, 16)
    alone, shared = measure(maps), measure([*verdicts, out, *maps])
    relative = np.std(means, ddof=1) / np.mean(means) / 4
    for name, region in ((Measure.MEAN_GRAY_MATTER_CBF, ""), (Measure.REGION_CBF, NAMES[1])):
        assert named(alone, name, region).stderr < 0.5
        found = named(shared, name, region)
        assert found.stderr == pytest.approx(relative * found.value, rel=0.05)
    for name, region in ((Measure.GRAY_WHITE_RATIO, ""), (Measure.ASYMMETRY, "middle")):
        assert named(alone, name, region).stderr == named(shared, name, region).stderr


# When, and when not.


def test_without_absolute_flow_the_difference_tells_what_it_can(measure):
    flow, stderr = noisy(np.random.default_rng(6), 20.0, 6)
    whole = of_flow(flow, stderr, 6)
    relative = [each for each in whole if each.name in (MapName.DELTAM, MapName.DELTAM_STDERR)]
    found, of_all = measure(relative), measure(whole)
    assert {each.name for each in found} == RELATIVE
    for each in found:
        assert each.value == pytest.approx(value(of_all, each.name, each.region), rel=1e-4)


def test_without_tissue_nothing_is_guessed(measure):
    found = measure(of_flow(HEAD.cbf, 1.0, 3), AHEAD[:1])
    assert {each.name for each in found} == {
        *(Measure.RATING, Measure.EMPTY_MAP, Measure.MISSING_VOXELS, Measure.HIGH_CBF),
    }
    assert not any(each.source for each in found)


def test_flow_of_an_earlier_update_is_not_taken_for_that_of_a_later_one(measure):
    first, second = of_flow(HEAD.cbf, 1.0, 3), of_flow(2 * HEAD.cbf, 1.0, 4)[2:]
    found = measure([*first, *second])
    assert {each.pairs for each in found if each.name is Measure.QEI} == {3}


@pytest.mark.parametrize(("content", "empty"), [(0.0, 1), (np.nan, 1), (1.0, 0)])
def test_a_map_without_content_is_told_from_a_poor_one(measure, content, empty):
    found = measure(of_flow(np.where(np.arange(SHAPE[2]) == 20, content, 0.0) + np.zeros(SHAPE), 1.0, 3))
    assert value(found, Measure.EMPTY_MAP) == empty


def test_the_first_pair_has_no_errors_and_all_the_rest(measure):
    found = measure(of_flow(HEAD.cbf, np.nan, 1))
    assert np.isnan(named(found, Measure.MEAN_GRAY_MATTER_CBF).stderr)
    assert value(found, Measure.MEAN_GRAY_MATTER_CBF) == pytest.approx(HEAD.cbf[GRAY].mean(), rel=1e-5)
    assert np.isnan(value(found, Measure.TEMPORAL_SNR))
    assert Measure.RATING not in {each.name for each in found}


def test_all_maps_leave_before_anything_is_computed():
    gadget = ComputeIndices()
    gadget.start(Scan())
    for message in (*AHEAD, *of_flow(HEAD.cbf, 1.0, 2)[:-1]):
        assert list(gadget.process(message)) == [message]
    last = of_flow(HEAD.cbf, 1.0, 2)[-1]
    assert next(gadget.process(last)) is last
