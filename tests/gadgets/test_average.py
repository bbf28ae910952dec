import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aslive.gadgets.average import Average
from aslive.streaming.flow import Place
from aslive.streaming.notices import Notice
from aslive.streaming.perfusion import Difference, MeanDifference, Remove
from aslive.streaming.readouts import Counters, Geometry
from aslive.streaming.scan import Bolus, Labeling, Role, Scan

PLACE = Place(0, Counters(), 0.0, Geometry())
EARLY, LATE, LONG = Bolus(0.5, 1.8), Bolus(2.0, 1.4), Bolus(2.0, 1.8)
BOLUSES = (EARLY, LATE, LONG)
SEVERAL = Scan(labeling=Labeling(context=(Role.CONTROL, Role.LABEL) * 2, post_labeling_delay=(1.0, 1.0, 2.0, 2.0)))
SINGLE = Scan(labeling=Labeling(post_labeling_delay=(1.8,), labeling_duration=(1.8,)))


def differences(count, seed=0):
    data = np.random.default_rng(seed).standard_normal((count, 2, 3, 4)).astype(np.float32)
    return [Difference(data[n], PLACE, n) for n in range(count)]


def cycle(number, seed=0, boluses=BOLUSES, weights=None):
    """Give the differences of one cycle: one of each bolus, the last one marked."""
    data = np.random.default_rng((seed, number)).standard_normal((len(boluses), 2, 3, 4)).astype(np.float32)
    weights = weights or [1.0] * len(boluses)
    last = len(boluses) - 1
    return [
        Difference(data[b], PLACE, number, bolus=bolus, weight=weights[b], last=b == last)
        for b, bolus in enumerate(boluses)
    ]


def means(out):
    return [m for m in out if isinstance(m, MeanDifference)]


def assert_equal_to_batch(mean: MeanDifference, used: list[Difference]):
    """Compare with mean, standard error and pooled variance in one go."""
    assert mean.boluses == tuple(sorted({difference.bolus or EARLY for difference in used}))
    assert mean.pairs == len({difference.pair for difference in used})
    total = np.zeros(used[0].data.shape)
    for b, bolus in enumerate(mean.boluses):
        alike = [difference for difference in used if difference.bolus == bolus]
        weights = np.array([difference.weight for difference in alike])
        values = np.stack([difference.data for difference in alike]).astype(np.float64)
        wanted = np.average(values, axis=0, weights=weights)
        squares = np.tensordot(weights, (values - wanted) ** 2, 1)
        total += squares
        np.testing.assert_allclose(mean.data[b], wanted, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(mean.weights[b], weights.sum(), rtol=1e-9)
        if len(alike) > 1:
            stderr = np.sqrt(squares / (len(alike) - 1) / weights.sum())
            np.testing.assert_allclose(mean.stderr[b], stderr, rtol=1e-5, atol=1e-6)
        else:
            assert np.isnan(mean.stderr[b]).all()
    freedom = len(used) - len(mean.boluses)
    assert mean.degrees_of_freedom == freedom
    if freedom:
        assert mean.variance is not None
        np.testing.assert_allclose(mean.variance, total / freedom, rtol=1e-5, atol=1e-6)
    else:
        assert mean.variance is None


@settings(max_examples=20, deadline=None)
@given(st.integers(2, 8), st.data())
def test_each_mean_equals_the_batch_also_after_removals(run, count, data):
    pairs = differences(count)
    gone = data.draw(st.lists(st.sampled_from(range(count)), unique=True, max_size=count - 2))
    out = means(run([Average()], [*pairs, *map(Remove, gone)], Scan()))
    kept = list(range(count))
    for n, mean in enumerate(out):
        if n >= count:
            kept.remove(gone[n - count])
        used = np.stack([pairs[k].data for k in (kept if n >= count else range(n + 1))]).astype(np.float64)
        assert mean.pairs == len(used)
        assert mean.data.shape == mean.stderr.shape == (1, 2, 3, 4)
        assert mean.boluses == (None,)
        np.testing.assert_allclose(mean.data[0], used.mean(0), rtol=1e-6, atol=1e-7)
        if len(used) > 1:
            np.testing.assert_allclose(mean.stderr[0], used.std(0, ddof=1) / np.sqrt(len(used)), rtol=1e-5)
            assert mean.variance is not None
            np.testing.assert_allclose(mean.variance, used.var(0, ddof=1), rtol=1e-5)
        else:
            assert np.isnan(mean.stderr).all()


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(BOLUSES), st.sampled_from((0.25, 1.0, 3.0))), min_size=1, max_size=12), st.data()
)
def test_delays_in_any_order_give_the_batch_also_after_removals(run, order, data):
    pairs = [
        Difference(difference.data, PLACE, n, bolus=bolus, weight=weight)
        for n, (difference, (bolus, weight)) in enumerate(zip(differences(len(order)), order, strict=True))
    ]
    gone = data.draw(st.lists(st.sampled_from(range(len(order))), unique=True, max_size=len(order) - 1))
    out = means(run([Average()], [*pairs, *map(Remove, gone)], SEVERAL))
    assert len(out) == len(order) + len(gone)
    for n in range(len(order)):
        assert_equal_to_batch(out[n], pairs[: n + 1])
    for n in range(len(gone)):
        assert_equal_to_batch(out[len(order) + n], [pair for pair in pairs if pair.pair not in gone[: n + 1]])


