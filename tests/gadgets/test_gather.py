from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aslive.gadgets.gather import Gather
from aslive.streaming.errors import DataError
from aslive.streaming.flow import KSpace
from aslive.streaming.notices import Level, Notice
from aslive.streaming.readouts import Kind
from aslive.streaming.scan import CounterRule, Labeling

COILS, NX, NY, NZ = 2, 4, 6, 3


def kspace(seed=0, planes=NZ, rows=NY):
    rng = np.random.default_rng(seed)
    return (rng.standard_normal((planes, rows, COILS, NX)) + 1j).astype(np.complex64)


def volume_lines(make_readout, data, three_dimensional=False, **counters):
    plane = "kspace_encode_step_2" if three_dimensional else "slice"
    return [
        make_readout(data[z, y], kspace_encode_step_1=y, z=z * 5e-3, time=1.0 + z, **{plane: z}, **counters)
        for z in range(data.shape[0])
        for y in range(data.shape[1])
    ]


def split(out):
    return [m for m in out if isinstance(m, KSpace)], [m for m in out if isinstance(m, Notice)]


def stacked(planes):
    return np.stack([plane.data[:, 0] for plane in sorted(planes, key=lambda plane: plane.index)])


def expected(data):
    return data.transpose(0, 2, 1, 3)


def warnings(notices):
    return [notice.text for notice in notices if notice.level is not Level.INFO]


@settings(max_examples=30, deadline=None)
@given(st.permutations(range(NZ * NY)), st.booleans())
def test_any_order_of_lines_gives_the_same_kspace(run, make_readout, make_scan, order, three_dimensional):
    scan = make_scan(matrix=(NX, NY, NZ), three_dimensional=three_dimensional)
    lines = volume_lines(make_readout, kspace(), three_dimensional)
    planes, notices = split(run([Gather()], [lines[i] for i in order], scan))
    np.testing.assert_array_equal(stacked(planes), expected(kspace()))
    assert [plane.last for plane in planes] == [False, False, True]
    assert not notices


@pytest.mark.parametrize("three_dimensional", [False, True])
def test_a_plane_leaves_with_its_last_line(make_readout, make_scan, three_dimensional):
    gather = Gather()
    gather.start(make_scan(matrix=(NX, NY, NZ), three_dimensional=three_dimensional))
    made = [len(list(gather.process(line))) for line in volume_lines(make_readout, kspace(), three_dimensional)]
    assert made == ([0] * (NY - 1) + [1]) * NZ


@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(0, 2), min_size=NY, max_size=NY))
def test_lines_that_come_again_are_averaged(run, make_readout, make_scan, copies):
    copies = [*copies[:-1], 0]  # with the last line the plane leaves
    data = kspace(planes=1)
    lines = [
        line for line, count in zip(volume_lines(make_readout, data), copies, strict=True) for _ in range(count + 1)
    ]
    for y, count in enumerate(copies):
        first = sum(copies[:y]) + y
        for n in range(1, count + 1):
            lines[first + n] = lines[first].with_data(3 * data[0, y])
    planes, notices = split(run([Gather()], lines, make_scan(matrix=(NX, NY, 1))))
    factor = np.array([(1 + 3 * count) / (1 + count) for count in copies])
    np.testing.assert_allclose(stacked(planes)[0], expected(data)[0] * factor[:, np.newaxis], rtol=1e-5)
    assert not notices


def test_averages_are_counted_and_averaged(run, make_readout, make_scan):
    limits = {"kspace_encode_step_1": (0, 5, 3), "slice": (0, 2, 0), "average": (0, 1, 0)}
    scan = make_scan(matrix=(NX, NY, NZ), limits=limits)
    lines = volume_lines(make_readout, kspace(0)) + volume_lines(make_readout, kspace(1), average=1)
    planes, notices = split(run([Gather()], lines, scan))
    assert len(planes) == NZ
    np.testing.assert_allclose(stacked(planes), expected(kspace(0) + kspace(1)) / 2, rtol=1e-5)
    assert not notices


