import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aslive.gadgets.tissue import TakeTissueMaps
from aslive.streaming.attributes import write_attributes
from aslive.streaming.flow import Mask, Place, Volume
from aslive.streaming.layouts import IMAGE_HEADER
from aslive.streaming.messages import Image
from aslive.streaming.notices import Level, Notice
from aslive.streaming.perfusion import RelaxationMap, TissueMaps
from aslive.streaming.readouts import Counters, Geometry
from aslive.streaming.scan import Scan

SHAPE = (4, 6, 5)
AXES = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))
shares = np.random.default_rng(0).dirichlet((1, 1, 1), SHAPE).astype(np.float32)
GRAY, WHITE, FLUID = (np.ascontiguousarray(shares[..., tissue]) for tissue in range(3))
MAPS = {"gray_matter": GRAY, "white_matter": WHITE, "fluid": FLUID}


def image(data, name=None, number=0, position=(0.0, 0.0, 0.0), axes=AXES, **attributes):
    """Make an MRD image of a map; positions in mm."""
    header = np.zeros((), IMAGE_HEADER)
    header["slice"], header["position"] = number, position
    header["read_dir"], header["phase_dir"], header["slice_dir"] = axes
    named = {"aslive_map": name} if name else {}
    return Image(header.tobytes(), write_attributes(named | attributes), np.asarray(data)[None])


def volume(number=0, geometry=Geometry()):  # noqa: B008  (immutable)
    return Volume(np.ones(SHAPE, np.complex64), Place(number, Counters(), 0.0, geometry))


def given_tissues(out):
    return [message for message in out if isinstance(message, TissueMaps)]


def words(out):
    return " ".join(message.text for message in out if isinstance(message, Notice))


@pytest.fixture
def scan(make_scan) -> Scan:
    return make_scan(SHAPE[::-1], three_dimensional=True)


def test_maps_that_come_before_the_data_go_out_ahead_of_the_first_volume(run, scan):
    images = [image(data, name) for name, data in MAPS.items()]
    tissues, passed = run([TakeTissueMaps()], [*images, volume()], scan)
    assert isinstance(passed, Volume)
    for name, data in MAPS.items():
        np.testing.assert_array_equal(getattr(tissues, name), data)


def test_maps_that_come_late_go_out_all_the_same(run, scan):
    during = run([TakeTissueMaps()], [volume(), *(image(d, n) for n, d in MAPS.items()), volume(1)], scan)
    assert [type(message) for message in during] == [Volume, TissueMaps, Volume]
    behind = run([TakeTissueMaps()], [volume(), *(image(d, n) for n, d in MAPS.items())], scan)
    assert [type(message) for message in behind] == [Volume, TissueMaps]


@pytest.mark.parametrize(
    "names",
    [
        ("GM", "wm", "CSF"),
        ("label-GM_probseg", "sub-01_label-WM_probseg", "label-CSF_probseg"),
        ("Grey_matter", "wm", "csf"),
    ],
)
def test_the_usual_names_are_understood(run, scan, names):
    images = [image(data, name) for name, data in zip(names, MAPS.values(), strict=True)]
    (tissues,) = given_tissues(run([TakeTissueMaps()], [*images, volume()], scan))
    np.testing.assert_array_equal(tissues.fluid, FLUID)


def test_all_other_images_pass_unchanged(run, scan):
    header = image(GRAY).header
    others = [
        image(GRAY),
        image(GRAY, "cbf"),
        Image(header, "no XML", GRAY[None]),
        Image(header, "<b>&</b>", GRAY[None]),
    ]
    out = run([TakeTissueMaps()], [*others, volume()], scan)
    assert all(made is came for made, came in zip(out, others, strict=False))
    assert len(out) == len(others) + 1


