"""Compares our registration with SimpleITK's on heads whose motion is known, and times both on one thread.

python benchmarks/registration.py --pairs 30 --seed 0
"""

import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import click
import numpy as np
import SimpleITK as sitk  # noqa: N813 (as its own documentation calls it)
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from scipy.ndimage import binary_dilation

from aslive.gadgets.kernels.brain import brain_mask
from aslive.gadgets.kernels.registration import Target
from aslive.gadgets.kernels.resampling import Mover
from aslive.gadgets.kernels.rigid import Pose, pose, still
from aslive.sim.anatomy import Anatomy, brain
from aslive.sim.grid import Grid
from aslive.sim.pose import Pose as HeadPose

_THREADS = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "NUMBA_NUM_THREADS", "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS")
_GRID = Grid((64, 64, 24), (64 * 3.4e-3, 64 * 3.4e-3, 24 * 5e-3))
_VOXEL = _GRID.voxel[2], _GRID.voxel[1], _GRID.voxel[0]  # along z, y, x, m
_FARTHEST, _MOST_TURNED = 5e-3, np.deg2rad(5)
_SHARPNESS = (50.0, 100.0)  # signal of a control over the noise of each part
_BRIGHTNESS = (75.0, 60.0, 90.0)  # gray, white, fluid


class Pair(NamedTuple):
    """A volume of a head that has moved, and how."""

    image: NDArray[np.complex64]
    pose: Pose


@dataclass(frozen=True, slots=True)
class Errors:
    """How far found poses are from the true ones."""

    translation: NDArray[np.float64]
    """At the middle of the volume, mm."""
    rotation: NDArray[np.float64]
    """Root mean square of the three angles, degrees."""
    brain: NDArray[np.float64]
    """Root mean square over the voxels of the brain, mm."""
    cpu: NDArray[np.float64]
    """ms."""


def measured(head: Anatomy, snr: float, generator: np.random.Generator) -> NDArray[np.complex64]:
    """Give the image of a control with noise in both parts."""
    clean = np.tensordot(_BRIGHTNESS, head.fractions, axes=1)
    noise = generator.standard_normal((2, *clean.shape)) * _BRIGHTNESS[0] / snr
    return (clean + noise[0] + 1j * noise[1]).astype(np.complex64)


def simpleitk(reference: NDArray[np.float32], region: NDArray[np.bool_]) -> Callable[[NDArray[np.float32]], Pose]:
    """Prepare SimpleITK's registration: correlation of all voxels, cubic B-splines, two resolutions."""
    fixed, mask = _image(reference), _image(region.astype(np.uint8))

    def find(image: NDArray[np.float32]) -> Pose:
        method = sitk.ImageRegistrationMethod()
        method.SetMetricAsCorrelation()
        method.SetMetricFixedMask(mask)
        method.SetInterpolator(sitk.sitkBSpline3)
        method.SetOptimizerAsRegularStepGradientDescent(1.0, 1e-5, 500, gradientMagnitudeTolerance=1e-9)
        method.SetOptimizerScalesFromPhysicalShift()
        method.SetShrinkFactorsPerLevel([2, 1])
        method.SetSmoothingSigmasPerLevel([2.0, 0.0])
        method.SmoothingSigmasAreSpecifiedInPhysicalUnitsOn()
        start = sitk.Euler3DTransform()
        start.SetComputeZYX(True)  # Rz Ry Rx
        method.SetInitialTransform(start, inPlace=True)
        method.Execute(fixed, _image(image))
        return pose(list(1e-3 * np.array(start.GetTranslation())), [*start.GetParameters()[:3]])

    return find


