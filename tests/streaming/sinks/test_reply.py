"""What goes back to the scanner: maps that mean what they say, in the form the console wants."""

import io
import json
from typing import Any

import ismrmrd
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from ismrmrd.serialization import ProtocolDeserializer

from aslive.streaming.flow import Place
from aslive.streaming.layouts import ImageType
from aslive.streaming.messages import Close, Image, Text, Waveform
from aslive.streaming.notices import Level, Notice
from aslive.streaming.perfusion import Constant, Map, MapName
from aslive.streaming.readouts import Counters, Geometry
from aslive.streaming.scan import Encoding, Labeling, Scan, Source
from aslive.streaming.sinks.affine import affine
from aslive.streaming.sinks.reply import PixelFormat, Reply, TextStyle
from aslive.streaming.wire import encode

GEOMETRY = Geometry(
    position=(0.01, -0.02, 0.03),
    read_direction=(0.0, 1.0, 0.0),
    phase_direction=(-1.0, 0.0, 0.0),
    slice_direction=(0.0, 0.0, 1.0),
    field_of_view=(0.24, 0.2, 0.05),
)
PLACE = Place(5, Counters(contrast=1, phase=2, repetition=3, set=4, average=6), 10.0, GEOMETRY, missing=2)
FLOWS = [name for name in MapName if name.startswith("cbf")]
TIMES = [name for name in MapName if name.startswith(("att", "abat", "delay"))]
SHARES = [name for name in MapName if name.startswith("abv")]
FIXED = (*FLOWS, *TIMES, *SHARES)
PICTURES = (MapName.IMAGE, MapName.M0SCAN, MapName.CONTROL, MapName.LABEL, MapName.MASK, MapName.GFACTOR)
QUANTITIES = [name for name in MapName if name not in PICTURES]
INT16: dict[str, Any] = {"pixel_format": PixelFormat.INT16}  # Any: of Reply

shapes = st.tuples(st.integers(1, 4), st.integers(1, 4), st.integers(1, 4))
anything = arrays(np.float32, shapes, elements=st.floats(width=32))
magnitudes = arrays(np.float32, shapes, elements=st.floats(0, width=32, allow_infinity=False))
numbers = arrays(np.float32, shapes, elements=st.floats(width=32, allow_nan=False, allow_infinity=False))
flows = arrays(np.float32, shapes, elements=st.floats(-3000, 3000, width=32))


def result(data, name=MapName.CBF, place=PLACE, **more) -> Map:
    return Map(name, np.asarray(data, np.float32), place, "mL/100 g/min", 7, **more)


def reply(scan: Scan | None = None, **parameters: Any) -> Reply:  # Any: of Reply
    made = Reply(**{"maps": tuple(MapName), **parameters})
    made.start(scan or Scan())
    return made


def images(sink: Reply, *results: Map) -> list[Image]:
    return [message for one in results for message in sink.messages(one) if isinstance(message, Image)]


def meta(image: Image) -> dict:
    return dict(ismrmrd.Meta.deserialize(image.attributes))


# Pixels


@given(anything, st.sampled_from(MapName))
def test_floats_go_out_as_they_are(data, name):
    (image,) = images(reply(), result(data, name))
    assert image.data.dtype == np.float32
    assert image.data.shape == (1, *data.shape)
    np.testing.assert_array_equal(image.data[0], data)
    assert tuple(image.fields["matrix_size"]) == data.shape[::-1]
    assert (image.fields["data_type"], image.fields["channels"]) == (5, 1)


@given(numbers, st.sampled_from([name for name in MapName if name not in FIXED]))
def test_scaled_pixels_mean_the_same_to_half_a_step(data, name):
    (image,) = images(reply(**INT16), result(data, name))
    attributes = meta(image)
    slope = float(attributes["RescaleSlope"])
    assert attributes["RescaleIntercept"] == "0"
    assert (image.data.dtype, image.fields["data_type"]) == (np.int16, 2)
    exact = data.astype(np.float64)  # in which half a step of the smallest float32 is more than nothing
    error = np.abs(image.data[0] * slope - exact)
    # The slope is written with nine digits.
    assert np.all(error <= slope / 2 + 1e-8 * np.abs(exact))


