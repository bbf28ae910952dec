from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from aslive.gadgets.atlas import AtlasMode, LayAtlas
from aslive.gadgets.mask import MakeMask
from aslive.sim.anatomy import Anatomy, brain
from aslive.sim.grid import Grid
from aslive.streaming.flow import Place, Volume
from aslive.streaming.notices import Measure, Measurement, Notice
from aslive.streaming.perfusion import TissueMaps
from aslive.streaming.quality import Regions
from aslive.streaming.readouts import Counters, Geometry
from aslive.streaming.scan import Labeling, Role, Scan

Run = Callable[..., list[object]]
LENGTHS = (0.22, 0.22, 0.15)
GRID = Grid((48, 48, 24), LENGTHS)


@pytest.fixture(scope="module")
def head() -> Anatomy:
    return brain(GRID)


def show(
    head: Anatomy,
    role: Role = Role.M0SCAN,
    number: int = 0,
    missing: int = 0,
    lengths: tuple[float, float, float] = LENGTHS,
    slice_direction: tuple[float, float, float] = (0, 0, 1),
) -> Volume:
    """Make an image of a head whose middle lies off the center of the magnet."""
    noise = np.random.default_rng(number).standard_normal((2, *GRID.shape))
    data = head.mixed([0.8, 0.65, 1.2]) + 0.01 * (noise[0] + 1j * noise[1])
    geometry = Geometry((0.01, -0.02, 0.05), slice_direction=slice_direction, field_of_view=lengths)
    place = Place(number, Counters(), 0.0, geometry, role, missing, number=number)
    return Volume(data.astype(np.complex64), place)


def regions_of(out: list[object]) -> list[Regions]:
    return [message for message in out if isinstance(message, Regions)]


def agreements(out: list[object]) -> list[float]:
    measured = [message for message in out if isinstance(message, Measurement)]
    return [one.value for one in measured if one.name is Measure.ATLAS_AGREEMENT]


def notices(out: list[object]) -> list[str]:
    return [message.text for message in out if isinstance(message, Notice)]


def sent(value: float = 0.5) -> TissueMaps:
    maps: NDArray[np.float32] = np.full(GRID.shape, value, np.float32)
    return TissueMaps(maps, maps / np.float32(2), maps / np.float32(4))


def line() -> list[object]:
    return [MakeMask(), LayAtlas()]


def test_the_tissues_and_regions_of_a_simulated_brain_are_known(run: Run, head: Anatomy):
    (found,) = regions_of(out := run(line(), [show(head)], Scan()))
    gray, white = head.gray_matter > 0.5, head.white_matter > 0.5
    assert 2 * np.sum((found.gray_matter > 0.5) & gray) / (np.sum(found.gray_matter > 0.5) + gray.sum()) > 0.9
    assert 2 * np.sum((found.white_matter > 0.5) & white) / (np.sum(found.white_matter > 0.5) + white.sum()) > 0.9
    assert found.source == "atlas"
    assert found.agreement == agreements(out)[0] > 0.5
    names = np.array(["", *found.names])[found.labels]
    theirs = np.where(head.territories > 3, "right", "left")
    assert np.mean(np.strings.startswith(names[gray], theirs[gray])) > 0.97


def test_the_image_passes_before_the_work_begins(run: Run, head: Anatomy):
    out = run(line(), [show(head), show(head, Role.CONTROL, 1)], Scan())
    kinds = [type(message).__name__ for message in out]
    assert kinds == ["Mask", "Map", "Volume", "Measurement", "Regions", "Volume"]


def test_labels_incomplete_and_broken_images_are_not_used(run: Run, head: Anatomy):
    broken = show(head, Role.CONTROL, 3)
    broken.data[0, 0, 0] = np.nan
    unusable = [show(head, Role.LABEL, 1), show(head, Role.CONTROL, 2, missing=1)]
    out = run(line(), [*unusable, show(head, Role.CONTROL, 4), broken], Scan())
    (measured,) = [m for m in out if isinstance(m, Measurement)]
    assert measured.place is not None
    assert measured.place.volume == 4
    assert len(regions_of(out)) == 1


