"""How the head lies in one image against a reference: six numbers, by least squares.

A voxel q of the image shows what the reference S has at ``u = R^T (q - t)``, as bright as ``f(S(u)) + S(u) (g . q)``: f
is a straight line, or a polynomial where contrast differs, so that darker labels, gain and suppression do not look like
motion; g is what is left when the head moves through the sensitivity of coils that stand still. Gauss-Newton steps give
pose, f and g together, first on coarse voxels, then on some of the fine ones. The gradient is that of the reference, so
that little of an image has to be prepared.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .alignment import FEWEST, observe, smooth
from .alignment_fit import GAIN, LINE, ONE, Fit, fit
from .rigid import Pose, still, turned_by
from .splines import Spline

_COARSE = 6.5e-3  # m, of coarse voxels
_FEWEST_VOXELS = 8  # that coarse ones leave along an axis
_LATTICE = 3  # of so many voxels one is looked at: smoothed neighbors tell much the same
_LEAST_SLICES = 4  # for motion through the slices
_LEAST_SAMPLES = 50
_FARTHEST = 0.1  # m, framewise displacement of any believable pose
_ROUNDING = 1e-6  # of the explained share
_LEAST_EXPLAINED = 0.1  # of the image's variance, and
_LARGEST_ERROR = 3e-3  # m, of a pose that is an answer
_CERTAIN = 3.0  # standard errors
_SMALL_STEPS = (1e-3, 5e-5)  # displacement of the last step on coarse and fine voxels, m
_MOST_STEPS = 12  # for each degree of the polynomial: curved ones converge slowly


Slope = NDArray[np.float32]


class Found(NamedTuple):
    """The pose of an image, and how sure it is."""

    pose: Pose
    agreement: float
    """Correlation of image and reference, -1 to 1."""
    explained: float
    """Share of the image's variance that the reference explains there, 0 to 1."""
    stderr: float
    """Root mean square of the framewise displacement that noise alone looks like, m."""

    @property
    def doubtful(self) -> float:
        """Give the displacement up to which a pose may be noise, m: three standard errors."""
        return _CERTAIN * self.stderr


