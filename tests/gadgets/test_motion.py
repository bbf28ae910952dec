from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813 (as its own documentation calls it)
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation

from aslive.gadgets.kernels.brain import brain_mask
from aslive.gadgets.kernels.rigid import pose, still
from aslive.gadgets.motion import CorrectMotion, MotionMode
from aslive.gadgets.pair import Pair
from aslive.sim.anatomy import Anatomy, brain
from aslive.sim.grid import Grid
from aslive.sim.pose import STILL
from aslive.sim.pose import Pose as HeadPose
from aslive.streaming.flow import Volume
from aslive.streaming.notices import Notice
from aslive.streaming.perfusion import Difference
from aslive.streaming.quality import Motion
from aslive.streaming.scan import Bolus, Encoding, Labeling, Role, Scan, TimeEncoding

C, L, M = Role.CONTROL, Role.LABEL, Role.M0SCAN
GRID = Grid((48, 48, 18), (48 * 4.5e-3, 48 * 4.5e-3, 18 * 6e-3))
Z, Y, X = np.meshgrid(*(GRID.along(axis) for axis in (2, 1, 0)), indexing="ij")
PHASE = np.exp(1j * (0.5 + 8 * X - 5 * Y + 60 * X * Y)).astype(np.complex64)
CONTROL = (75.0, 60.0, 90.0)
NODDED = HeadPose((0.5e-3, -1e-3, 2e-3), (0.05, -0.02, 0.03))


@cache
def head(there: HeadPose = STILL) -> Anatomy:
    return brain(GRID) if there == STILL else head().moved(there)


def made_scan(context: tuple[Role, ...], **more: object) -> Scan:
    encoding = Encoding(GRID.matrix, GRID.field_of_view, GRID.matrix, GRID.field_of_view, {})
    labeling = Labeling(context=context, mr_acquisition_type="3D", **more)  # pyright: ignore[reportArgumentType] (fields of Labeling)
    return Scan((encoding,), labeling)


@pytest.fixture
def image(make_volume: Callable[..., Volume]) -> Callable[..., Volume]:
    """Make a volume with noise and phase; labels are darker where blood is."""

    def make(
        role: Role,
        number: int,
        there: HeadPose = STILL,
        darkness: float = 0.02,
        brightness: tuple[float, float, float] = CONTROL,
        snr: float = 70.0,
        missing: int = 0,
    ) -> Volume:
        gray = brightness[0] * (1 - darkness * (role is L))
        clean = np.tensordot((gray, *brightness[1:]), head(there).fractions, axes=1)
        parts = np.random.default_rng(number).standard_normal((2, *clean.shape)) * brightness[0] / snr
        return make_volume(PHASE * (clean + parts[0] + 1j * parts[1]), role, number, missing)

    return make


Messages = list[Motion | Volume | Difference | Notice]
Run = Callable[..., Messages]
Make = Callable[..., Volume]


def motions(out: Messages) -> list[Motion]:
    return [message for message in out if isinstance(message, Motion)]


def volumes(out: Messages) -> list[Volume]:
    return [message for message in out if isinstance(message, Volume)]


def same(out: list[Volume], given: list[Volume]) -> bool:
    return all(one is other for one, other in zip(out, given, strict=True))


@pytest.mark.parametrize("darkness", [0.02, 0.2])
def test_darker_labels_make_no_zigzag(run: Run, image: Make, darkness: float) -> None:
    given = [image(role, number, darkness=darkness, snr=300.0) for number, role in enumerate((C, L) * 6)]
    out = run([CorrectMotion()], given, made_scan((C, L) * 6))
    found = motions(out)
    assert np.nanmax([each.displacement for each in found]) < 0.02e-3
    assert np.nanmax([each.within_pair for each in found]) < 0.02e-3
    assert same(volumes(out), given)  # bit for bit
    assert not any(each.corrected for each in found)


@pytest.mark.parametrize("snr", [20.0, 40.0, 70.0])
def test_noise_moves_nothing(run: Run, image: Make, snr: float) -> None:
    context = (M, *(C, L) * 8)
    given = [image(role, number, snr=snr) for number, role in enumerate(context)]
    out = run([CorrectMotion()], given, made_scan(context))
    assert same(volumes(out), given)  # bit for bit
    assert not any(each.corrected for each in motions(out))


