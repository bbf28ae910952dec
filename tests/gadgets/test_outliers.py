"""Pairs of a brain that moves, spikes and loses its labels, at image level; truth is what was put in."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.ndimage import shift

from aslive.gadgets.average import Average
from aslive.gadgets.outliers import OutlierMode, RejectOutliers
from aslive.sim.anatomy import brain
from aslive.sim.grid import Grid
from aslive.streaming.errors import ConfigError
from aslive.streaming.flow import Mask, Place
from aslive.streaming.perfusion import Difference, MeanDifference, Remove, TissueMaps
from aslive.streaming.quality import Verdict
from aslive.streaming.readouts import Counters, Geometry
from aslive.streaming.scan import Bolus, Labeling, Role, Scan, TimeEncoding

GRID = Grid((24, 24, 8), (0.22, 0.22, 0.12))
ANATOMY = brain(GRID)
FLOW = (ANATOMY.cbf / 60).astype(np.float32)
STATIC = (100 * ANATOMY.m0 / ANATOMY.m0.max()).astype(np.float32)
MASK = Mask(ANATOMY.m0 > 0.3 * ANATOMY.m0.max())
TISSUES = TissueMaps(*ANATOMY.fractions)
AHEAD = (MASK, TISSUES)
GRAY = (ANATOMY.gray_matter > 0.5) & MASK.data
Run = Callable[..., list[object]]
Fault = Callable[[NDArray[np.float32]], NDArray[np.float32]]


def scan_of(kind: str = "3D", delays: tuple[float, ...] = (1.8,)) -> Scan:
    roles = (Role.CONTROL, Role.LABEL) * 64
    listed = delays if len(delays) == 1 else tuple(delays[n // 2 % len(delays)] for n in range(128))
    return Scan(
        labeling=Labeling(context=roles, post_labeling_delay=listed, labeling_duration=(1.8,), mr_acquisition_type=kind)
    )


def place_of(pair: int, role: Role = Role.LABEL, missing: int = 0) -> Place:
    number = 2 * pair + (role is Role.LABEL)
    return Place(number, Counters(), 0.0, Geometry(), role, missing, number=number)


def pairs_of(count: int, seed: int, noise: float = 1.0, breathing: float = 0.05) -> NDArray[np.float32]:
    """Give differences with white noise, and flow that differs from pair to pair."""
    random = np.random.default_rng(seed)
    strength = 1 + breathing * random.standard_normal((count, 1, 1, 1))
    return (strength * FLOW + noise * random.standard_normal((count, *GRID.shape))).astype(np.float32)


def differences(data: Iterable[NDArray[np.float32]]) -> list[Difference]:
    return [Difference(image, place_of(pair), pair, bolus=Bolus(1.8, 1.8)) for pair, image in enumerate(data)]


def moved(image: NDArray[np.float32]) -> NDArray[np.float32]:
    """Let the head move 1 mm along y between control and label."""
    return image + STATIC - shift(STATIC, (0, 1e-3 / GRID.voxel[1], 0), order=3)


def moved_within(image: NDArray[np.float32]) -> NDArray[np.float32]:
    """Let the head move 3 mm in the middle of the label's lines."""
    still, after = np.fft.fft(STATIC, axis=1), np.fft.fft(shift(STATIC, (0, 3e-3 / GRID.voxel[1], 0), order=3), axis=1)
    still[:, 12:] = after[:, 12:]
    return image + STATIC - np.abs(np.fft.ifft(still, axis=1)).astype(np.float32)


def unlabeled(image: NDArray[np.float32]) -> NDArray[np.float32]:
    return image - FLOW


def louder(image: NDArray[np.float32]) -> NDArray[np.float32]:
    """Let the receiver gain jump by 5 % between control and label."""
    return image + np.float32(0.05) * STATIC


