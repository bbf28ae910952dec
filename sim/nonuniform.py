"""What the coils receive along spirals and spokes: sums over the voxels at any place of k-space."""

from collections.abc import Sequence

import finufft
import numpy as np
from numpy.typing import NDArray

from .forward import exponentials
from .protocol import Protocol
from .sequence import Shot
from .tissue import TISSUES

_ACCURACY = 1e-7
_TURNS_PER_NODE = 0.1
"""How far the field may turn the signal between two nodes of the interpolation in time."""
_NODES = 12
"""Fewest nodes; together they keep the interpolation below the accuracy of the sums."""


def acquire_spirals(
    protocol: Protocol,
    shots: Sequence[Shot],
    parts: NDArray[np.complex64],
    maps: NDArray[np.complex64],
    field: NDArray[np.float32] | None,
    played: NDArray[np.float64],
) -> list[NDArray[np.complex64]]:
    """Give the noise-free samples of each shot, each of shape ``(lines, coils, samples)``.

    ``played`` is where the gradients really go, cycles per voxel, shape ``(arms, samples, 2)``. Sample m of arm and
    partition kz, read t_m after the middle of k-space, is

        sum_r  c(r) exp(2 pi i field(r) t_m) sum_tissues d(t_m) part(r)  exp(-2 pi i (kx_m x + ky_m y + kz z / Nz))

    over the square root of the number of voxels; by a non-uniform Fourier transform, Barnett et al., SIAM J. Sci.
    Comput. 41:C479 (2019).
    """
    planes = _Planes(protocol, parts, maps)
    times = np.arange(played.shape[1]) * protocol.sample_time
    if protocol.spiral.radial:
        times -= times[len(times) // 2]
    nodes, weights = _interpolation(times, 0.0 if field is None else float(np.abs(field).max()))
    within = _decay(protocol, times)
    arrays = [np.zeros((len(shot.lines.ky), protocol.coils, played.shape[1]), np.complex64) for shot in shots]
    for plane, lines in _by_plane(protocol, shots).items():
        points = 2 * np.pi * np.concatenate([played[shots[shot].lines.ky[line]] for shot, line in lines])
        rows, columns = np.ascontiguousarray(points[:, 1]), np.ascontiguousarray(points[:, 0])
        for tissue, left in enumerate(within):
            for node, weight in zip(nodes, weights.T, strict=True):
                turn = None if field is None else np.exp(2j * np.pi * field * node).astype(np.complex64)
                images = planes.images(plane, tissue, turn).astype(np.complex128)
                # One thread: for transforms this small a second one costs more than it brings.
                found = finufft.nufft2d2(rows, columns, images, isign=-1, eps=_ACCURACY, nthreads=1)
                arms = found.reshape(protocol.coils, len(lines), -1) * (weight * left)
                for place, (shot, line) in enumerate(lines):
                    arrays[shot][line] += arms[:, place] * _between(protocol, shots[shot], line, tissue)
    return arrays


def _by_plane(protocol: Protocol, shots: Sequence[Shot]) -> dict[int, list[tuple[int, int]]]:
    """Sort lines by slice, or by partition in 3-D: for each the numbers of shot and line."""
    planes: dict[int, list[tuple[int, int]]] = {}
    for number, shot in enumerate(shots):
        for line, kz in enumerate(shot.lines.kz):
            planes.setdefault(int(kz) if protocol.three_dimensional else shot.plane, []).append((number, line))
    return planes


def _between(protocol: Protocol, shot: Shot, line: int, tissue: int) -> float:
    """Give how much weaker a partition's spin echo is than that of the middle one."""
    if not (protocol.effects.decay and protocol.refocused):
        return 1.0
    return float(np.exp(-shot.lines.late[line] / TISSUES[tissue].t2))


def _interpolation(times: NDArray[np.float64], strongest: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Give nodes in time, s, and the weights that take a smooth course from them to all times, ``(times, nodes)``.

    Barycentric at Chebyshev's points: Berrut & Trefethen, SIAM Rev. 46:501 (2004).
    """
    if strongest == 0:
        return np.zeros(1), np.ones((len(times), 1))
    count = _NODES + int(np.ceil(strongest * np.ptp(times) / _TURNS_PER_NODE))
    number = np.arange(count)
    nodes = times.min() + np.ptp(times) * (1 - np.cos(np.pi * number / (count - 1))) / 2
    barycentric = (-1.0) ** number
    barycentric[[0, -1]] /= 2
    distance = times[:, None] - nodes
    hit = distance == 0
    weights = np.divide(barycentric, distance, out=np.zeros_like(distance), where=~hit)
    weights[hit.any(axis=1)] = hit[hit.any(axis=1)]
    return nodes, weights / weights.sum(axis=1, keepdims=True)


def _decay(protocol: Protocol, times: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give how much is left of each tissue's signal by sample, ``(tissues or 1, samples)``."""
    if not protocol.effects.decay:
        return np.ones((1, len(times)))
    if protocol.refocused:
        return np.array(
            [np.exp(-times / tissue.t2 - np.abs(times) * (1 / tissue.t2star - 1 / tissue.t2)) for tissue in TISSUES]
        )
    return np.array([np.exp(-times / tissue.t2star) for tissue in TISSUES])


class _Planes:
    """The coil images of one slice, or of one partition after the sum over z."""

    def __init__(self, protocol: Protocol, parts: NDArray[np.complex64], maps: NDArray[np.complex64]) -> None:
        self._protocol = protocol
        self._parts = parts if protocol.effects.decay else parts.sum(axis=0, keepdims=True)
        self._maps = maps
        x, y, self._slices = protocol.matrix
        self._scale = np.float32(1 / np.sqrt(x * y))

    def images(self, plane: int, tissue: int, turn: NDArray[np.complex64] | None) -> NDArray[np.complex64]:
        """Give the images of all coils, shape ``(coils, y, x)``; ``plane`` is a slice, or kz in 3-D."""
        part = self._parts[tissue] if turn is None else self._parts[tissue] * turn
        if not self._protocol.three_dimensional:
            return self._maps[:, plane] * part[plane] * self._scale
        full = self._protocol.encoded_matrix[2]
        step = np.array([plane * self._slices / full])
        along_z = exponentials(step, self._slices, 1 / np.sqrt(full))[0].astype(np.complex64)
        return np.einsum("czyx,zyx->cyx", self._maps, part * along_z[:, None, None]) * self._scale
