from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aslive.gadgets.gather import Gather
from aslive.streaming.flow import FULL, KSpace, Reference
from aslive.streaming.notices import Level, Notice, Progress
from aslive.streaming.readouts import Kind

COILS, NX, NY, NZ = 2, 4, 12, 3


def data(seed=0, planes=NZ, rows=NY):
    rng = np.random.default_rng(seed)
    return (rng.standard_normal((planes, rows, COILS, NX)) + 1j).astype(np.complex64)


def lines(make_readout, values, wanted, kind=Kind.IMAGING, plane="slice", **counters):
    """Give the lines (z, y) that are wanted, in that order."""
    return [make_readout(values[z, y], kind=kind, kspace_encode_step_1=y, **{plane: z}, **counters) for z, y in wanted]


def of(out, kind):
    return [message for message in out if isinstance(message, kind)]


def warnings(out):
    return [notice.text for notice in of(out, Notice) if notice.level is not Level.INFO]


def lattice(step, offset=0, planes=NZ, rows=NY):
    return [(z, y) for z in range(planes) for y in range(offset, rows, step)]


@pytest.mark.parametrize("step", [2, 3, 4])
@pytest.mark.parametrize("offset", [0, 1])
def test_an_accelerated_slice_is_complete_with_its_own_lines(run, make_readout, make_scan, step, offset):
    values = data()
    scan = make_scan((NX, NY, NZ), acceleration=(step, 1))
    out = run([Gather()], lines(make_readout, values, lattice(step, offset)), scan)
    planes = of(out, KSpace)
    assert [(plane.index, plane.last, plane.place.missing) for plane in planes] == [
        (0, False, 0),
        (1, False, 0),
        (2, True, 0),
    ]
    for plane in planes:
        wanted = np.zeros((COILS, NY, NX), np.complex64)
        wanted[:, offset::step] = values[plane.index, offset::step].transpose(1, 0, 2)
        np.testing.assert_array_equal(plane.data[:, 0], wanted)
        assert plane.place.sampling == FULL._replace(step_y=step)
    assert not warnings(out)


@settings(max_examples=20, deadline=None)
@given(st.permutations(range(NZ * NY)))
def test_embedded_reference_lines_come_ahead_of_their_slice_in_any_order(run, make_readout, make_scan, order):
    values = data()
    scan = make_scan((NX, NY, NZ), acceleration=(2, 1))
    sent = []
    for n in order:
        z, y = divmod(n, NY)
        inside = 3 <= y <= 8
        if y % 2 == 0 or inside:
            kind = (Kind.REFERENCE_AND_IMAGING if inside else Kind.IMAGING) if y % 2 == 0 else Kind.REFERENCE
            sent += lines(make_readout, values, [(z, y)], kind)
    out = run([Gather()], sent, scan)
    came = [(type(message), message.index) for message in out if isinstance(message, KSpace | Reference)]
    references = {message.index: message for message in of(out, Reference)}
    for plane in of(out, KSpace):
        assert not plane.data[:, :, 1::2].any()
    for index, reference in references.items():
        assert came.index((Reference, index)) < came.index((KSpace, index))
        low = 6 - reference.center[1]  # reference.center is where the centre, row 6, lies in the block
        block = values[index, low : low + reference.data.shape[2]].transpose(1, 0, 2)
        np.testing.assert_array_equal(reference.data[:, 0], block)


def test_the_whole_reference_block_comes_when_it_was_read_before_its_slice_was_complete(run, make_readout, make_scan):
    values = data()
    sent = []
    for z in range(NZ):
        for y in range(NY):
            inside = 3 <= y <= 8
            if y % 2 and not inside:
                continue
            kind = Kind.REFERENCE if y % 2 else Kind.REFERENCE_AND_IMAGING if inside else Kind.IMAGING
            sent += lines(make_readout, values, [(z, y)], kind)
    out = run([Gather()], sent, make_scan((NX, NY, NZ), acceleration=(2, 1)))
    references = of(out, Reference)
    assert [(m.index, m.data.shape, m.center) for m in references] == [
        (z, (COILS, 1, 6, NX), (0, 3)) for z in range(NZ)
    ]
    assert [type(m) for m in out] == [Reference, KSpace] * NZ


def test_separate_references_make_no_volume(run, make_readout, make_scan):
    values = data()
    sent = lines(make_readout, values, [(z, y) for z in range(NZ) for y in range(4, 9)], Kind.REFERENCE)
    for repetition in range(2):
        sent += lines(make_readout, data(1), lattice(2), repetition=repetition)
    out = run([Gather()], sent, make_scan((NX, NY, NZ), acceleration=(2, 1)))
    assert [m.index for m in of(out, Reference)] == [0, 1, 2]  # once, and never again
    assert [m.place.volume for m in of(out, KSpace)] == [0] * 3 + [1] * 3