def spiked(image: NDArray[np.float32]) -> NDArray[np.float32]:
    _, y, x = np.indices(image.shape)
    return (image + 3 * np.cos(2 * np.pi * (7 * y / 24 + 5 * x / 24))).astype(np.float32)


def lacking(image: NDArray[np.float32]) -> NDArray[np.float32]:
    """Lose one line of a label."""
    lines = np.fft.fft(STATIC, axis=1)
    lines[:, 4] = 0
    return image + STATIC - np.abs(np.fft.ifft(lines, axis=1)).astype(np.float32)


FAULTS: dict[str, Fault] = {
    function.__name__: function for function in (moved, moved_within, unlabeled, louder, spiked, lacking)
}


def spoil(data: NDArray[np.float32], pairs: Iterable[int], fault: Fault) -> NDArray[np.float32]:
    """Give the same pairs with some of them spoilt."""
    spoilt = data.copy()
    for pair in pairs:
        spoilt[pair] = fault(data[pair])
    return spoilt


def left_out(out: Sequence[object]) -> set[int]:
    """Tell which pairs the verdicts leave out in the end."""
    latest = {verdict.pair: verdict for verdict in out if isinstance(verdict, Verdict)}
    return {pair for pair, verdict in latest.items() if not verdict.accepted}


def verdicts(out: Sequence[object], pair: int) -> list[Verdict]:
    return [verdict for verdict in out if isinstance(verdict, Verdict) and verdict.pair == pair]


def final(out: Sequence[object]) -> MeanDifference:
    return [message for message in out if isinstance(message, MeanDifference)][-1]


def score(data: NDArray[np.float32]) -> set[int]:
    """SCORE step by step from the paper, in its right order: a pair is taken out only when V has fallen."""
    tissues = [(share > 0.5) & MASK.data for share in ANATOMY.fractions]
    brain_voxels = np.logical_or.reduce(tissues)

    def pooled(mean: NDArray[np.float32]) -> float:
        counts = [np.count_nonzero(tissue) for tissue in tissues]
        variances = [mean[tissue].var(dtype=np.float64) for tissue in tissues]
        return sum(n * v for n, v in zip(counts, variances, strict=True)) / (sum(counts) - 3)

    level = np.array([image[tissues[0]].mean(dtype=np.float64) for image in data])
    away = np.abs(level - np.median(level))
    kept = list(np.flatnonzero(away <= 2.5 * np.median(away) / 0.675))
    while len(kept) > 2:
        mean = data[kept].mean(axis=0)
        worst = max(kept, key=lambda n: np.corrcoef(data[n][brain_voxels], mean[brain_voxels])[0, 1])
        others = [n for n in kept if n != worst]
        if pooled(data[others].mean(axis=0)) >= pooled(mean):
            break
        kept = others
    return set(range(len(data))) - {int(n) for n in kept}


# Clean data, and spoilt.


@pytest.mark.parametrize("kind", ["2D", "3D"])
def test_clean_scans_keep_their_pairs_and_slices(run: Run, kind: str):
    pairs = rejected = slices = 0
    for seed in range(40):
        count = (4, 5, 6, 8, 12, 20)[seed % 6]
        out = run([RejectOutliers()], [*AHEAD, *differences(pairs_of(count, seed, breathing=0.1))], scan_of(kind))
        pairs, rejected = pairs + count, rejected + len(left_out(out))
        slices += sum(len(verdicts(out, pair)[-1].slices_left_out) for pair in range(count))
    assert rejected <= 0.01 * pairs
    assert slices <= 0.01 * pairs * GRID.shape[0]


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("kind", ["2D", "3D"])
def test_spoilt_pairs_are_found_when_they_come_and_flow_stays(run: Run, fault: str, kind: str):
    found, errors = 0, []
    for seed in range(10):
        clean, bad = pairs_of(10, seed), 3 + seed % 6
        out = run(
            [RejectOutliers(), Average()],
            [*AHEAD, *differences(spoil(clean, [bad], FAULTS[fault]))],
            scan_of(kind),
        )
        first = verdicts(out, bad)[0]
        found += not first.accepted
        assert not first.accepted or left_out(out) == {bad}
        truth = clean[[n for n in range(10) if n != bad]].mean(axis=0)[GRAY].mean()
        errors.append(float(np.nanmean(final(out).data[0][GRAY])) / float(truth) - 1)
    assert found >= 9
    assert np.max(np.abs(errors)) < 0.02


