from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aslive.gadgets.kernels.stabilization import double_phase, fit
from aslive.gadgets.kernels.subtraction_choice import Subtraction
from aslive.gadgets.pair import Pair
from aslive.gadgets.stabilize import Stabilize, StabilizeMode
from aslive.streaming.flow import Mask, Volume
from aslive.streaming.notices import Measurement, Notice
from aslive.streaming.perfusion import Difference
from aslive.streaming.scan import Bolus, CounterRule, Labeling, Role, Scan, TimeEncoding

C, L, M = Role.CONTROL, Role.LABEL, Role.M0SCAN
SHAPE = (5, 20, 23)
Z, Y, X = np.meshgrid(*(np.arange(n) - (n - 1) / 2 for n in SHAPE), indexing="ij")
HEAD = (X / 9) ** 2 + (Y / 8) ** 2 < 1
OBJECT = HEAD * (1 + 0.3 * np.cos(X)) * np.exp(1j * (0.4 + 0.1 * X - 0.02 * Y * X))


def noise(rng):
    return rng.standard_normal(SHAPE) + 1j * rng.standard_normal(SHAPE)


def ramp(constant, z=0.0, y=0.0, x=0.0):
    return np.exp(1j * (constant + z * Z + y * Y + x * X))


def stated(pairs, **more):
    return Scan(labeling=Labeling(context=(M, *(C, L) * pairs), **more))


def scan(make_volume, left=0.1, pairs=4, drift=None, static=300.0, flow=3.0, sigma=1.0, seed=0):
    """An m0scan and pairs; ``left`` of the static signal is left, and each volume drifts by a phase of its own."""
    rng = np.random.default_rng(seed)
    made = []
    for n, role in enumerate((M, *(C, L) * pairs)):
        signal = OBJECT * (static if role is M else left * static - flow * (role is L))
        turned = signal if drift is None or n == 0 else signal * drift[n]
        made.append(make_volume(turned + sigma * noise(rng), role, n))
    return made


def stabilized(run, volumes, pairs, **more):
    out = run([Stabilize(StabilizeMode.ON)], volumes, stated(pairs, **more))
    return [m for m in out if isinstance(m, Volume)], [m for m in out if isinstance(m, Measurement)]


@given(
    constant=st.floats(-1.5, 1.5),
    slopes=st.tuples(st.floats(-0.6, 0.6), st.floats(-0.3, 0.3), st.floats(-0.3, 0.3)),
    left=st.sampled_from([1.0, 0.1, -0.1, -1.0]),
)
@settings(max_examples=30, deadline=None)
def test_constant_and_slopes_are_found_whatever_the_sign_of_the_signal(constant, slopes, left):
    rng = np.random.default_rng(0)
    volume = (300 * left * OBJECT * ramp(constant, *slopes) + noise(rng)).astype(np.complex64)
    conjugate = np.where(HEAD, np.exp(-1j * np.angle(OBJECT)), 0).astype(np.complex64)
    p = np.empty_like(volume)
    double_phase(volume, conjugate, p)
    found = fit(p, 8.0)
    assert found is not None
    np.testing.assert_allclose(found, (constant, *slopes), atol=0.01)


def test_only_the_constant_s_half_turn_is_ambiguous():
    conjugate = np.where(HEAD, np.exp(-1j * np.angle(OBJECT)), 0).astype(np.complex64)
    p = np.empty(SHAPE, np.complex64)
    for constant, folded in ((2.0, 2.0 - np.pi), (-2.0, np.pi - 2.0), (3.0, 3.0 - np.pi)):
        double_phase((OBJECT * ramp(constant)).astype(np.complex64), conjugate, p)
        found = fit(p, 8.0)
        assert found is not None
        assert found[0] == pytest.approx(folded, abs=1e-3)


@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=50, deadline=None)
def test_noise_alone_has_no_phase(seed):
    p = np.empty(SHAPE, np.complex64)
    double_phase(noise(np.random.default_rng(seed)).astype(np.complex64), np.ones(SHAPE, np.complex64), p)
    assert fit(p, 8.0) is None


def random_drift(seed, volumes, largest=1.4):
    rng = np.random.default_rng(seed)
    return [ramp(rng.uniform(-largest, largest), *rng.uniform(-0.1, 0.1, 3)) for _ in range(volumes)]


