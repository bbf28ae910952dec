from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from aslive.sim.anatomy import Anatomy
from aslive.sim.choices import NavigatorType, Order, ReadoutType
from aslive.sim.epi import EchoPlanar
from aslive.sim.images import ImagedScan
from aslive.sim.patient import FAULTS, Patient
from aslive.sim.protocol import Protocol
from aslive.sim.scanner import Scanner
from aslive.streaming.errors import ConfigError
from aslive.streaming.messages import Acquisition

SLICES = Protocol(matrix=(16, 16, 6), coils=1, pairs=2, readout_oversampling=1)
SLAB = replace(SLICES, three_dimensional=True, shots=2, segments=2, partition_order=Order.CENTRIC)
COILS = ("dead-coil", "noisy-coil")


def reconstruct(scanner: Scanner, volume: int) -> NDArray[np.complex128]:
    """The image of one coil from the readouts of a volume, placed by their counters; lines that never came are 0."""
    protocol = scanner.protocol
    kspace = np.zeros(protocol.grid.shape, np.complex128)
    for message in scanner.messages():
        if isinstance(message, Acquisition) and int(message.fields["idx"]["repetition"]) == volume:
            index = message.fields["idx"]
            plane = index["kspace_encode_step_2"] if protocol.three_dimensional else index["slice"]
            kspace[plane, index["kspace_encode_step_1"]] = message.data[0]
    axes = (0, 1, 2) if protocol.three_dimensional else (1, 2)
    return np.fft.fftshift(np.fft.ifftn(np.fft.ifftshift(kspace, axes), axes=axes, norm="ortho"), axes)


@pytest.mark.parametrize("protocol", [SLICES, SLAB], ids=["slices", "slab"])
@pytest.mark.parametrize("name", [name for name in FAULTS if name not in COILS])
def test_images_are_those_of_the_raw_scan(coarse_brain: Anatomy, protocol: Protocol, name: str):
    patient = Patient.of([name], seed=3)
    scanner = Scanner(protocol, snr=None, anatomy=coarse_brain, patient=patient)
    scanner.maps[:] = 1  # a coil that sees all voxels alike
    imaged = list(ImagedScan(protocol, patient, snr=None, anatomy=coarse_brain))
    number = min(patient.affected(protocol)[name][-1], len(imaged) - 1)
    found = imaged[number]
    assert (found.number, found.role) == (number, protocol.context[number])
    np.testing.assert_allclose(found.image, reconstruct(scanner, number), atol=2e-5 * np.abs(found.image).max())


@pytest.mark.parametrize("name", [name for name in FAULTS if name not in COILS])
def test_volumes_without_the_fault_are_bit_identical(coarse_brain: Anatomy, name: str):
    patient = Patient.of([name])
    clean = [volume.image.tobytes() for volume in ImagedScan(SLICES, seed=5, anatomy=coarse_brain)]
    found = [volume.image.tobytes() for volume in ImagedScan(SLICES, patient, 5, anatomy=coarse_brain)]
    changed = {number for number, sent in enumerate(clean) if number >= len(found) or found[number] != sent}
    assert changed == set(patient.affected(SLICES)[name])


@pytest.mark.parametrize("readout", [ReadoutType.GRASE, ReadoutType.SPIRAL])
def test_every_readout_has_lines_in_every_part_of_k_space(coarse_brain: Anatomy, readout: ReadoutType):
    protocol = replace(SLICES, readout=readout, echo_time=0.0, three_dimensional=True)
    still = list(ImagedScan(protocol, snr=None, anatomy=coarse_brain))
    within = list(ImagedScan(protocol, Patient.of(["motion-within-volume"]), snr=None, anatomy=coarse_brain))
    assert not np.allclose(within[2].image, still[2].image, atol=0.1)
    np.testing.assert_array_equal(within[3].image, still[3].image)


def test_noise_is_as_strong_as_the_best_combination_of_coils_leaves_it(coarse_brain: Anatomy):
    protocol = Protocol(
        matrix=(16, 16, 6),
        coils=6,
        pairs=12,
        readout=ReadoutType.EPI,
        echo_planar=EchoPlanar(navigators=NavigatorType.NONE),
    )
    scanner = Scanner(protocol, snr=100, anatomy=coarse_brain)
    gray = coarse_brain.gray_matter > 0.5
    maps = scanner.maps[:, gray]
    best = np.sqrt(2 * np.sum(maps.conj() * np.linalg.solve(scanner.covariance, maps), axis=0).real)
    relaxed = [74.6, 64.7, 68.1] * np.exp(-protocol.echo_time / np.array([0.066, 0.053, 0.2]))
    bright = np.tensordot(relaxed, coarse_brain.fractions, axes=1)[gray]
    # The header's samples are denser than voxels: what combines them makes noise so much smaller.
    assert np.mean(bright * best) * np.sqrt(protocol.redundancy) == pytest.approx(100, rel=1e-5)
    controls = [volume.image for volume in ImagedScan(protocol, snr=100, anatomy=coarse_brain)][1::2]
    spread = np.std([[np.real(image), np.imag(image)] for image in controls], axis=0, ddof=1)[:, gray]
    assert bright.mean() / np.sqrt(np.mean(spread**2)) == pytest.approx(100, rel=0.02)


def test_the_same_seed_is_the_same_scan_whenever_it_is_asked(coarse_brain: Anatomy):
    scan = ImagedScan(SLICES, Patient.of(["cardiac", "respiratory"], 2), seed=2, anatomy=coarse_brain)
    other = ImagedScan(SLICES, Patient.of(["cardiac", "respiratory"], 2), seed=2, anatomy=coarse_brain)
    for one, two, three in zip(scan, scan, other, strict=True):
        np.testing.assert_array_equal(one.image, two.image)
        np.testing.assert_array_equal(one.image, three.image)
    different = ImagedScan(SLICES, seed=3, anatomy=coarse_brain)
    assert not np.array_equal(next(iter(different)).image, next(iter(scan)).image)


@pytest.mark.parametrize("name", COILS)
def test_faults_of_coils_need_coils(coarse_brain: Anatomy, name: str):
    with pytest.raises(ConfigError, match=f"{name}: a scan as images has no coils"):
        ImagedScan(SLICES, Patient.of([name]), anatomy=coarse_brain)
