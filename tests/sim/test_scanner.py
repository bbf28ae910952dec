from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aslive.sim.anatomy import Anatomy
from aslive.sim.choices import NoiseScan, Order
from aslive.sim.grid import Grid
from aslive.sim.magnetization import relaxed_signal
from aslive.sim.protocol import Protocol
from aslive.sim.scanner import Scanner
from aslive.sim.sequence import center
from aslive.streaming.errors import ConfigError
from aslive.streaming.layouts import flag
from aslive.streaming.messages import Acquisition, Close, Header
from aslive.streaming.scan import LabelingType, Role

NOISE = flag(19)


def readouts(scanner: Scanner) -> list[Acquisition]:
    return [message for message in scanner.messages() if isinstance(message, Acquisition)]


def imaging(scanner: Scanner) -> list[Acquisition]:
    return [readout for readout in readouts(scanner) if not int(readout.fields["flags"]) & NOISE]


def inverse(count: int) -> np.ndarray:
    """The centered, orthonormal inverse transform as a plain sum over exponentials."""
    places = np.arange(count) - count // 2
    return np.exp(2j * np.pi * np.outer(places, places) / count) / np.sqrt(count)


def cut(image: np.ndarray, axis: int, count: int) -> np.ndarray:
    begin = image.shape[axis] // 2 - count // 2
    return np.take(image, range(begin, begin + count), axis)


def reconstruct(scanner: Scanner, volume: int) -> np.ndarray:
    """Coil images of one volume from its readouts, placed by their counters and the header's centers."""
    protocol = scanner.protocol
    samples, lines, partitions = protocol.encoded_matrix
    kspace = np.zeros((protocol.coils, partitions, lines, samples), np.complex128)
    skipped = lines // 2 - center(lines, protocol.line_count)
    skipped_partitions = partitions // 2 - center(partitions, protocol.partition_count)
    for readout in imaging(scanner):
        index = readout.fields["idx"]
        if index["repetition"] == volume:
            step = index["kspace_encode_step_2"] + skipped_partitions
            z = step if protocol.three_dimensional else index["slice"]
            kspace[:, z, index["kspace_encode_step_1"] + skipped] = readout.data
    image = inverse(lines) @ kspace @ inverse(samples).T
    if protocol.three_dimensional:
        image = np.einsum("Zz,czyx->cZyx", inverse(partitions), image)
    x, y, z = protocol.matrix
    return cut(cut(cut(image, 3, x), 2, y), 1, z)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    matrix=st.tuples(st.integers(1, 8), st.integers(1, 8), st.integers(1, 4)),
    oversampling=st.integers(1, 3),
    more_lines=st.integers(0, 3),
    three_dimensional=st.booleans(),
    more_partitions=st.integers(0, 2),
    order=st.sampled_from(Order),
    volume=st.integers(0, 2),
)
def test_the_transform_of_the_readouts_is_the_image_of_each_coil(
    any_head, matrix, oversampling, more_lines, three_dimensional, more_partitions, order, volume
):
    protocol = Protocol(
        matrix=matrix,
        coils=3,
        pairs=1,
        readout_oversampling=oversampling,
        phase_lines=matrix[1] + more_lines,
        three_dimensional=three_dimensional,
        partitions=matrix[2] + more_partitions if three_dimensional else None,
        line_order=order,
        partition_order=order,
    )
    scanner = Scanner(protocol, snr=None, anatomy=any_head(protocol.grid))
    role = protocol.context[volume]
    wanted = scanner.images(role, protocol.delay(volume))
    found = reconstruct(scanner, volume)
    np.testing.assert_allclose(found, wanted, atol=1e-5 * np.abs(wanted).max())