def test_a_cycle_goes_out_when_it_is_complete_and_goes_as_a_whole(run):
    cycles = [cycle(n) for n in range(3)]
    out = run([Average()], [*cycles[0], *cycles[1], *cycles[2], Remove(1)], SEVERAL)
    assert [type(m) for m in out] == [MeanDifference] * 4
    assert_equal_to_batch(out[2], [*cycles[0], *cycles[1], *cycles[2]])
    assert_equal_to_batch(out[3], cycles[0] + cycles[2])


def test_provisional_differences_give_way_to_finer_ones_without_a_trace(run):
    coarse = Difference(np.full((2, 3, 4), 7e3, np.float32), PLACE, 1, bolus=Bolus(0.5, 3.6), last=True)
    out = run([Average()], [*cycle(0), coarse, Remove(1, last=False), *cycle(1)], SEVERAL)
    assert [type(m) for m in out] == [MeanDifference] * 3
    assert Bolus(0.5, 3.6) in out[1].boluses
    assert_equal_to_batch(out[2], cycle(0) + cycle(1))


def test_a_cycle_that_stops_early_is_told_at_the_end(run):
    out = run([Average()], [*cycle(0), *cycle(1)[:2]], SEVERAL)
    assert len(out) == 2
    assert_equal_to_batch(out[1], cycle(0) + cycle(1)[:2])


def test_a_difference_of_unknown_delay_is_left_out_where_delays_differ(run):
    known = Difference(np.ones((2, 3, 4), np.float32), PLACE, 0, bolus=EARLY)
    out = run([Average()], [known, *differences(2)[1:]], SEVERAL)
    assert [type(m) for m in out] == [MeanDifference, Notice]
    assert "PostLabelingDelay" in out[1].text


def test_a_difference_of_unknown_delay_has_the_only_one_of_the_scan(run):
    (out,) = run([Average()], differences(1), SINGLE)
    assert out.boluses == (Bolus(1.8, 1.8),)


@pytest.mark.parametrize("weight", [0.0, -1.0, float("nan"), float("inf")])
def test_a_weight_that_tells_nothing_leaves_the_difference_out(run, weight):
    odd = Difference(np.ones((2, 3, 4), np.float32), PLACE, 5, weight=weight)
    out = run([Average()], [*differences(1), odd, Remove(5)], Scan())
    assert [type(m) for m in out] == [MeanDifference, Notice, Notice]


def test_a_difference_that_is_no_number_does_not_spoil_the_mean(run):
    data = np.ones((2, 3, 4), np.float32)
    data[0, 0, :2] = np.nan, np.inf
    out = run([Average()], [*differences(1), Difference(data, PLACE, 5), *differences(2)[1:]], Scan())
    assert [type(m) for m in out] == [MeanDifference, Notice, MeanDifference]
    assert "2 voxels" in out[1].text
    assert out[2].pairs == 2


def test_the_last_difference_of_a_cycle_may_be_the_odd_one(run):
    spoilt = cycle(0, weights=[1.0, 1.0, 0.0])
    out = run([Average()], [*spoilt], SEVERAL)
    assert [type(m) for m in out] == [Notice, MeanDifference]
    assert out[1].boluses == (EARLY, LATE)


def test_delays_without_end_do_not_fill_the_memory(run):
    many = [Difference(np.ones((1, 1, 1), np.float32), PLACE, n, bolus=Bolus(0.01 * n)) for n in range(200)]
    out = run([Average()], many, SEVERAL)
    assert len(means(out)[-1].boluses) == 128
    assert sum(isinstance(m, Notice) for m in out) == 72


def test_a_pair_that_is_not_in_the_mean_cannot_be_taken_out(run):
    out = run([Average()], [*differences(2), Remove(7), Remove(1), Remove(1)], Scan())
    assert [type(m) for m in out] == [MeanDifference, MeanDifference, Notice, MeanDifference, Notice]