def test_a_head_upside_down_gives_no_regions_and_says_so_once(run: Run, head: Anatomy):
    volumes = [
        show(head, role, number, slice_direction=(0, 0, -1))
        for number, role in enumerate((Role.M0SCAN, Role.CONTROL, Role.LABEL, Role.CONTROL))
    ]
    out = run(line(), volumes, Scan())
    assert not regions_of(out)
    assert len(agreements(out)) == 2  # the m0scan, then one control
    assert max(agreements(out)) < LayAtlas().least_agreement
    (text,) = notices(out)
    assert "no numbers by region" in text


def test_a_control_helps_where_the_m0scan_does_not(run: Run, head: Anatomy):
    upside_down = show(head, slice_direction=(0, 0, -1))
    out = run(line(), [upside_down, show(head, Role.CONTROL, 1)], Scan())
    first, second = agreements(out)
    assert first < LayAtlas().least_agreement < second
    assert len(regions_of(out)) == 1


def test_an_empty_image_is_no_head(run: Run):
    geometry = Geometry(field_of_view=LENGTHS)
    empty = Volume(np.zeros(GRID.shape, np.complex64), Place(0, Counters(), 0.0, geometry, Role.M0SCAN))
    out = run(line(), [empty], Scan())
    assert not agreements(out)
    assert not regions_of(out)


def test_without_the_size_of_voxels_there_are_no_regions(run: Run, head: Anatomy):
    out = run(line(), [show(head, lengths=(0, 0, 0))], Scan())
    assert not regions_of(out)
    assert "how large the voxels are" in notices(out)[0]


@pytest.mark.parametrize("three_dimensional", [True, False])
def test_the_size_of_voxels_comes_from_the_header_too(
    run: Run, head: Anatomy, make_scan: Callable[..., Scan], three_dimensional: bool
):
    scan = make_scan((48, 48, 24), three_dimensional=three_dimensional)
    encoding = scan.encoding
    assert encoding is not None
    x, y, z = LENGTHS
    lengths = (x, y, z if three_dimensional else z / 24)
    scan = replace(scan, encodings=(replace(encoding, recon_field_of_view=lengths),))
    (found,) = regions_of(run(line(), [show(head, lengths=(0, 0, 0))], scan))
    assert found.agreement > 0.5


def test_maps_that_were_sent_replace_the_shares_and_keep_the_labels(run: Run, head: Anatomy):
    first, second = regions_of(run(line(), [show(head), sent()], Scan()))
    assert (first.source, second.source) == ("atlas", "sent")
    np.testing.assert_array_equal(second.gray_matter, sent().gray_matter)
    np.testing.assert_array_equal(second.labels, first.labels)
    assert second.names == first.names
    assert np.isnan(second.agreement)


def test_maps_that_were_sent_before_wait_for_the_labels(run: Run, head: Anatomy):
    (found,) = regions_of(run(line(), [sent(), show(head)], Scan()))
    assert found.source == "sent"
    assert found.labels.any()


def test_maps_that_were_sent_serve_where_the_atlas_does_not_fit(run: Run, head: Anatomy):
    (found,) = regions_of(run(line(), [show(head, slice_direction=(0, 0, -1)), sent()], Scan()))
    assert found.source == "sent"
    assert not found.labels.any()
    assert found.names == ()


def test_the_next_scan_has_a_head_of_its_own(run: Run, head: Anatomy):
    gadget = LayAtlas()
    for _ in range(2):
        assert len(regions_of(run([MakeMask(), gadget], [show(head)], Scan()))) == 1


def test_only_scans_that_state_their_labeling_need_it(pcasl: Callable[..., Labeling]):
    stated = Scan(labeling=pcasl())
    assert LayAtlas().needed(stated)
    assert not LayAtlas().needed(Scan())
    assert not LayAtlas(enabled=AtlasMode.OFF).needed(stated)
