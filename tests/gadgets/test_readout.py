import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aslive.gadgets.kernels.fft import Backend
from aslive.gadgets.readout import TransformReadout
from aslive.streaming.flow import Kind, Notice, Readout


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
