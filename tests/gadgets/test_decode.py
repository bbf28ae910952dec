from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aslive.gadgets.decode import Decode, Spoiled
from aslive.gadgets.kernels.subtraction_choice import Subtraction
from aslive.streaming.flow import Mask, Volume
from aslive.streaming.labeling import read_labeling
from aslive.streaming.notices import Level, Notice
from aslive.streaming.perfusion import Difference, Remove
from aslive.streaming.scan import Bolus, Role, Scan
from aslive.streaming.statements import Statements

SHAPE = (3, 12, 14)
STATIC = 100.0
MASK = Mask(np.ones(SHAPE, bool))


def scan_of(kind="Hadamard", size=8, cycles=5, **more):
    context = ["m0scan", *(["control"] + ["label"] * (size - 1)) * cycles]
    header = {
        "aslcontext": ",".join(context),
        "ArterialSpinLabelingType": "PCASL",
        "TimeEncodedMatrixType": kind,
        "TimeEncodedMatrixSize": size,
        "PostLabelingDelay": 0.5,
        "LabelingDuration": 0.4 * (size - 1),
        "BackgroundSuppression": False,
    }
    return Scan(labeling=read_labeling(Statements(header | more)))


def truth(scan, seed=0):
    """Give the signal of each sub-bolus."""
    return np.random.default_rng(seed).uniform(0, 2, (len(scan.labeling.time_encoding.boluses), *SHAPE))


def volumes(make_volume, scan, cycles, sigma=0.0, seed=1, static=STATIC):
    """Give the images of all cycles, behind an m0scan."""
    rng, encoding, signals = np.random.default_rng(seed), scan.labeling.time_encoding, truth(scan)
    made = [make_volume(np.full(SHAPE, 1000 * np.exp(0.3j)), Role.M0SCAN, 0)]
    for number in range(1, 1 + cycles * encoding.images):
        matrix = np.array(encoding.matrix)[:, (number - 1) % encoding.images]
        image = static - np.tensordot(matrix, signals, 1) + sigma * rng.standard_normal(SHAPE)
        role = Role.LABEL if matrix.any() else Role.CONTROL
        made.append(make_volume(image * np.exp(0.3j), role, number))
    return made


def left(out):
    """Give what is left of all differences after those taken back, by cycle."""
    found: dict[int, list[Difference]] = {}
    for message in out:
        if isinstance(message, Remove):
            assert found.pop(message.pair)
        elif isinstance(message, Difference):
            found.setdefault(message.pair, []).append(message)
    return found


def mean(out, scan):
    """Average as the next gadget does: by bolus, with weights."""
    assert scan.labeling.time_encoding is not None
    total = {bolus: np.zeros(()) for bolus in scan.labeling.time_encoding.boluses}
    weights = dict.fromkeys(total, 0.0)
    for difference in (message for messages in left(out).values() for message in messages):
        if difference.bolus in total:
            total[difference.bolus] = total[difference.bolus] + np.float64(difference.weight) * difference.data
            weights[difference.bolus] += difference.weight
    return np.stack([total[bolus] / weights[bolus] for bolus in total])


def said(out, level=Level.WARNING):
    return [message.text for message in out if isinstance(message, Notice) and message.level is level]


def error(out, scan):
    return float(np.sqrt(np.mean((mean(out, scan) - truth(scan)) ** 2)))


@pytest.mark.parametrize("sign", [-1, 1])
@pytest.mark.parametrize(
    ("kind", "size"), [("Hadamard", 4), ("Hadamard", 8), ("Hadamard", 12), ("Walsh", 4), ("Walsh", 8)]
)
def test_the_sub_boluses_equal_those_of_a_sequential_scan(run, make_volume, kind, size, sign):
    scan = scan_of(kind, size, 1, TimeEncodedLabelSign=sign)
    out = run([Decode()], volumes(make_volume, scan, 1), scan)
    (made,) = left(out).values()
    assert scan.labeling.time_encoding is not None
    assert [difference.bolus for difference in made] == list(scan.labeling.time_encoding.boluses)
    assert [difference.last for difference in made] == [False] * (size - 2) + [True]
    for difference, signal in zip(made, truth(scan), strict=True):
        np.testing.assert_allclose(difference.data, signal, atol=1e-4)
        assert difference.weight == pytest.approx(1)
        assert difference.data.dtype == np.float32


def test_a_site_s_own_matrix_and_durations_are_decoded(run, make_volume):
    more = {"TimeEncodedMatrix": "1 1 1 -1; 1 -1 1 1; 1 1 -1 1", "TimeEncodedLabelingDuration": "2, 0.8, 0.3"}
    scan = scan_of(size=4, cycles=1, **more)
    (made,) = left(run([Decode()], volumes(make_volume, scan, 1), scan)).values()
    assert [difference.bolus for difference in made] == [Bolus(1.6, 2.0), Bolus(0.8, 0.8), Bolus(0.5, 0.3)]
    for difference, signal in zip(made, truth(scan), strict=True):
        np.testing.assert_allclose(difference.data, signal, atol=1e-4)
        assert difference.weight < 1  # such a matrix is less efficient


