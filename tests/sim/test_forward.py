"""The lines that the scanner plays, against plain sums over the voxels written here."""

from dataclasses import replace

import numpy as np
import pytest

from aslive.sim.choices import NavigatorType, Order, ReadoutType, ReferenceType
from aslive.sim.effects import Effects, off_resonance
from aslive.sim.epi import EchoPlanar
from aslive.sim.magnetization import parts
from aslive.sim.preparation import Preparation
from aslive.sim.protocol import Protocol
from aslive.sim.scanner import Scanner
from aslive.sim.sequence import shots
from aslive.sim.tissue import TISSUES
from aslive.streaming.layouts import flag
from aslive.streaming.messages import Acquisition
from aslive.streaming.scan import Role

REVERSE, NAVIGATOR, REFERENCE, BOTH = flag(22), flag(24), flag(20), flag(21)


def acquisitions(scanner: Scanner) -> list[Acquisition]:
    return [message for message in scanner.messages() if isinstance(message, Acquisition)]


def trapezoid_positions(train: EchoPlanar, columns: int) -> np.ndarray:
    """k of each sample by adding up the gradient in steps of a nanosecond's order."""
    begin = (train.duration - train.samples * train.dwell) / 2
    fine = np.linspace(0, train.duration, 200_001)
    height = np.clip(np.minimum(fine, train.duration - fine) / train.ramp, 0, 1)
    area = np.concatenate([[0], np.cumsum((height[1:] + height[:-1]) / 2) * (fine[1] - fine[0])])
    swept = np.diff(np.interp([begin, begin + train.samples * train.dwell], fine, area))[0]
    times = begin + (np.arange(train.samples) + 0.5) * train.dwell - train.delay
    return (np.interp(times, fine, area) - area[-1] / 2) * columns / swept


def places(count: int) -> np.ndarray:
    return np.arange(count) - count // 2


def summed(scanner: Scanner, line: Acquisition, preparation: Preparation, late: float, evolution: float) -> np.ndarray:
    """One line of samples, by brute force: every voxel with its place, tissue, field and decay."""
    protocol, effects = scanner.protocol, scanner.protocol.effects
    fields = line.fields
    flags, index = int(fields["flags"]), fields["idx"]
    x, y, z = protocol.matrix
    _, lines, partitions = protocol.encoded_matrix
    train = protocol.echo_planar
    backward = bool(flags & REVERSE)
    kx = trapezoid_positions(train, x) * (-1 if backward else 1)
    ky = 0 if flags & NAVIGATOR else int(index["kspace_encode_step_1"]) - protocol.lattice.line_center
    kz = 0 if flags & NAVIGATOR else int(index["kspace_encode_step_2"]) - protocol.lattice.partition_center
    image = np.zeros(scanner.head.grid.shape, complex)
    for tissue, part in zip(TISSUES, parts(scanner.head, protocol, preparation), strict=True):
        left = 1.0
        if effects.decay and protocol.refocused:
            left = np.exp(-late / tissue.t2 - abs(evolution) * (1 / tissue.t2star - 1 / tissue.t2))
        elif effects.decay:
            left = np.exp(-late / tissue.t2star)
        image += left * part
    image = image * scanner._phase * np.exp(2j * np.pi * scanner.field * evolution)
    along_y = np.exp(-2j * np.pi * ky * places(y) / lines) / np.sqrt(lines)
    if protocol.three_dimensional:
        along_z = np.exp(-2j * np.pi * kz * places(z) / partitions) / np.sqrt(partitions)
    else:
        along_z = np.arange(z) == index["slice"]
    along_x = np.exp(-2j * np.pi * np.outer(kx, places(x)) / x) / np.sqrt(x)
    phase = np.exp((-0.5j if backward else 0.5j) * train.phase)
    return phase * np.einsum("czyx,zyx,z,y,sx->cs", scanner.maps, image, along_z, along_y, along_x, optimize=True)