@pytest.mark.parametrize("three_dimensional", [False, True])
def test_partial_fourier_leaves_out_the_lowest_lines_only(any_head, three_dimensional):
    whole = Protocol(matrix=(4, 9, 6), coils=2, pairs=1, three_dimensional=three_dimensional)
    part = replace(whole, partial_fourier=0.7, partial_fourier_slice=0.7 if three_dimensional else 1.0)
    head = any_head(whole.grid)

    def middle_lines(protocol):
        return {
            int(readout.fields["idx"]["kspace_encode_step_1"]) - center(9, protocol.line_count): readout.data
            for readout in imaging(Scanner(protocol, snr=None, anatomy=head))
            if readout.fields["idx"]["kspace_encode_step_2"] == center(6, protocol.partition_count) * three_dimensional
            and readout.fields["idx"]["slice"] == 0
            and readout.fields["idx"]["repetition"] == 0
        }

    full, fewer = middle_lines(whole), middle_lines(part)
    assert sorted(full) == list(range(-4, 5))
    assert sorted(fewer) == list(range(-2, 5))
    for line, data in fewer.items():
        np.testing.assert_array_equal(data, full[line])


def test_messages_come_in_the_order_of_a_real_scan(any_head):
    protocol = Protocol(matrix=(4, 5, 3), coils=2, pairs=2, noise_readouts=3, slice_order=Order.INTERLEAVED)
    scanner = Scanner(protocol, anatomy=any_head(protocol.grid))
    messages = list(scanner.messages())
    assert isinstance(messages[0], Header)
    assert isinstance(messages[-1], Close)
    fields = [message.fields for message in messages[1:-1] if isinstance(message, Acquisition)]
    assert len(fields) == scanner.readouts == 3 + 5 * 3 * 5
    assert [int(one["scan_counter"]) for one in fields] == list(range(1, len(fields) + 1))
    assert [bool(int(one["flags"]) & NOISE) for one in fields[:4]] == [True, True, True, False]
    counters = [(one["idx"]["repetition"], one["idx"]["slice"], one["idx"]["kspace_encode_step_1"]) for one in fields]
    assert counters[3:] == [(n, z, y) for n in range(5) for z in (0, 2, 1) for y in range(5)]
    ticks = [int(one["acquisition_time_stamp"]) for one in fields]
    assert ticks == sorted(ticks)
    # The m0scan is read at the end of its TR; three more TRs begin before the last label.
    begin = protocol.m0_repetition_time - protocol.readout_time + protocol.excitation_time
    labeled = protocol.m0_repetition_time + 3 * protocol.repetition_time + 1.8 + 1.8
    end = labeled + protocol.readout_time - protocol.echo_spacing
    assert (ticks[-1] - ticks[3]) * 2.5e-3 == pytest.approx(end - begin, abs=2.5e-3)


def test_flags_mark_the_ends_of_slices_volumes_and_scan(any_head):
    protocol = Protocol(matrix=(4, 3, 2), coils=1, pairs=1)
    flags = [int(one.fields["flags"]) for one in imaging(Scanner(protocol, anatomy=any_head(protocol.grid)))]
    for number, count in ((7, 6), (8, 6), (13, 3), (14, 3), (25, 1), (22, 0)):
        assert sum(bool(one & flag(number)) for one in flags) == count, number
    assert flags[-1] == flag(8) | flag(14) | flag(25)


def test_headers_tell_shape_place_and_time(any_head):
    protocol = Protocol(matrix=(5, 4, 3), coils=70, pairs=1)
    for readout in imaging(Scanner(protocol, snr=None, anatomy=any_head(protocol.grid))):
        fields = readout.fields
        assert readout.data.shape == (fields["active_channels"], fields["number_of_samples"]) == (70, 10)
        assert readout.data.dtype == np.complex64
        assert fields["center_sample"] == 5
        assert fields["sample_time_us"] == pytest.approx(2.5)
        place = np.multiply(protocol.grid.slice_center(fields["idx"]["slice"]), 1e3)
        np.testing.assert_allclose(fields["position"], place, rtol=1e-6)
        assert list(fields["channel_mask"][:3]) == [2**64 - 1, 2**6 - 1, 0]