def test_partial_fourier_lands_by_its_centre(run, make_readout, make_scan):
    limits = {"kspace_encode_step_1": (0, 4, 1), "slice": (0, 0, 0)}  # the centre of 8 rows is row 4
    data = kspace(planes=1, rows=5)
    planes, notices = split(run([Gather()], volume_lines(make_readout, data), make_scan((NX, 8, 1), limits=limits)))
    assert not notices
    np.testing.assert_array_equal(stacked(planes)[0][:, 3:], expected(data)[0])
    assert not stacked(planes)[0][:, :3].any()
    assert planes[0].place.missing == 0


def test_volumes_are_numbered_as_they_come(run, make_readout, make_scan):
    lines = [line for n in range(3) for line in volume_lines(make_readout, kspace(n), repetition=n)]
    planes, notices = split(run([Gather()], lines, make_scan(matrix=(NX, NY, NZ))))
    assert [plane.place.volume for plane in planes] == [0] * 3 + [1] * 3 + [2] * 3
    assert planes[4].place.geometry.position[2] == pytest.approx(5e-3)
    assert planes[4].place.time == 2.0
    assert not notices


def test_the_same_counters_again_are_a_new_volume(run, make_readout, make_scan):
    lines = [line for n in range(3) for line in volume_lines(make_readout, kspace(n))]
    planes, _ = split(run([Gather()], lines, make_scan(matrix=(NX, NY, NZ))))
    assert [plane.place.volume for plane in planes] == [0] * 3 + [1] * 3 + [2] * 3
    np.testing.assert_array_equal(stacked(planes[6:]), expected(kspace(2)))


def test_a_lost_line_does_not_mix_volumes_that_no_counter_tells_apart(run, make_readout, make_scan):
    first = volume_lines(make_readout, kspace(0))
    del first[NY + 1]
    planes, notices = split(run([Gather()], first + volume_lines(make_readout, kspace(1)), make_scan((NX, NY, NZ))))
    by_volume = {n: [plane for plane in planes if plane.place.volume == n] for n in (0, 1)}
    np.testing.assert_array_equal(stacked(by_volume[1]), expected(kspace(1)))
    assert sum(plane.place.missing for plane in by_volume[0]) == 1
    assert len(notices) == 1


@pytest.mark.parametrize("three_dimensional", [False, True])
def test_a_volume_with_a_lost_line_is_released_by_the_next_and_flagged(make_readout, make_scan, three_dimensional):
    gather = Gather()
    gather.start(make_scan(matrix=(NX, NY, NZ), three_dimensional=three_dimensional))
    first = volume_lines(make_readout, kspace(0), three_dimensional, repetition=0)
    lost = first.pop(NY + 2)
    second = volume_lines(make_readout, kspace(1), three_dimensional, repetition=1)
    before = [m for line in first + second[:-1] for m in gather.process(line)]
    assert [p.place.volume for p in before if isinstance(p, KSpace) and p.last] == []
    planes, notices = split([*before, *gather.process(second[-1])])
    assert [(p.place.volume, p.place.missing) for p in planes if p.last] == [(0, 1), (1, 0)]
    assert "Volume 0 lacks 1 of its 18 lines" in notices[0].text
    zeros = expected(kspace(0)).copy()
    zeros[1, :, 2] = 0
    np.testing.assert_array_equal(stacked([p for p in planes if p.place.volume == 0]), zeros)
    (late,) = gather.process(lost)
    assert isinstance(late, Notice)
    assert [m.text for m in gather.finish() if isinstance(m, Notice)] == [
        "1 lines came too late for their volume and were left out."
    ]


def test_interleaved_volumes_both_become_complete(run, make_readout, make_scan):
    control = volume_lines(make_readout, kspace(0), True, repetition=0)
    label = volume_lines(make_readout, kspace(1), True, repetition=1)
    lines = [line for pair in zip(control, label, strict=True) for line in pair]
    planes, notices = split(run([Gather()], lines, make_scan((NX, NY, NZ), three_dimensional=True)))
    assert not notices
    for n in (0, 1):
        np.testing.assert_array_equal(stacked([p for p in planes if p.place.volume == n]), expected(kspace(n)))