@given(flows, st.sampled_from(FLOWS))
def test_flow_has_steps_of_a_tenth(data, name):
    (image,) = images(reply(**INT16), result(data, name))
    attributes = meta(image)
    assert float(attributes["RescaleSlope"]) == 0.1
    assert (attributes["WindowCenter"], attributes["WindowWidth"]) == ("500", "1000")
    assert np.all(np.abs(image.data[0] * 0.1 - np.clip(data, -3276.8, 3276.7)) <= 0.05 + 1e-3)


def test_flow_beyond_the_integers_is_cut_and_coarsens_no_other_voxel():
    (image,) = images(reply(**INT16), result([[[-40_000.0, 60.0, 5_000.0]]]))
    assert float(meta(image)["RescaleSlope"]) == 0.1
    assert image.data.tolist() == [[[[-32768, 600, 32767]]]]


seconds = arrays(np.float32, shapes, elements=st.floats(-32, 32, width=32))
shares = arrays(np.float32, shapes, elements=st.floats(-3, 3, width=32))


@given(seconds, st.sampled_from(TIMES))
def test_times_have_steps_of_a_millisecond(data, name):
    (image,) = images(reply(**INT16), result(data, name))
    attributes = meta(image)
    assert float(attributes["RescaleSlope"]) == 1e-3
    assert (attributes["WindowCenter"], attributes["WindowWidth"]) == ("1500", "3000")
    assert np.all(np.abs(image.data[0] * 1e-3 - data) <= 0.5e-3 + 1e-5)


@given(shares, st.sampled_from(SHARES))
def test_shares_have_steps_of_a_ten_thousandth(data, name):
    (image,) = images(reply(**INT16), result(data, name))
    assert float(meta(image)["RescaleSlope"]) == 1e-4
    assert np.all(np.abs(image.data[0] * 1e-4 - data) <= 0.5e-4 + 1e-6)


@given(numbers, st.sampled_from(QUANTITIES))
def test_a_sign_is_kept(data, name):
    (image,) = images(reply(**INT16), result(data, name))
    assert np.all(np.sign(image.data[0]) * np.sign(data) >= 0)
    assert image.fields["image_type"] == ImageType.REAL
    assert meta(image)["DataRole"] == "Quantitative"


@given(magnitudes, st.sampled_from(PICTURES))
def test_magnitudes_use_twelve_bits(data, name):
    (image,) = images(reply(**INT16), result(data, name))
    assert image.data.max() == (4095 if data.any() else 0)
    assert image.data.min() >= 0
    assert image.fields["image_type"] == ImageType.MAGNITUDE
    assert meta(image)["DataRole"] == "Image"


@given(anything, st.sampled_from(MapName))
def test_pixels_without_an_answer_are_zero_integers(data, name):
    (image,) = images(reply(**INT16), result(data, name))
    assert not image.data[0][~np.isfinite(data)].any()
    finite = np.where(np.isfinite(data), data, 0)
    (same,) = images(reply(**INT16), result(finite, name))
    np.testing.assert_array_equal(image.data, same.data)


@given(anything, st.sampled_from(MapName))
def test_the_window_is_in_whole_stored_units(data, name):
    (image,) = images(reply(**INT16), result(data, name))
    center, width = (int(meta(image)[key]) for key in ("WindowCenter", "WindowWidth"))
    assert width >= 1
    assert 0 <= center <= width <= np.iinfo(np.int16).max


def test_floats_have_no_window_and_no_slope():
    (image,) = images(reply(), result(np.ones((1, 2, 2))))
    assert not {"RescaleSlope", "RescaleIntercept", "WindowCenter", "WindowWidth"} & set(meta(image))


# Places


def test_the_header_says_where_and_when():
    (image,) = images(reply(), result(np.zeros((5, 20, 24))))
    fields = image.fields
    np.testing.assert_allclose(fields["field_of_view"], (240, 200, 50))
    np.testing.assert_allclose(fields["position"], (10, -20, 30))
    for direction, name in zip(GEOMETRY[1:4], ("read_dir", "phase_dir", "slice_dir"), strict=True):
        np.testing.assert_array_equal(fields[name], direction)
    assert [int(fields[name]) for name in ("contrast", "phase", "repetition", "set", "average")] == [1, 2, 3, 4, 6]
    assert fields["acquisition_time_stamp"] == 4000
    assert fields["version"] == 1


