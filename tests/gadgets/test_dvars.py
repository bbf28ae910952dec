from collections.abc import Callable, Iterable

import numpy as np
import pytest
from numpy.typing import NDArray

from aslive.gadgets.dvars import MeasureDVARS
from aslive.gadgets.kernels.change import change
from aslive.streaming.flow import Mask, Volume
from aslive.streaming.notices import Measure, Measurement
from aslive.streaming.scan import Labeling, LabelingType, Role, Scan

SHAPE = (12, 32, 32)
BRAIN = np.hypot(*np.mgrid[-16:16, -16:16]) < 13
MASK = Mask(np.repeat(BRAIN[None], SHAPE[0], 0))
ROLES = (Role.CONTROL, Role.LABEL)
SIGNAL = 100.0  # times the noise
UNSUPPRESSED = Labeling(LabelingType.PCASL, background_suppression=False)


def noisy(rng: np.random.Generator, image: NDArray[np.floating] | float) -> NDArray[np.complex128]:
    return image + rng.standard_normal(SHAPE) + 1j * rng.standard_normal(SHAPE)


def dvars(run: Callable, messages: Iterable[object], labeling: Labeling = UNSUPPRESSED) -> list[Measurement]:
    out = run([MeasureDVARS()], messages, Scan(labeling=labeling))
    return [made for made in out if isinstance(made, Measurement)]


def series(make_volume: Callable, images: Iterable[object], roles: tuple[Role, ...] = ROLES) -> list[object]:
    return [MASK, *(make_volume(image, roles[n % len(roles)], n) for n, image in enumerate(images))]


def test_noise_alone_gives_one(run, make_volume):
    rng = np.random.default_rng(0)
    anatomy = SIGNAL * (1 + 0.5 * rng.random(SHAPE))
    found = dvars(run, series(make_volume, (noisy(rng, anatomy) for _ in range(20))))
    assert len(found) == 18
    assert [each.place.volume for each in found if each.place] == list(range(2, 20))
    np.testing.assert_allclose([each.value for each in found], 1, atol=0.05)


@pytest.mark.parametrize("share", [0.01, 0.05])
def test_what_beats_with_the_heart_stands_out_by_its_own_size(run, make_volume, share):
    """Independent fluctuations of the signal s add to noise as sqrt(1 + (share s)^2)."""
    rng = np.random.default_rng(1)
    images = (noisy(rng, SIGNAL * (1 + share * beat)) for beat in np.where(rng.random(200) < 0.5, 1, -1))
    found = [each.value for each in dvars(run, series(make_volume, images))]
    assert np.sqrt(np.mean(np.square(found))) == pytest.approx(np.sqrt(1 + (share * SIGNAL) ** 2), rel=0.1)


def test_labels_are_not_compared_with_controls(run, make_volume):
    rng = np.random.default_rng(2)
    images = (noisy(rng, SIGNAL * (0.5 if n % 2 else 1)) for n in range(8))
    np.testing.assert_allclose([each.value for each in dvars(run, series(make_volume, images))], 1, atol=0.05)


@pytest.mark.parametrize(("suppressed", "alike"), [(True, 4), (False, 6)])
def test_suppressed_volumes_are_compared_with_those_of_their_delay(run, make_volume, suppressed, alike):
    rng = np.random.default_rng(3)
    delays = (1.0, 1.0, 2.0, 2.0) * 2
    labeling = Labeling(
        LabelingType.PCASL,
        ROLES * 4,
        labeling_duration=(1.8,),
        post_labeling_delay=delays,
        background_suppression=suppressed,
    )
    brightness = (SIGNAL if suppressed and delay == 1.0 else SIGNAL / 2 for delay in delays)
    found = dvars(run, series(make_volume, (noisy(rng, value) for value in brightness)), labeling)
    assert len(found) == alike
    np.testing.assert_allclose([each.value for each in found], 1, atol=0.05)


def test_a_volume_that_lacks_lines_is_left_out(run, make_volume):
    rng = np.random.default_rng(4)
    whole = [make_volume(noisy(rng, SIGNAL), Role.CONTROL, n) for n in (0, 2)]
    broken = make_volume(np.zeros(SHAPE), Role.CONTROL, 1, missing=3)
    (found,) = dvars(run, [MASK, whole[0], broken, whole[1]])
    assert found.value == pytest.approx(1, abs=0.05)


def test_everything_passes_on(run, make_volume):
    messages = series(make_volume, [np.ones(SHAPE)] * 3, (Role.M0SCAN, Role.CONTROL, Role.CONTROL))
    out = run([MeasureDVARS()], messages, Scan(labeling=UNSUPPRESSED))
    assert [made for made in out if not isinstance(made, Measurement)] == messages
    (measurement,) = (made for made in out if isinstance(made, Measurement))
    assert measurement.name is Measure.DVARS
    assert np.isnan(measurement.value)  # of images without noise nobody can tell how many times the noise they differ


def test_volumes_that_are_no_numbers_have_no_answer_and_spoil_no_other(run, make_volume):
    rng = np.random.default_rng(5)
    images: list[object] = [noisy(rng, SIGNAL) for _ in range(6)]
    images[2] = np.full(SHAPE, np.nan)
    values = [each.value for each in dvars(run, series(make_volume, images, (Role.CONTROL,)))]
    np.testing.assert_array_equal(np.isnan(values), [False, True, True, False, False])


def test_the_kernel_equals_three_lines_of_numpy():
    rng = np.random.default_rng(6)
    image, before = rng.standard_normal((2, 3, 9, 8)).astype(np.float32)
    inside = rng.random((3, 9, 8)) < 0.8
    d = image.astype(float) - before
    grain = d[..., :-2] - 2 * d[..., 1:-1] + d[..., 2:]
    within = inside[..., :-2] & inside[..., 1:-1] & inside[..., 2:]
    expected = np.sqrt(np.mean(d[inside] ** 2)), np.sqrt(np.mean(grain[within] ** 2) / 6)
    np.testing.assert_allclose(change(image, before, inside), expected, rtol=1e-6)


def test_scans_without_labeling_do_without_it():
    assert not MeasureDVARS().needed(Scan())
    assert MeasureDVARS().needed(Scan(labeling=UNSUPPRESSED))


def test_the_volume_is_the_one_that_came(run, make_volume):
    volume = make_volume(np.ones(SHAPE), Role.LABEL, 0)
    (passed,) = run([MeasureDVARS()], [volume], Scan(labeling=UNSUPPRESSED))
    assert isinstance(passed, Volume)
    assert passed is volume
