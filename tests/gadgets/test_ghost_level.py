from dataclasses import replace

import numpy as np
import pytest

from aslive.gadgets.ghost_level import MeasureGhostLevel
from aslive.streaming.flow import Sampling, Volume
from aslive.streaming.notices import Measure, Measurement
from aslive.streaming.scan import Role


def disk(rows, columns, slices=2):
    y, x = np.ogrid[:rows, :columns]
    inside = np.hypot((y - rows / 2) / rows, (x - columns / 2) / columns) < 0.15
    return np.repeat(inside[np.newaxis], slices, 0).astype(np.complex64)


def measured(run, volume, scan):
    measurement, passed = run([MeasureGhostLevel()], [volume], scan)
    assert isinstance(measurement, Measurement)
    assert measurement.name is Measure.GHOST_LEVEL
    assert passed is volume
    return measurement.value


@pytest.mark.parametrize("shape", [(48, 40), (45, 33)])
@pytest.mark.parametrize("strength", [0.0, 0.05, 0.2])
def test_a_ghost_that_was_put_in_is_measured(run, make_volume, make_scan, shape, strength):
    image = disk(*shape)
    image = image + strength * np.roll(image, shape[0] // 2, axis=1)
    volume = make_volume(image, Role.CONTROL, 0)
    assert measured(run, volume, make_scan((shape[1], shape[0], 2))) == pytest.approx(strength, abs=0.03)


def reference_level(magnitude):
    mask = magnitude > 0.25 * np.percentile(magnitude, 99)
    ghost = np.roll(mask, magnitude.shape[1] // 2, axis=1) & ~mask
    return magnitude[ghost].mean() / magnitude[mask].mean()


def test_it_is_the_ratio_of_two_means(run, make_volume, make_scan):
    rng = np.random.default_rng(0)
    image = disk(64, 48, 3) * np.exp(1j) + 0.1 * (rng.standard_normal((3, 64, 48)) + 1j)
    level = measured(run, make_volume(image, Role.CONTROL, 0), make_scan((48, 64, 3)))
    assert level == pytest.approx(reference_level(np.abs(image)), rel=0.01)


@pytest.mark.parametrize("step", [2, 3])
def test_the_ghosts_of_an_accelerated_scan_are_found_where_they_fall(run, make_volume, make_scan, step):
    image = disk(60, 40)
    ghost = 0.2 * np.roll(image, round(60 / (2 * step)), axis=1) * (image == 0)
    volume = make_volume(image + ghost, Role.CONTROL, 0)
    volume = Volume(volume.data, replace(volume.place, sampling=Sampling(step_y=step)))
    assert measured(run, volume, make_scan((40, 60, 2))) > 0.03


def test_in_a_part_of_the_field_of_view_the_ghost_lies_half_of_the_whole_away(run, make_volume, make_scan):
    whole = disk(64, 32)
    whole = whole + 0.2 * np.roll(whole, 32, axis=1)
    volume = make_volume(whole[:, 8:56], Role.CONTROL, 0)
    assert measured(run, volume, make_scan((32, 64, 2), (32, 48, 2))) == pytest.approx(0.2, abs=0.03)


@pytest.mark.parametrize("value", [0, np.nan, np.inf])
def test_without_an_object_there_is_no_answer(run, make_volume, make_scan, value):
    volume = make_volume(np.full((2, 8, 8), value), Role.CONTROL, 0)
    assert np.isnan(measured(run, volume, make_scan((8, 8, 2))))


def test_only_scans_that_read_to_and_fro_need_it(make_scan):
    scan = make_scan()
    assert not MeasureGhostLevel().needed(scan)
    epi = replace(scan, encodings=(replace(scan.encodings[0], trajectory="epi"),))
    assert MeasureGhostLevel().needed(epi)
