"""Spirals and spokes, against plain sums over the voxels, and against what gradients can do."""

from dataclasses import replace

import numpy as np
import pytest

from aslive.sim.choices import ReadoutType
from aslive.sim.effects import Effects
from aslive.sim.magnetization import parts
from aslive.sim.preparation import Preparation
from aslive.sim.protocol import Protocol
from aslive.sim.scanner import Scanner
from aslive.sim.spiral import Spiral
from aslive.sim.tissue import TISSUES
from aslive.streaming.messages import Acquisition
from aslive.streaming.scan import Role

PROTON = 42.577478518e6


def acquisitions(scanner: Scanner) -> list[Acquisition]:
    return [message for message in scanner.messages() if isinstance(message, Acquisition)]


def places(count: int) -> np.ndarray:
    return np.arange(count) - count // 2


def summed(scanner: Scanner, line: Acquisition, preparation: Preparation, late: float) -> np.ndarray:
    """One arm from the trajectory that was sent with it, every voxel with its field and decay."""
    protocol, index = scanner.protocol, line.fields["idx"]
    x, y, z = protocol.matrix
    time = np.arange(len(line.trajectory)) * protocol.spiral.dwell
    if protocol.spiral.radial:
        time -= time[len(time) // 2]
    kx, ky = line.trajectory.astype(float).T
    if protocol.three_dimensional:
        kz = int(index["kspace_encode_step_2"]) - protocol.lattice.partition_center
        along_z = np.exp(-2j * np.pi * kz * places(z) / protocol.encoded_matrix[2]) / np.sqrt(
            protocol.encoded_matrix[2]
        )
    else:
        along_z = np.arange(z) == index["slice"]
    along_y, along_x = np.exp(-2j * np.pi * np.outer(ky, places(y))), np.exp(-2j * np.pi * np.outer(kx, places(x)))
    total = np.zeros((protocol.coils, len(time)), complex)
    field = np.exp(2j * np.pi * scanner.field[..., None] * time)
    for tissue, part in zip(TISSUES, parts(scanner.head, protocol, preparation), strict=True):
        image = part * scanner._phase
        left = np.ones(len(time))
        if protocol.effects.decay and protocol.refocused:
            left = np.exp(-(late + time) / tissue.t2 - np.abs(time) * (1 / tissue.t2star - 1 / tissue.t2))
        elif protocol.effects.decay:
            left = np.exp(-time / tissue.t2star)
        total += left * np.einsum(
            "czyx,zyx,zyxs,z,sy,sx->cs", scanner.maps, image, field, along_z, along_y, along_x, optimize=True
        )
    return total / np.sqrt(x * y)


@pytest.mark.parametrize("three_dimensional", [False, True])
@pytest.mark.parametrize("effects", [Effects(), Effects(off_resonance=200.0, decay=True)], ids=["perfect", "real"])
@pytest.mark.parametrize("radial", [False, True])
def test_every_sample_of_an_arm_is_the_sum_over_the_voxels(any_head, three_dimensional, effects, radial):
    protocol = Protocol(
        readout=ReadoutType.SPIRAL,
        matrix=(8, 7, 3),
        coils=2,
        pairs=1,
        spiral=Spiral(interleaves=2, radial=radial),
        three_dimensional=three_dimensional,
        effects=effects,
    )
    scanner = Scanner(protocol, snr=None, anatomy=any_head(protocol.grid))
    lines = acquisitions(scanner)
    assert len(lines) == scanner.readouts == protocol.readouts == 3 * 3 * 2
    scale = max(np.abs(line.data).max() for line in lines)
    for number, line in enumerate(lines[:6]):
        place = number % 3  # of its partition in the train
        late = (place - 1) * protocol.refocusing_spacing if three_dimensional else 0.0
        wanted = summed(scanner, line, Preparation(Role.M0SCAN), late)
        np.testing.assert_allclose(line.data, wanted, atol=1e-5 * scale)


def test_the_trajectory_goes_with_every_arm(any_head):
    protocol = Protocol(readout=ReadoutType.SPIRAL, matrix=(16, 16, 2), coils=1, pairs=1)
    lines = acquisitions(Scanner(protocol, snr=None, anatomy=any_head(protocol.grid)))
    for line in lines:
        assert line.trajectory.shape == (protocol.samples, 2) == (line.fields["number_of_samples"], 2)
        assert line.trajectory.dtype == np.float32
        assert line.fields["trajectory_dimensions"] == 2
        assert np.abs(line.trajectory).max() <= 0.5
        assert not line.trajectory[0].any()
        arm = line.fields["idx"]["kspace_encode_step_1"]
        np.testing.assert_allclose(np.hypot(*line.trajectory[-1]), 0.5, rtol=1e-6)
        assert arm == line.fields["idx"]["segment"]


@pytest.mark.parametrize("interleaves", [1, 4, 16])
@pytest.mark.parametrize("matrix", [32, 64])
def test_gradients_can_play_the_spiral(interleaves, matrix):
    spiral = Spiral(interleaves=interleaves)
    voxel = 0.22 / matrix
    arm = spiral.arm((matrix, matrix), voxel)
    gradient = np.diff(arm) / spiral.dwell / (PROTON * voxel)
    slew = np.diff(gradient) / spiral.dwell
    assert np.abs(gradient).max() < 1.05 * spiral.gradient
    assert np.abs(slew[:-2]).max() < 1.25 * spiral.slew_rate
    # Turn by turn the radius grows by all interleaves together.
    turns = np.unwrap(np.angle(arm[1:])) / (2 * np.pi)
    pitch = np.polyfit(turns, np.abs(arm[1:]), 1)[0]
    assert pitch == pytest.approx(interleaves / matrix, rel=1e-3)


def test_late_gradients_move_the_samples_back_along_the_arm(any_head):
    protocol = Protocol(readout=ReadoutType.SPIRAL, matrix=(12, 12, 1), coils=1, pairs=1)
    head = any_head(protocol.grid)
    late = replace(protocol, effects=Effects(trajectory_delay=2 * protocol.spiral.dwell))
    sent, delayed = (acquisitions(Scanner(one, snr=None, anatomy=head))[0] for one in (protocol, late))
    np.testing.assert_array_equal(sent.trajectory, delayed.trajectory)
    np.testing.assert_allclose(delayed.data[:, 2:], sent.data[:, :-2], atol=1e-4 * np.abs(sent.data).max())