def test_early_maps_of_walsh_are_of_longer_boluses_and_are_taken_back(run, make_volume):
    scan = scan_of("Walsh", 8, 1)
    given_, signals = volumes(make_volume, scan, 1), truth(scan)
    (made,) = left(run([Decode()], given_[:5], scan)).values()
    assert [difference.bolus for difference in made] == [Bolus(2.5, 0.8), Bolus(1.7, 0.8), Bolus(0.9, 0.8)]
    for n, difference in enumerate(made):
        np.testing.assert_allclose(difference.data, signals[2 * n : 2 * n + 2].sum(axis=0), atol=1e-4)
        assert difference.weight == pytest.approx(0.5)
    out = run([Decode()], given_, scan)
    assert len(left(out)[0]) == 7
    assert not any(message.last for message in out if isinstance(message, Remove))
    assert not any(isinstance(m, Difference | Remove) for m in run([Decode(early=False)], given_[:5], scan))


def test_each_update_ends_with_the_last_difference(run, make_volume):
    scan = scan_of("Walsh", 8, 2)
    open_ = False
    for message in run([Decode()], volumes(make_volume, scan, 2), scan):
        if isinstance(message, Difference | Remove):
            open_ = not message.last
        elif isinstance(message, Volume):
            assert not open_


def test_volumes_and_the_mask_pass_on_behind_what_they_make(run, make_volume):
    scan = scan_of(size=4, cycles=2)
    given_ = [MASK, *volumes(make_volume, scan, 2)]
    out = run([Decode()], given_, scan)
    assert [message for message in out if isinstance(message, Volume | Mask)] == given_


def test_complex_images_are_decoded_with_the_phase_of_the_m0scan(run, make_volume):
    scan = scan_of(cycles=2, BackgroundSuppression=True)
    rng = np.random.default_rng(3)
    given_ = volumes(make_volume, scan, 2, static=-3.0)  # turned over, so that magnitudes would show blood as negative
    clutter = [0.05 * (rng.standard_normal(SHAPE) + 1j * rng.standard_normal(SHAPE)) for _ in given_]
    given_ = [replace(v, data=(v.data + c).astype(np.complex64)) for v, c in zip(given_, clutter, strict=True)]
    out = run([Decode()], [given_[0], MASK, *given_[1:]], scan)
    assert all(difference.complex_subtraction for messages in left(out).values() for difference in messages)
    assert error(out, scan) < 0.05
    assert error(run([Decode(subtraction=Subtraction.MAGNITUDE)], given_, scan), scan) > 1


@pytest.mark.parametrize("bad", [1, 10, 21, 40])
def test_one_bad_encoding_in_five_cycles_does_not_spoil_the_mean(run, make_volume, bad):
    scan = scan_of()
    clean = volumes(make_volume, scan, 5, sigma=1.0)
    of_four = error(run([Decode()], [MASK, *clean[:33]], scan), scan)
    given_ = list(clean)
    given_[bad] = replace(
        clean[bad], data=np.roll(clean[bad].data, 2, axis=1) * np.linspace(0.5, 1, 14, dtype=np.float32)
    )
    out = run([Decode()], [MASK, *given_], scan)
    assert error(out, scan) < 1.05 * of_four
    assert error(run([Decode(spoiled=Spoiled.DROP)], [MASK, *given_], scan), scan) < 1.2 * of_four
    assert len(said(out)) == 1
    assert "differs from the same image of all other cycles" in said(out)[0]


@given(lost=st.sets(st.integers(1, 40), max_size=4))
@settings(max_examples=15, deadline=None)
def test_lost_images_bias_nothing(run, make_volume, lost):
    scan = scan_of()
    given_ = [volume for volume in volumes(make_volume, scan, 5) if volume.place.number not in lost]
    out = run([Decode()], given_, scan)
    assert error(out, scan) < 1e-3
    for messages in left(out).values():
        assert all(0 < difference.weight < 1 + 1e-9 for difference in messages)


@pytest.mark.parametrize(("spoiled", "cycles"), [(Spoiled.REPAIR, [0, 1]), (Spoiled.DROP, [1])])
def test_an_image_that_lacks_lines_is_not_used(run, make_volume, spoiled, cycles):
    scan = scan_of(size=4, cycles=2)
    given_ = volumes(make_volume, scan, 2)
    given_[3] = replace(given_[3], data=given_[3].data * 2, place=replace(given_[3].place, missing=4))
    out = run([Decode(spoiled=spoiled)], given_, scan)
    assert sorted(left(out)) == cycles
    assert error(out, scan) < 1e-3
    assert len(said(out)) == 1
    assert "Image 3 of cycle 0 of time encoding lacks 4 lines" in said(out)[0]