def test_taking_the_last_pair_out_is_said(run):
    out = run([Average()], [*differences(1), Remove(0), *differences(1)], Scan())
    assert [type(m) for m in out] == [MeanDifference, Notice, MeanDifference]
    np.testing.assert_array_equal(out[0].data, out[2].data)


def test_only_the_latest_pairs_are_kept_for_removal(run):
    out = run([Average(kept_pairs=2)], [*differences(3), Remove(0)], Scan())
    assert isinstance(out[-1], Notice)
    assert out[-2].pairs == 3


def test_what_is_kept_is_counted_in_cycles(run):
    cycles = [difference for n in range(3) for difference in cycle(n)]
    out = run([Average(kept_pairs=2)], [*cycles, Remove(0), Remove(1)], SEVERAL)
    assert [type(m) for m in out] == [MeanDifference] * 3 + [Notice, MeanDifference]
    assert_equal_to_batch(out[-1], cycle(0) + cycle(2))


@pytest.mark.parametrize("shape", [(2, 3, 5), (1, 3, 4)])
def test_another_shape_is_left_out(run, shape):
    odd = Difference(np.zeros(shape, np.float32), PLACE, 9)
    assert [type(m) for m in run([Average()], [*differences(1), odd], Scan())] == [MeanDifference, Notice]


def test_a_pair_that_comes_twice_is_left_out(run):
    out = run([Average()], [*differences(2), *differences(1)], Scan())
    assert [type(m) for m in out] == [MeanDifference, MeanDifference, Notice]


def test_means_that_were_given_away_stay_as_they_are(run):
    pairs = differences(3)
    first = means(run([Average()], pairs, Scan()))[0]
    np.testing.assert_array_equal(first.data[0], pairs[0].data)


# Single slices.


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(BOLUSES),
            st.sampled_from((0.25, 1.0, 3.0)),
            st.sampled_from((None, (True, False), (False, True), (True, True))),
        ),
        min_size=1,
        max_size=10,
    ),
    st.data(),
)
def test_slices_and_weights_in_any_order_give_the_batch_of_each_slice(run, plan, data):
    pairs = [
        Difference(difference.data, PLACE, n, bolus=bolus, weight=weight, slices=slices)
        for n, (difference, (bolus, weight, slices)) in enumerate(zip(differences(len(plan)), plan, strict=True))
    ]
    gone = data.draw(st.lists(st.sampled_from(range(len(plan))), unique=True, max_size=len(plan) - 1))
    back = data.draw(st.lists(st.sampled_from(gone), unique=True)) if gone else []
    mean = means(run([Average()], [*pairs, *map(Remove, gone), *(pairs[n] for n in back)], SEVERAL))[-1]
    left = [pair for pair in pairs if pair.pair not in gone or pair.pair in back]
    total, freedom = np.zeros((2, 3, 4)), np.zeros(2, int)
    for b, bolus in enumerate(mean.boluses):
        for z in range(2):
            used = [pair for pair in left if pair.bolus == bolus and (pair.slices is None or pair.slices[z])]
            assert mean.weights[b, z] == pytest.approx(sum(pair.weight for pair in used))
            if not used:
                assert np.isnan(mean.data[b, z]).all()
                continue
            values, weights = np.stack([pair.data[z] for pair in used]).astype(np.float64), [p.weight for p in used]
            wanted = np.average(values, axis=0, weights=weights)
            total[z] += np.tensordot(weights, (values - wanted) ** 2, 1)
            freedom[z] += len(used) - 1
            np.testing.assert_allclose(mean.data[b, z], wanted, rtol=1e-5, atol=1e-6)
    assert mean.degrees_by_slice is not None
    np.testing.assert_array_equal(mean.degrees_by_slice, freedom)
    assert mean.degrees_of_freedom == min((n for n in freedom if n), default=0)
    assert (mean.variance is None) == (not freedom.any())
    for z in np.flatnonzero(freedom) if mean.variance is not None else ():
        assert mean.variance is not None
        np.testing.assert_allclose(mean.variance[z], total[z] / freedom[z], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("slices", [(True,), (True, True, True), (False, False)])
def test_slices_that_do_not_fit_leave_the_difference_out(run, slices):
    odd = Difference(np.ones((2, 3, 4), np.float32), PLACE, 5, slices=slices)
    assert [type(m) for m in run([Average()], [*differences(1), odd], Scan())] == [MeanDifference, Notice]


def test_a_pair_that_comes_back_does_not_make_the_map_older(run):
    places = [Place(n, Counters(), float(n), Geometry()) for n in range(3)]
    pairs = [Difference(pair.data, places[pair.pair], pair.pair) for pair in differences(3)]
    out = means(run([Average()], [*pairs, Remove(0), pairs[0]], Scan()))
    assert [mean.place.volume for mean in out] == [0, 1, 2, 2, 2]