def test_motion_is_found_undone_and_told_ahead_of_the_volume(run: Run, image: Make) -> None:
    context = (M, C, L, C, L, C, L)
    given = [image(role, number, STILL if number < 3 else NODDED, snr=500.0) for number, role in enumerate(context)]
    out = run([CorrectMotion()], given, made_scan(context))
    assert [type(message) for message in out] == [Motion, Volume] * 7
    truth = pose([*NODDED.translation], [*NODDED.rotation])
    for motion in motions(out)[3:]:
        there = pose([*motion.translation], [*motion.rotation])
        assert there.displacement(truth) < 0.3e-3
        assert motion.corrected
    assert motions(out)[3].displacement == pytest.approx(truth.displacement(still()), abs=0.3e-3)
    assert motions(out)[3].within_pair == pytest.approx(truth.displacement(still()), abs=0.3e-3)
    assert motions(out)[5].displacement < 0.05e-3
    inside = head().fractions.sum(axis=0) > 0.9
    for before, after in zip(given[3:], volumes(out)[3:], strict=True):
        misplaced, left = (np.abs(np.abs(v.data) - np.abs(given[1].data))[inside].mean() for v in (before, after))
        assert left < 0.5 * misplaced


def test_perfusion_is_restored(run: Run, image: Make) -> None:
    context = (C, L) * 4
    poses = [STILL, STILL, STILL, NODDED, NODDED, NODDED, STILL, NODDED]
    scan = made_scan(context, background_suppression=False)

    def deltam(there: list[HeadPose], *gadgets: CorrectMotion) -> NDArray[np.float32]:
        given = [image(role, n, place, snr=5000.0) for n, (role, place) in enumerate(zip(context, there, strict=True))]
        out = run([*gadgets, Pair()], given, scan)
        return np.mean([message.data for message in out if isinstance(message, Difference)], axis=0)

    inside = head().fractions[:, 2:-2].sum(axis=0) > 0.95
    true = deltam([STILL] * 8)[2:-2][inside]
    spoilt = deltam(poses)[2:-2][inside]
    restored = deltam(poses, CorrectMotion())[2:-2][inside]
    assert np.std(restored - true) < 0.5 * np.std(spoilt - true)


def test_the_phase_is_kept(run: Run, image: Make) -> None:
    out = run([CorrectMotion()], [image(C, 0), image(L, 1), image(C, 2, NODDED)], made_scan((C, L, C)))
    inside = head().fractions[:, 2:-2].sum(axis=0) > 0.9
    moved = volumes(out)[2].data[2:-2][inside]
    source = pose([*NODDED.translation], [*NODDED.rotation])
    at = np.stack([X, Y, Z], axis=-1) - GRID.center
    x, y = (at @ source.rotation.T + source.translation + GRID.center)[..., :2].transpose(3, 0, 1, 2)
    there = np.exp(1j * (0.5 + 8 * x - 5 * y + 60 * x * y))[2:-2][inside]  # that of the coils stands still
    assert np.abs(np.angle(moved * there.conj())).std() < 0.05


def test_the_motion_is_against_the_m0scan(run: Run, image: Make) -> None:
    context = (M, C, L, C, L)
    given = [
        image(M, 0),
        *(image(role, n, NODDED, brightness=(8.0, 5.0, 12.0)) for n, role in enumerate((C, L, C, L), 1)),
    ]
    out = run([CorrectMotion()], given, made_scan(context, background_suppression=True))
    truth = pose([*NODDED.translation], [*NODDED.rotation])
    for motion in motions(out)[1:]:
        assert pose([*motion.translation], [*motion.rotation]).displacement(truth) < 1e-3
    assert np.nanmax([motion.displacement for motion in motions(out)]) < 0.1e-3


def test_images_of_a_time_encoded_cycle_lie_still(run: Run, image: Make) -> None:
    encoding = TimeEncoding(
        ((0, 1, 1, 0), (0, 1, 0, 1), (0, 0, 1, 1)), (Bolus(2.5, 0.5), Bolus(2.0, 0.5), Bolus(1.5, 0.5))
    )
    context = (C, L, L, L) * 3
    given = [image(role, n, darkness=0.05 * (n % 4), snr=300.0) for n, role in enumerate(context)]
    out = run([CorrectMotion()], given, made_scan(context, time_encoding=encoding))
    assert same(volumes(out), given)


def test_what_cannot_be_registered_passes_as_it_is(run: Run, image: Make, make_volume: Make) -> None:
    given = [
        image(C, 0),
        image(Role.NOT_APPLICABLE, 1),
        image(L, 2, NODDED, missing=200),
        make_volume(np.zeros(GRID.shape), L, 3),
        make_volume(np.full(GRID.shape, np.nan), C, 4),
        make_volume(np.ones((4, 5, 6)), C, 5),
        image(C, 6),
    ]
    out = run([CorrectMotion()], given, made_scan((C, L) * 4))
    assert same(volumes(out), given)
    lost = [np.isnan(motion.translation).all() for motion in motions(out)]
    assert lost == [False, True, True, True, True, False]
    assert len([message for message in out if isinstance(message, Notice)]) == 1


def test_a_scan_that_begins_with_an_empty_volume_is_registered_to_the_next(
    run: Run, image: Make, make_volume: Make
) -> None:
    given = [make_volume(np.zeros(GRID.shape), M, 0), image(C, 1), image(L, 2), image(C, 3, NODDED)]
    found = motions(run([CorrectMotion()], given, made_scan((M, C, L, C))))
    assert [motion.corrected for motion in found] == [False, False, False, True]


