"""A brain with real anatomy, cut to any field of view and matrix."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from nilearn.datasets import load_mni152_brain_mask, load_mni152_gm_template, load_mni152_wm_template
from numpy.typing import NDArray
from scipy.ndimage import binary_fill_holes, find_objects, maximum_filter

from ..streaming.errors import ConfigError
from .arteries import moved_arteries
from .cutting import TO_NIFTI, cut_moved
from .grid import Grid
from .kinetics import Dispersion
from .pose import STILL, Pose
from .territories import Late, Supply, number_of, territories
from .tissue import TISSUES, Tissue

_NOT_LATE = Supply()
_MARGIN = 3
"""Empty voxels around the template."""

Cut = Callable[[Grid, Pose], NDArray[np.float32]]
"""Gives the shares of the tissues in each voxel, shape ``(3, z, y, x)``, of a head that lies in a pose."""


@dataclass(frozen=True, slots=True)
class Anatomy:
    """What is in every voxel: shares of gray matter, white matter and fluid, and with them the true maps."""

    grid: Grid
    fractions: NDArray[np.float32]
    """Partial volumes, shape ``(3, z, y, x)``, in the order of ``TISSUES``; the rest of a voxel is empty."""
    transit_times: tuple[float, ...] = tuple(tissue.att for tissue in TISSUES)
    """Arterial transit time of each tissue where blood is not late, s."""
    late: tuple[Late, ...] = ()
    """Territories to which blood takes a longer way."""
    arterial_blood_volume: NDArray[np.float32] | None = None
    """Share of each voxel that is blood in large arteries, shape ``(z, y, x)``; none where nobody looks at them."""
    arterial_arrival: float = 0.5
    """When blood gets there, s; 0.3 s before gray matter, as BASIL assumes."""
    dispersion: Dispersion | None = None
    """How unevenly blood travels; none where all of it takes the transit time."""
    cut: Cut | None = None
    """How the head is cut anew when it moves; none where it cannot move."""
    pose: Pose = STILL
    """How it lies."""

    def moved(self, pose: Pose) -> "Anatomy":
        """Give the same head in another pose: tissues, territories and arteries move together."""
        if pose == self.pose:
            return self
        if self.cut is None:
            raise ConfigError("this head cannot move: its anatomy has no 'cut'; that of brain(grid) has one")
        blood = self.arterial_blood_volume
        if blood is not None:
            blood = moved_arteries(self.grid, blood, self.pose, pose)
        return replace(self, fractions=self.cut(self.grid, pose), arterial_blood_volume=blood, pose=pose)

    @property
    def gray_matter(self) -> NDArray[np.float32]:
        """Share of gray matter, shape ``(z, y, x)``, 0 to 1."""
        return self.fractions[0]

    @property
    def white_matter(self) -> NDArray[np.float32]:
        """Share of white matter, shape ``(z, y, x)``, 0 to 1."""
        return self.fractions[1]

    @property
    def tissues(self) -> tuple[Tissue, ...]:
        """The tissues with the transit times of this head, where blood is not late."""
        return tuple(replace(tissue, att=att) for tissue, att in zip(TISSUES, self.transit_times, strict=True))

    @property
    def territories(self) -> NDArray[np.uint8]:
        """Number of the artery that feeds each voxel, shape ``(z, y, x)``, from 1; 0 where there is nothing."""
        return np.where(self.fractions.sum(axis=0) > 0, territories(self.grid, self.pose), np.uint8(0))

    @property
    def supplies(self) -> Iterator[tuple[Supply, NDArray[np.bool_]]]:
        """How blood gets to the voxels: each way there is, and which voxels it feeds, shape ``(z, y, x)``."""
        rest = np.ones(self.grid.shape, np.bool_)
        fed = territories(self.grid, self.pose) if self.late else np.zeros(self.grid.shape, np.uint8)
        for late in self.late:
            here = fed == number_of(late.territory)
            yield Supply(late.delay, late.flow), here
            rest &= ~here
        yield _NOT_LATE, rest

    @property
    def cbf(self) -> NDArray[np.float32]:
        """True cerebral blood flow, shape ``(z, y, x)``, mL/100 g/min: the mean of the tissues, weighted by share."""
        flow = self.mixed([tissue.cbf for tissue in TISSUES])
        for supply, fed in self.supplies:
            flow[fed] *= np.float32(supply.flow)
        return flow

    @property
    def m0(self) -> NDArray[np.float32]:
        """True equilibrium magnetization, shape ``(z, y, x)``, arbitrary units."""
        return self.mixed([tissue.m0 for tissue in TISSUES])

    @property
    def att(self) -> NDArray[np.float32]:
        """True arterial transit time, shape ``(z, y, x)``, s: weighted by flow; NaN where no blood flows."""
        flow = self.mixed([tissue.cbf for tissue in TISSUES])
        weighted = self.mixed([tissue.cbf * tissue.att for tissue in self.tissues])
        time = np.divide(weighted, flow, out=np.full_like(flow, np.nan), where=self.cbf > 0)
        for supply, fed in self.supplies:
            time[fed] += np.float32(supply.delay)
        return time

    @property
    def abv(self) -> NDArray[np.float32]:
        """True arterial blood volume, shape ``(z, y, x)``, share of a voxel: 0 outside the head."""
        blood = self.arterial_blood_volume
        return np.zeros(self.grid.shape, np.float32) if blood is None else blood * (self.m0 > 0)

    @property
    def abat(self) -> NDArray[np.float32]:
        """When blood gets to the arteries, shape ``(z, y, x)``, s; NaN where there are none."""
        time = np.where(self.abv > 0, np.float32(self.arterial_arrival), np.float32(np.nan))
        for supply, fed in self.supplies:
            time[fed] += np.float32(supply.delay)
        return time

    @property
    def segmentation(self) -> NDArray[np.uint8]:
        """Tissue that fills most of each voxel, shape ``(z, y, x)``: 1 gray, 2 white, 3 fluid; 0 if half is empty."""
        largest = self.fractions.argmax(axis=0).astype(np.uint8) + np.uint8(1)
        return np.where(self.fractions.sum(axis=0) > 0.5, largest, np.uint8(0))

    def mixed(self, values: list[float]) -> NDArray[np.float32]:
        """Add up one value per tissue, weighted by share, shape ``(z, y, x)``."""
        return np.tensordot(np.asarray(values, np.float32), self.fractions, axes=1)


def brain(grid: Grid) -> Anatomy:
    """Cut the average brain of 152 people (MNI) to a field of view.

    Each voxel holds the mean of the 1 mm voxels it covers, so partial volumes are exact and volume is conserved. What
    is neither gray nor white inside the brain is fluid; outside it there is nothing. Source: ICBM 2009a nonlinear
    symmetric, Fonov et al., NeuroImage 54:313 (2011), as packed in nilearn.
    """
    template, affine = _template()
    weights = [_coverage(grid, axis, template[0].shape[axis], affine[axis, axis], affine[axis, 3]) for axis in range(3)]
    fractions = [_average(volume, weights) for volume in template]
    return Anatomy(grid, np.clip(np.stack(fractions), 0, 1), cut=_AverageBrain().cut)


class _AverageBrain:
    """The average brain, held once it has moved."""

    @cached_property
    def _held(self) -> tuple[NDArray[np.float32], NDArray[np.bool_], NDArray[np.float64]]:
        """Shares, shape ``(x, y, z, 3)``, without what is empty all around; where any are near; where they lie."""
        template, affine = _template()
        filled = np.logical_or.reduce([volume > 0 for volume in template])
        box = find_objects(filled.astype(np.uint8))[0]
        shares = np.stack([np.pad(volume[box], _MARGIN) for volume in template], axis=-1)
        affine = affine.copy()
        affine[:3, 3] += np.diag(affine)[:3] * [along.start - _MARGIN for along in box]
        near = np.asarray(maximum_filter(np.pad(filled[box], _MARGIN), 2 * _MARGIN + 1), np.bool_)
        return shares, near, affine

    def cut(self, grid: Grid, pose: Pose) -> NDArray[np.float32]:
        return np.clip(cut_moved(*self._held, grid, pose), 0, 1)


def _template() -> tuple[tuple[NDArray[np.float32], ...], NDArray[np.float64]]:
    """Give the shares of gray matter, white matter and fluid, each of shape ``(x, y, z)``, and where they lie."""
    template = load_mni152_gm_template()
    gray = np.asarray(template.dataobj, np.float32)
    white = np.asarray(load_mni152_wm_template().dataobj, np.float32)
    # The ventricles are as dark as air in the template that the mask is cut from.
    inside = np.asarray(binary_fill_holes(np.asarray(load_mni152_brain_mask().dataobj) > 0))
    tissue = np.minimum(gray + white, 1)
    fluid = np.where(inside, 1 - tissue, 0).astype(np.float32)
    return (gray, white, fluid), np.asarray(template.affine, np.float64)


def _average(volume: NDArray[np.float32], weights: list[NDArray[np.float32]]) -> NDArray[np.float32]:
    """Average a template ``(x, y, z)`` over the voxels of a grid, giving ``(z, y, x)``."""
    x, y, z = weights
    columns = np.tensordot(volume, z, axes=(2, 1))
    planes = np.tensordot(columns, y, axes=(1, 1))
    return np.ascontiguousarray(np.tensordot(planes, x, axes=(0, 1)))


def _coverage(grid: Grid, axis: int, count: int, step_mm: float, first_mm: float) -> NDArray[np.float32]:
    """Tell which share of each voxel each template voxel covers along one axis, shape ``(voxels, count)``."""
    half = grid.voxel[axis] / 2
    center = np.sign(TO_NIFTI[axis]) * grid.along(axis)[:, None]
    source = (first_mm + step_mm * np.arange(count)) * 1e-3
    reach = abs(step_mm) * 1e-3 / 2
    overlap = np.minimum(center + half, source + reach) - np.maximum(center - half, source - reach)
    return (np.clip(overlap, 0, None) / grid.voxel[axis]).astype(np.float32)