@pytest.mark.parametrize(("kind", "depth"), [("3D", 90), ("2D", 450)])
def test_a_field_of_view_the_lines_do_not_tell_comes_from_the_header(kind, depth):
    encoding = Encoding((8, 8, 5), (0.4, 0.2, 0.1), (8, 8, 5), (0.21, 0.2, 0.09), {})
    scan = Scan((encoding,), Labeling(mr_acquisition_type=kind))
    place = Place(0, Counters(), 0.0, Geometry())
    (image,) = images(reply(scan), result(np.zeros((5, 8, 8)), place=place))
    np.testing.assert_allclose(image.fields["field_of_view"], (210, 200, depth))


def test_a_field_of_view_nobody_tells_is_zero():
    (image,) = images(reply(), result(np.zeros((1, 2, 2)), place=Place(0, Counters(), 0.0, Geometry())))
    assert not image.fields["field_of_view"].any()


@given(arrays(np.float32, st.tuples(st.integers(1, 6), st.just(2), st.just(3)), elements=st.floats(0, 9, width=32)))
def test_slices_lie_where_the_volume_has_them(data):
    whole = affine(GEOMETRY, data.shape)
    assert whole is not None
    sent = images(reply(slices=True), result(data))
    assert len(sent) == data.shape[0]
    for z, image in enumerate(sent):
        np.testing.assert_array_equal(image.data, data[None, z : z + 1])
        fields = image.fields
        assert fields["slice"] == z
        assert tuple(fields["matrix_size"]) == (3, 2, 1)
        place = GEOMETRY._replace(
            position=tuple(fields["position"] * 1e-3), field_of_view=tuple(fields["field_of_view"] * 1e-3)
        )
        own = affine(place, (1, 2, 3))
        assert own is not None
        np.testing.assert_allclose(own[:3, 3], whole[:3] @ [0, 0, z, 1], atol=1e-3)
        np.testing.assert_allclose(own[:3, :3], whole[:3, :3], atol=1e-3)


@given(flows)
def test_scaled_slices_have_one_scale(data):
    (volume,) = images(reply(**INT16), result(data, MapName.M0SCAN))
    sent = images(reply(slices=True, **INT16), result(data, MapName.M0SCAN))
    np.testing.assert_array_equal(np.concatenate([image.data for image in sent], axis=1), volume.data)
    assert {meta(image)["RescaleSlope"] for image in sent} == {meta(volume)["RescaleSlope"]}


# Series


@given(st.lists(st.sampled_from(MapName), max_size=30), st.booleans())
def test_each_map_is_a_series_of_numbered_images(names, slices):
    sink = reply(slices=slices)
    sent = images(sink, *(result(np.zeros((3, 2, 2)), name) for name in names))
    numbers_by_map: dict[str, list[int]] = {}
    series_by_map: dict[str, set[int]] = {}
    for image in sent:
        name = meta(image)["aslive_map"]
        numbers_by_map.setdefault(name, []).append(int(image.fields["image_index"]))
        series_by_map.setdefault(name, set()).add(int(image.fields["image_series_index"]))
    assert all(indices == list(range(1, len(indices) + 1)) for indices in numbers_by_map.values())
    assert all(len(series) == 1 for series in series_by_map.values())
    assert len(set.union(set(), *series_by_map.values())) == len(set(names))
    assert sink.images == len(sent)


def test_the_numbers_of_a_series_begin_again_before_they_overflow():
    sink = reply(slices=True)
    sink._indices[MapName.CBF] = 65_533  # as if so many had been sent
    sent = images(sink, result(np.zeros((4, 1, 1))))
    assert [int(image.fields["image_index"]) for image in sent] == [65_534, 65_535, 1, 2]


def test_only_the_maps_that_are_wanted_are_sent():
    made = [result(np.zeros((1, 1, 1)), name) for name in MapName]
    assert [meta(image)["aslive_map"] for image in images(reply(maps=(MapName.CBF,)), *made)] == ["cbf"]


def test_the_mask_is_not_sent_unless_it_is_wanted():
    sink = Reply()
    sink.start(Scan())
    assert images(sink, result(np.zeros((1, 1, 1)), MapName.MASK)) == []