ALL = Effects(off_resonance=150.0, decay=True)
GHOST = EchoPlanar(delay=3e-6, phase=0.4, samples=60, dwell=7e-6)
PROTOCOLS = {
    "EPI": Protocol(readout=ReadoutType.EPI, matrix=(9, 8, 2), coils=2, pairs=1, echo_planar=GHOST, effects=ALL),
    "EPI, segments, partial Fourier": Protocol(
        readout=ReadoutType.EPI,
        matrix=(8, 11, 2),
        coils=2,
        pairs=1,
        segments=2,
        partial_fourier=0.75,
        phase_lines=13,
        echo_planar=replace(GHOST, navigators_begin_reversed=False),
        effects=ALL,
    ),
    "EPI, accelerated": Protocol(
        readout=ReadoutType.EPI, matrix=(7, 12, 1), coils=2, pairs=1, acceleration=(3, 1), reference_lines=5
    ),
    "3-D EPI, CAIPIRINHA": Protocol(
        readout=ReadoutType.EPI,
        three_dimensional=True,
        matrix=(6, 8, 6),
        coils=2,
        pairs=1,
        shots=2,
        acceleration=(2, 2),
        caipi_shift=1,
        reference_lines=3,
        reference_partitions=3,
        effects=ALL,
    ),
    "GRASE": Protocol(
        readout=ReadoutType.GRASE,
        matrix=(6, 8, 5),
        coils=2,
        pairs=1,
        shots=2,
        segments=2,
        partition_order=Order.CENTRIC,
        partial_fourier_slice=0.7,
        partitions=7,
        echo_planar=GHOST,
        effects=ALL,
    ),
}
every_protocol = pytest.mark.parametrize("protocol", PROTOCOLS.values(), ids=PROTOCOLS)


