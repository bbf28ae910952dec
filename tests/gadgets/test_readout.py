from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aslive.gadgets.kernels.fft import Backend
from aslive.gadgets.kernels.trapezoid import sample_positions
from aslive.gadgets.readout import OffCenter, TransformReadout
from aslive.streaming.layouts import ACQUISITION_HEADER
from aslive.streaming.notices import Notice
from aslive.streaming.readouts import Kind, Readout
from aslive.streaming.scan import Trapezoid


def wave(samples, position, center):
    """k-space of a point at ``position`` from the centre of ``samples`` columns."""
    return np.exp(-2j * np.pi * (np.arange(samples) - center) * position / samples)[np.newaxis].astype(np.complex64)


def lines(out):
    return [message for message in out if isinstance(message, Readout)]


@settings(max_examples=20, deadline=None)
@given(position=st.integers(-8, 7))
def test_a_point_lands_where_it_is_and_oversampling_is_cut_off(run, make_readout, make_scan, position):
    scan = make_scan(matrix=(32, 6, 1), recon=(16, 6, 1))
    (line,) = lines(run([TransformReadout()], [make_readout(wave(32, position, 16))], scan))
    expected = np.zeros(16)
    expected[8 + position] = np.sqrt(32)
    np.testing.assert_allclose(np.abs(line.data[0]), expected, atol=1e-4)


def test_more_samples_than_the_header_says_are_oversampling(run, make_readout, make_scan):
    scan = make_scan(matrix=(80, 6, 1))
    (line,) = lines(run([TransformReadout()], [make_readout(np.ones((2, 160)))], scan))
    assert line.data.shape == (2, 80)


def test_without_a_matrix_all_samples_are_kept_and_that_is_said(run, make_readout, make_scan):
    scan = make_scan(matrix=(64, 6, 1), recon=(0, 0, 0))
    out = run([TransformReadout()], [make_readout(np.ones((2, 128)))], scan)
    assert lines(out)[0].data.shape == (2, 128)
    assert any(isinstance(message, Notice) for message in out)


@pytest.mark.parametrize("center", [10, 22])
def test_a_partial_echo_is_zero_filled_about_its_centre(run, make_readout, make_scan, center):
    full = wave(32, 3, 16)
    part = full[:, 16 - center :] if center < 16 else full[:, : 48 - center]
    part = part[:, : min(part.shape[1], 32)]
    filled = np.zeros_like(full)
    start = 16 - center if center < 16 else 0
    filled[:, start : start + part.shape[1]] = part
    stated = center if center < 16 else 16
    (line,) = lines(run([TransformReadout()], [make_readout(part, center=stated)], make_scan(matrix=(32, 6, 1))))
    expected = np.fft.fftshift(np.fft.ifft(np.fft.ifftshift(filled, axes=1), axis=1, norm="ortho"), axes=1)
    np.testing.assert_allclose(line.data, expected, atol=1e-5)


def test_only_the_reverse_flag_turns_a_line_round(run, make_readout, make_scan):
    data = np.arange(8)[np.newaxis] + 1j
    messages = [make_readout(data), make_readout(data[:, ::-1], flags=1 << 21)]
    first, second = lines(run([TransformReadout()], messages, make_scan()))
    np.testing.assert_allclose(first.data, second.data, atol=1e-5)


def test_other_kinds_pass_unchanged(run, make_readout, make_scan):
    noise = make_readout(np.ones((2, 50)), kind=Kind.NOISE)
    assert run([TransformReadout()], [noise], make_scan())[0] is noise


def test_lines_of_another_shape_are_left_out_and_counted(run, make_readout, make_scan):
    messages = [make_readout(np.ones((2, 8))), *[make_readout(np.ones((3, 8)))] * 3]
    out = run([TransformReadout()], messages, make_scan())
    assert len(lines(out)) == 1
    words = [message.text for message in out if isinstance(message, Notice)]
    assert len(words) == 2
    assert words[-1].startswith("3 readouts")


def test_both_backends_agree(run, make_readout, make_scan):
    data = np.random.default_rng(0).standard_normal((4, 9)) + 2j
    scan = make_scan(matrix=(9, 6, 1))
    one, other = (
        lines(run([TransformReadout(backend=backend)], [make_readout(data)], scan))[0].data for backend in Backend
    )
    np.testing.assert_allclose(one, other, atol=1e-5)