# Attributes


def test_a_map_says_what_it_is_made_of():
    constants = {
        "t1_blood": Constant(1.65, "s", Source.DEFAULT),
        "post_labeling_delay": Constant((1.8, 2.0), "s", Source.HEADER),
    }
    (image,) = images(reply(), result(np.zeros((1, 1, 1)), constants=constants))
    attributes = meta(image)
    assert attributes["aslive_map"] == "cbf"
    assert attributes["aslive_pairs"] == "7"
    assert attributes["aslive_volume"] == "5"
    assert attributes["aslive_missing_lines"] == "2"
    assert attributes["units"] == "mL/100 g/min"
    assert attributes["ImageProcessingHistory"] == ["aslive", "cbf"]
    assert attributes["SequenceDescriptionAdditional"] == attributes["SeriesDescriptionAdditional"] == "_aslive_cbf"
    assert json.loads(attributes["aslive_constants"]) == {
        "t1_blood": {"value": 1.65, "unit": "s", "source": "default"},
        "post_labeling_delay": {"value": [1.8, 2.0], "unit": "s", "source": "header"},
    }


def test_a_map_says_by_which_equation():
    (image,) = images(reply(), result(np.zeros((1, 1, 1)), equation="CBF = K deltam / M0; Alsop et al. (2015), eq. 1"))
    assert meta(image)["aslive_equation"] == "CBF = K deltam / M0; Alsop et al. (2015), eq. 1"
    assert "aslive_equation" not in meta(images(reply(), result(np.zeros((1, 1, 1))))[0])


def test_a_map_says_how_it_was_acquired():
    (image,) = images(reply(Scan(field_strength=3.0, echo_time=0.012)), result(np.zeros((1, 1, 1))))
    assert json.loads(meta(image)["aslive_acquisition"]) == {"MagneticFieldStrength": 3.0, "EchoTime": 0.012}
    assert "aslive_acquisition" not in meta(images(reply(), result(np.zeros((1, 1, 1))))[0])


def test_flow_and_arrival_times_go_to_the_scanner_unasked():
    sink = Reply()
    sink.start(Scan())
    made = [result(np.zeros((1, 1, 1)), name) for name in MapName]
    sent = [meta(image)["aslive_map"] for image in images(sink, *made)]
    assert sent == [
        *("image", "m0scan", "control", "label", "deltam"),
        *("cbf", "cbf_stderr", "gfactor", "att", "att_stderr", "abv"),
    ]


@pytest.mark.parametrize("parameters", [{}, INT16, {"slices": True}])
def test_ismrmrd_reads_what_is_sent(parameters):
    data = np.random.default_rng(0).normal(50, 10, (3, 4, 5))
    sent = images(reply(**parameters), result(data))
    stream = io.BytesIO(b"".join(encode(message) for message in (*sent, Close())))
    read = [image for image in ProtocolDeserializer(stream).deserialize() if isinstance(image, ismrmrd.Image)]
    assert [image.meta["aslive_map"] for image in read] == ["cbf"] * len(sent)
    slope = float(read[0].meta.get("RescaleSlope", 1))
    np.testing.assert_allclose(np.concatenate([image.data[0] for image in read]) * slope, data, atol=0.051)


# Words


@pytest.mark.parametrize(
    ("level", "plain", "fire"),
    [(Level.INFO, "info: x", "DBG x"), (Level.WARNING, "warning: x", "WRN x"), (Level.ERROR, "error: x", "ERR x")],
)
def test_a_notice_begins_with_its_level(level, plain, fire):
    notice = Notice("x", level)
    assert list(reply().messages(notice)) == [Text(plain)]
    assert list(reply(text_style=TextStyle.FIRE).messages(notice)) == [Text(fire)]


def test_images_and_texts_pass_and_nothing_else_does():
    image = images(reply(), result(np.zeros((1, 1, 1))))[0]
    assert list(reply().messages(image)) == [image]
    assert list(reply().messages(Text("hello"))) == [Text("hello")]
    assert list(reply().messages(Waveform(b"", np.zeros((0, 0), np.uint32)))) == []
    assert list(reply().messages(object())) == []