@pytest.mark.parametrize("bad", [np.full(SHAPE, np.nan), np.ones((1, 2, 3))])
def test_an_image_without_numbers_or_of_another_shape_is_not_used(run, make_volume, bad):
    scan = scan_of(size=4, cycles=3)
    given_ = volumes(make_volume, scan, 3)
    given_[7] = replace(given_[7], data=bad.astype(np.complex64))
    out = run([Decode()], given_, scan)
    assert sorted(left(out)) == [0, 1, 2]
    assert error(out, scan) < 1e-3
    assert len(said(out)) == 1


def test_a_cycle_that_the_end_cuts_off_keeps_what_it_tells(run, make_volume):
    scan = scan_of("Walsh", 8, 2)
    found = left(run([Decode()], volumes(make_volume, scan, 2)[: 9 + 4], scan))
    assert [len(messages) for messages in found.values()] == [7, 7]
    assert found[1][0].weight < 0.6  # the other half of it is lent by the first cycle
    found = left(run([Decode()], volumes(make_volume, scan, 2)[: 9 + 3], scan))
    assert [len(messages) for messages in found.values()] == [7, 1]
    found = left(run([Decode(early=False)], volumes(make_volume, scan, 2)[: 9 + 3], scan))
    assert [len(messages) for messages in found.values()] == [7]


def test_a_head_that_moves_and_stays_there_is_not_taken_for_bad_images(run, make_volume):
    scan = scan_of()
    rng = np.random.default_rng(0)
    head, moved = (100 * rng.standard_normal(SHAPE) for _ in range(2))
    given_ = volumes(make_volume, scan, 5, sigma=0.5)
    phase = np.exp(0.3j)
    given_ = [given_[0]] + [
        replace(v, data=(v.data + phase * (500 + (head if n < 24 else moved))).astype(np.complex64))
        for n, v in enumerate(given_[1:])
    ]
    out = run([Decode()], [MASK, *given_], scan)
    assert not said(out)
    assert sorted(left(out)) == [0, 1, 2, 3, 4]


def test_the_other_label_sign_is_an_alarm(run, make_volume):
    scan = scan_of(cycles=2)
    assert scan.labeling.time_encoding is not None
    own = ";".join("".join("+" if entry else "-" for entry in row) for row in scan.labeling.time_encoding.matrix)
    other = scan_of(cycles=2, TimeEncodedMatrix=own, TimeEncodedLabelSign=-1)
    out = run([Decode()], [MASK, *volumes(make_volume, scan, 2, sigma=0.1)], other)
    (alarm,) = said(out, Level.ERROR)
    assert "TimeEncodedLabelSign" in alarm
    assert not said(run([Decode()], [MASK, *volumes(make_volume, scan, 2, sigma=0.1)], scan), Level.ERROR)


def test_one_cycle_is_enough_for_the_alarm_at_the_end(run, make_volume):
    scan = scan_of(cycles=1)
    given_ = [
        replace(v, data=v.data * (1 if v.place.role is Role.M0SCAN else -1)) for v in volumes(make_volume, scan, 1)
    ]
    upside_down = [replace(v, data=(200 * np.exp(0.3j) + v.data).astype(np.complex64)) for v in given_]
    assert len(said(run([Decode()], [MASK, *upside_down], scan), Level.ERROR)) == 1


def test_images_that_come_once_more_or_too_late_change_nothing(run, make_volume):
    scan = scan_of(size=4, cycles=12)
    given_ = volumes(make_volume, scan, 12)
    out = run([Decode()], [*given_[:3], given_[2], *given_[3:], given_[2]], scan)
    assert error(out, scan) < 1e-3
    assert [("once more" in text, "too late" in text) for text in said(out)] == [(True, False), (False, True)]


def test_an_image_that_comes_late_makes_its_cycle_whole(run, make_volume):
    scan = scan_of(size=4, cycles=2)
    given_ = volumes(make_volume, scan, 2)
    late = [*given_[:2], *given_[3:7], given_[2], *given_[7:]]
    found = left(run([Decode()], late, scan))
    assert [difference.weight for difference in found[0]] == pytest.approx([1] * 3)


def test_images_are_kept_of_a_bounded_number_of_cycles(run, make_volume):
    scan = scan_of(size=4, cycles=12)
    gadget = Decode(kept_cycles=3)
    run([gadget], volumes(make_volume, scan, 12), scan)
    assert sorted(gadget._decoder.cycles.images) == sorted(gadget._cycles) == [9, 10, 11]
    assert len(gadget._decoder.cycles._apart) == 3


def test_it_is_needed_for_time_encoded_scans_only():
    assert Decode().needed(scan_of())
    assert not Decode().needed(Scan())