def test_a_whole_lost_slice_is_zero_and_missing(run, make_readout, make_scan):
    lines = [line for line in volume_lines(make_readout, kspace()) if line.counters.slice != 1]
    planes, notices = split(run([Gather()], lines, make_scan(matrix=(NX, NY, NZ))))
    assert [(p.index, p.place.missing, p.last) for p in planes] == [(0, 0, False), (2, 0, False), (1, NY, True)]
    assert not planes[-1].data.any()
    assert "slice 1" in notices[0].text


def test_lines_outside_of_the_kspace_are_counted_and_not_stored(run, make_readout, make_scan):
    stray = make_readout(kspace()[0, 0], kspace_encode_step_1=NY + 3)
    planes, notices = split(
        run([Gather()], [stray, stray, *volume_lines(make_readout, kspace())], make_scan((NX, NY, NZ)))
    )
    np.testing.assert_array_equal(stacked(planes), expected(kspace()))
    assert len(notices) == 2
    assert notices[1].text.startswith("2 lines")


@pytest.mark.parametrize("bad", [np.nan, np.inf, complex(0, -np.inf)])
def test_a_line_that_is_not_finite_is_missing(run, make_readout, make_scan, bad):
    data = kspace()
    data[1, 2, 1, 3] = bad
    planes, notices = split(run([Gather()], volume_lines(make_readout, data), make_scan((NX, NY, NZ))))
    assert np.isfinite(stacked(planes)).all()
    assert sum(plane.place.missing for plane in planes) == 1
    assert any("no numbers" in notice.text for notice in notices)


def test_limits_that_contradict_the_matrix_are_learned_from_the_first_volume(run, make_readout, make_scan):
    scan = make_scan(matrix=(NX, 4, 2), limits={"kspace_encode_step_1": (0, 0, 2)})  # and yet 6 lines come
    lines = [line for n in range(3) for line in volume_lines(make_readout, kspace(n), repetition=n)]
    planes, notices = split(run([Gather()], lines, scan))
    assert [plane.place.volume for plane in planes] == [0] * 3 + [1] * 3 + [2] * 3
    for n in range(3):
        np.testing.assert_array_equal(stacked(planes[3 * n : 3 * n + 3]), expected(kspace(n)))
    assert not warnings(notices)


def test_after_learning_volumes_leave_with_their_last_line(make_readout, make_scan):
    gather = Gather()
    gather.start(make_scan(matrix=(NX, NY, NZ), limits={}))
    lines = [line for n in range(2) for line in volume_lines(make_readout, kspace(n), repetition=n)]
    made = [m for line in lines for m in gather.process(line)]
    assert [p.place.volume for p in made if isinstance(p, KSpace)] == [0] * 3 + [1] * 3
    assert not list(gather.finish())


def test_slices_beyond_a_limit_of_one_are_believed(run, make_readout, make_scan):
    limits = {"kspace_encode_step_1": (0, 5, 3), "slice": (0, 0, 0)}
    lines = [line for n in range(2) for line in volume_lines(make_readout, kspace(n), repetition=n)]
    lines = [lines[i] for i in np.argsort([line.counters.kspace_encode_step_1 + 100 * line.counters.repetition
                                           for line in lines], kind="stable")]  # fmt: skip
    planes, notices = split(run([Gather()], lines, make_scan((NX, NY, NZ), limits=limits)))
    for n in (0, 1):
        np.testing.assert_array_equal(stacked([p for p in planes if p.place.volume == n]), expected(kspace(n)))
    assert not warnings(notices)


def test_a_single_scan_without_limits_ends_with_the_data(run, make_readout, make_scan):
    planes, _ = split(run([Gather()], volume_lines(make_readout, kspace()), make_scan((NX, NY, NZ), limits={})))
    np.testing.assert_array_equal(stacked(planes), expected(kspace()))


def test_a_rule_on_the_average_counter_keeps_averages_apart(run, make_readout, make_scan):
    limits = {"kspace_encode_step_1": (0, 5, 3), "slice": (0, 2, 0), "average": (0, 1, 0)}
    labeling = Labeling(rule=CounterRule("average"), mr_acquisition_type="2D")
    lines = [line for n in range(2) for line in volume_lines(make_readout, kspace(n), average=n)]
    planes, _ = split(run([Gather()], lines, make_scan((NX, NY, NZ), limits=limits, labeling=labeling)))
    np.testing.assert_array_equal(stacked(planes[3:]), expected(kspace(1)))


