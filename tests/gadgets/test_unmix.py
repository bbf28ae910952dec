from dataclasses import replace

import numpy as np
import pytest

from aslive.gadgets.combine import Combine
from aslive.gadgets.fourier import Fourier
from aslive.gadgets.unmix import Unmix
from aslive.sim.coils import sensitivities
from aslive.sim.fourier import to_kspace
from aslive.sim.grid import Grid
from aslive.streaming.flow import CoilImages, KSpace, Place, Reference, Sampling, Slab
from aslive.streaming.notices import Level, Notice
from aslive.streaming.perfusion import Map, MapName
from aslive.streaming.readouts import Counters, Geometry

COILS = 12


def head(shape: tuple[int, int, int], phase: float = 2.0) -> tuple[np.ndarray, np.ndarray]:
    """Give k-space ``(coils, kz, ky, kx)`` of a head of 50, with noise of 0.05, and where the head is."""
    depth, rows, columns = shape
    grid = Grid((columns, rows, depth), (0.22, 0.22, 0.008 * depth))
    z, y, x = (np.linspace(-1, 1, size) if size > 1 else np.zeros(1) for size in shape)
    inside = (x / 0.75) ** 2 + (y[:, None] / 0.85) ** 2 + 1.4 * z[:, None, None] ** 2 < 1
    image = 50 * inside * (1 + 0.3 * np.sin(9 * x) * np.cos(11 * y[:, None] + z[:, None, None]))
    kspace = to_kspace(sensitivities(grid, COILS) * image * np.exp(1j * phase * x), (1, 2, 3))
    rng = np.random.default_rng(0)
    noise = 0.05 * (rng.standard_normal(kspace.shape) + 1j * rng.standard_normal(kspace.shape))
    return (kspace + noise).astype(np.complex64), inside


def along_x(kspace: np.ndarray) -> np.ndarray:
    shifted = np.fft.ifft(np.fft.ifftshift(kspace, 3), norm="ortho")
    return np.fft.fftshift(shifted, 3).astype(np.complex64)