@pytest.mark.parametrize("missing", MAPS)
def test_one_tissue_may_be_left_out_and_is_the_rest_of_the_brain(run, scan, missing):
    brain = np.zeros(SHAPE, bool)
    brain[1:3] = True
    images = [image(data, name) for name, data in MAPS.items() if name != missing]
    out = run([TakeTissueMaps()], [*images, volume(), Mask(brain), volume(1)], scan)
    assert [type(message) for message in out] == [Volume, Mask, Notice, TissueMaps, Volume]
    found = getattr(out[3], missing)
    np.testing.assert_allclose(found[brain], MAPS[missing][brain], atol=1e-6)
    assert not found[~brain].any()
    assert missing in out[2].text
    assert out[2].level is Level.INFO


def test_a_third_map_that_comes_after_all_takes_the_place_of_the_rest(run, scan):
    messages = [Mask(np.ones(SHAPE, bool)), image(GRAY, "GM"), image(WHITE, "WM"), volume()]
    other = np.clip(FLUID - 0.1, 0, 1)
    out = given_tissues(run([TakeTissueMaps()], [*messages, image(other, "CSF"), volume(1)], scan))
    np.testing.assert_array_equal(out[1].fluid, other)


def test_one_map_alone_is_named_at_the_end(run, scan):
    out = run([TakeTissueMaps()], [image(GRAY, "GM"), volume()], scan)
    assert not given_tissues(out)
    assert "only gray_matter came" in words(out)


@given(order=st.permutations(range(SHAPE[0])), first=st.integers(0, 1))
def test_slices_that_come_one_by_one_are_put_together(run, make_scan, order, first):
    scan = make_scan(SHAPE[::-1], three_dimensional=False)
    images = [
        image(data[z][None], name, z + first, (0, 0, 10.0 * (z - 2))) for z in order for name, data in MAPS.items()
    ]
    (tissues,) = given_tissues(run([TakeTissueMaps()], [*images, volume()], scan))
    for name, data in MAPS.items():
        np.testing.assert_array_equal(getattr(tissues, name), data)


def test_slices_that_are_numbered_against_the_slice_direction_are_sorted_by_position(run, make_scan):
    scan = make_scan(SHAPE[::-1], three_dimensional=False)
    images = [
        image(data[z][None], name, 3 - z, (0, 0, 10.0 * (z - 2))) for z in range(4) for name, data in MAPS.items()
    ]
    (tissues,) = given_tissues(run([TakeTissueMaps()], [*images, volume()], scan))
    np.testing.assert_array_equal(tissues.gray_matter, GRAY)


def test_a_slice_that_never_came_is_named(run, scan):
    images = [image(GRAY[z][None], "GM", z) for z in (0, 1, 3)]
    out = run([TakeTissueMaps()], [*images, volume()], scan)
    assert "gray_matter stayed incomplete, with 3 of 4 slices" in words(out)


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        (GRAY[:, :, :4], "4 x 6 x 4 voxels; it should have the 5 x 6 x 4"),
        (np.where(GRAY > 0.8, np.nan, GRAY), "are no numbers"),
        (100 * GRAY, "should be shares from 0 to 1"),
        (GRAY - 0.3, "should be shares from 0 to 1"),
        (0 * GRAY, "zero everywhere"),
    ],
    ids=["shape", "NaN", "percent", "negative", "empty"],
)
def test_what_cannot_be_right_is_named_and_not_used(run, scan, data, complaint):
    out = run([TakeTissueMaps()], [image(data, "GM"), image(WHITE, "WM"), image(FLUID, "CSF"), volume()], scan)
    assert not given_tissues(out)
    assert "The map gray_matter is not used: " in words(out)
    assert complaint in words(out)


def test_a_map_that_is_sent_again_as_it_should_be_is_used(run, scan):
    images = [image(100 * GRAY, "GM"), image(WHITE, "WM"), image(FLUID, "CSF")]
    out = run([TakeTissueMaps()], [*images, volume(), image(GRAY, "GM"), volume(1)], scan)
    np.testing.assert_array_equal(given_tissues(out)[0].gray_matter, GRAY)


def test_shares_that_add_up_to_more_than_a_voxel_are_not_used(run, scan):
    out = run([TakeTissueMaps()], [image(np.full(SHAPE, 0.5), name) for name in MAPS] + [volume()], scan)
    assert not given_tissues(out)
    assert "add up to 1.5" in words(out)