def _image(values: NDArray[np.float32] | NDArray[np.uint8]) -> sitk.Image:
    image = sitk.GetImageFromArray(values)
    image.SetSpacing([1e3 * size for size in _GRID.voxel])
    image.SetOrigin([-1e3 * size * (count // 2) for size, count in zip(_GRID.voxel, _GRID.matrix, strict=True)])
    return image


def compared(find: Callable[[NDArray[np.float32]], Pose], pairs: list[Pair], inside: NDArray[np.bool_]) -> Errors:
    """Register all pairs, and measure what is wrong with the poses."""
    at = np.stack([places[inside] for places in _places()], axis=1)
    rows = []
    find(np.abs(pairs[0].image))
    for image, true in pairs:
        magnitude = np.abs(image)
        begin = time.thread_time()
        found = find(magnitude)
        spent = time.thread_time() - begin
        moved, truly = (at @ each.rotation.T + each.translation for each in (found, true))
        rows.append(
            (
                1e3 * np.linalg.norm(found.translation - true.translation),
                np.rad2deg(np.sqrt(np.mean((found.angles - true.angles) ** 2))),
                1e3 * np.sqrt(np.mean(np.sum((moved - truly) ** 2, axis=1))),
                1e3 * spent,
            )
        )
    return Errors(*np.array(rows).T)


def _places() -> list[NDArray[np.float64]]:
    along = [
        np.asarray((np.arange(count) - count // 2) * size, np.float64)
        for count, size in zip(_GRID.matrix[::-1], _GRID.voxel[::-1], strict=True)
    ]
    return [np.asarray(one, np.float64) for one in np.meshgrid(*along, indexing="ij")][::-1]


@click.command(epilog="Example: python benchmarks/registration.py --pairs 30 --seed 0")
@click.option("--pairs", default=100, show_default=True, help="Moved volumes.")
@click.option("--simpleitk-pairs", default=5, show_default=True, help="Of these, how many SimpleITK registers, too.")
@click.option("--seed", default=0, show_default=True, help="Of motions and noise.")
def main(pairs: int, simpleitk_pairs: int, seed: int) -> None:
    """Register 64x64x24 volumes of a head that moves by up to 5 mm and 5 degrees, and 100 of one that does not."""
    if any(os.environ.get(name) != "1" for name in _THREADS):  # read when the libraries are loaded
        os.execve(sys.executable, [sys.executable, *sys.argv], os.environ | dict.fromkeys(_THREADS, "1"))  # noqa: S606
    generator = np.random.default_rng(seed)
    head = brain(_GRID)
    reference = np.abs(measured(head, 70.0, generator))
    inside = brain_mask(reference, 0.3)
    region = np.asarray(binary_dilation(inside, iterations=2), np.bool_)
    target = Target(reference, region, _VOXEL)
    moved = [_moved(head, generator) for _ in range(pairs)]
    static = [Pair(measured(head, generator.uniform(*_SHARPNESS), generator), still()) for _ in range(100)]

    def ours(image: NDArray[np.float32]) -> Pose:
        found = target.find(image)
        if found is None:
            raise RuntimeError("a head was not found")
        return found.pose

    others = simpleitk(reference, region)
    drawn = _columns()
    few = moved[:simpleitk_pairs]
    for name, find, these in (
        (f"ours, {pairs} motions", ours, moved),
        (f"ours, the first {len(few)}", ours, few),
        (f"SimpleITK, the first {len(few)}", others, few),
        ("ours, 100 without motion", ours, static),
        (f"SimpleITK, {len(few)} without motion", others, static[: len(few)]),
    ):
        errors = compared(find, these, inside)
        drawn.add_row(
            name,
            *(_cell(values) for values in (errors.translation, errors.rotation, errors.brain)),
            f"{np.median(errors.cpu):,.1f} / {np.percentile(errors.cpu, 95):,.1f}",
        )
    mover, spent = Mover(np.asarray(binary_dilation(region, iterations=3), np.bool_), _VOXEL), []
    for image, true in moved:
        begin = time.thread_time()
        mover.back(image, true)
        spent.append(1e3 * (time.thread_time() - begin))
    drawn.add_row("moving a volume back", "", "", "", f"{np.median(spent):,.1f} / {np.percentile(spent, 95):,.1f}")
    drawn.caption = f"load of the machine {os.getloadavg()[0]:.1f}; {os.cpu_count()} cores"
    Console(width=140).print(drawn)


def _moved(head: Anatomy, generator: np.random.Generator) -> Pair:
    way, turns = generator.uniform(-_FARTHEST, _FARTHEST, 3), generator.uniform(-_MOST_TURNED, _MOST_TURNED, 3)
    there = head.moved(HeadPose(tuple(way.tolist()), tuple(turns.tolist())))
    return Pair(measured(there, generator.uniform(*_SHARPNESS), generator), pose(way, turns))


def _cell(values: NDArray[np.float64]) -> str:
    return f"{values.mean():.3f} / {np.percentile(values, 95):.3f} / {values.max():.3f}"


def _columns() -> Table:
    drawn = Table(title="registration of 64x64x24 volumes, 3.4x3.4x5 mm, SNR 50 to 100, on one thread")
    drawn.add_column("what")
    for name in (
        "translation, mm: mean / p95 / worst",
        "angles, degrees",
        "over the brain, mm",
        "CPU, ms: median / p95",
    ):
        drawn.add_column(name, justify="right")
    return drawn


if __name__ == "__main__":
    main()