@pytest.mark.parametrize("fault", ["moved", "louder", "moved_within"])
def test_gross_faults_are_those_that_score_leaves_out(run: Run, fault: str):
    data = spoil(pairs_of(15, 3), [4, 9], FAULTS[fault])
    out = run([RejectOutliers()], [*AHEAD, *differences(data)], scan_of())
    assert left_out(out) == {4, 9} <= score(data)


def test_without_tissue_maps_the_brain_is_judged_as_one(run: Run):
    data = spoil(pairs_of(10, 4), [6], moved)
    assert left_out(run([RejectOutliers()], [MASK, *differences(data)], scan_of())) == {6}


def test_without_a_mask_the_whole_image_is_judged(run: Run):
    data = spoil(pairs_of(10, 4), [6], moved)
    assert left_out(run([RejectOutliers()], differences(data), scan_of())) == {6}


def test_the_map_is_the_batch_mean_without_the_pair_that_was_taken_out(run: Run):
    data = spoil(pairs_of(9, 5), [1, 6], moved)
    out = run([RejectOutliers(), Average()], [*AHEAD, *differences(data)], scan_of())
    kept = [0, 2, 3, 4, 5, 7, 8]
    assert left_out(out) == {1, 6}
    mean = final(out)
    assert mean.pairs == len(kept)
    np.testing.assert_allclose(mean.data[0], data[kept].mean(axis=0, dtype=np.float64), rtol=1e-5, atol=1e-5)
    assert mean.variance is not None
    np.testing.assert_allclose(mean.variance, data[kept].var(axis=0, ddof=1, dtype=np.float64), rtol=1e-4)


def test_an_early_pair_is_taken_out_when_four_pairs_tell_that_it_is_bad(run: Run):
    out = run([RejectOutliers()], [*AHEAD, *differences(spoil(pairs_of(5, 6), [0], moved))], scan_of())
    assert [verdict.accepted for verdict in verdicts(out, 0)] == [True, False]
    assert [verdict.anew for verdict in verdicts(out, 0)] == [False, True]
    changes = [message for message in out if isinstance(message, Difference | Remove)]
    assert [(type(one), one.pair, one.last) for one in changes[3:5]] == [
        (Remove, 0, False),
        (Difference, 3, True),
    ]


def test_a_pair_that_is_left_out_at_once_sends_nothing_to_the_average(run: Run):
    data = spoil(pairs_of(8, 7), [7], moved)
    out = run([RejectOutliers()], [*AHEAD, *differences(data)], scan_of())
    assert not any(isinstance(message, Difference | Remove) and message.pair == 7 for message in out)
    assert [message.last for message in out if isinstance(message, Difference)] == [True] * 7
    (verdict,) = verdicts(out, 7)
    assert verdict.weight == 0
    assert "robust z" in verdict.reasons[0]
    assert "limit 3.5" in verdict.reasons[0]


def test_a_difference_passes_on_as_it_is(run: Run):
    (first, *_) = differences(pairs_of(1, 0))
    out = [message for message in run([RejectOutliers()], [first], scan_of()) if isinstance(message, Difference)]
    assert out == [first] or out[0].data is first.data


# Single slices.