@pytest.mark.parametrize(
    ("samples", "flags", "center"), [(16, 0, None), (16, 1 << 21, None), (12, 0, 4), (15, 0, None)]
)
def test_lines_that_arrive_together_give_what_they_give_alone(
    run, make_readout, make_train, make_scan, samples, flags, center
):
    rng = np.random.default_rng(0)
    alone = [make_readout(rng.standard_normal((2, samples)), flags=flags, center=center) for _ in range(5)]
    scan = make_scan(matrix=(16, 6, 1), recon=(8, 6, 1))
    expected = [line.data for line in lines(run([TransformReadout()], alone, scan))]
    messages = [alone[0], make_train(alone[1:])]
    first, together = (m for m in run([TransformReadout()], messages, scan) if not isinstance(m, Notice))
    np.testing.assert_allclose([first.data, *together.data], expected, atol=1e-5)


TRAPEZOID = Trapezoid(1e-4, 4e-4, 1e-4, 5e-6, 96, 3, 6e-4)
REVERSED = 1 << 21


def epi_scan(make_scan, matrix=(32, 6, 1), encoded=None, trapezoid=TRAPEZOID):
    """An EPI of 32 columns; the header may state the matrix with or without oversampling."""
    scan = make_scan(matrix=matrix)
    first = replace(scan.encodings[0], trapezoid=trapezoid)
    if encoded is not None:
        lengths = (first.encoded_field_of_view[0] * encoded / matrix[0], *first.encoded_field_of_view[1:])
        first = replace(first, encoded_matrix=(encoded, *matrix[1:]), encoded_field_of_view=lengths)
    return replace(scan, encodings=(first,))


def ramped(rng, coils=3, backwards=False, voxels=0.0):
    """One line of Gaussians, as it is read during the whole of the gradient, and its image with a brightness of 1."""
    x = np.arange(32) - 16
    centers = rng.uniform(-4, 4, coils)[:, np.newaxis]
    k = sample_positions(1e-4, 4e-4, 1e-4, 5e-6, 96, 32) / 32
    k = -k if backwards else k
    line = np.sqrt(2 * np.pi) * 3 * np.exp(-2 * (np.pi * k * 3) ** 2 - 2j * np.pi * k * (centers + voxels))
    return line, np.exp(-((x - centers) ** 2) / 18)


def bright(image):
    """Scale an image of Gaussians to a brightness of 1; regridding makes noise, and not signal, keep its size."""
    return image / np.linalg.norm(image) * np.sqrt(len(image) * 3 * np.sqrt(np.pi))


@pytest.mark.parametrize("kind", [Kind.IMAGING, Kind.NAVIGATOR, Kind.REFERENCE, Kind.REFERENCE_AND_IMAGING])
@pytest.mark.parametrize("backwards", [False, True])
@pytest.mark.parametrize("encoded", [None, 64])
def test_lines_read_on_the_ramps_are_regridded(run, make_readout, make_scan, kind, backwards, encoded):
    line, image = ramped(np.random.default_rng(0), backwards=backwards)
    message = make_readout(line, kind, REVERSED * backwards)
    (out,) = run([TransformReadout()], [message], epi_scan(make_scan, encoded=encoded))
    np.testing.assert_allclose(bright(out.data), image, atol=0.01)