class Target:
    """A reference image that others are registered to."""

    def __init__(self, image: NDArray[np.float32], brain: NDArray[np.bool_], voxel: tuple[float, float, float]) -> None:
        """Prepare an image, with the voxels to look at, ``(z, y, x)``, and the size of a voxel along z, y, x, m."""
        scale = float(image[brain].mean()) if brain.any() else 0.0
        self._smooth = np.zeros_like(image)
        if scale > 0:
            smooth(np.divide(image, scale, dtype=np.float32), self._smooth)
        normal = self._smooth
        coarse = [
            max(1, min(round(_COARSE / size), count // _FEWEST_VOXELS))
            for size, count in zip(voxel, image.shape, strict=True)
        ]
        self._levels = [_Level(normal, brain, voxel, tuple(coarse)), _Level(normal, brain, voxel, (1, 1, 1))]
        through = len(image) >= _LEAST_SLICES
        self._free = [0, 1, 2, 3, 4, 5] if through else [0, 1, 5]
        self._nuisance = [ONE, LINE, *(GAIN if through else GAIN[:2])]
        self.usable = scale > 0 and min(len(level.places) for level in self._levels) > _LEAST_SAMPLES

    def find(self, image: NDArray[np.float32], starts: Sequence[Pose] = (), degree: int = 1) -> Found | None:
        """Give the pose of an image of the same shape, ``(z, y, x)``; None where there is no answer.

        It begins at the best of ``starts`` and no motion. ``degree`` is that of the polynomial of intensities.
        """
        if not self.usable:
            return None
        nuisance = [*self._nuisance, *range(FEWEST - 1, FEWEST + degree - 2)]
        coarse, fine = self._levels
        smooth(image, self._smooth)
        coarse.take(self._smooth, degree)
        here = [(coarse.fit(back, [], nuisance), back) for back in (still(), *(start.inverse for start in starts))]
        seen = [(found, back) for found, back in here if found is not None]
        if not seen:
            return None
        best, back = max(seen, key=lambda each: each[0].explained)
        found = coarse.descend(back, self._free, nuisance, best.slope, _SMALL_STEPS[0])
        if found is None:
            return None
        fine.take(self._smooth, degree)
        found = fine.descend(found[1], self._free, nuisance, found[0].slope, _SMALL_STEPS[1])
        if found is None or found[0].explained < _LEAST_EXPLAINED or found[0].stderr > _LARGEST_ERROR:
            return None
        return Found(found[1].inverse, found[0].agreement, found[0].explained, found[0].stderr)


class _Level:
    """The reference in voxels of one size."""

    def __init__(
        self,
        image: NDArray[np.float32],
        brain: NDArray[np.bool_],
        voxel: tuple[float, float, float],
        factors: tuple[int, ...],
    ) -> None:
        small = _pooled(image, factors)
        self._coefficients = Spline(small.shape).fit(small)
        self._voxel = np.multiply(voxel, factors)[::-1].astype(np.float32)
        first = [
            ((factor - 1) / 2 - count // 2) * size
            for factor, count, size in zip(factors, image.shape, voxel, strict=True)
        ]
        self._origin = (-np.array(first[::-1]) / self._voxel).astype(np.float32)
        inside = np.flatnonzero(_pooled(brain.astype(np.float32), factors) > 0.5)[::_LATTICE]
        at = np.array(np.unravel_index(inside, small.shape)).T
        self.places = (at * np.multiply(voxel, factors) + first)[:, ::-1].astype(np.float32).copy()
        """Voxels that are looked at, ``(voxels, 3)`` along x, y, z from the middle of the image, m."""
        corners = np.array(list(np.ndindex(*factors)))
        fine = (at * factors)[:, np.newaxis] + corners
        self._index = np.ravel_multi_index(tuple(fine.transpose(2, 1, 0)), image.shape)
        self._values = np.empty(0, np.float32)
        self._columns = np.empty((len(self.places), FEWEST), np.float32)

    def take(self, image: NDArray[np.float32], degree: int) -> None:
        """Read the image that is to be registered."""
        values = image.reshape(-1)[self._index].mean(axis=0)
        mean = values.mean()
        self._values = values / mean if mean > 0 else values
        if self._columns.shape[1] != FEWEST + degree - 1:
            self._columns = np.empty((len(values), FEWEST + degree - 1), np.float32)

    def fit(self, back: Pose, free: list[int], nuisance: list[int], slope: Slope | None = None) -> Fit | None:
        """Fit the image by the reference, to which ``back`` takes its voxels; None where that fails."""
        matrix = np.ascontiguousarray(np.column_stack(back), np.float32)
        if slope is None:
            slope = np.ones(self._columns.shape[1] - FEWEST + 1, np.float32)
        values = self._coefficients, self.places, self._values, matrix
        observe(*values, self._voxel, self._origin, slope, self._columns)
        return fit(self._columns, free, nuisance)

    def descend(
        self, back: Pose, free: list[int], nuisance: list[int], slope: Slope, small: float
    ) -> tuple[Fit, Pose] | None:
        """Go to the best pose near by, until a step is small; None where there is none, or it is not found in time."""
        here, share = self.fit(back, free, nuisance, slope), 1.0
        if here is None:
            return None
        for _ in range(_MOST_STEPS * len(slope)):
            change = _increment(share * here.step, free)
            there = change.after(back)
            if not there.displacement(still()) < _FARTHEST:
                return None
            if change.displacement(still()) < small:
                return here, there
            trial = self.fit(there, free, nuisance, here.slope)
            if trial is None:
                return None
            if trial.explained < here.explained - _ROUNDING:
                share /= 2  # too far
            else:
                here, back, share = trial, there, 1.0
        return None


def _increment(step: NDArray[np.float64], free: list[int]) -> Pose:
    """Make a small motion of those of its six numbers that are free; the others are 0."""
    all_six = np.zeros(6)
    all_six[free] = step
    return turned_by(all_six[3:], all_six[:3])


def _pooled(image: NDArray[np.float32], factors: tuple[int, ...]) -> NDArray[np.float32]:
    """Give the means over blocks of voxels; what is left over at the end of an axis is dropped."""
    z, y, x = (count // factor for count, factor in zip(image.shape, factors, strict=True))
    fz, fy, fx = factors
    blocks = image[: z * fz, : y * fy, : x * fx].reshape(z, fz, y, fy, x, fx)
    return blocks.mean(axis=(1, 3, 5), dtype=np.float32)
