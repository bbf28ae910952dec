"""The noise of one pair after smoothing, against maps that were drawn and smoothed by scipy."""

import math

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from aslive.gadgets.calibration.gray_matter_noise import GrayMatterNoise
from aslive.sim.anatomy import brain
from aslive.sim.grid import Grid
from aslive.streaming.flow import Place
from aslive.streaming.perfusion import Map, MapName
from aslive.streaming.quality import Regions
from aslive.streaming.readouts import Counters, Geometry
from aslive.streaming.scan import Encoding, Scan

HEAD = brain(Grid((24, 24, 8), (0.22, 0.22, 0.12)))
PAIRS, SCALE, DRAWN = 400, 0.02, 600


@pytest.mark.parametrize("least", [0.5, 20.0])
def test_the_error_after_smoothing_is_that_of_smoothed_maps(least: float) -> None:
    """Also where voxels at the edge of the brain hold little tissue, and are far noisier than those within."""
    grid, inside, gray = HEAD.grid, HEAD.m0 > least, HEAD.gray_matter > 0.7
    own = np.divide(2800.0, HEAD.m0, out=np.zeros(grid.shape), where=inside)
    width = [SCALE / math.sqrt(8 * math.log(2)) / size for size in reversed(grid.voxel)]
    weight = gaussian_filter(inside.astype(np.float64), width, mode="constant")[gray]
    generator = np.random.default_rng(0)
    drawn = (own * generator.standard_normal(grid.shape) for _ in range(DRAWN))
    smoothed = [gaussian_filter(noise, width, mode="constant")[gray] / weight for noise in drawn]

    encoding = Encoding(grid.matrix, grid.field_of_view, grid.matrix, grid.field_of_view, {})
    labels = np.zeros(grid.shape, np.uint8)
    regions = Regions(HEAD.gray_matter, HEAD.white_matter, HEAD.fractions[2], labels, (), "sent")
    noise = GrayMatterNoise(Scan((encoding,)), SCALE, regions, inside)
    stderr = (own / math.sqrt(PAIRS)).astype(np.float32)
    names = {MapName.CBF: HEAD.cbf, MapName.CBF_STDERR: stderr, MapName.DELTAM: HEAD.cbf, MapName.DELTAM_STDERR: stderr}
    place = Place(2 * PAIRS, Counters(), 0.0, Geometry())
    maps = [Map(name, data, place, "mL/100g/min", PAIRS) for name, data in names.items()]
    for made in maps:
        noise.take(made)
    precision = noise.learn(maps[-1])
    assert precision is not None
    told = precision.voxel_error(PAIRS) * math.sqrt(PAIRS)
    assert told == pytest.approx(np.median(np.std(smoothed, axis=0)), rel=0.02)