def test_stored_integers_are_rescaled(run, scan):
    stored = np.rint(GRAY * 1000).astype(np.int16)
    images = [image(stored, "GM", RescaleSlope="0.001", RescaleIntercept="0"), image(WHITE, "WM"), image(FLUID, "CSF")]
    (tissues,) = given_tissues(run([TakeTissueMaps()], [*images, volume()], scan))
    np.testing.assert_allclose(tissues.gray_matter, GRAY, atol=6e-4)


def test_what_overshoots_a_little_is_cut(run, scan):
    images = [image(GRAY * 1.02 - 0.01, "GM"), image(WHITE, "WM"), image(FLUID, "CSF")]
    (tissues,) = given_tissues(run([TakeTissueMaps()], [*images, volume()], scan))
    assert tissues.gray_matter.min() >= 0


@pytest.mark.parametrize(
    ("position", "axes", "complaint"),
    [
        ((0, 0, 12), AXES, "0, 0, 12 mm (x, y, z) away"),
        ((7, 0, 0), AXES, "7, 0, 0 mm (x, y, z) away"),
        ((0, 0, 0), ((-1, 0, 0), (0, 1, 0), (0, 0, 1)), "turned by 180 degrees"),
        ((0, 0, 0), ((0.995, 0.0998749, 0), (-0.0998749, 0.995, 0), (0, 0, 1)), "turned by 5.73 degrees"),
    ],
)
def test_a_map_that_lies_elsewhere_is_not_used(run, scan, position, axes, complaint):
    images = [image(data, name, position=position, axes=axes) for name, data in MAPS.items()]
    out = run([TakeTissueMaps()], [*images, volume()], scan)
    assert not given_tissues(out)
    assert complaint in words(out)


def test_a_map_without_directions_is_used_wherever_it_lies(run, scan):
    images = [image(data, name, position=(0, 0, 50), axes=((0, 0, 0),) * 3) for name, data in MAPS.items()]
    assert given_tissues(run([TakeTissueMaps()], [*images, volume()], scan))


@pytest.mark.parametrize("tolerance", [0.25, 0.6])
def test_a_map_that_lies_half_a_voxel_away_is_used_where_the_site_allows_it(run, scan, tolerance):
    images = [image(data, name, position=(0, 0, 5)) for name, data in MAPS.items()]
    out = run([TakeTissueMaps(position_tolerance=tolerance)], [*images, volume()], scan)
    assert bool(given_tissues(out)) == (tolerance > 0.5)


@pytest.mark.parametrize(("scale", "units"), [(1, "s"), (1, None), (1000, "ms")])
def test_t1_is_taken_in_s_or_in_stated_ms(run, scan, scale, units):
    times = np.full(SHAPE, 1.3, np.float32)
    times[0], times[1, 0] = 0, np.nan
    attributes = {"units": units} if units else {}
    out = run([TakeTissueMaps()], [image(scale * times, "t1map", **attributes), volume()], scan)
    assert isinstance(out[0], RelaxationMap)
    np.testing.assert_allclose(out[0].data[2:], 1.3, rtol=1e-5)
    assert np.isnan(out[0].data[0]).all()
    assert np.isnan(out[0].data[1, 0]).all()


@pytest.mark.parametrize(
    ("data", "units", "complaint"),
    [(1300.0, "", "seems to be in ms"), (1.3, "us", "'us'; they should be s or ms"), (0.0, "s", "positive number")],
)
def test_t1_that_cannot_be_right_is_named(run, scan, data, units, complaint):
    out = run([TakeTissueMaps()], [image(np.full(SHAPE, data), "T1map", units=units), volume()], scan)
    assert not any(isinstance(message, RelaxationMap) for message in out)
    assert complaint in words(out)


def test_the_next_scan_begins_anew(run, scan):
    gadget = TakeTissueMaps()
    run([gadget], [image(GRAY, "GM"), image(WHITE, "WM"), Mask(np.ones(SHAPE, bool)), volume()], scan)
    assert not given_tissues(run([gadget], [image(FLUID, "CSF"), volume()], scan))