def test_one_bad_slice_is_left_out_alone(run: Run):
    data = pairs_of(10, 8)
    data[6, 5] = spiked(data[6])[5]
    out = run([RejectOutliers(), Average()], [*AHEAD, *differences(data)], scan_of("2D"))
    assert left_out(out) == set()
    verdict = verdicts(out, 6)[-1]
    assert verdict.slices_left_out == (5,)
    assert "slice 5" in verdict.reasons[0]
    mean = final(out)
    assert mean.pairs == 10
    np.testing.assert_array_equal(mean.weights[0], [10, 10, 10, 10, 10, 9, 10, 10])
    others = np.delete(data[:, 5], 6, axis=0)
    np.testing.assert_allclose(mean.data[0, 5], others.mean(axis=0, dtype=np.float64), rtol=1e-5, atol=1e-5)


def test_slices_stay_together_where_that_is_wanted(run: Run):
    data = pairs_of(10, 8)
    data[6, 5] = spiked(data[6])[5]
    out = run([RejectOutliers(slice_wise=False)], [*AHEAD, *differences(data)], scan_of("2D"))
    assert verdicts(out, 6)[-1].slices_left_out == ()


# What is usual.


def test_pairs_without_blood_never_become_what_is_usual(run: Run):
    data = spoil(pairs_of(26, 2), range(10, 26), unlabeled)
    out = run([RejectOutliers(), Average()], [*AHEAD, *differences(data)], scan_of())
    assert left_out(out) == set(range(10, 26))
    assert "hardly shows labeled blood" in verdicts(out, 20)[-1].reasons[0]


def test_after_a_permanent_change_the_majority_wins_and_a_tie_goes_to_what_was_there(run: Run):
    changed = pairs_of(21, 2)
    changed[8:] += 4 * FLOW
    messages = [*AHEAD, *differences(changed)]
    assert left_out(run([RejectOutliers()], messages[:18], scan_of())) == set(range(8, 16))
    assert left_out(run([RejectOutliers()], messages, scan_of())) == set(range(8))


def test_a_third_of_the_pairs_may_be_bad(run: Run):
    bad = {3, 5, 6, 11, 13, 17}
    out = run([RejectOutliers()], [*AHEAD, *differences(spoil(pairs_of(18, 5), bad, moved))], scan_of())
    assert left_out(out) == bad


def test_each_delay_is_compared_with_its_own(run: Run):
    delays = (0.5, 1.5, 2.5)
    messages: list[object] = [*AHEAD]
    for difference in differences(pairs_of(18, 1)):
        scale, bolus = np.float32(difference.pair % 3), Bolus(delays[difference.pair % 3], 1.8)
        messages.append(replace(difference, data=difference.data + scale * FLOW, bolus=bolus))
    spoilt = messages.copy()
    bad = spoilt[2 + 13]
    assert isinstance(bad, Difference)
    spoilt[2 + 13] = replace(bad, data=unlabeled(unlabeled(bad.data)))
    assert left_out(run([RejectOutliers()], messages, scan_of(delays=delays))) == set()
    assert left_out(run([RejectOutliers()], spoilt, scan_of(delays=delays))) == {13}


def test_few_pairs_of_each_delay_still_show_which_one_moved(run: Run):
    boluses = [Bolus(0.5 + 0.5 * n, 1.8) for n in range(6)]
    pairs = differences(spoil(pairs_of(6, 1), [4], moved))
    messages = [replace(pair, bolus=bolus) for pair, bolus in zip(pairs, boluses, strict=True)]
    assert left_out(run([RejectOutliers()], [*AHEAD, *messages], scan_of(delays=(0.5, 1.0, 1.5, 2.0, 2.5, 3.0)))) == {4}


# Modes and limits.


def test_soft_weights_take_little_from_clean_data_and_much_from_bad_pairs(run: Run):
    weights = []
    for seed in range(8):
        out = run(
            [RejectOutliers(OutlierMode.HUBER)], [*AHEAD, *differences(pairs_of(12, seed, breathing=0.1))], scan_of()
        )
        weights += [verdicts(out, pair)[-1].weight for pair in range(12)]
    assert np.mean(weights) > 0.98
    data = spoil(pairs_of(12, 1), [7], moved)
    out = run([RejectOutliers(OutlierMode.HUBER), Average()], [*AHEAD, *differences(data)], scan_of())
    told = verdicts(out, 7)[-1]
    assert told.accepted
    assert 0 < told.weight < 0.2
    assert float(final(out).weights[0, 0]) == pytest.approx(11 + told.weight, rel=0.1)