def test_a_header_of_monstrous_size_is_refused_in_words(run, make_readout, make_scan):
    with pytest.raises(DataError, match="max_bytes"):
        run([Gather()], [make_readout(np.ones((64, 512)))], make_scan((512, 4096, 500)))


def test_only_image_lines_are_gathered(run, make_readout, make_scan):
    kinds = [Kind.NAVIGATOR, Kind.SKIPPED, Kind.NOISE]
    messages = [make_readout(np.ones((2, 4)), kind=kind) for kind in kinds]
    assert run([Gather()], messages, make_scan()) == messages  # they pass on: some gadget behind may want them


def test_planes_that_were_given_away_stay_as_they_are(run, make_readout, make_scan):
    lines = [line for n in range(4) for line in volume_lines(make_readout, kspace(n), repetition=n)]
    planes, _ = split(run([Gather()], lines, make_scan((NX, NY, NZ))))
    np.testing.assert_array_equal(stacked(planes[:3]), expected(kspace(0)))


@pytest.mark.parametrize("limits", [None, {}])
@settings(max_examples=15, deadline=None)
@given(cuts=st.sets(st.integers(1, 2 * NZ * NY - 1), max_size=6))
def test_lines_that_arrive_together_give_what_they_give_alone(run, make_readout, make_train, make_scan, limits, cuts):
    lines = [line for n in range(2) for line in volume_lines(make_readout, kspace(n), repetition=n)]
    ends = [0, *sorted(cuts), len(lines)]
    parts = [lines[low:high] for low, high in pairwise(ends)]
    trains = [make_train(part) for part in parts]
    scan = make_scan((NX, NY, NZ), limits=limits)
    alone, together = split(run([Gather()], lines, scan)), split(run([Gather()], trains, scan))
    assert [(p.place, p.index, p.last) for p in alone[0]] == [(p.place, p.index, p.last) for p in together[0]]
    np.testing.assert_array_equal([p.data for p in alone[0]], [p.data for p in together[0]])
    assert alone[1] == together[1]


def test_copies_of_lines_of_a_volume_long_gone_are_no_volume(run, make_readout, make_scan):
    sent = [volume_lines(make_readout, kspace(n), repetition=n) for n in range(3)]
    planes, notices = split(run([Gather()], [*sent[0], *sent[1], *sent[0][:2], *sent[2]], make_scan((NX, NY, NZ))))
    assert [plane.place.counters.repetition for plane in planes] == [0] * 3 + [1] * 3 + [2] * 3
    np.testing.assert_array_equal(stacked(planes[6:]), expected(kspace(2)))
    assert [notice.text for notice in notices] == ["2 lines came too late for their volume and were left out."]


def test_a_first_volume_with_more_lines_than_the_others_is_forgotten(run, make_readout, make_scan):
    sent = [volume_lines(make_readout, kspace(n), repetition=n) for n in range(6)]
    for lines in sent[1:]:  # only the first volume has all lines, as with reference lines in between
        lines[:] = [line for line in lines if line.counters.kspace_encode_step_1 not in (1, 4)]
    out = run([Gather()], [line for lines in sent for line in lines], make_scan((NX, NY, NZ), limits={}))
    planes, notices = split(out)
    missing = [sum(p.place.missing for p in planes if p.place.volume == n) for n in range(6)]
    assert missing[0] == missing[-1] == 0
    assert len(warnings(notices)) == sum(count > 0 for count in missing) <= 3


def test_without_any_limits_or_counters_a_volume_ends_when_its_first_line_comes_again(run, make_readout, make_scan):
    lines = [line for n in range(3) for line in volume_lines(make_readout, kspace(n))]
    planes, notices = split(run([Gather()], lines, make_scan((NX, NY, NZ), limits={})))
    for n in range(3):
        np.testing.assert_array_equal(stacked(planes[3 * n : 3 * n + 3]), expected(kspace(n)))
    assert not warnings(notices)
