"""Spirals through door, gather and transform, against the Fourier sum over all samples, written out."""

from functools import cache

import numpy as np
import pytest
from numpy.typing import NDArray

from aslive.gadgets.gather import Gather
from aslive.gadgets.kernels.nonuniform import density_weights
from aslive.gadgets.nufft import TransformTrajectory
from aslive.sim.anatomy import brain
from aslive.sim.choices import ReadoutType
from aslive.sim.protocol import Protocol
from aslive.sim.scanner import Scanner
from aslive.sim.spiral import Spiral
from aslive.streaming.chain import Chain
from aslive.streaming.door import Door
from aslive.streaming.flow import CoilImages
from aslive.streaming.header import read_header
from aslive.streaming.messages import Acquisition, Header, Message

head = cache(brain)
SPIRALS = {
    "slices": {"matrix": (32, 32, 2)},
    "slices of odd size": {"matrix": (33, 31, 2)},
    "stack": {"matrix": (24, 24, 4), "three_dimensional": True},
    "stack of odd size": {"matrix": (25, 23, 5), "three_dimensional": True},
    "one arm": {"matrix": (24, 24, 1), "spiral": Spiral(interleaves=1)},
    "spokes": {"matrix": (24, 24, 3), "three_dimensional": True, "spiral": Spiral(interleaves=38, radial=True)},
}


def coil_images(messages: list[Message]) -> dict[tuple[int, int], NDArray[np.complex64]]:
    """Give the coil images ``(coils, z, y, x)`` by repetition and slice, as the gadgets make them."""
    header = next(message for message in messages if isinstance(message, Header))
    scan = read_header(header.text)
    door = Door(scan)
    chain = Chain([("gather", Gather()), ("nufft", TransformTrajectory())])
    chain.start(scan)
    made: dict[tuple[int, int], NDArray[np.complex64]] = {}
    for message in messages:
        if isinstance(message, Acquisition):
            for readout in door.receive(message):
                for image in chain.push(readout):
                    if isinstance(image, CoilImages):
                        made[image.place.counters.repetition, image.index] = image.data.copy()
    return made


def fourier_sum(lines: list[Acquisition], matrix: tuple[int, int, int], deep: bool) -> NDArray[np.complex128]:
    """Sum up all samples of a slice, or of a volume, voxel by voxel; ``(coils, z, y, x)``.

    ``sum_n d_n s_n exp(2 pi i k_n r) / sqrt(partitions)``, d the density of the samples in their plane.
    """
    columns, rows, slices = matrix
    partitions = slices if deep else 1
    arms = {int(line.fields["idx"]["kspace_encode_step_1"]): line.trajectory for line in lines}
    k = np.concatenate([arms[number] for number in sorted(arms)]).astype(np.float64)
    density = density_weights(k.T.astype(np.float32), (rows, columns)).astype(np.float64)
    samples = len(k) // len(arms)
    x, y, z = (np.arange(count) - count // 2 for count in (columns, rows, partitions))
    image = np.zeros((len(lines[0].data), partitions, rows, columns), complex)
    for line in lines:
        counters = line.fields["idx"]
        arm = slice(int(counters["kspace_encode_step_1"]) * samples, None)
        along_x = np.exp(2j * np.pi * np.outer(k[arm][:samples, 0], x))
        along_y = np.exp(2j * np.pi * np.outer(k[arm][:samples, 1], y))
        plane = np.einsum("cn,ny,nx->cyx", line.data * density[arm][:samples], along_y, along_x, optimize=True)
        kz = int(counters["kspace_encode_step_2"]) - partitions // 2
        image += np.exp(2j * np.pi * kz * z / partitions)[:, None, None] * plane[:, None] / np.sqrt(partitions)
    return image


@pytest.mark.parametrize("options", SPIRALS.values(), ids=SPIRALS)
def test_images_of_spirals_are_the_fourier_sum_over_their_samples(options):
    protocol = Protocol(readout=ReadoutType.SPIRAL, coils=3, pairs=1, m0scan=False, **options)
    messages = list(Scanner(protocol, snr=100.0, anatomy=head(protocol.grid)).messages())
    deep = protocol.three_dimensional
    imaging = [m for m in messages if isinstance(m, Acquisition) and m.trajectory.size]
    made = coil_images(messages)
    assert len(made) == 2 * (1 if deep else protocol.matrix[2])
    for (repetition, index), image in made.items():
        lines = [m for m in imaging if m.fields["idx"]["repetition"] == repetition]
        if not deep:
            lines = [m for m in lines if m.fields["idx"]["slice"] == index]
        wanted = fourier_sum(lines, protocol.matrix, deep)
        assert np.linalg.norm(image - wanted) < 1e-3 * np.linalg.norm(wanted)