def test_switched_off_it_only_tells(run: Run):
    data = spoil(pairs_of(9, 1), [7], moved)
    out = run([RejectOutliers(OutlierMode.OFF), Average()], [*AHEAD, *differences(data)], scan_of())
    assert left_out(out) == set()
    assert verdicts(out, 7)[-1].reasons
    assert final(out).pairs == 9


@pytest.mark.parametrize(
    "name", ["limit", "displacement_limit", "corrected_displacement_limit", "stripe_limit", "gain_limit"]
)
def test_limits_that_mean_nothing_are_refused(name: str):
    with pytest.raises(ConfigError, match=name):
        replace(RejectOutliers(), **{name: 0.0}).start(scan_of())  # type: ignore[arg-type]  # fields by name


def test_only_the_latest_pairs_are_judged_again(run: Run):
    data = spoil(pairs_of(6, 1), [0], moved)
    out = run([RejectOutliers(kept_pairs=3)], [*AHEAD, *differences(data)], scan_of())
    assert left_out(out) == set()


def test_a_pair_that_is_no_number_passes_for_others_to_refuse(run: Run):
    data = pairs_of(6, 1)
    data[2, :, 12, 12] = np.nan
    out = run([RejectOutliers()], [*AHEAD, *differences(data)], scan_of())
    assert sum(isinstance(message, Difference) for message in out) == 6


def test_regions_that_come_late_change_no_verdict_of_clean_pairs(run: Run):
    pairs = differences(pairs_of(10, 3))
    early = run([RejectOutliers()], [*AHEAD, *pairs], scan_of())
    late = run([RejectOutliers()], [MASK, *pairs[:8], TISSUES, *pairs[8:]], scan_of())
    assert verdicts(early, 9)[-1].features == pytest.approx(verdicts(late, 9)[-1].features, nan_ok=True)


def test_a_scan_does_not_remember_the_one_before(run: Run):
    gadget = RejectOutliers()
    messages = [*AHEAD, *differences(pairs_of(5, 3))]
    first, second = run([gadget], messages, scan_of()), run([gadget], messages, scan_of())
    assert [type(message) for message in first] == [type(message) for message in second]


# Time-encoded scans.


def test_a_cycle_is_judged_when_it_is_whole_and_its_early_parts_pass(run: Run):
    boluses = tuple(Bolus(0.5 + 0.5 * n, 0.5) for n in range(3))
    encoding = TimeEncoding(((1, 0, 1, 0), (1, 1, 0, 0), (1, 0, 0, 1)), boluses)
    roles = (Role.CONTROL, *(Role.LABEL,) * 3) * 8
    scan = Scan(labeling=Labeling(context=roles, time_encoding=encoding, mr_acquisition_type="3D"))
    messages: list[object] = list(AHEAD)
    for cycle in range(8):
        coarse, *parts = pairs_of(4, cycle) if cycle != 6 else spoil(pairs_of(4, 6), range(4), moved)
        latest = place_of(2 * cycle + 1)
        messages.append(Difference(coarse, latest, cycle, bolus=Bolus(1.5, 1.5)))
        messages.append(Remove(cycle, last=False))
        messages += [
            Difference(part, latest, cycle, bolus=bolus, last=bolus == boluses[-1])
            for part, bolus in zip(parts, boluses, strict=True)
        ]
    out = run([RejectOutliers(), Average()], messages, scan)
    assert left_out(out) == {6}
    mean = final(out)
    assert mean.pairs == 7
    assert mean.boluses == boluses