def test_without_the_size_of_voxels_nothing_is_moved(run: Run, image: Make) -> None:
    given = [image(C, 0), image(L, 1, NODDED)]
    out = run([CorrectMotion()], given, Scan(labeling=Labeling(context=(C, L))))
    assert same(volumes(out), given)
    assert ["how large" in message.text for message in out if isinstance(message, Notice)] == [True]


def test_measuring_moves_nothing(run: Run, image: Make) -> None:
    given = [image(C, 0), image(L, 1), image(C, 2, NODDED)]
    out = run([CorrectMotion(MotionMode.MEASURE)], given, made_scan((C, L, C)))
    assert same(volumes(out), given)
    assert motions(out)[2].displacement > 2e-3


@pytest.mark.parametrize(
    ("mode", "labeling", "needed"),
    [("auto", Labeling(context=(C, L)), True), ("auto", Labeling(), False), ("off", Labeling(context=(C, L)), False)],
)
def test_it_is_needed_where_roles_can_be_known(mode: str, labeling: Labeling, needed: bool) -> None:
    assert CorrectMotion(MotionMode(mode)).needed(Scan(labeling=labeling)) is needed


def test_slices_of_two_dimensions_are_as_far_apart_as_they_say(run: Run, image: Make) -> None:
    scan = made_scan((C, L, C))
    flat = replace(scan, labeling=replace(scan.labeling, mr_acquisition_type="2D"))
    given = [
        replace(image(role, n, there), spacing=6e-3)
        for n, (role, there) in enumerate(((C, STILL), (L, STILL), (C, NODDED)))
    ]
    found = motions(run([CorrectMotion()], given, flat))[2]
    np.testing.assert_allclose(found.translation, NODDED.translation, atol=0.2e-3)


def test_a_real_scan_moves_as_simpleitk_says(run: Run, make_volume: Make, shared_data: Path) -> None:
    series = nib.load(shared_data / "asl/ds000240/sub-01_asl.nii.gz")  # pyright: ignore[reportPrivateImportUsage]
    data = np.asarray(series.dataobj).T  # pyright: ignore[reportAttributeAccessIssue]
    size = np.array([4.0, 3.93, 6.0])
    shape = data.shape[1:]
    lengths = (size * shape[::-1] * 1e-3).tolist()
    matrix = (shape[2], shape[1], shape[0])
    encoding = Encoding(matrix, tuple(lengths), matrix, tuple(lengths), {})
    scan = Scan((encoding,), Labeling(context=(L, C) * 50, mr_acquisition_type="3D"))
    chosen = [0, 1, 98, 99]
    given = [make_volume(data[10 + n], (L, C)[n % 2], n) for n in chosen]
    found = motions(run([CorrectMotion(MotionMode.MEASURE)], given, scan))
    controls = [(motion, volume) for motion, volume in zip(found, given, strict=True) if volume.place.role is C]
    first_motion, first = controls[0]
    seen = np.asarray(binary_dilation(brain_mask(np.abs(given[0].data), 0.3), iterations=2), np.bool_)
    for motion, volume in controls[1:]:
        theirs = _simpleitk(np.abs(first.data), np.abs(volume.data), size, seen)
        relative = pose([*motion.translation], [*motion.rotation]).after(
            pose([*first_motion.translation], [*first_motion.rotation]).inverse
        )
        np.testing.assert_allclose(1e3 * relative.translation, theirs[3:], atol=0.3)
        np.testing.assert_allclose(np.rad2deg(relative.angles), np.rad2deg(theirs[:3]), atol=0.3)


def _simpleitk(
    reference: NDArray[np.float32], image: NDArray[np.float32], size: NDArray[np.float64], seen: NDArray[np.bool_]
) -> list[float]:
    fixed, moving, mask = (sitk.GetImageFromArray(each) for each in (reference, image, seen.astype(np.uint8)))
    for each in (fixed, moving, mask):
        each.SetSpacing(size.tolist())
        each.SetOrigin((-size * (np.array(reference.shape[::-1]) // 2)).tolist())
    method = sitk.ImageRegistrationMethod()
    method.SetMetricAsCorrelation()
    method.SetMetricFixedMask(mask)
    method.SetInterpolator(sitk.sitkBSpline3)
    method.SetOptimizerAsRegularStepGradientDescent(0.5, 1e-4, 100, gradientMagnitudeTolerance=1e-9)
    method.SetOptimizerScalesFromPhysicalShift()
    start = sitk.Euler3DTransform()
    start.SetComputeZYX(True)
    method.SetInitialTransform(start, inPlace=True)
    method.Execute(fixed, moving)
    return [*start.GetParameters()]