def block(kspace: np.ndarray, lines: int, partitions: int = 1, volume: int = 0, index: int = 0) -> Reference:
    z, y = kspace.shape[1] // 2 - partitions // 2, kspace.shape[2] // 2 - lines // 2
    data = along_x(kspace[:, z : z + partitions, y : y + lines])
    return Reference(data, place(volume), index, (partitions // 2, lines // 2))


def place(volume: int = 0, **sampling: object) -> Place:
    return Place(volume, Counters(), 0.0, Geometry(), sampling=Sampling(**sampling))  # pyright: ignore[reportArgumentType] (its fields)


def planes(kspace, sampling: Sampling, volume=0, index=0, last=True, z=0, y=0, geometry=None):
    """Give the planes of a volume, zero where the lattice, which begins at (z, y), holds no line."""
    at = replace(place(volume), sampling=sampling, geometry=geometry or Geometry())
    kept = np.zeros(kspace.shape[1:3], bool)
    for number, partition in enumerate(range(z, kspace.shape[1], sampling.step_z)):
        kept[partition, (y + number * sampling.shift) % sampling.step_y :: sampling.step_y] = True
    low = round((1 + sampling.y[0]) / 2 * kspace.shape[2])
    kept[:, :low] = False
    hybrid = along_x(kspace * kept[:, :, np.newaxis])
    for partition in range(kspace.shape[1]):
        number = index if kspace.shape[1] == 1 else partition
        yield KSpace(hybrid[:, partition : partition + 1], at, number, last and partition == kspace.shape[1] - 1)


def error(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.linalg.norm(one - other) / np.linalg.norm(other))


def of(kind: type, made: list) -> list:
    return [message for message in made if isinstance(message, kind)]


def test_only_accelerated_scans_are_unmixed_and_only_others_combined(make_scan):
    for acceleration, needed in (((1, 1), False), ((2, 1), True), ((1, 2), True)):
        scan = make_scan(acceleration=acceleration)
        assert Unmix().needed(scan) is needed
        assert Combine().needed(scan) is not needed
    spiral = make_scan(acceleration=(2, 1))
    spiral = replace(spiral, encodings=(replace(spiral.encoding, trajectory="spiral"),))
    assert not Unmix().needed(spiral)
    assert Combine().needed(spiral)


@pytest.mark.parametrize("rows", [60, 57])
@pytest.mark.parametrize(("step", "begin"), [(2, 0), (2, 1), (3, 2)])
def test_the_image_is_that_of_full_sampling_wherever_the_lattice_begins(run, make_scan, rows, step, begin):
    kspace, _ = head((1, rows, 48))
    scan = make_scan((48, rows, 1), acceleration=(step, 1))
    reference = block(kspace, 24)
    folded = planes(kspace, Sampling(step_y=step), y=begin)
    (slab,) = of(Slab, run([Fourier(), Unmix()], [reference, *folded], scan))
    (whole,) = of(Slab, run([Fourier(), Unmix()], [reference, *planes(kspace, Sampling())], scan))
    assert error(slab.data, whole.data) < 0.03
    assert slab.place.sampling.step_y == step


@pytest.mark.parametrize(
    ("sampling", "limit"),
    [(Sampling(step_y=2), 0.01), (Sampling(step_y=2, step_z=2, shift=1), 0.03), (Sampling(step_y=2, step_z=2), 0.03)],
)
def test_a_volume_is_unfolded_in_both_directions(run, make_scan, sampling, limit):
    kspace, inside = head((16, 40, 32))
    scan = make_scan((32, 40, 16), three_dimensional=True, acceleration=(sampling.step_y, sampling.step_z))
    reference = block(kspace, 20, 16)
    for begin in ((0, 0), (1, 1)):
        folded = planes(kspace, sampling, z=begin[0] % sampling.step_z, y=begin[1])
        made = run([Fourier(), Unmix()], [reference, *folded], scan)
        (whole,) = of(Slab, run([Fourier(), Unmix()], [reference, *planes(kspace, Sampling())], scan))
        assert error(of(Slab, made)[0].data[inside], whole.data[inside]) < limit
        (noise,) = of(Map, made)
        assert noise.data.shape == (16, 40, 32)


def test_rows_outside_of_the_field_of_view_are_cut_off_as_from_a_full_image(run, make_scan):
    kspace, _ = head((1, 60, 48))
    messages = [block(kspace, 24), *planes(kspace, Sampling(step_y=2))]
    (cut,) = of(Slab, run([Fourier(), Unmix()], messages, make_scan((48, 60, 1), (48, 46, 1), acceleration=(2, 1))))
    (whole,) = of(Slab, run([Fourier(), Unmix()], messages, make_scan((48, 60, 1), acceleration=(2, 1))))
    inside = whole.data[:, 7:53]
    assert cut.data.shape == (1, 46, 48)
    assert error(np.abs(cut.data), np.abs(inside)) < 0.01  # up to the maps of the outermost rows, and their phase


def test_partial_fourier_is_kept_as_it_is(run, make_scan):
    kspace, _ = head((1, 64, 48))
    scan = make_scan((48, 64, 1), acceleration=(2, 1))
    cut = Sampling(y=(-0.5, 1.0))
    reference = block(kspace, 24)
    (folded,) = of(Slab, run([Fourier(), Unmix()], [reference, *planes(kspace, cut._replace(step_y=2))], scan))
    (whole,) = of(Slab, run([Fourier(), Unmix()], [reference, *planes(kspace, cut)], scan))
    assert error(folded.data, whole.data) < 0.03


def test_a_reference_of_another_resolution_along_x_serves(run, make_scan):
    kspace, _ = head((1, 60, 48))
    scan = make_scan((48, 60, 1), acceleration=(2, 1))
    coarse = block(kspace[..., 8:40], 24)
    folded = list(planes(kspace, Sampling(step_y=2)))
    (other,) = of(Slab, run([Fourier(), Unmix()], [coarse, *folded], scan))
    (same,) = of(Slab, run([Fourier(), Unmix()], [block(kspace, 24), *folded], scan))
    assert error(np.abs(other.data), np.abs(same.data)) < 0.02


def test_unmixing_is_linear_and_never_learned_anew(run, make_scan):
    kspace, _ = head((1, 40, 32))
    scan = make_scan((32, 40, 1), acceleration=(2, 1))
    rng = np.random.default_rng(1)
    a, b = (kspace * rng.uniform(0.5, 1.5) + rng.standard_normal(kspace.shape).astype(np.float32) for _ in range(2))
    mixed = (2 - 1j) * a + b
    sampling = Sampling(step_y=2)
    messages = [block(kspace, 24)]
    for volume, data in enumerate((a, b, mixed, a)):
        messages += [block(data, 24, volume=volume), *planes(data.astype(np.complex64), sampling, volume)]
    one, two, both, again = (slab.data for slab in of(Slab, run([Fourier(), Unmix()], messages, scan)))
    np.testing.assert_allclose(both, (2 - 1j) * one + two, atol=2e-3)
    np.testing.assert_array_equal(one, again)


def test_the_g_factor_goes_out_once_and_in_the_order_of_the_slices(run, make_scan):
    kspace, _ = head((1, 40, 32))
    other = kspace + 3 * np.random.default_rng(2).standard_normal(kspace.shape).astype(np.float32)
    scan = make_scan((32, 40, 2), acceleration=(2, 1))
    messages: list = [block(kspace, 24, index=0), block(other, 24, index=1)]
    for volume in range(2):
        for index in range(2):  # slice 1 lies below slice 0
            geometry = Geometry(position=(0.0, 0.0, -0.01 * index))
            messages += planes(kspace, Sampling(step_y=2), volume, index, index == 1, geometry=geometry)
    (noise,) = of(Map, run([Fourier(), Unmix()], messages, scan))
    assert (noise.name, noise.units, noise.data.dtype) == (MapName.GFACTOR, "1", np.float32)
    assert noise.data.shape == (2, 40, 32)
    assert noise.data[1].mean() < noise.data[0].mean()  # slice 0, the one with less noise, lies above
    assert noise.place.geometry.position == pytest.approx((0, 0, -0.005))


def test_fully_sampled_volumes_are_combined_with_the_same_maps(run, make_scan):
    kspace, _ = head((1, 40, 32))
    scan = make_scan((32, 40, 1), acceleration=(2, 1))
    messages = [block(kspace, 24), *planes(kspace, Sampling()), *planes(kspace, Sampling(step_y=2), 1)]
    made = run([Fourier(), Unmix()], messages, scan)
    full, unfolded = of(Slab, made)
    assert not of(Notice, made)
    assert error(full.data, unfolded.data) < 0.03
    (alone,) = of(Slab, run([Fourier(), Unmix()], [*planes(kspace, Sampling())], scan))
    (combined,) = of(Slab, run([Fourier(), Combine()], [*planes(kspace, Sampling())], scan))
    np.testing.assert_array_equal(alone.data, combined.data)


def spoilt(reference: Reference, how: str) -> list[Reference]:
    if how == "none":
        return []
    data = reference.data.copy()
    if how == "not finite":
        data[0, 0, 3, 4] = np.nan
    elif how == "empty":
        data[:] = 0
    elif how == "other coils":
        data = data[:5].copy()
    elif how == "too small":
        data = data[:, :, :2].copy()
    return [replace(reference, data=data)]


@pytest.mark.parametrize("how", ["none", "not finite", "empty", "other coils", "too small"])
def test_without_a_usable_reference_images_stay_folded_and_that_is_said_once(run, make_scan, how):
    kspace, _ = head((1, 40, 32))
    scan = make_scan((32, 40, 1), acceleration=(3, 1))
    messages: list = spoilt(block(kspace, 24), how)
    for volume in range(2):
        messages += planes(kspace, Sampling(step_y=3), volume)
    made = run([Fourier(), Unmix()], messages, scan)
    errors = [notice for notice in of(Notice, made) if notice.level is Level.ERROR]
    assert len(errors) == 1
    assert "folded" in errors[0].text
    assert all(np.isfinite(slab.data).all() and (slab.data.imag == 0).all() for slab in of(Slab, made))
    assert np.isnan(of(Map, made)[0].data).all()


def test_a_spoilt_reference_is_replaced_by_the_next_whole_one(run, make_scan):
    kspace, _ = head((1, 40, 32))
    scan = make_scan((32, 40, 1), acceleration=(2, 1))
    folded = list(planes(kspace, Sampling(step_y=2)))
    reference = block(kspace, 24)
    (one,) = of(Slab, run([Fourier(), Unmix()], [*spoilt(reference, "not finite"), reference, *folded], scan))
    (two,) = of(Slab, run([Fourier(), Unmix()], [reference, *folded], scan))
    np.testing.assert_array_equal(one.data, two.data)


def test_few_reference_lines_give_a_smaller_kernel_and_a_notice(run, make_scan):
    kspace, _ = head((1, 40, 32))
    scan = make_scan((32, 40, 1), acceleration=(3, 1))
    made = run([Fourier(), Unmix()], [block(kspace, 12), *planes(kspace, Sampling(step_y=3))], scan)
    assert [notice.text for notice in of(Notice, made)] == [
        "12 reference lines are few for a kernel of 5 x 4 points: one of 5 x 2 is used."
    ]


def test_more_acceleration_than_coils_is_refused(run, make_scan):
    rng = np.random.default_rng(3)
    images = rng.standard_normal((2, 1, 30, 8)).astype(np.complex64)
    message = CoilImages(images, place(step_y=3), 0, True)
    reference = Reference(rng.standard_normal((2, 1, 24, 8)).astype(np.complex64), place(), 0, (0, 12))
    made = run([Unmix()], [reference, message], make_scan((8, 30, 1), acceleration=(3, 1)))
    assert "more than 2 coils can unfold" in of(Notice, made)[0].text


def test_a_slice_that_never_came_stays_empty_and_is_no_reason_for_words(run, make_scan):
    kspace, _ = head((1, 40, 32))
    scan = make_scan((32, 40, 2), acceleration=(2, 1))
    (absent,) = planes(np.zeros_like(kspace), Sampling(step_y=2), index=1)
    absent = replace(absent, place=replace(absent.place, missing=20))
    messages = [block(kspace, 24), *planes(kspace, Sampling(step_y=2), last=False), absent]
    made = run([Fourier(), Unmix()], messages, scan)
    assert not of(Notice, made)
    assert [slab.data.any() for slab in of(Slab, made)] == [True, False]
