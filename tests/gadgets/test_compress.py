import numpy as np
import pytest

from aslive.gadgets.compress import Compress
from aslive.gadgets.kernels.compression import compression, covariance
from aslive.streaming.flow import KSpace, Place, Reference
from aslive.streaming.notices import Notice
from aslive.streaming.readouts import Counters, Geometry
from aslive.streaming.scan import Scan

SLICES, ROWS, COLUMNS = 6, 24, 25


def place(volume=0):
    return Place(volume, Counters(repetition=volume), 0.0, Geometry())


def images(coils=32, snr=50.0, seed=0):
    """A head as each coil of an array around it sees it; the array's noise is white, of unit variance in each part."""
    rng = np.random.default_rng(seed)
    z, y, x = np.meshgrid(*(np.linspace(-1, 1, n) for n in (SLICES, ROWS, COLUMNS)), indexing="ij")
    head = (x / 0.8) ** 2 + (y / 0.9) ** 2 + (0.5 * z) ** 2 < 1
    angle, height = rng.uniform(0, 2 * np.pi, coils), rng.uniform(-1, 1, coils)
    seen = np.stack(
        [
            1
            / (0.3 + (x - 1.2 * np.cos(a)) ** 2 + (y - 1.2 * np.sin(a)) ** 2 + (z - h) ** 2)
            * np.exp(1j * (a + x * h))
            for a, h in zip(angle, height, strict=True)
        ]
    )
    seen /= np.sqrt((np.abs(seen) ** 2).sum(axis=0)).mean()
    object_ = head * (1 + 0.5 * np.sin(9 * x) * np.cos(7 * y))
    clean = (seen * object_ * snr).astype(np.complex64)
    noise = rng.standard_normal(clean.shape) + 1j * rng.standard_normal(clean.shape)
    return clean, (clean + noise).astype(np.complex64), head


def planes(data, volume=0):
    hybrid = np.fft.fftshift(np.fft.fft(np.fft.ifftshift(data, 2), axis=2, norm="ortho"), 2).astype(np.complex64)
    return [
        KSpace(np.ascontiguousarray(hybrid[:, z : z + 1]), place(volume), z, z == SLICES - 1, 0.1 * z)
        for z in range(SLICES)
    ]


def only(out, kind):
    return [m for m in out if isinstance(m, kind)]


@pytest.mark.parametrize(("coils", "virtual"), [(32, 12), (8, 3), (5, 1)])
def test_rows_are_orthonormal_so_noise_stays_white(coils, virtual):
    _, noisy, _ = images(coils)
    matrix = compression(covariance(noisy), virtual).matrix
    assert matrix.shape == (virtual, coils)
    np.testing.assert_allclose(matrix @ matrix.conj().T, np.eye(virtual), atol=1e-5)


def test_it_is_the_best_approximation_there_is():
    _, noisy, _ = images(8)
    flat = noisy.reshape(8, -1).astype(complex)
    made = compression(covariance(flat), 3)
    singular = np.linalg.svd(flat, compute_uv=False)
    lost = np.linalg.norm(flat - made.matrix.conj().T @ (made.matrix @ flat)) ** 2
    assert lost == pytest.approx((singular[3:] ** 2).sum(), rel=1e-4)
    assert made.kept == pytest.approx((singular[:3] ** 2).sum() / (singular**2).sum(), rel=1e-6)


def test_an_image_of_32_coils_loses_less_than_a_third_of_its_noise_with_12(run):
    clean, noisy, head = images()
    made = only(run([Compress(12)], planes(noisy), Scan()), KSpace)
    matrix = compression(covariance(noisy), 12).matrix
    assert [m.data.shape for m in made] == [(12, 1, ROWS, COLUMNS)] * SLICES
    compressed = np.einsum("nc,czyx->nzyx", matrix, clean)
    # the signal of the optimal combination, whose noise is 1 in each part whatever the coils
    full, left = (np.sqrt((np.abs(part) ** 2).sum(axis=0)) for part in (clean, compressed))
    assert np.sqrt(((full - left)[head] ** 2).mean()) < 0.3
    assert (left / np.where(head, full, 1))[head].min() > 0.98