def test_the_noise_has_the_covariance_it_claims(any_head):
    protocol = Protocol(matrix=(32, 2, 1), coils=4, pairs=1, noise_readouts=2000)
    scanner = Scanner(protocol, seed=7, anatomy=any_head(protocol.grid))
    noise = np.concatenate([one.data for one in readouts(scanner)[:2000]], axis=1)
    measured = noise @ noise.conj().T / noise.shape[1]
    np.testing.assert_allclose(measured, scanner.covariance, atol=0.02 * np.abs(scanner.covariance).max())
    unpaired = noise @ noise.T / noise.shape[1]
    assert np.abs(unpaired).max() < 0.02 * np.abs(scanner.covariance).max()


def test_imaging_readouts_carry_the_same_noise(any_head):
    protocol = Protocol(matrix=(64, 8, 4), coils=3, pairs=2, noise_readouts=0)
    head = any_head(protocol.grid)
    noisy = Scanner(protocol, seed=3, anatomy=head)
    pairs = zip(imaging(noisy), imaging(Scanner(protocol, snr=None, anatomy=head)), strict=True)
    noise = np.concatenate([a.data - b.data for a, b in pairs], axis=1)
    measured = noise @ noise.conj().T / noise.shape[1]
    np.testing.assert_allclose(measured, noisy.covariance, atol=0.05 * np.abs(noisy.covariance).max())


def test_the_same_seed_gives_the_same_scan_and_another_another(any_head):
    protocol = Protocol(matrix=(4, 3, 2), coils=2, pairs=1)
    head = any_head(protocol.grid)
    first, other = Scanner(protocol, seed=1, anatomy=head), Scanner(protocol, seed=2, anatomy=head)
    once, again = readouts(first), readouts(first)
    assert all(a.header == b.header and np.array_equal(a.data, b.data) for a, b in zip(once, again, strict=True))
    assert not np.array_equal(once[0].data, readouts(other)[0].data)


def test_a_scan_without_noise_has_no_noise_scan(any_head):
    protocol = Protocol(matrix=(4, 3, 2), coils=2, pairs=1)
    scanner = Scanner(protocol, snr=float("inf"), anatomy=any_head(protocol.grid))
    assert len(readouts(scanner)) == len(imaging(scanner)) == scanner.readouts == protocol.readouts


@pytest.mark.parametrize("pairs", [1, 2, 5])
def test_only_label_images_of_another_delay_differ(any_head, pairs):
    protocol = Protocol(matrix=(4, 3, 1), coils=1, pairs=pairs, post_labeling_delay=(1.0, 1.8))
    volumes: dict[int, list[np.ndarray]] = {}
    for readout in imaging(Scanner(protocol, snr=None, anatomy=any_head(protocol.grid))):
        volumes.setdefault(int(readout.fields["idx"]["repetition"]), []).append(readout.data)
    stacked = [np.stack(volumes[number]) for number in range(1 + 2 * pairs)]
    assert all(np.array_equal(stacked[1], control) for control in stacked[1::2])
    assert all(np.array_equal(stacked[2], label) for label in stacked[2::4])
    if pairs > 1:
        assert not np.array_equal(stacked[2], stacked[4])


def test_label_is_darker_than_control_wherever_blood_flows(coarse_brain):
    protocol = Protocol(matrix=(16, 16, 6), coils=2)
    scanner = Scanner(protocol, snr=None, anatomy=coarse_brain)
    control, label = (scanner.images(role, 1.8) for role in (Role.CONTROL, Role.LABEL))
    seen = coarse_brain.cbf > 1
    assert np.all((np.abs(control) - np.abs(label))[:, seen] > 0)