def test_a_train_of_both_directions_gives_what_its_lines_give_alone(run, make_readout, make_train, make_scan):
    rng = np.random.default_rng(0)
    for scan, samples in ((epi_scan(make_scan), 96), (make_scan(matrix=(32, 6, 1)), 64)):
        alone = [
            make_readout(rng.standard_normal((2, samples)), flags=REVERSED * (n % 2), center=samples // 2 - n % 2)
            for n in range(7)
        ]
        expected = [line.data for line in lines(run([TransformReadout()], alone, scan))]
        first, together = run([TransformReadout()], [alone[0], make_train(alone[1:])], scan)
        np.testing.assert_allclose([first.data, *together.data], expected, atol=1e-5)


@pytest.mark.parametrize(
    ("change", "samples"),
    [({}, 90), ({"dwell": 20e-6}, 96), ({"samples": 60000}, 96)],
    ids=["other length", "longer than the gradient", "absurd"],
)
def test_a_description_that_does_not_fit_is_reported_and_not_used(run, make_readout, make_scan, change, samples):
    scan = epi_scan(make_scan, trapezoid=replace(TRAPEZOID, **change))
    line = make_readout(np.ones((2, samples)))
    out = run([TransformReadout()], [line, line], scan)
    assert [message.data.shape for message in lines(out)] == [(2, 32)] * 2
    (words,) = [message.text for message in out if isinstance(message, Notice)]
    assert "evenly spaced" in words


def test_columns_that_are_only_interpolated_are_not_made(run, make_readout, make_scan):
    scan = epi_scan(make_scan)
    scan = replace(scan, encodings=(replace(scan.encodings[0], recon_matrix=(64, 6, 1)),))
    line, image = ramped(np.random.default_rng(0))
    out = run([TransformReadout()], [make_readout(line)], scan)
    np.testing.assert_allclose(bright(lines(out)[0].data), image, atol=0.01)
    assert any("32 columns" in message.text for message in out if isinstance(message, Notice))


def test_without_the_dwell_in_the_description_that_of_the_line_is_taken(run, make_readout, make_scan):
    line, image = ramped(np.random.default_rng(0))
    scan = epi_scan(make_scan, trapezoid=replace(TRAPEZOID, dwell=0.0))
    (out,) = run([TransformReadout()], [make_readout(line, dwell=5e-6)], scan)
    np.testing.assert_allclose(bright(out.data), image, atol=0.01)


def other_space(line):
    header = bytearray(line.header)
    header[174:176] = b"\x01\x00"
    return replace(line, header=bytes(header))


def test_reference_lines_of_another_encoding_get_the_field_of_view_of_the_images(run, make_readout, make_scan):
    scan = epi_scan(make_scan)
    imaging = scan.encodings[0]
    reference = replace(
        imaging,
        trapezoid=None,
        encoded_matrix=(48, 6, 1),
        encoded_field_of_view=(2 * imaging.recon_field_of_view[0], 0.06, 0.01),
        recon_matrix=(48, 6, 1),
        recon_field_of_view=(2 * imaging.recon_field_of_view[0], 0.06, 0.01),
    )
    scan = replace(scan, encodings=(imaging, reference))
    flash = other_space(make_readout(np.ones((3, 48)), Kind.REFERENCE))
    line, _ = ramped(np.random.default_rng(0))
    first, second = run([TransformReadout()], [flash, make_readout(line)], scan)
    assert (first.data.shape, second.data.shape) == ((3, 24), (3, 32))


@pytest.mark.parametrize("described", [True, False])
@pytest.mark.parametrize(("off_center", "seen"), [("auto", 5), ("demodulated", 5), ("shift", 0)])
def test_a_field_of_view_away_from_the_middle_is_moved_only_on_demand(
    run, make_readout, make_scan, described, off_center, seen
):
    if described:
        scan = epi_scan(make_scan)
        line, _ = ramped(np.random.default_rng(0), coils=1, voxels=5.0)
        there, _ = ramped(np.random.default_rng(0), coils=1)
    else:
        scan = make_scan(matrix=(32, 6, 1))
        line, there = wave(64, 5, 32), wave(64, 0, 32)
    expected = lines(run([TransformReadout()], [make_readout(there)], scan))[0].data
    header: Any = np.frombuffer(
        make_readout(line).header, ACQUISITION_HEADER
    ).copy()  # Any: the fields of a record have no types
    header["position"] = (50.0, 0, 0)  # mm, of voxels of 10 mm
    message = replace(make_readout(line), header=header.tobytes())
    out = lines(run([TransformReadout(off_center=OffCenter(off_center))], [message], scan))[0]
    np.testing.assert_allclose(out.data, np.roll(expected, seen, axis=1), atol=0.04)


def test_lines_on_a_trajectory_are_left_to_others(make_scan):
    scan = make_scan()
    spiral = replace(scan, encodings=(replace(scan.encodings[0], trajectory="spiral"),))
    assert TransformReadout().needed(scan)
    assert not TransformReadout().needed(spiral)


def test_a_trajectory_in_a_scan_that_is_called_cartesian_is_told_once_and_not_used(run, make_readout, make_scan):
    line = make_readout(np.ones((2, 8)))
    on_a_spiral = replace(line, trajectory=np.ones((8, 2), np.float32))
    out = run([TransformReadout()], [on_a_spiral, on_a_spiral], make_scan())
    (notice,) = (message for message in out if isinstance(message, Notice))
    assert "trajectory" in notice.text
    np.testing.assert_array_equal(lines(out)[1].data, lines(run([TransformReadout()], [line], make_scan()))[0].data)


def test_lengths_of_lines_without_end_do_not_fill_the_memory(run, make_readout, make_scan):
    navigators = [make_readout(np.ones((2, 8 + n)), Kind.NAVIGATOR) for n in range(40)]
    messages = [make_readout(np.ones((2, 8))), *navigators]
    out = run([TransformReadout()], messages, make_scan())
    assert len(lines(out)) == 17
    assert any(message.text.startswith("24 readouts") for message in out if isinstance(message, Notice))