@pytest.mark.parametrize("left", [1.0, 0.1, -0.1])
@pytest.mark.parametrize("largest", [1.4, np.pi])
def test_a_scan_that_drifts_gives_the_complex_difference_of_one_that_does_not(run, make_volume, left, largest):
    pairs = 4
    drift = random_drift(3, 1 + 2 * pairs, largest)
    drift[1] = ramp(0.7, 0.02, 0.05, -0.05)  # of the first control: more than a quarter turn cannot be told from a sign

    def differences(volumes, *gadgets):
        given_ = [volumes[0], Mask(HEAD), *volumes[1:]]
        out = run([*gadgets, Pair(Subtraction.COMPLEX)], given_, stated(pairs))
        return np.stack([m.data for m in out if isinstance(m, Difference)])[:, HEAD]

    # noise is turned with the volume by no more than the drift, so what is left is compared without it first
    still = differences(scan(make_volume, left, pairs, sigma=0))
    moved = differences(scan(make_volume, left, pairs, drift, sigma=0), Stabilize(StabilizeMode.ON))
    np.testing.assert_allclose(moved, still, atol=0.03)
    noisy = differences(scan(make_volume, left, pairs, drift), Stabilize(StabilizeMode.ON))
    expected = 3 * np.abs(OBJECT[HEAD])
    assert (noisy - expected).std() == pytest.approx(2**0.5, rel=0.05)  # the noise of a difference, and nothing more
    assert (noisy - expected).mean() == pytest.approx(0, abs=4 * (2 / noisy.size) ** 0.5)
    spoilt = differences(scan(make_volume, left, pairs, drift))
    assert (spoilt - expected).std() > 5


def test_a_clean_scan_is_changed_by_less_than_a_tenth_of_its_noise(run, make_volume):
    volumes = scan(make_volume, 0.1)
    same, measured = stabilized(run, volumes, 4)
    for before, after in zip(volumes, same, strict=True):
        assert np.abs(after.data - before.data)[HEAD].std() < 0.15
        np.testing.assert_allclose(np.abs(after.data), np.abs(before.data), rtol=1e-5, atol=1e-5)
    assert np.abs([m.value for m in measured]).max() < 0.01


def test_no_perfusion_is_made_where_there_is_none(run, make_volume):
    pairs = 6
    volumes = scan(make_volume, 0.1, pairs, random_drift(1, 1 + 2 * pairs), flow=0.0)
    same, _ = stabilized(run, volumes, pairs)
    out = run([Pair(Subtraction.COMPLEX)], same, stated(pairs))
    data = np.stack([m.data[HEAD] for m in out if isinstance(m, Difference)])
    assert abs(data.mean()) < 4 * (2 / data.size) ** 0.5


def test_the_offset_is_measured(run, make_volume):
    drift = [ramp(0.1 * n) for n in range(9)]
    _, measured = stabilized(run, scan(make_volume, 0.5, 4, drift), 4)
    np.testing.assert_allclose([m.value for m in measured], 0.1 * np.arange(1, 9), atol=0.01)


def test_drift_beyond_half_a_turn_is_followed(run, make_volume):
    drift = [ramp(0.6 * n) for n in range(9)]
    volumes, _ = stabilized(run, scan(make_volume, 0.3, 4, drift), 4)
    signs = [np.vdot(OBJECT, volume.data).real > 0 for volume in volumes]
    assert signs == [True] * 9


def test_delays_whose_static_signal_has_another_sign_keep_it(run, make_volume):
    volumes = scan(make_volume, 0.2, 4)
    turned = [replace(v, data=v.data * (-1 if n in (3, 4, 7, 8) else 1)) for n, v in enumerate(volumes)]
    delays = (0.0, 1.0, 1.0, 2.0, 2.0, 1.0, 1.0, 2.0, 2.0)
    same, _ = stabilized(run, turned, 4, post_labeling_delay=delays)
    signs = [np.vdot(OBJECT, volume.data).real > 0 for volume in same]
    assert signs == [True, True, True, False, False, True, True, False, False]


