from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aslive.gadgets.kernels.subtraction_choice import Subtraction
from aslive.gadgets.pair import Pair
from aslive.streaming.flow import Mask, Volume
from aslive.streaming.notices import Level, Notice
from aslive.streaming.perfusion import Difference
from aslive.streaming.readouts import Counters
from aslive.streaming.scan import Bolus, CounterRule, Labeling, LabelingType, Role, Scan, TimeEncoding

C, L, M = Role.CONTROL, Role.LABEL, Role.M0SCAN
SHAPE = (2, 8, 8)
BLOOD = 1.0


def image(role, seed, phase=0.0):
    """Tissue of about 100, blood of 1 less in the label, noise."""
    rng = np.random.default_rng(seed)
    noise = 0.1 * (rng.standard_normal(SHAPE) + 1j * rng.standard_normal(SHAPE))
    return (100 - (BLOOD if role is L else 0)) * np.exp(1j * phase) + noise


def volumes(make_volume, roles, **more):
    return [make_volume(image(role, n), role, n, **more) for n, role in enumerate(roles)]


def context(*roles):
    return Scan(labeling=Labeling(context=roles))


def differences(out):
    return [m for m in out if isinstance(m, Difference)]


def warned(out, level=Level.WARNING):
    return [m.text for m in out if isinstance(m, Notice) and m.level is level]


@pytest.mark.parametrize(
    ("roles", "pairs"),
    [
        ((C, L, C, L), 2),
        ((L, C, L, C), 2),
        ((M, C, L, L, C), 2),
        ((C, C, L, L), 2),
        ((M, L, C, M, C, L), 2),
        ((C, L, C), 1),
    ],
)
def test_neighbours_make_pairs_in_any_order(run, make_volume, roles, pairs):
    made = differences(run([Pair()], volumes(make_volume, roles), context(*roles)))
    assert len(made) == pairs
    for difference in made:
        assert difference.data.mean() == pytest.approx(BLOOD, abs=0.05)
        assert difference.data.dtype == np.float32
    assert [difference.pair for difference in made] == list(range(pairs))


@given(lost=st.sets(st.integers(0, 9), max_size=5))
def test_nothing_is_paired_across_a_lost_volume(run, make_volume, lost):
    roles = (C, L) * 5
    given_ = [volume for volume in volumes(make_volume, roles) if volume.place.volume not in lost]
    made = differences(run([Pair()], given_, context(*roles)))
    assert [d.pair for d in made] == [n for n in range(5) if not {2 * n, 2 * n + 1} & lost]


def test_a_lost_partner_is_said(run, make_volume):
    given_ = [v for v in volumes(make_volume, (C, L) * 9) if v.place.volume not in (1, 3)]
    rule = Scan(labeling=Labeling(rule=CounterRule("repetition")))
    assert any("lost" in text for text in warned(run([Pair()], given_, rule)))


@pytest.mark.parametrize("spoilt", [0, 1])
def test_an_incomplete_volume_makes_no_pair(run, make_volume, spoilt):
    given_ = volumes(make_volume, (C, L, C, L))
    given_[spoilt] = replace(given_[spoilt], place=replace(given_[spoilt].place, missing=2))
    scan = context(C, L, C, L)
    out = run([Pair()], given_, scan)
    assert [d.pair for d in differences(out)] == [1]
    assert len(warned(out)) == 1
    assert sum(isinstance(m, Volume) for m in out) == 4
    assert len(differences(run([Pair(allow_incomplete=True)], given_, scan))) == 2


def test_the_difference_goes_before_the_volume_that_completes_it(run, make_volume):
    out = run([Pair()], volumes(make_volume, (C, L)), context(C, L))
    assert [type(m) for m in out if not isinstance(m, Notice)] == [Volume, Difference, Volume]