def test_one_matrix_serves_planes_and_references_of_the_whole_run(run):
    _, noisy, _ = images(8)
    reference = Reference(noisy[:, :, :9], place(), 0, (3, 4))
    out = run([Compress(3)], [*planes(noisy)[:-1], reference, planes(noisy)[-1], *planes(2 * noisy, 1)], Scan())
    made = [m for m in out if not isinstance(m, Notice)]
    assert [type(m) for m in made] == [*[KSpace] * 5, Reference, *[KSpace] * 7]
    assert only(out, Reference)[0].center == (3, 4)
    for first, second in zip([*made[:5], made[6]], made[7:], strict=False):
        np.testing.assert_allclose(second.data, 2 * first.data, rtol=1e-4, atol=1e-3)
    assert [m.time for m in made[:2]] == [0.0, 0.1]


def test_the_kept_energy_is_said_once(run):
    _, noisy, _ = images(8, snr=1000)
    out = run([Compress(7)], [*planes(noisy), *planes(noisy, 1)], Scan())
    assert len(only(out, Notice)) == 1
    assert "8 coils compressed to 7" in only(out, Notice)[0].text


def test_nothing_is_held_beyond_its_bound_and_nothing_is_lost(run):
    _, noisy, _ = images(8)
    gadget = Compress(3, max_bytes=planes(noisy)[0].data.nbytes)
    gadget.start(Scan())
    out = [list(gadget.process(plane)) for plane in planes(noisy)]
    assert [len(only(made, KSpace)) for made in out] == [0, 2, 1, 1, 1, 1]


def test_a_first_volume_that_never_ends_goes_out_with_the_next_one_or_at_the_end(run):
    _, noisy, _ = images(8)
    torn = planes(noisy)[:3]
    assert len(only(run([Compress(3)], torn, Scan()), KSpace)) == 3
    made = only(run([Compress(3)], [*torn, *planes(noisy, 1)], Scan()), KSpace)
    assert [m.place.volume for m in made] == [0] * 3 + [1] * 6


def test_planes_of_other_coils_pass_and_that_is_said(run):
    _, noisy, _ = images(8)
    other = planes(noisy[:5], 1)
    out = run([Compress(3)], [*planes(noisy), *other], Scan())
    assert only(out, KSpace)[-SLICES:] == other
    assert sum("5 coils" in m.text for m in only(out, Notice)) == 1


def test_silence_is_compressed_to_silence(run):
    made = only(run([Compress(3)], planes(np.zeros((8, SLICES, ROWS, COLUMNS))), Scan()), KSpace)
    assert not any(m.data.any() for m in made)


@pytest.mark.parametrize(
    ("virtual", "coils", "needed"), [(0, 32, False), (12, 32, True), (12, 8, False), (12, 0, True)]
)
def test_it_is_needed_where_there_are_more_coils_than_wanted(virtual, coils, needed):
    assert Compress(virtual).needed(Scan(coils=coils)) is needed


def test_volumes_that_come_interleaved_are_learned_from_as_a_whole(run):
    _, noisy, _ = images(8)
    woven = [plane for both in zip(planes(noisy), planes(noisy, 1), strict=True) for plane in both]
    whole = [m.data for m in only(run([Compress(3)], planes(noisy), Scan()), KSpace)]
    made = only(run([Compress(3)], woven, Scan()), KSpace)
    assert [(m.index, m.place.volume) for m in made] == [(m.index, m.place.volume) for m in woven]
    energies = [np.square(np.abs(m.data)).sum() for m in made if m.place.volume == 0]
    np.testing.assert_allclose(energies, [np.square(np.abs(data)).sum() for data in whole], rtol=1e-2)