@pytest.mark.parametrize("shift", [0, 1])
def test_the_shift_of_a_caipirinha_lattice_is_found(run, make_readout, make_scan, shift):
    values = data(planes=8)
    wanted = [(z, y) for z in range(0, 8, 2) for y in range(shift * (z // 2) % 2, NY, 2)]
    scan = make_scan((NX, NY, 8), three_dimensional=True, acceleration=(2, 2))
    sent = [
        line
        for n in range(2)
        for line in lines(make_readout, values, wanted, plane="kspace_encode_step_2", repetition=n)
    ]
    out = run([Gather()], sent, scan)
    planes = of(out, KSpace)
    assert [(m.place.volume, m.index) for m in planes] == [(n, z) for n in range(2) for z in range(0, 8, 2)]
    assert {m.place.sampling for m in planes} == {FULL._replace(step_y=2, step_z=2, shift=shift)}
    assert not warnings(out)
    assert sum(m.place.missing for m in planes) == 0


def test_a_3d_reference_is_one_block_ahead_of_the_last_partition(run, make_readout, make_scan):
    values = data(planes=8)
    sent = []
    for z in range(8):
        for y in range(NY):
            inside, on = 2 <= z <= 5 and 4 <= y <= 8, z % 2 == 0 and y % 2 == 0
            if on or inside:
                kind = (Kind.REFERENCE_AND_IMAGING if inside else Kind.IMAGING) if on else Kind.REFERENCE
                sent += lines(make_readout, values, [(z, y)], kind, plane="kspace_encode_step_2")
    out = run([Gather()], sent, make_scan((NX, NY, 8), three_dimensional=True, acceleration=(2, 2)))
    (reference,) = of(out, Reference)
    assert reference.center == (2, 2)
    np.testing.assert_array_equal(reference.data, values[2:6, 4:9].transpose(2, 0, 1, 3))
    assert out[-2] is reference


def test_reference_lines_that_lost_their_flag_are_recognised(run, make_readout, make_scan):
    values = data(rows=24)
    rows = sorted({*range(0, 24, 2), *range(8, 16)})
    sent = [
        line
        for n in range(2)
        for line in lines(make_readout, values, [(z, y) for z in range(NZ) for y in rows], repetition=n)
    ]
    out = run([Gather()], sent, make_scan((NX, 24, NZ), acceleration=(2, 1)))
    planes = of(out, KSpace)
    assert sum(m.place.missing for m in planes) == 0
    assert [m.place.volume for m in planes] == [0] * NZ + [1] * NZ
    assert not any(m.data[:, :, 1::2].any() for m in planes)
    assert [m.data.shape[2] for m in of(out, Reference)] == [7] * NZ  # 9 to 15, with the imaging lines between
    assert any("acceleration" in text for text in warnings(out))


def test_a_scan_that_is_not_accelerated_though_its_header_says_so_is_read_whole(run, make_readout, make_scan):
    values = [data(n) for n in range(3)]
    sent = [line for n in range(3) for line in lines(make_readout, values[n], lattice(1), repetition=n)]
    out = run([Gather()], sent, make_scan((NX, NY, NZ), acceleration=(2, 1)))
    planes = of(out, KSpace)
    for n in range(3):
        got = [m.data[:, 0] for m in planes if m.place.volume == n]
        np.testing.assert_array_equal(got, values[n].transpose(0, 2, 1, 3))
    assert {m.place.sampling.acceleration for m in planes} == {1}


def test_limits_that_overstate_are_corrected_after_two_volumes(run, make_readout, make_scan):
    rows = range(2, 10)  # of 12
    sent = [
        line
        for n in range(6)
        for line in lines(make_readout, data(n), [(z, y) for z in range(NZ) for y in rows], repetition=n)
    ]
    planes = of(run([Gather()], sent, make_scan((NX, NY, NZ))), KSpace)
    missing = [sum(m.place.missing for m in planes if m.place.volume == n) for n in range(6)]
    assert missing[-1] == 0
    assert sum(count > 0 for count in missing) <= 2


@pytest.mark.parametrize(("limits", "ranges"), [((0, 8, 3), (-0.5, 1.0)), ((0, 8, 5), (-5 / 6, 2 / 3))])
def test_the_range_that_partial_fourier_covers_is_told(run, make_readout, make_scan, limits, ranges):
    scan = make_scan((NX, NY, 1), limits={"kspace_encode_step_1": limits, "slice": (0, 0, 0)})
    (plane,) = of(run([Gather()], lines(make_readout, data(planes=1), lattice(1, 0, 1, 9)), scan), KSpace)
    assert plane.place.sampling.y == pytest.approx(ranges)


def test_a_volume_in_segments_tells_its_progress(run, make_readout, make_scan):
    limits = {
        "kspace_encode_step_1": (0, NY - 1, NY // 2),
        "kspace_encode_step_2": (0, NZ - 1, NZ // 2),
        "segment": (0, 2, 0),
    }
    scan = make_scan((NX, NY, NZ), three_dimensional=True, limits=limits)
    wanted = [(segment, z, y) for segment in range(3) for z in range(NZ) for y in range(segment, NY, 3)]
    sent = [
        line
        for segment, z, y in wanted
        for line in lines(make_readout, data(), [(z, y)], plane="kspace_encode_step_2", segment=segment)
    ]
    out = run([Gather()], sent, scan)
    assert [(m.segment, m.segments) for m in of(out, Progress)] == [(1, 3), (2, 3)]
    assert len(of(out, KSpace)) == NZ


def test_a_lost_segment_is_missing_and_a_repeated_one_is_averaged(run, make_readout, make_scan):
    values = data(planes=1)
    limits = {"kspace_encode_step_1": (0, NY - 1, NY // 2), "slice": (0, 0, 0), "repetition": (0, 2, 0)}
    even, odd = [(0, y) for y in range(0, NY, 2)], [(0, y) for y in range(1, NY, 2)]
    sent = lines(make_readout, values, even) + lines(make_readout, 3 * values, even) + lines(make_readout, values, odd)
    sent += lines(make_readout, values, even, repetition=1)
    sent += lines(make_readout, values, even + odd, repetition=2)
    planes = of(run([Gather()], sent, make_scan((NX, NY, 1), limits=limits)), KSpace)
    assert [m.place.missing for m in planes] == [0, 6, 0]
    np.testing.assert_allclose(planes[0].data[:, 0, ::2], 2 * values[0, ::2].transpose(1, 0, 2), rtol=1e-5)


def test_interleaves_on_a_trajectory_are_rows(run, make_readout, make_scan):
    rng = np.random.default_rng(0)
    paths = rng.standard_normal((4, NX, 2)).astype(np.float32)
    values = data(rows=4)
    limits = {"kspace_encode_step_1": (0, 3, 0), "slice": (0, NZ - 1, 0)}
    scan = make_scan((64, 64, NZ), limits=limits)
    scan = replace(scan, encodings=(replace(scan.encodings[0], trajectory="spiral"),))
    sent = [
        replace(line, trajectory=paths[line.counters.kspace_encode_step_1])
        for line in lines(make_readout, values, [(z, y) for z in range(NZ) for y in (2, 0, 3, 1)])
    ]
    planes = of(run([Gather()], sent, scan), KSpace)
    assert len(planes) == NZ
    for plane in planes:
        np.testing.assert_array_equal(plane.data[:, 0], values[plane.index].transpose(1, 0, 2))
        np.testing.assert_array_equal(plane.trajectory, paths)
        assert plane.place.sampling == FULL


def test_a_direction_written_as_segment_makes_no_progress(run, make_readout, make_scan):
    limits = {"kspace_encode_step_1": (0, NY - 1, NY // 2), "slice": (0, NZ - 1, 0), "segment": (0, 1, 0)}
    sent = [
        make_readout(data()[z, y], flags=(y % 2) << 21, kspace_encode_step_1=y, slice=z, segment=y % 2)
        for z, y in lattice(1)
    ]
    out = run([Gather()], sent, make_scan((NX, NY, NZ), limits=limits))
    assert len(of(out, KSpace)) == NZ
    assert not of(out, Progress)


def test_the_center_that_siemens_writes_into_each_line_is_believed(run, make_readout, make_scan):
    limits = {
        "kspace_encode_step_1": (0, NY - 1, NY // 2),
        "kspace_encode_step_2": (0, 5, 4),  # the middle of all 8, where the lowest 2 are left out
    }
    scan = make_scan((NX, NY, 8), three_dimensional=True, limits=limits, vendor="SIEMENS")
    sent = []
    for z, y in lattice(1, planes=6):
        line = make_readout(data(planes=6)[z, y], kspace_encode_step_1=y, kspace_encode_step_2=z)
        counters = line.counters._replace(user_5=NY // 2, user_6=2)
        sent.append(replace(line, counters=counters))
    planes = of(run([Gather()], sent, scan), KSpace)
    assert [plane.index for plane in planes] == [2, 3, 4, 5, 6, 7]
    assert planes[0].place.sampling.z == (-0.5, 1.0)


def test_lines_that_are_skipped_against_the_header_make_no_folded_volume(run, make_readout, make_scan):
    sent = [line for n in range(4) for line in lines(make_readout, data(n), lattice(2), repetition=n)]
    out = run([Gather()], sent, make_scan((NX, NY, NZ)))
    assert {sum(m.place.missing for m in of(out, KSpace) if m.place.volume == n) for n in range(4)} == {NZ * NY // 2}
    assert any(notice.level is Level.ERROR and "accelerationFactor" in notice.text for notice in of(out, Notice))