@every_protocol
def test_every_sample_is_the_sum_over_the_voxels(any_head, protocol):
    scanner = Scanner(protocol, snr=None, anatomy=any_head(protocol.grid))
    lines = acquisitions(scanner)
    assert len(lines) == scanner.readouts
    scale = max(np.abs(line.data).max() for line in lines)
    plan = [(a, b) for shot in shots(protocol) for a, b in zip(shot.lines.late, shot.lines.evolution, strict=True)]
    for number in range(0, len(lines), max(1, len(lines) // 25)):
        line = lines[number]
        volume = int(line.fields["idx"]["repetition"])
        wanted = summed(scanner, line, protocol.volumes[volume].preparation, *plan[number % len(plan)])
        np.testing.assert_allclose(line.data, wanted, atol=2e-5 * scale)


@pytest.mark.parametrize("three_dimensional", [False, True])
def test_the_sums_and_the_fast_transform_are_the_same_scan(any_head, three_dimensional):
    # A field of no strength takes the way of the sums.
    plain = Protocol(matrix=(5, 7, 3), coils=2, pairs=1, phase_lines=9, three_dimensional=three_dimensional)
    faint = replace(plain, effects=Effects(off_resonance=1e-30))
    head = any_head(plain.grid)
    fast, slow = (acquisitions(Scanner(protocol, snr=None, anatomy=head)) for protocol in (plain, faint))
    scale = max(np.abs(line.data).max() for line in fast)
    for one, other in zip(fast, slow, strict=True):
        assert one.header == other.header
        np.testing.assert_allclose(one.data, other.data, atol=1e-5 * scale)


def epi_image(scanner: Scanner, volume: int = 0) -> np.ndarray:
    """Images of all coils from one volume, by least squares along x: nothing is corrected."""
    protocol = scanner.protocol
    x, y, z = protocol.matrix
    forth = np.exp(
        -2j * np.pi * np.outer(trapezoid_positions(replace(protocol.echo_planar, delay=0.0), x), places(x)) / x
    )
    inverse = np.linalg.pinv(forth / np.sqrt(x))
    back = np.linalg.pinv(forth.conj() / np.sqrt(x))
    hybrid = np.zeros((protocol.coils, z, y, x), complex)
    for line in acquisitions(scanner):
        flags, index = int(line.fields["flags"]), line.fields["idx"]
        if index["repetition"] == volume and not flags & NAVIGATOR:
            hybrid[:, index["slice"], index["kspace_encode_step_1"]] = (
                line.data @ (back if flags & REVERSE else inverse).T
            )
    return np.einsum("Yy,czyx->czYx", np.exp(2j * np.pi * np.outer(places(y), places(y)) / y) / np.sqrt(y), hybrid)


def test_a_perfect_echo_planar_scan_gives_the_true_images(any_head):
    protocol = Protocol(readout=ReadoutType.EPI, matrix=(12, 10, 2), coils=2, pairs=1)
    scanner = Scanner(protocol, snr=None, anatomy=any_head(protocol.grid))
    wanted = scanner.images(Role.M0SCAN)
    np.testing.assert_allclose(epi_image(scanner), wanted, atol=1e-3 * np.abs(wanted).max())


def test_a_phase_between_odd_and_even_lines_makes_a_ghost_of_its_sine(any_head):
    phase = 0.6
    protocol = Protocol(
        readout=ReadoutType.EPI, matrix=(8, 12, 1), coils=1, pairs=1, echo_planar=EchoPlanar(phase=phase)
    )
    scanner = Scanner(protocol, snr=None, anatomy=any_head(protocol.grid))
    true = scanner.images(Role.M0SCAN)
    found = epi_image(scanner)
    # Lines turned by +-phase/2: cos(phase/2) of the image stays, sin(phase/2) of it moves by half the field of view.
    parity = (-1) ** protocol.center_echo
    ghost = 1j * parity * np.sin(phase / 2) * np.roll(true, 6, axis=2)
    np.testing.assert_allclose(found, np.cos(phase / 2) * true + ghost, atol=1e-3 * np.abs(true).max())


@pytest.mark.parametrize("begin_reversed", [True, False])
def test_navigators_carry_the_phase_between_odd_and_even_lines(any_head, begin_reversed):
    train = EchoPlanar(phase=0.7, navigators_begin_reversed=begin_reversed)
    protocol = Protocol(readout=ReadoutType.EPI, matrix=(8, 6, 1), coils=2, pairs=1, echo_planar=train)
    scanner = Scanner(protocol, snr=None, anatomy=any_head(protocol.grid))
    lines = acquisitions(scanner)[:5]
    reverse = [bool(int(line.fields["flags"]) & REVERSE) for line in lines]
    assert reverse[:3] == ([True, False, True] if begin_reversed else [False, True, False])
    assert reverse[3] is not reverse[2]
    assert reverse[4] is not reverse[3]
    assert [bool(int(line.fields["flags"]) & NAVIGATOR) for line in lines] == [True] * 3 + [False] * 2
    # With samples symmetric about k = 0, the mirrored backward line is the forward one but for the phase.
    outer, middle = lines[0].data, lines[1].data
    mirrored = middle[:, ::-1]
    turn = np.angle(np.vdot(outer, mirrored))
    assert turn == pytest.approx(0.7 if begin_reversed else -0.7, abs=1e-5)


def test_a_late_gradient_tilts_the_phase_between_odd_and_even_lines(any_head):
    train = EchoPlanar(ramp=0.0, flat_top=0.5e-3, samples=100, dwell=5e-6, delay=5e-6)
    protocol = Protocol(readout=ReadoutType.EPI, matrix=(20, 4, 1), coils=1, pairs=1, echo_planar=train)
    scanner = Scanner(protocol, snr=None, anatomy=any_head(protocol.grid))
    forth = np.exp(-2j * np.pi * np.outer((np.arange(100) - 49.5) * 0.2, places(20)) / 20)
    outer, middle = (line.data for line in acquisitions(scanner)[:2])
    backward, forward = (
        np.linalg.lstsq(m, line[0], rcond=None)[0] for m, line in ((forth.conj(), outer), (forth, middle))
    )
    # One sample of 0.2 cycles per field of view, once to either side.
    turn = forward * backward.conj()
    slope = np.angle(np.vdot(turn[5:14], turn[6:15]))
    assert slope == pytest.approx(2 * np.pi * 2 * 0.2 / 20, rel=0.02)


def test_the_field_moves_voxels_by_its_share_of_the_bandwidth_per_pixel(any_head):
    protocol = Protocol(readout=ReadoutType.EPI, matrix=(6, 16, 1), coils=1, pairs=1, effects=Effects(drift=60.0))
    # By the first volume's readout the frequency has drifted by 1 Hz for each second since the begin.
    scanner = Scanner(protocol, snr=None, anatomy=any_head(protocol.grid))
    plain = Scanner(replace(protocol, effects=Effects()), snr=None, anatomy=scanner.head)
    begin = protocol.m0_repetition_time - protocol.readout_time + protocol.echo_time
    begin -= protocol.center_echo * protocol.echo_spacing  # of the first imaging line
    pixels = begin * 16 * protocol.echo_spacing
    turned = np.exp(2j * np.pi * places(16) * pixels / 16)[None, None, :, None]
    transform = np.exp(-2j * np.pi * np.outer(places(16), places(16)) / 16)
    moved = np.linalg.solve(transform, turned * (transform @ epi_image(plain)))
    moved = moved * np.exp(2j * np.pi * begin * protocol.echo_time)
    np.testing.assert_allclose(epi_image(scanner), moved, atol=2e-3 * np.abs(moved).max())


def test_the_field_is_hottest_above_the_sinus_and_smooth():
    grid = Protocol(matrix=(32, 32, 16)).grid
    field = off_resonance(grid, 100.0)
    z, y, x = np.unravel_index(field.argmax(), field.shape)
    assert y < 16 > z
    assert abs(int(x) - 16) <= 1
    assert 60 < field.max() <= 100
    assert max(np.abs(np.diff(field, axis=axis)).max() for axis in range(3)) < 40


def test_a_reference_scan_plays_the_train_without_phase_encoding(any_head):
    train = EchoPlanar(navigators=NavigatorType.REFERENCE_SCAN)
    protocol = Protocol(readout=ReadoutType.EPI, matrix=(6, 8, 2), coils=1, pairs=1, echo_planar=train)
    lines = acquisitions(Scanner(protocol, snr=None, anatomy=any_head(protocol.grid)))
    ahead, after = lines[: 2 * 8], lines[2 * 8 :]
    assert all(int(line.fields["flags"]) & NAVIGATOR for line in ahead)
    assert not any(int(line.fields["flags"]) & NAVIGATOR for line in after)
    np.testing.assert_allclose(ahead[0].data, ahead[2].data, atol=1e-6 * np.abs(ahead[0].data).max())
    assert {int(line.fields["idx"]["slice"]) for line in ahead} == {0, 1}


@pytest.mark.parametrize("reference", [ReferenceType.SEPARATE, ReferenceType.FLASH, ReferenceType.EMBEDDED])
def test_reference_lines_fill_the_middle_without_gaps_and_the_lattice_has_gaps(any_head, reference):
    protocol = Protocol(
        readout=ReadoutType.EPI,
        matrix=(6, 20, 2),
        coils=1,
        pairs=1,
        acceleration=(3, 1),
        reference=reference,
        reference_lines=7,
    )
    lines = acquisitions(Scanner(protocol, snr=None, anatomy=any_head(protocol.grid)))
    middle = 3 if reference is ReferenceType.FLASH else 10
    flagged = {
        int(line.fields["idx"]["kspace_encode_step_1"]) - middle
        for line in lines
        if int(line.fields["flags"]) & (REFERENCE | BOTH) and not int(line.fields["flags"]) & NAVIGATOR
    }
    assert flagged == set(range(-3, 4))
    imaged = {
        int(line.fields["idx"]["kspace_encode_step_1"]) - 10
        for line in lines
        if not int(line.fields["flags"]) & (REFERENCE | NAVIGATOR)
    }
    assert imaged == {ky for ky in range(-10, 10) if ky % 3 == 0}
    spaces = {int(line.fields["encoding_space_ref"]) for line in lines}
    assert spaces == ({0, 1} if reference is ReferenceType.FLASH else {0})
    own = [line for line in lines if int(line.fields["flags"]) & NAVIGATOR and int(line.fields["flags"]) & REFERENCE]
    assert len(own) == (3 * 2 if reference is ReferenceType.SEPARATE else 0)
    if reference is not ReferenceType.EMBEDDED:
        last = max(n for n, line in enumerate(lines) if int(line.fields["flags"]) & REFERENCE)
        first = min(n for n, line in enumerate(lines) if not int(line.fields["flags"]) & REFERENCE)
        assert last < first


def test_flash_lines_are_the_transform_of_the_true_images(any_head):
    protocol = Protocol(
        readout=ReadoutType.EPI, matrix=(6, 8, 1), coils=2, pairs=1, reference=ReferenceType.FLASH, reference_lines=8
    )
    scanner = Scanner(protocol, snr=None, anatomy=any_head(protocol.grid))
    lines = acquisitions(scanner)[:8]
    image = scanner.images(Role.M0SCAN)[:, 0]
    kx, ky = np.arange(12) - 6, places(8)
    along_x = np.exp(-2j * np.pi * np.outer(kx / 2, places(6)) / 6) / np.sqrt(12)
    along_y = np.exp(-2j * np.pi * np.outer(ky, places(8)) / 8) / np.sqrt(8)
    wanted = np.einsum("ky,cyx,sx->kcs", along_y, image, along_x)
    np.testing.assert_allclose([line.data for line in lines], wanted, atol=1e-5 * np.abs(wanted).max())


def test_every_shot_turns_by_its_own_phase_navigators_included(any_head):
    protocol = Protocol(readout=ReadoutType.EPI, matrix=(6, 4, 2), coils=1, pairs=1)
    head = any_head(protocol.grid)
    plain = acquisitions(Scanner(protocol, snr=None, anatomy=head))
    turned = acquisitions(Scanner(replace(protocol, effects=Effects(shot_phase=0.5)), snr=None, anatomy=head))
    turns = np.array([np.angle(np.vdot(a.data, b.data)) for a, b in zip(plain, turned, strict=True)]).reshape(6, 7)
    assert np.ptp(turns, axis=1).max() < 1e-4
    assert np.ptp(turns[:, 0]) > 0.1
