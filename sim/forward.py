"""What the coils receive, line by line, as plain sums over the voxels: exact for every place in k-space."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from .magnetization import decay
from .protocol import Protocol
from .sequence import Shot

_SAME = 10
"""Decimals of a time, s, that tell one line's from another's."""


def acquire_lines(
    protocol: Protocol,
    shots: Sequence[Shot],
    parts: NDArray[np.complex64],
    maps: NDArray[np.complex64],
    field: NDArray[np.float32] | None,
) -> list[NDArray[np.complex64]]:
    """Give the noise-free samples of each shot, each of shape ``(lines, coils, samples)``.

    ``parts`` are the images of the tissues, shape ``(tissues, z, y, x)``, ``field`` is in Hz, shape ``(z, y, x)``. Line
    n at (ky, kz), read t after the middle of k-space, is for coil c and sample m

        sum_r  c(r) exp(2 pi i field(r) t) sum_tissues d(t) part(r)  exp(-2 pi i (kx_m x / Nx + ky y / Ny + kz z / Nz))

    with voxels counted from n // 2, over the square root of all counts. Field and decay act by the time of the middle
    of the line.
    """
    arrays = []
    matrices = {space: readout_matrices(protocol, space) for space in {shot.space for shot in shots}}
    sums = _PlaneSums(protocol, maps)
    hybrids = sums.lines(shots, parts, field)
    for shot, hybrid in zip(shots, hybrids, strict=True):
        forth, back = matrices[shot.space]
        backward = shot.lines.backward
        samples = np.empty((*hybrid.shape[:2], len(forth)), np.complex64)
        samples[~backward] = hybrid[~backward] @ forth.T
        samples[backward] = hybrid[backward] @ back.T
        arrays.append(samples)
    return arrays


def readout_matrices(protocol: Protocol, space: int = 0) -> tuple[NDArray[np.complex64], NDArray[np.complex64]]:
    """Give the sums over x for lines read forth and back, each of shape ``(samples, x)``."""
    columns = protocol.matrix[0]
    if space == 0 and protocol.echo_train:
        train = protocol.echo_planar
        turns = (np.exp(0.5j * train.phase), np.exp(-0.5j * train.phase))
        scale = 1 / np.sqrt(columns)
        forth, back = (
            turn * exponentials(train.positions(columns, backward), columns, scale)
            for turn, backward in zip(turns, (False, True), strict=True)
        )
        return forth.astype(np.complex64), back.astype(np.complex64)
    samples = columns * protocol.readout_oversampling
    positions = (np.arange(samples) - samples // 2) / protocol.readout_oversampling
    matrix = exponentials(positions, columns, 1 / np.sqrt(samples)).astype(np.complex64)
    return matrix, matrix


def exponentials(positions: NDArray[np.float64], voxels: int, scale: float) -> NDArray[np.complex128]:
    """Give scale exp(-2 pi i k n / voxels), n from the middle voxel, shape ``(positions, voxels)``.

    ``positions`` are in cycles per ``voxels`` voxels.
    """
    cycles = np.outer(positions, np.arange(voxels) - voxels // 2) / voxels
    return np.asarray(scale * np.exp(-2j * np.pi * cycles), np.complex128)


class _PlaneSums:
    """The sums over y, and in 3-D over z."""

    def __init__(self, protocol: Protocol, maps: NDArray[np.complex64]) -> None:
        self._protocol = protocol
        self._maps = maps

    def lines(
        self, shots: Sequence[Shot], parts: NDArray[np.complex64], field: NDArray[np.float32] | None
    ) -> list[NDArray[np.complex64]]:
        """Give every line in hybrid space, for each shot ``(lines, coils, x)``."""
        lines = [shot.lines for shot in shots]
        counts = [len(one.ky) for one in lines]
        ky, kz = (np.concatenate([getattr(one, name) for one in lines]) for name in ("ky", "kz"))
        slices = np.repeat([shot.plane for shot in shots], counts)
        weights = np.concatenate([decay(self._protocol, one) for one in lines], axis=1)
        if not self._protocol.effects.decay:  # then all tissues can be summed at once
            parts, weights = parts.sum(axis=0, keepdims=True), weights[:1]
        times = np.zeros(len(ky)) if field is None else np.concatenate([one.evolution for one in lines]).round(_SAME)
        hybrid = np.zeros((len(ky), len(self._maps), parts.shape[-1]), np.complex64)
        for time in np.unique(times):
            chosen = np.flatnonzero(times == time)
            turn = np.ones((), np.complex64) if field is None else np.exp(2j * np.pi * field * time)
            for part, weight in zip(parts, weights, strict=True):
                image = (part * turn).astype(np.complex64)
                self._add(hybrid, chosen, image, weight[chosen], ky[chosen], kz[chosen], slices[chosen])
        return np.split(hybrid, np.cumsum(counts)[:-1])

    def _add(
        self,
        hybrid: NDArray[np.complex64],
        chosen: NDArray[np.intp],
        image: NDArray[np.complex64],
        weight: NDArray[np.float32],
        ky: NDArray[np.int64],
        kz: NDArray[np.int64],
        slices: NDArray[np.int64],
    ) -> None:
        """Add one image to the lines that are read at one time, coil by coil."""
        along_y, row = self._sums(ky, 1)
        along_z, plane = self._sums(kz, 2)
        for coil, sensitivity in enumerate(self._maps):
            summed = along_y @ (image * sensitivity)
            if self._protocol.three_dimensional:
                lines = np.tensordot(along_z, summed, axes=1)[plane, row]
            else:
                lines = summed[slices, row]
            hybrid[chosen, coil] += weight[:, None] * lines

    def _sums(self, steps: NDArray[np.int64], axis: int) -> tuple[NDArray[np.complex64], NDArray[np.intp]]:
        """Give the sums along one axis for all steps there are, and which of them each line needs."""
        distinct, which = np.unique(steps, return_inverse=True)
        voxels, full = self._protocol.matrix[axis], self._protocol.encoded_matrix[axis]
        return exponentials(distinct * voxels / full, voxels, 1 / np.sqrt(full)).astype(np.complex64), which