def test_the_images_of_a_time_encoded_scan_share_one_sign(run, make_volume):
    volumes = scan(make_volume, 0.2, 4)
    turned = [replace(v, data=v.data * (-1 if n in (3, 6) else 1)) for n, v in enumerate(volumes)]
    matrix = ((0, 1, 1, 0), (0, 1, 0, 1), (0, 0, 1, 1))
    encoding = TimeEncoding(matrix, (Bolus(2.5, 0.5), Bolus(2.0, 0.5), Bolus(1.5, 0.5)))
    same, _ = stabilized(run, turned, 4, post_labeling_delay=(1.5,), time_encoding=encoding)
    assert all(np.vdot(OBJECT, volume.data).real > 0 for volume in same)


def test_volumes_without_signal_are_left_alone_and_counted(run, make_volume):
    volumes = scan(make_volume, 0.0, 2, flow=0.0)
    out = run([Stabilize(StabilizeMode.ON)], volumes, stated(2))
    assert [m for m in out if isinstance(m, Volume)] == volumes
    assert all(np.isnan(m.value) for m in out if isinstance(m, Measurement))
    assert ["4 volumes" in m.text for m in out if isinstance(m, Notice)] == [True]


def test_images_without_phase_pass(run, make_volume):
    volumes = [replace(v, data=np.abs(v.data).astype(np.complex64)) for v in scan(make_volume, pairs=1)]
    out = run([Stabilize(StabilizeMode.ON)], volumes, stated(1))
    assert [m for m in out if isinstance(m, Volume)] == volumes


def test_other_volumes_empty_ones_and_those_of_another_shape_pass(run, make_volume):
    volumes = [
        make_volume(OBJECT, M, 0),
        make_volume(OBJECT, Role.NOT_APPLICABLE, 1),
        make_volume(OBJECT[:, :4], C, 2),
        make_volume(np.zeros(SHAPE), L, 3),
        make_volume(np.full(SHAPE, np.nan), C, 4),
    ]
    out = run([Stabilize(StabilizeMode.ON)], volumes, stated(2))
    assert [m for m in out if isinstance(m, Volume)] == volumes


@pytest.mark.parametrize("shape", [(1, 16, 16), (1, 1, 90), (3, 1, 47)])
def test_a_single_slice_or_row_is_enough(run, make_volume, shape):
    data = np.ones(shape) * np.exp(0.3j)
    out = run(
        [Stabilize(StabilizeMode.ON)], [make_volume(data, M, 0), make_volume(data * np.exp(0.5j), C, 1)], stated(1)
    )
    np.testing.assert_allclose([m.data for m in out if isinstance(m, Volume)][1], data, atol=1e-5)


@pytest.mark.parametrize(
    ("mode", "labeling", "needed"),
    [
        ("auto", Labeling(context=(M, C, L)), True),
        ("auto", Labeling(context=(M, C, L), background_suppression=True), True),
        ("auto", Labeling(context=(M, C, L), background_suppression=False), False),
        ("auto", Labeling(context=(C, L), background_suppression=True), False),
        ("auto", Labeling(rule=CounterRule("set", leading_m0scan=1)), True),
        ("on", Labeling(), True),
        ("off", Labeling(context=(M, C, L), background_suppression=True), False),
    ],
)
def test_it_is_needed_where_complex_subtraction_may_be(mode, labeling, needed):
    assert Stabilize(StabilizeMode(mode)).needed(Scan(labeling=labeling)) is needed


@pytest.mark.parametrize("left", [0.1, 0.01, -0.1])
def test_slices_that_are_excited_by_themselves_have_phases_of_their_own(run, make_volume, left):
    still = scan(make_volume, left)
    phases = np.random.default_rng(1).normal(0, 0.4, (9, len(Z), 1, 1))
    drift = {n: ramp(0.3 * np.sin(n)) * np.exp(1j * phases[n]) for n in range(9)}
    chain = [Stabilize(StabilizeMode.ON), Pair(subtraction=Subtraction.COMPLEX)]
    labeling = stated(4, mr_acquisition_type="2D")
    true, found = (
        [m.data[HEAD] for m in run(gadgets, volumes, labeling) if isinstance(m, Difference)]
        for gadgets, volumes in ((chain[1:], still), (chain, scan(make_volume, left, drift=drift)))
    )
    assert len(true) == len(found) == 4
    assert np.mean(found) == pytest.approx(np.mean(true), abs=0.02)
