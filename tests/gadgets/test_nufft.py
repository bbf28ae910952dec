import numpy as np
import pytest

from aslive.gadgets import nufft
from aslive.gadgets.fourier import Fourier
from aslive.gadgets.nufft import TransformTrajectory
from aslive.streaming.errors import ConfigError, DataError
from aslive.streaming.flow import CoilImages, KSpace, Place
from aslive.streaming.notices import Level, Notice
from aslive.streaming.readouts import Counters, Geometry
from aslive.streaming.scan import Encoding, Labeling, Scan

PLACE = Place(0, Counters(), 0.0, Geometry(), dwell=4e-6)


def scan_of(matrix, recon=None, three_dimensional=False, trajectory="spiral", coils=0):
    recon = recon or matrix
    lengths = tuple(0.004 * n for n in matrix), tuple(0.004 * n for n in recon)
    encoding = Encoding(matrix, lengths[0], recon, lengths[1], {}, trajectory)
    return Scan((encoding,), Labeling(mr_acquisition_type="3D" if three_dimensional else "2D"), coils=coils)


def arms(matrix=24, interleaves=4, samples=400, turn=0.0):
    share = np.linspace(0, 1, samples)
    radius = 0.5 * share * np.sqrt(1.05 / (share + 0.05))
    turns = 1.2 * matrix / interleaves
    first = radius * np.exp(2j * np.pi * turns * radius + 1j * turn)
    k = first * np.exp(2j * np.pi * np.arange(interleaves) / interleaves)[:, np.newaxis]
    return np.stack([k.real, k.imag], axis=-1).astype(np.float32)


def ellipse(trajectory, matrix, center=(0.0, 0.0), axes=(7.0, 5.0)):
    """Give the k-space of an ellipse of ones, in voxels, by its formula; scaled as an orthonormal FFT has it."""
    from scipy.special import j1

    x, y = trajectory[..., 0].astype(float), trajectory[..., 1].astype(float)
    radius = np.hypot(x * axes[0], y * axes[1])
    bessel = np.divide(j1(2 * np.pi * radius), radius, out=np.full_like(radius, np.pi), where=radius > 0)
    shift = np.exp(-2j * np.pi * (x * center[0] + y * center[1]))
    return axes[0] * axes[1] * bessel * shift / np.sqrt(matrix[0] * matrix[1])


def plane(trajectory, data, index=0, last=True, place=PLACE):
    return KSpace(np.asarray(data, np.complex64), place, index, last, 0.0, trajectory)


def images_and_notices(run, messages, scan, **parameters):
    out = run([TransformTrajectory(**parameters)], messages, scan)
    return [m for m in out if isinstance(m, CoilImages)], [m for m in out if isinstance(m, Notice)]


