import runpy
from pathlib import Path

import numpy as np
import pytest

from aslive.gadgets.kernels.average_brain import AverageBrain, load_average_brain

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def average() -> AverageBrain:
    return load_average_brain()


def test_the_packed_brain_is_made_anew_from_the_original():
    made = runpy.run_path(str(ROOT / "docs/reference/make_average_brain.py"))["make"]()
    with np.load(ROOT / "gadgets/average_brain/shares.npz") as packed:
        assert set(packed) == set(made)
        for name, value in made.items():
            np.testing.assert_array_equal(packed[name], value)


def test_the_notice_that_its_terms_demand_goes_with_it_and_all_of_it_is_small():
    folder = ROOT / "gadgets/average_brain"
    assert "Copyright (C) 1993-2009 Louis Collins" in (folder / "COPYRIGHT.txt").read_text()
    assert sum(path.stat().st_size for path in folder.iterdir()) < 300_000


def test_it_has_the_volumes_and_the_places_of_the_original(average: AverageBrain):
    liters = average.shares.sum(axis=(0, 1, 2), dtype=float) * (average.step * 10) ** 3
    np.testing.assert_allclose(liters, (1.008, 0.670, 0.216), rtol=0.02)  # summed over the original's 1 mm voxels
    assert average.shares.min() == 0
    assert average.shares.sum(axis=-1).max() < 1.02
    np.testing.assert_allclose(average.center, (0, 0.0205, 0.008), atol=0.005)


def test_blurring_keeps_the_volume_and_thinning_the_places(average: AverageBrain):
    blurred = average.blurred(0.006, 1)
    np.testing.assert_allclose(blurred.shares.sum(dtype=float), average.shares.sum(dtype=float), rtol=0.01)
    thinned = average.blurred(0.006, 3)
    np.testing.assert_array_equal(thinned.shares, blurred.shares[::3, ::3, ::3])
    np.testing.assert_allclose(thinned.center, average.center, atol=0.001)


def test_voxel_numbers_count_from_the_first_voxel(average: AverageBrain):
    to_voxels = average.voxels(np.eye(3, 4))
    np.testing.assert_allclose(to_voxels @ [*average.first, 1], 0, atol=1e-12)
    np.testing.assert_allclose(
        to_voxels @ [*(average.first + np.array([average.step, 0, 0])), 1], [1, 0, 0], atol=1e-12
    )
