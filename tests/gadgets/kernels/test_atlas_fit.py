"""The average brain laid over heads whose place is known, made from the original and not from the packed one."""

from dataclasses import dataclass
from functools import cache

import nibabel
import numpy as np
import pytest
from nilearn.datasets import load_mni152_brain_mask, load_mni152_gm_template, load_mni152_wm_template
from numpy.typing import NDArray
from scipy.ndimage import binary_fill_holes, gaussian_filter, map_coordinates
from scipy.spatial.transform import Rotation

from aslive.gadgets.kernels.atlas_fit import lay_average_brain, levels
from aslive.gadgets.kernels.atlas_result import Laid, lay_regions
from aslive.gadgets.kernels.average_brain import load_average_brain
from aslive.gadgets.kernels.brain import brain_mask
from aslive.gadgets.kernels.territories import regions

Array = NDArray[np.float64]

BRAIN = load_average_brain()
LEVELS = levels(BRAIN)
AXIAL, CORONAL, SAGITTAL = np.eye(3), np.eye(3)[[0, 2, 1]] * [[1], [-1], [1]], np.eye(3)[[1, 2, 0]] * [[1], [-1], [-1]]
M0SCAN, CONTROL, SUPPRESSED, INVERTED = (0.8, 0.65, 1.2), (0.8, 0.75, 0.9), (0.25, 0.1, -0.1), (0.1, 0.25, 0.02)
LIMIT = 0.2  # the gadget's, of the agreement


@cache
def original() -> tuple[NDArray[np.float32], Array]:
    """Give gray, white and fluid of the average brain at 1 mm, x, y, z to the right, front, top, and the affine, mm."""
    template = load_mni152_gm_template()
    gray = np.asarray(template.dataobj, np.float32)
    white = np.asarray(load_mni152_wm_template().dataobj, np.float32)
    inside = np.asarray(binary_fill_holes(np.asarray(load_mni152_brain_mask().dataobj) > 0))
    return np.stack([gray, white, np.where(inside, 1 - gray - white, 0)]), np.asarray(template.affine)