@pytest.mark.parametrize("matrix", [(24, 24, 1), (25, 23, 1)])
def test_an_ellipse_is_where_it_is_and_as_bright_as_it_is(run, matrix):
    trajectory = arms()
    k = ellipse(trajectory, matrix, center=(2.0, -3.0))
    (images,), notices = images_and_notices(run, [plane(trajectory, k[np.newaxis, np.newaxis])], scan_of(matrix))
    y, x = (np.arange(n) - n // 2 for n in matrix[1::-1])
    distance = np.hypot((x - 2) / 7, (y[:, np.newaxis] + 3) / 5)
    image = images.data[0, 0]
    assert image.shape == (matrix[1], matrix[0])
    assert np.mean(image[distance < 0.75]) == pytest.approx(1, abs=0.03)
    assert np.abs(image[distance > 1.5]).mean() < 0.06
    assert [notice.level for notice in notices] == [Level.INFO]
    assert "cycles per voxel" in notices[0].text


def test_samples_on_a_grid_give_the_image_of_the_fft(run, make_scan):
    rng = np.random.default_rng(0)
    k = (rng.standard_normal((3, 1, 12, 16)) + 1j * rng.standard_normal((3, 1, 12, 16))).astype(np.complex64)
    y, x = np.meshgrid((np.arange(12) - 6) / 12, (np.arange(16) - 8) / 16, indexing="ij")
    trajectory = np.stack([x, y], axis=-1).astype(np.float32)
    scan = scan_of((16, 12, 1), recon=(10, 8, 1))
    (images,), _ = images_and_notices(run, [plane(trajectory, k)], scan)
    along_x = np.fft.fftshift(np.fft.ifft(np.fft.ifftshift(k, axes=3), axis=3, norm="ortho"), axes=3)[..., 3:13]
    (cartesian,) = run([Fourier()], [KSpace(along_x.astype(np.complex64), PLACE, 0, True)], scan)
    np.testing.assert_allclose(images.data, cartesian.data, atol=3e-3)


def test_partitions_with_different_trajectories_make_one_volume(run):
    matrix, partitions = (24, 24, 3), 3
    trajectories = [arms(turn=0.7 * z) for z in range(partitions)]
    along_z = np.array([0.5, 1.0, 0.3 - 0.2j])  # the object at each z
    offset = np.arange(partitions) - 1
    kz = np.exp(-2j * np.pi * np.outer(offset, offset) / partitions) @ along_z / np.sqrt(partitions)
    planes = [
        plane(path, weight * ellipse(path, matrix)[np.newaxis, np.newaxis], z, z == 2)
        for z, (path, weight) in enumerate(zip(trajectories, kz, strict=True))
    ]
    (images,), _ = images_and_notices(run, planes, scan_of(matrix, three_dimensional=True))
    np.testing.assert_allclose(images.data[0, :, 12, 12], along_z, atol=0.06)
    assert images.data.shape == (1, 3, 24, 24)


def test_it_is_linear_and_does_not_change_from_volume_to_volume(run):
    rng = np.random.default_rng(1)
    trajectory = arms()
    one, two = (rng.standard_normal((2, 1, 4, 400)) + 1j * rng.standard_normal((2, 1, 4, 400)) for _ in range(2))
    messages = [plane(trajectory.copy(), data) for data in (one, two, one - two, one)]
    (a, b, difference, again), _ = images_and_notices(run, messages, scan_of((24, 24, 1)))
    np.testing.assert_allclose(difference.data, a.data - b.data, atol=1e-4 * np.abs(a.data).max())
    np.testing.assert_array_equal(again.data, a.data)


@pytest.mark.parametrize(
    ("factor", "words"), [(24.0, "cycles per field of view"), (2 * np.pi, "radians"), (250, "per m")]
)
def test_the_unit_of_the_trajectory_makes_no_difference(run, factor, words):
    trajectory = arms()
    k = ellipse(trajectory, (24, 24))[np.newaxis, np.newaxis]
    scan = scan_of((24, 24, 1))
    (expected,), _ = images_and_notices(run, [plane(trajectory, k)], scan)
    (images,), notices = images_and_notices(run, [plane(trajectory * np.float32(factor), k)], scan)
    np.testing.assert_allclose(images.data, expected.data, atol=2e-3)
    assert words in notices[0].text


def test_a_delay_of_the_gradients_is_undone(run):
    nominal = arms()
    late = 2.5
    steps = np.arange(400)
    true = np.stack([[np.interp(steps - late, steps, arm[:, n]) for n in (0, 1)] for arm in nominal]).transpose(0, 2, 1)
    k = ellipse(true, (24, 24), center=(4.0, 0.0))[np.newaxis, np.newaxis]
    scan = scan_of((24, 24, 1))
    (right,), _ = images_and_notices(run, [plane(true.astype(np.float32), k)], scan)
    (mended,), _ = images_and_notices(run, [plane(nominal, k)], scan, trajectory_delay=late * 4e-6)
    (wrong,), _ = images_and_notices(run, [plane(nominal, k)], scan)
    assert np.abs(mended.data - right.data).max() < 1e-3
    assert np.abs(wrong.data - right.data).max() > 0.05


def test_an_image_can_be_moved_to_where_the_object_lies(run):
    trajectory, scan = arms(), scan_of((24, 24, 1))
    k = ellipse(trajectory, (24, 24), center=(3.0, -2.0))[np.newaxis, np.newaxis]
    centered = ellipse(trajectory, (24, 24))[np.newaxis, np.newaxis]
    (moved,), _ = images_and_notices(run, [plane(trajectory, k)], scan, off_center_x=0.012, off_center_y=-0.008)
    (expected,), _ = images_and_notices(run, [plane(trajectory, centered)], scan)
    np.testing.assert_allclose(moved.data, expected.data, atol=2e-3)


def test_a_scan_without_a_trajectory_is_told_once_and_counts_as_missing(run):
    data = np.ones((2, 1, 4, 400))
    images, notices = images_and_notices(run, [plane(None, data), plane(None, data)], scan_of((24, 24, 1)))
    assert [image.place.missing for image in images] == [4, 4]
    assert [notice.level for notice in notices] == [Level.ERROR]
    assert "no usable trajectory" in notices[0].text


def test_density_weights_in_the_third_column_are_not_taken_for_kz(run):
    trajectory = arms()
    k = ellipse(trajectory, (24, 24))[np.newaxis, np.newaxis]
    density = np.broadcast_to(np.linspace(0, 1, 400, dtype=np.float32), (4, 400))[..., np.newaxis]
    (expected,), _ = images_and_notices(run, [plane(trajectory, k)], scan_of((24, 24, 1)))
    message = plane(np.concatenate([trajectory, density], axis=-1), k)
    (images,), notices = images_and_notices(run, [message], scan_of((24, 24, 1)))
    np.testing.assert_array_equal(images.data, expected.data)
    assert any("density weights" in notice.text for notice in notices)


def test_samples_outside_of_the_grid_are_left_out_and_counted(run):
    trajectory = 1.1 * arms()
    k = ellipse(trajectory, (24, 24))[np.newaxis, np.newaxis]
    (images,), notices = images_and_notices(run, [plane(trajectory, k)], scan_of((24, 24, 1)))
    assert images.data[0, 0, 12, 12] == pytest.approx(1, abs=0.06)
    assert any("outside" in notice.text for notice in notices)


def test_what_cannot_be_a_trajectory_is_refused_in_words(run):
    k = np.ones((1, 1, 4, 400))
    through = np.concatenate([arms(), arms()[..., :1]], axis=-1)
    for trajectory, words in ((arms() * 1e7, "too far"), (through, "third coordinate"), (arms()[:, :9], "no usable")):
        images, notices = images_and_notices(run, [plane(trajectory, k)], scan_of((24, 24, 1)))
        assert words in notices[-1].text
        assert notices[-1].level is Level.ERROR
        assert images[0].place.missing == 4
    with pytest.raises(DataError, match="no matrix"):
        TransformTrajectory().start(scan_of((0, 0, 1)))
    with pytest.raises(ConfigError, match="precision"):
        TransformTrajectory(precision=0).start(scan_of((24, 24, 1)))


def test_more_trajectories_than_are_kept_work_and_are_told_of(run, monkeypatch):
    monkeypatch.setattr(nufft, "_KEPT", 2)
    paths = [arms(turn=0.3 * n) for n in range(4)]
    messages = [plane(path, ellipse(path, (24, 24))[np.newaxis, np.newaxis]) for path in (*paths, *paths[:1])]
    images, notices = images_and_notices(run, messages, scan_of((24, 24, 1)))
    for image in images:
        assert np.mean(image.data[0, 0, 10:15, 10:15]) == pytest.approx(1, abs=0.05)
    assert sum("different trajectories" in notice.text for notice in notices) == 1


@pytest.mark.parametrize(("trajectory", "needed"), [("spiral", True), ("radial", True), ("cartesian", False)])
def test_a_scan_needs_either_this_or_the_fft(trajectory, needed):
    scan = scan_of((24, 24, 1), trajectory=trajectory)
    assert TransformTrajectory().needed(scan) is needed
    assert Fourier().needed(scan) is not needed
    assert Fourier().needed(Scan())
    assert not TransformTrajectory().needed(Scan())


def test_without_finufft_a_spiral_scan_is_refused_in_words(monkeypatch):
    monkeypatch.setattr(nufft, "AVAILABLE", False)
    with pytest.raises(ConfigError, match="finufft"):
        TransformTrajectory().start(scan_of((24, 24, 1)))