def test_one_pair_of_the_standard_scan_has_a_tsnr_of_about_one(coarse_brain):
    # Six slices take as long as the 24 of the standard scan, so that they see blood of the same age.
    protocol = Protocol(matrix=(16, 16, 6), coils=16, excitation_time=0.16)
    scanner = Scanner(protocol, anatomy=coarse_brain)
    whitened = np.linalg.solve(np.linalg.cholesky(scanner.covariance), scanner.maps.reshape(16, -1))
    gain = np.sqrt(2 * (np.abs(whitened) ** 2).sum(axis=0)).reshape(6, 16, 16)
    gray = coarse_brain.gray_matter > 0.5
    assert np.mean((gain * relaxed_signal(coarse_brain, protocol))[gray]) == pytest.approx(scanner.snr, rel=1e-3)
    control, label = (np.abs(scanner.images(role, 1.8) / scanner.maps)[0] for role in (Role.CONTROL, Role.LABEL))
    tsnr = np.mean(((control - label) * gain)[gray]) / np.sqrt(2)
    assert 0.7 < tsnr < 1.4


def test_a_head_on_another_grid_is_refused(any_head):
    with pytest.raises(ConfigError, match="the protocol images"):
        Scanner(Protocol(matrix=(4, 4, 2)), anatomy=any_head(Grid((4, 4, 3), (0.2, 0.2, 0.1))))


def test_noise_cannot_be_scaled_to_an_empty_field_of_view():
    protocol = Protocol(matrix=(4, 4, 2), coils=2)
    nothing = Anatomy(protocol.grid, np.zeros((3, *protocol.grid.shape), np.float32))
    with pytest.raises(ConfigError, match="no brain lies in the field of view"):
        Scanner(protocol, anatomy=nothing)
    assert Scanner(protocol, anatomy=nothing, snr=None).readouts


@pytest.mark.parametrize("labeling_type", list(LabelingType))
def test_every_labeling_type_can_be_played(any_head, labeling_type):
    protocol = Protocol(matrix=(4, 3, 1), coils=1, pairs=1, labeling_type=labeling_type)
    scanner = Scanner(protocol, anatomy=any_head(protocol.grid))
    assert len(readouts(scanner)) == scanner.readouts


def test_tissue_can_still_be_inverted_and_the_difference_does_not_change(any_head):
    plain = Protocol(matrix=(4, 3, 2), coils=1, pairs=1)
    inverted = replace(plain, background_suppression=(-0.1, 0.05, 0.0))
    scanners = [Scanner(protocol, snr=None, anatomy=any_head(plain.grid)) for protocol in (plain, inverted)]
    difference, same = (one.image(Role.CONTROL, 1.8) - one.image(Role.LABEL, 1.8) for one in scanners)
    np.testing.assert_allclose(difference, same, atol=1e-5)
    head = scanners[0].head
    levels = np.real(scanners[1].image(Role.CONTROL, 1.8) / scanners[1]._phase)
    assert (levels[head.gray_matter > head.white_matter] < 0).all()


def test_an_earlier_noise_scan_has_the_noise_of_the_scan_and_a_name_of_its_own(any_head):
    protocol = Protocol(matrix=(32, 2, 1), coils=3, pairs=1, noise_readouts=1000, noise_scan=NoiseScan.EARLIER)
    scanner = Scanner(protocol, seed=2, anatomy=any_head(protocol.grid))
    header, *lines, close = scanner.noise_messages()
    assert isinstance(header, Header)
    assert isinstance(close, Close)
    noise = np.concatenate([line.data for line in lines if isinstance(line, Acquisition)], axis=1)
    measured = noise @ noise.conj().T / noise.shape[1]
    np.testing.assert_allclose(measured, scanner.covariance, atol=0.03 * np.abs(scanner.covariance).max())
    assert all(int(line.fields["flags"]) & NOISE for line in lines if isinstance(line, Acquisition))
    assert len(imaging(scanner)) == len(readouts(scanner)) == scanner.readouts
    with pytest.raises(ConfigError, match="noise_scan"):
        next(Scanner(replace(protocol, noise_scan=NoiseScan.NONE), anatomy=scanner.head).noise_messages())