@dataclass
class Head:
    """A head in the scanner: where its voxels lie, where these are in the average brain, and what is there."""

    axes: Array
    shape: tuple[int, int, int]
    affine: Array
    """From places in the image to the average brain, shape ``(3, 4)``."""

    def places(self, within: Array) -> Array:
        """Give a place of each voxel, m from the middle one; ``within`` in voxels from its middle."""
        z, y, x = np.indices(self.shape)
        return (np.stack([x, y, z], axis=-1) - np.array(self.shape[::-1]) // 2 + within) @ self.axes

    def in_average(self, places: Array) -> Array:
        """Give where places in the image lie in the average brain, m."""
        return places @ self.affine[:, :3].T + self.affine[:, 3]

    @property
    def shares(self) -> NDArray[np.float32]:
        """Average the original over each voxel."""
        fine, affine = original()
        total = np.zeros((3, *self.shape), np.float32)
        for within in ((0.25, -0.25, -0.33), (-0.25, 0.25, 0.33), (0.25, 0.25, 0.0), (-0.25, -0.25, 0.0)):
            mm = self.in_average(self.places(np.array(within))) * [-1e3, -1e3, 1e3]
            at = np.moveaxis(mm - affine[:3, 3], -1, 0)
            total += np.stack([map_coordinates(tissue, at, order=1) for tissue in fine]) / 4
        return total

    def error(self, found: Array, brain: NDArray[np.bool_]) -> float:
        """Give how far from the truth a map puts the places of the brain, m, in the mean."""
        places = self.places(np.zeros(3))[brain]
        return float(np.linalg.norm(self.in_average(places) - places @ found[:, :3].T - found[:, 3], axis=1).mean())


def make_head(
    seed: int,
    directions: Array = AXIAL,
    shape: tuple[int, int, int] = (24, 64, 64),
    size: tuple[float, float, float] = (3.5e-3, 3.5e-3, 5e-3),
    scale: float | None = None,
    height: float = 0.0,
) -> Head:
    """Put a head of random size at a random place; ``scale`` is the average brain over it."""
    rng = np.random.default_rng(seed)
    turn = Rotation.from_euler("xyz", rng.uniform(-1, 1, 3) * [15, 8, 8], degrees=True).as_matrix()
    stretch = np.diag(rng.uniform(0.95, 1.05, 3)) * (scale or rng.uniform(0.9, 1.15))
    stretch[1, 2] = rng.uniform(-0.04, 0.04)
    middle = np.array([0, 0.016, 0.008 + height]) + rng.uniform(-1, 1, 3) * 0.008
    return Head(directions * np.array(size)[:, None], shape, np.column_stack([stretch @ turn, middle]))


def image_of(
    head: Head, shares: NDArray[np.float32], contrast: tuple[float, float, float], seed: int = 0, noise: float = 0.03
) -> NDArray[np.float32]:
    """Show a head with scalp and eyes, noise, and coils that are 30 % brighter on one side than in the middle."""
    rng = np.random.default_rng(seed)
    places = head.places(np.zeros(3))
    at = head.in_average(places)
    out = np.linalg.norm((at - [0, 0.016, 0.008]) / [0.072, 0.092, 0.078], axis=-1)
    scalp = (out > 1.09) & (out < 1.18) & (at[..., 2] > -0.05)
    eyes = sum(np.linalg.norm(at - [side, -0.080, -0.040], axis=-1) < 0.012 for side in (-0.033, 0.033))
    bright = np.tensordot(np.array(contrast, np.float32), shares, 1) + abs(contrast[0]) * (0.7 * scalp + 1.2 * eyes)
    shade = 1 + 0.3 * np.clip(places @ rng.uniform(-8, 8, 3), -1, 1) + 15 * np.square(places).sum(axis=-1)
    scale = noise * float(np.median(np.abs(bright[shares.sum(axis=0) > 0.5])))
    real, imaginary = scale * rng.standard_normal((2, *head.shape))
    return np.abs(bright * shade + real + 1j * imaginary).astype(np.float32)


def lay(image: NDArray[np.float32], axes: Array) -> tuple[Array, Laid]:
    """Lay the average brain over an image, as the gadget does."""
    mask = brain_mask(image, 0.3)
    found = lay_average_brain(LEVELS, image, mask, axes)
    assert found is not None
    guess, fitting = found
    return guess.pose.matrix, lay_regions(BRAIN, guess, fitting, mask, axes)


def dice(one: NDArray[np.bool_], other: NDArray[np.bool_]) -> float:
    return float(2 * np.sum(one & other) / (np.sum(one) + np.sum(other)))


CASES: dict[str, tuple[Head, tuple[float, float, float]]] = {
    "m0scan": (make_head(1), M0SCAN),
    "control": (make_head(2), CONTROL),
    "suppressed": (make_head(3), SUPPRESSED),
    "suppressed, white brighter": (make_head(4), INVERTED),
    "coronal": (make_head(5, CORONAL, (32, 64, 64), (3.5e-3, 3.5e-3, 6e-3)), CONTROL),
    "sagittal": (make_head(6, SAGITTAL, (32, 64, 64)), M0SCAN),
    "oblique": (make_head(7, Rotation.from_euler("xy", (30, 10), degrees=True).as_matrix()), SUPPRESSED),
    "feet first": (make_head(8, AXIAL * [[-1], [1], [-1]]), M0SCAN),
    "thick slices": (make_head(9, shape=(18, 64, 64), size=(3.5e-3, 3.5e-3, 8e-3)), CONTROL),
    "ten slices": (make_head(10, shape=(10, 64, 64)), M0SCAN),
    "no vertex": (make_head(11, shape=(16, 64, 64), height=-0.03), CONTROL),
    "no cerebellum": (make_head(12, shape=(16, 64, 64), height=0.03), SUPPRESSED),
    "child": (make_head(13, scale=1.17), M0SCAN),
    "large head": (make_head(14, scale=0.87), CONTROL),
}


@pytest.mark.parametrize("name", CASES)
def test_every_head_is_found_within_a_millimeter(name: str):
    head, contrast = CASES[name]
    truth = head.shares
    brain = truth.sum(axis=0) > 0.5
    matrix, laid = lay(image_of(head, truth, contrast), head.axes)
    assert head.error(matrix, brain) < 1e-3
    assert dice(laid.shares[0] > 0.5, truth[0] > 0.5) > 0.9
    assert dice(laid.shares.sum(axis=0) > 0.5, brain) > 0.98
    true_labels = regions(*np.moveaxis(head.in_average(head.places(np.zeros(3))), -1, 0))
    assert np.mean(laid.labels[brain] == true_labels[brain]) > 0.95
    assert laid.agreement > 2 * LIMIT


def test_another_anatomy_is_met_in_the_mean():
    """The head is bent by 2 mm along each axis, which no affine map can follow, and at the front by EPI's 10 mm."""
    head = make_head(20)
    image = image_of(head, head.shares, M0SCAN)
    size = np.linalg.norm(head.axes, axis=1)[::-1]
    rng = np.random.default_rng(0)
    bent = np.indices(head.shape).astype(float)
    for axis in range(3):
        way = gaussian_filter(rng.standard_normal(head.shape), 0.02 / size)
        bent[axis] += 2e-3 / size[axis] * way / way.std()
    away = (head.in_average(head.places(np.zeros(3))) - [0, -0.06, -0.02]) / 0.025
    bent[1] += 0.010 / size[1] * np.exp(-np.square(away).sum(axis=-1))
    matrix, laid = lay(np.asarray(map_coordinates(image, bent, order=1), np.float32), head.axes)
    assert head.error(matrix, head.shares.sum(axis=0) > 0.5) < 3e-3
    assert laid.agreement > 2 * LIMIT


def test_the_same_image_gives_the_same_map():
    head, contrast = CASES["m0scan"]
    image = image_of(head, head.shares, contrast)
    np.testing.assert_array_equal(lay(image, head.axes)[0], lay(image, head.axes)[0])


@pytest.mark.parametrize("turned", [(1, 1, -1), (-1, -1, 1), (1, -1, -1)])
def test_a_head_that_lies_otherwise_than_the_header_says_does_not_agree(turned: tuple[int, int, int]):
    head, contrast = CASES["m0scan"]
    _, laid = lay(image_of(head, head.shares, contrast), head.axes * np.array(turned)[:, None])
    assert laid.agreement < LIMIT


@pytest.mark.parametrize("half", [(0.08, 0.08, 0.08), (0.068, 0.085, 0.075), (0.09, 0.09, 1.0)])
def test_a_bottle_does_not_agree(half: tuple[float, float, float]):
    head = make_head(0)
    out = np.square(head.places(np.zeros(3)) / half).sum(axis=-1)
    noise = np.abs(np.random.default_rng(0).standard_normal(head.shape))
    _, laid = lay(((out < 1) * (1 - 0.2 * out) + 0.02 * noise).astype(np.float32), head.axes)
    assert laid.agreement < 0.75 * LIMIT


def test_without_a_brain_nothing_is_laid():
    image, axes = np.ones((8, 16, 16), np.float32), 4e-3 * np.eye(3)
    nowhere = np.zeros(image.shape, bool)
    assert lay_average_brain(LEVELS, image, nowhere, axes) is None
    assert lay_average_brain(LEVELS, np.zeros_like(image), ~nowhere, axes) is None
    speck = nowhere.copy()
    speck[4, 8, 8:10] = True
    assert lay_average_brain(LEVELS, image, speck, axes) is None


# On images that we did not make.


def read(path: str, volume: int) -> tuple[NDArray[np.float32], Array]:
    """Read one volume as ``(z, y, x)``, with its axes along left, posterior, superior, m."""
    image = nibabel.Nifti1Image.from_filename(path)
    assert image.affine is not None
    axes = (image.affine[:3, :3] * [[-1e-3], [-1e-3], [1e-3]]).T
    return np.abs(np.asarray(image.dataobj[..., volume], np.float32)).transpose().copy(), axes


@pytest.mark.parametrize("study", ["dro_single_pld", "dro_multi_pld"])
def test_the_tissues_of_a_reference_object_are_found(shared_data, study: str):
    folder = shared_data / "truth" / study
    image, axes = read(str(folder / "asl.nii.gz"), 1)
    truth = np.asarray(nibabel.Nifti1Image.from_filename(folder / "gt_seg.nii.gz").dataobj).transpose()
    _, laid = lay(image, axes)
    found = np.where(laid.shares.sum(axis=0) > 0.5, laid.shares.argmax(axis=0) + 1, 0)
    assert dice(found > 0, truth > 0) > 0.97
    assert dice(found == 1, truth == 1) > 0.88
    assert dice(found == 2, truth == 2) > 0.82
    assert laid.agreement > 3 * LIMIT


def test_suppressed_and_plain_images_of_a_patient_agree(shared_data):
    """The m0scan and the controls, ten times darker and of another contrast, show one head."""
    path = str(shared_data / "asl/ds000240/sub-01_asl.nii.gz")
    image, axes = read(path, 0)
    plain, laid = lay(image, axes)
    assert laid.agreement > LIMIT * 1.4
    head = Head(axes, image.shape, plain)
    for volume in (10, 11, 109):
        matrix, other = lay(read(path, volume)[0], axes)
        assert head.error(matrix, laid.shares.sum(axis=0) > 0.5) < 3e-3
        assert other.agreement > 2 * LIMIT


@pytest.mark.parametrize(
    ("file", "volume"), [("asl/ds000240/sub-01_asl.nii.gz", 0), ("truth/dro_single_pld/asl.nii.gz", 1)]
)
def test_mutual_information_finds_no_better_place(shared_data, file: str, volume: int):
    """SimpleITK, begun where we ended, stays there."""
    sitk = pytest.importorskip("SimpleITK")
    image, axes = read(str(shared_data / file), volume)
    matrix, laid = lay(image, axes)
    size = np.linalg.norm(axes, axis=1)
    fixed = sitk.GetImageFromArray(image)
    fixed.SetSpacing((1e3 * size).tolist())
    fixed.SetDirection((axes / size[:, None]).T.ravel().tolist())
    fixed.SetOrigin((-1e3 * (np.array(image.shape[::-1]) // 2) @ axes).tolist())
    moving = sitk.GetImageFromArray(BRAIN.shares @ np.array(M0SCAN, np.float32))
    moving.SetSpacing([1e3 * BRAIN.step] * 3)
    moving.SetOrigin((1e3 * BRAIN.first).tolist())
    begin = sitk.AffineTransform(3)
    begin.SetMatrix(matrix[:, :3].ravel().tolist())
    begin.SetTranslation((1e3 * matrix[:, 3]).tolist())
    registration = sitk.ImageRegistrationMethod()
    registration.SetNumberOfThreads(1)
    registration.SetMetricAsMattesMutualInformation(32)
    registration.SetInterpolator(sitk.sitkLinear)
    registration.SetOptimizerAsRegularStepGradientDescent(0.5, 0.01, 100, relaxationFactor=0.7)
    registration.SetOptimizerScalesFromPhysicalShift()
    registration.SetInitialTransform(begin, inPlace=False)
    ended = registration.Execute(fixed, moving)
    linear = np.array([ended.TransformPoint(place) for place in (np.eye(3) * 100).tolist()])
    shift = np.array(ended.TransformPoint((0.0, 0.0, 0.0)))
    theirs = np.column_stack([(linear - shift).T / 100, 1e-3 * shift])
    head = Head(axes, image.shape, theirs)
    assert head.error(matrix, laid.shares.sum(axis=0) > 0.5) < 2e-3