def test_control_and_label_may_share_a_repetition(run, make_volume, make_scan):
    given_ = []
    for n, role in enumerate((C, L) * 4):
        volume = make_volume(image(role, n), role, n)
        given_.append(replace(volume, place=replace(volume.place, counters=Counters(repetition=n // 2, set=n % 2))))
    limits = {"repetition": (0, 3, 0)}
    scan = make_scan(limits=limits, labeling=Labeling(rule=CounterRule("set")))
    assert len(differences(run([Pair()], given_, scan))) == 4
    del given_[3]  # the label of the second pair
    left = [replace(volume, place=replace(volume.place, volume=n)) for n, volume in enumerate(given_)]
    made = differences(run([Pair()], left, scan))
    assert [d.data.mean() > 0.9 for d in made] == [True] * 3


@pytest.mark.parametrize("first", [C, L])
def test_where_roles_only_alternate_the_first_pair_tells_them(run, make_volume, first):
    second = L if first is C else C
    true = (first, second) * 3
    named = (C, L) * 3  # as AssignRole guesses
    given_ = [make_volume(image(role, n), name, n) for n, (role, name) in enumerate(zip(true, named, strict=True))]
    scan = Scan(labeling=Labeling(arterial_spin_labeling_type=LabelingType.PCASL))
    mask = Mask(np.ones(SHAPE, bool))
    out = run([Pair()], [mask, *given_], scan)
    assert [d.data.mean() > 0.9 for d in differences(out)] == [True] * 3
    assert [m.place.role for m in out if isinstance(m, Volume)] == list(true)
    assert len(warned(out)) == 1


def test_stated_roles_are_never_changed_but_a_swap_is_an_alarm(run, make_volume):
    true, stated = (L, C) * 3, (C, L) * 3
    given_ = [make_volume(image(role, n), name, n) for n, (role, name) in enumerate(zip(true, stated, strict=True))]
    out = run([Pair()], given_, context(*stated))
    assert [d.data.mean() < -0.9 for d in differences(out)] == [True] * 3
    assert len(warned(out, Level.ERROR)) == 1
    assert not warned(run([Pair()], volumes(make_volume, (C, L) * 3), context(*(C, L) * 3)), Level.ERROR)


def test_complex_subtraction_sees_blood_where_tissue_is_suppressed_or_inverted(run, make_volume):
    rng = np.random.default_rng(0)
    ramp = np.exp(1j * np.linspace(0, 2, SHAPE[2]))  # a phase that varies slowly over the image
    for tissue in (5.0, -5.0):
        noise = [0.01 * rng.standard_normal(SHAPE) for _ in range(2)]
        given_ = [
            make_volume((tissue + noise[0]) * ramp, C, 0),
            make_volume((tissue - BLOOD * np.sign(tissue) + noise[1]) * ramp, L, 1),
        ]
        (made,) = differences(run([Pair(subtraction=Subtraction.COMPLEX)], given_, context(C, L)))
        assert made.data.mean() == pytest.approx(BLOOD, rel=0.02)
        assert made.complex_subtraction


def test_complex_and_magnitude_agree_at_high_signal(run, make_volume):
    given_ = volumes(make_volume, (L, C))
    kinds = Subtraction.MAGNITUDE, Subtraction.COMPLEX
    one, other = (differences(run([Pair(subtraction=kind)], given_, context(L, C)))[0].data for kind in kinds)
    np.testing.assert_allclose(one, other, atol=0.02)


SUPPRESSED = (3, 12, 24)
STATIC = 200.0  # of relaxed tissue, in units of the noise
FLOW = 2.0


def suppressed_scan(make_volume, left, pairs=1, seed=0, phases=None, noise=1.0):
    """A head whose static signal is left to some share, and whose blood is not; a phase that varies over the head."""
    rng = np.random.default_rng(seed)
    z, y, x = np.meshgrid(*(np.linspace(-1, 1, n) for n in SUPPRESSED), indexing="ij")
    head = x**2 + y**2 < 0.7
    phase = np.exp(1j * (1 + 1.5 * x - y + 0.5 * z * x))
    given_ = []
    for n, role in enumerate((M, *(C, L) * pairs)):
        signal = STATIC * (1 if role is M else left) - FLOW * (role is L)
        turn = 1 if phases is None or n == 0 else phases[n]
        clutter = noise * (rng.standard_normal(SUPPRESSED) + 1j * rng.standard_normal(SUPPRESSED))
        given_.append(make_volume(head * signal * phase * turn + clutter, role, n))
    return head, [given_[0], Mask(head), *given_[1:]]


def scan_of(pairs, suppressed: bool | None = True):
    return Scan(labeling=Labeling(context=(M, *(C, L) * pairs), background_suppression=suppressed))


@pytest.mark.parametrize("left", [0.1, 0.03, 0.0, -0.1])
def test_complex_subtraction_gives_the_true_difference_whatever_suppression_left(run, make_volume, left):
    pairs = 8
    head, given_ = suppressed_scan(make_volume, left, pairs)
    complex_, magnitude = (
        np.mean([d.data[head] for d in differences(run([Pair(subtraction=kind)], given_, scan_of(pairs)))])
        for kind in (Subtraction.COMPLEX, Subtraction.MAGNITUDE)
    )
    standard_error = (2 / (pairs * head.sum())) ** 0.5
    assert complex_ == pytest.approx(FLOW, abs=4 * standard_error)
    if left == 0:
        assert abs(magnitude) < 0.5 * FLOW
    elif left < 0:
        assert magnitude == pytest.approx(-FLOW, rel=0.1)


@pytest.mark.parametrize(("control", "magnitude_gives"), [(50, 0.999), (10, 0.993), (2, 0.73), (0.5, 0.0), (0, -0.30)])
def test_magnitudes_lose_what_complex_subtraction_keeps(run, make_volume, control, magnitude_gives):
    # means over noise of unit variance in each part; the label is 1 lower than the control, and may be negative
    rng = np.random.default_rng(1)
    shape = (10, 100, 100)

    def noisy(value):
        return value + rng.standard_normal(shape) + 1j * rng.standard_normal(shape)

    m0scan = np.full(shape, 1e4)
    m0scan = m0scan * np.exp(1e-3j)
    given_ = [
        make_volume(v, r, n) for n, (v, r) in enumerate(((m0scan, M), (noisy(control), C), (noisy(control - 1), L)))
    ]
    means = {
        kind: differences(run([Pair(subtraction=kind)], given_, scan_of(1)))[0].data.mean(dtype=float)
        for kind in (Subtraction.COMPLEX, Subtraction.MAGNITUDE)
    }
    assert means[Subtraction.COMPLEX] == pytest.approx(1, abs=0.03)
    assert means[Subtraction.MAGNITUDE] == pytest.approx(magnitude_gives, abs=0.03)


@pytest.mark.parametrize(
    ("left", "suppressed", "chosen"),
    [
        (1, True, False),
        (0.1, True, False),
        (0.03, True, True),
        (0.0, None, True),
        (-0.1, True, True),
        (0.0, False, False),
    ],
)
def test_the_first_pair_decides_for_all_and_that_is_said(run, make_volume, left, suppressed, chosen):
    _, given_ = suppressed_scan(make_volume, left, 3)
    out = run([Pair()], given_, scan_of(3, suppressed))
    assert [d.complex_subtraction for d in differences(out)] == [chosen] * 3
    said = [m.text for m in out if isinstance(m, Notice) and "difference of control and label" in m.text]
    assert ["complex" in text for text in said] == ([] if suppressed is False else [chosen])


def test_without_background_suppression_magnitudes_are_subtracted_to_the_last_bit(run, make_volume):
    _, given_ = suppressed_scan(make_volume, 1, 2)
    volumes_ = [m for m in given_ if isinstance(m, Volume)]
    made = differences(run([Pair()], given_, scan_of(2, False)))
    for difference, control, label in zip(made, volumes_[1::2], volumes_[2::2], strict=True):
        np.testing.assert_array_equal(difference.data, np.abs(control.data) - np.abs(label.data))


@pytest.mark.parametrize(("kind", "level"), [(Subtraction.AUTO, Level.WARNING), (Subtraction.COMPLEX, Level.WARNING)])
def test_suppression_without_an_m0scan_is_a_warning(run, make_volume, kind, level):
    _, given_ = suppressed_scan(make_volume, -0.1)
    out = run([Pair(subtraction=kind)], given_[1:], scan_of(1))
    assert differences(out)[0].complex_subtraction == (kind == Subtraction.COMPLEX)
    assert any("m0scan" in text for text in warned(out, level))


def test_an_m0scan_without_phase_leaves_magnitudes(run, make_volume):
    _, given_ = suppressed_scan(make_volume, 0.0)
    flat = [replace(m, data=np.abs(m.data).astype(np.complex64)) if isinstance(m, Volume) else m for m in given_]
    assert not differences(run([Pair()], flat, scan_of(1)))[0].complex_subtraction


def test_the_phase_of_a_later_m0scan_changes_nothing(run, make_volume):
    _, given_ = suppressed_scan(make_volume, 0.0, 2)
    late = replace(given_[0], data=-given_[0].data)
    one = differences(run([Pair()], given_, scan_of(2)))
    other = differences(run([Pair()], [*given_[:4], late, *given_[4:]], scan_of(2)))
    for first, second in zip(one, other, strict=True):
        np.testing.assert_array_equal(first.data, second.data)


def test_other_volumes_pass_by(run, make_volume):
    given_ = volumes(make_volume, (M, Role.NOT_APPLICABLE))
    assert run([Pair()], given_, context(M, Role.NOT_APPLICABLE)) == given_


@given(st.data())
def test_control_and_label_of_the_same_bolus_make_pairs_in_any_order(run, make_volume, data):
    delays = data.draw(st.lists(st.sampled_from([0.5, 1.0, 1.5, 2.0]), min_size=1, max_size=6))
    order = data.draw(st.permutations([(role, delay) for delay in delays for role in (C, L)]))
    roles = tuple(role for role, _ in order)
    listed = tuple(delay for _, delay in order)
    durations = tuple(1.0 + delay for delay in listed)
    labeling = Labeling(context=roles, post_labeling_delay=listed, labeling_duration=durations)
    given_ = [
        make_volume((100 - (delay if role is L else 0)) * np.ones(SHAPE), role, n)
        for n, (role, delay) in enumerate(order)
    ]
    out = run([Pair()], given_, Scan(labeling=labeling))
    made = differences(out)
    assert sorted(d.bolus for d in made if d.bolus is not None) == sorted(Bolus(delay, 1 + delay) for delay in delays)
    assert len({d.pair for d in made}) == len(delays)
    for difference in made:
        assert difference.bolus
        np.testing.assert_allclose(difference.data, difference.bolus.post_labeling_delay, atol=1e-4)
        assert difference.weight == 1
        assert difference.last
    assert not warned(out)


def test_look_locker_readouts_pair_by_their_inversion_time(run, make_volume):
    roles, times = (C,) * 12 + (L,) * 12, tuple(0.3 * n + 0.3 for n in range(12)) * 2
    labeling = Labeling(LabelingType.PASL, roles, post_labeling_delay=times, look_locker=True)
    made = differences(run([Pair()], volumes(make_volume, roles), Scan(labeling=labeling)))
    assert [d.bolus for d in made] == [Bolus(time) for time in times[:12]]


def test_boluses_that_never_meet_make_no_pair_and_that_is_said_once(run, make_volume):
    roles = (C, L) * 3
    labeling = Labeling(context=roles, post_labeling_delay=(1.0, 1.5, 1.0, 1.5, 1.0, 1.0), labeling_duration=(1.8,))
    out = run([Pair()], volumes(make_volume, roles), Scan(labeling=labeling))
    assert [d.bolus for d in differences(out)] == [Bolus(1.0, 1.8)]
    (text,) = warned(out)
    assert "PostLabelingDelay" in text


def test_without_a_context_neighbors_of_different_boluses_make_no_pair(run, make_volume):
    labeling = Labeling(rule=CounterRule("repetition"), post_labeling_delay=(1.0, 1.0, 1.5, 2.0, 1.0, 2.0))
    out = run([Pair()], volumes(make_volume, (C, L) * 3), Scan(labeling=labeling))
    assert [d.bolus for d in differences(out)] == [Bolus(1.0)]
    assert len(warned(out)) == 1


def test_a_partner_that_is_lost_is_said_as_soon_as_it_is_overdue(run, make_volume):
    roles = (C, C, L, L, C, L)
    given_ = [volume for volume in volumes(make_volume, roles) if volume.place.number != 2]
    out = run([Pair()], given_, context(*roles))
    assert [d.pair for d in differences(out)] == [1, 2]
    assert len(warned(out)) == 1


def test_it_is_needed_unless_the_scan_is_time_encoded():
    assert Pair().needed(Scan())
    assert not Pair().needed(Scan(labeling=Labeling(time_encoding=TimeEncoding(((0, 1),), (Bolus(1, 1),)))))
