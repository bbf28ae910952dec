"""Maps land in NIfTI files where the scanner says they are, under the names that BIDS gives them."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import nibabel
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aslive.streaming.attributes import write_attributes
from aslive.streaming.errors import ConfigError
from aslive.streaming.flow import Place
from aslive.streaming.layouts import IMAGE_HEADER
from aslive.streaming.messages import Image
from aslive.streaming.perfusion import Constant, Map, MapName
from aslive.streaming.readouts import Counters, Geometry
from aslive.streaming.scan import Labeling, LabelingType, Role, Scan, Source
from aslive.streaming.sinks.affine import affine
from aslive.streaming.sinks.bids_names import DESCRIPTIONS, NAMES
from aslive.streaming.sinks.nifti import BidsFolder, write_nifti
from aslive.streaming.sinks.reply import Reply

PERFUSION = Path("sub-aslive/perf")
TO_RAS = np.diag([-1, -1, 1])


def rotation(axis: int, angle: float) -> np.ndarray:
    turned = np.eye(3)
    first, second = (other for other in range(3) if other != axis)
    turned[[first, first, second, second], [first, second, first, second]] = (
        np.cos(angle),
        -np.sin(angle),
        np.sin(angle),
        np.cos(angle),
    )
    return turned


@st.composite
def geometries(draw) -> Geometry:
    turned = (
        rotation(0, draw(st.floats(-3, 3))) @ rotation(1, draw(st.floats(-3, 3))) @ rotation(2, draw(st.floats(-3, 3)))
    )
    turned[2] *= draw(st.sampled_from((-1, 1)))
    position = draw(st.tuples(*[st.floats(-0.2, 0.2)] * 3))
    field_of_view = draw(st.tuples(*[st.floats(0.05, 0.4)] * 3))
    read, phase, along = (tuple(row) for row in turned.tolist())
    return Geometry(position, read, phase, along, field_of_view)


SHAPES = st.tuples(*[st.integers(1, 9)] * 3)


@given(geometries(), SHAPES)
def test_the_middle_of_the_volume_is_voxel_n_half(geometry, shape):
    matrix = affine(geometry, shape)
    assert matrix is not None
    middle = [n // 2 for n in reversed(shape)]
    np.testing.assert_allclose((matrix @ [*middle, 1])[:3], TO_RAS @ np.multiply(1e3, geometry.position), atol=1e-9)


@given(geometries(), SHAPES)
def test_a_step_along_an_axis_is_one_voxel_in_its_direction(geometry, shape):
    matrix = affine(geometry, shape)
    assert matrix is not None
    for axis, (direction, length, count) in enumerate(
        zip(geometry[1:4], geometry.field_of_view, reversed(shape), strict=True)
    ):
        step = TO_RAS @ np.multiply(1e3 * length / count, direction)
        np.testing.assert_allclose(matrix[:3, axis], step, atol=1e-9)


@pytest.mark.parametrize("count", [6, 7])
def test_a_point_source_at_the_scanners_position_lands_there(tmp_path, count):
    flat = np.ones((count,) * 3, np.complex64)  # the k-space of a point in the middle
    image = np.fft.fftshift(np.fft.fftn(np.fft.ifftshift(flat))).real.astype(np.float32)
    geometry = Geometry((0.01, -0.02, 0.03), field_of_view=(0.2, 0.2, 0.1))
    path = tmp_path / "point.nii.gz"
    write_nifti(path, image, geometry)
    read = nibabel.Nifti1Image.from_filename(path)
    place = np.unravel_index(np.argmax(np.asarray(read.dataobj)), (count,) * 3)
    assert read.affine is not None
    np.testing.assert_allclose((read.affine @ [*place, 1])[:3], [-10, 20, 30], atol=1e-4)


def test_a_map_is_written_as_it_is(tmp_path):
    data = np.random.default_rng(0).standard_normal((3, 4, 5), dtype=np.float32)
    data[0, 0, 0] = np.nan
    path = tmp_path / "map.nii.gz"
    write_nifti(path, data, Geometry(field_of_view=(0.2, 0.16, 0.09)))
    read = nibabel.Nifti1Image.from_filename(path)
    np.testing.assert_array_equal(np.asarray(read.dataobj), data.T)
    assert read.get_data_dtype() == np.float32
    np.testing.assert_allclose(read.header.get_zooms(), (40, 40, 30))
    assert read.header.get_xyzt_units() == ("mm", "sec")
    assert (int(read.header["qform_code"]), int(read.header["sform_code"])) == (1, 1)
    np.testing.assert_allclose(read.get_qform(), read.get_sform(), atol=1e-4)
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    "geometry", [Geometry(), Geometry(read_direction=(0.0, 0.0, 0.0), field_of_view=(0.01, 0.02, 0.03))]
)
def test_an_unknown_place_is_not_invented(tmp_path, geometry):
    path = tmp_path / "map.nii.gz"
    write_nifti(path, np.zeros((1, 2, 4), np.float32), geometry)
    header = nibabel.Nifti1Image.from_filename(path).header
    assert (int(header["qform_code"]), int(header["sform_code"])) == (0, 0)
    np.testing.assert_allclose(header.get_zooms(), (2.5, 10, 30) if geometry.field_of_view[0] else (1, 1, 1))


def filled(kind: np.dtype, fields: dict) -> bytes:
    header = np.zeros((), kind)
    for name, value in fields.items():
        header[name] = value
    return header.tobytes()


def image(data, attributes=None, series=1, code=5, **fields) -> Image:
    data = np.asarray(data, {2: "<i2", 5: "<f4", 7: "<c8"}[code])
    stated = {
        "image_series_index": series,
        "channels": data.shape[0],
        "data_type": code,
        "matrix_size": data.shape[:0:-1],
        "field_of_view": (40, 30, 20),
        "read_dir": (1, 0, 0),
        "phase_dir": (0, 1, 0),
        "slice_dir": (0, 0, 1),
    }
    header = filled(IMAGE_HEADER, stated | fields)
    return Image(header, write_attributes(attributes or {}), data)


def pixels(folder: Path, name: str) -> np.ndarray:
    return np.asarray(nibabel.Nifti1Image.from_filename(folder / PERFUSION / f"sub-aslive_{name}.nii.gz").dataobj).T


def sidecar(folder: Path, name: str) -> dict:
    return json.loads((folder / PERFUSION / f"sub-aslive_{name}.json").read_text())


def test_the_newest_map_is_kept_with_its_facts(tmp_path):
    folder = BidsFolder(tmp_path)
    constants = {"t1_blood": {"value": 1.65, "unit": "s", "source": "default"}}
    for pairs in (1, 2):
        attributes = {
            "aslive_map": "cbf",
            "aslive_pairs": str(pairs),
            "units": "mL/100 g/min",
            "aslive_constants": json.dumps(constants),
        }
        folder.add(image(np.full((1, 2, 3, 4), pairs), attributes))
    folder.close()
    assert np.all(pixels(tmp_path, "cbf") == 2)
    facts = sidecar(tmp_path, "cbf")
    assert facts["Units"] == "mL/100 g/min"
    assert facts["Pairs"] == 2
    assert facts["Constants"] == constants


def test_every_map_has_a_file_of_its_own(tmp_path):
    folder = BidsFolder(tmp_path)
    for number, name in enumerate((*MapName, "odd_one")):
        folder.add(image(np.full((1, 1, 2, 2), number), {"aslive_map": name}))
    folder.add(image(np.ones((1, 1, 2, 2)), series=12))
    folder.close()
    files = {path.name.removeprefix("sub-aslive_") for path in (tmp_path / PERFUSION).glob("*.nii.gz")}
    named = {f"{NAMES[name]}.nii.gz" for name in MapName}
    assert files == {*named, "desc-oddone_asl.nii.gz", "desc-series12_asl.nii.gz"}
    assert len(named) == len(MapName)
    for number, name in enumerate(MapName):
        assert np.all(pixels(tmp_path, NAMES[name]) == number)
        assert sidecar(tmp_path, NAMES[name])["Description"] == DESCRIPTIONS[name]
    assert json.loads((tmp_path / "dataset_description.json").read_text())["DatasetType"] == "derivative"
    assert sidecar(tmp_path, "m0scan")["SkullStripped"] is False
    assert sidecar(tmp_path, "desc-brain_mask")["Type"] == "Brain"
    assert "*_cbf.*" in (tmp_path / ".bidsignore").read_text()


# ASLPrep's derivatives: PennLINC/aslprep, docs/outputs.rst and aslprep/data/aslprep_bids_config.json.
_ASLPREP = re.compile(r"(desc-[a-zA-Z0-9]+_)?(asl|m0scan|cbf|att|abat|abv|mask)")
_OURS = {"M0map", "desc-delay_map", "desc-gfactor_map"}  # for which ASLPrep has no file


@pytest.mark.parametrize("name", MapName)
def test_the_names_follow_the_pattern_of_aslprep(name):
    assert _ASLPREP.fullmatch(NAMES[name]) or NAMES[name] in _OURS


@pytest.mark.parametrize("name", ["cbf", "att", "abv", "abat", "m0scan", "mask"])
def test_the_plain_suffix_is_the_map_itself(name):
    """A tool that asks for a suffix without a description gets the estimate, not its error."""
    bare = [map_name for map_name, file in NAMES.items() if file.removeprefix("desc-brain_") == name]
    assert bare == [name]


def reply_to(scan: Scan, *names: MapName) -> list[Image]:
    """Give maps as a scan sends them."""
    sink = Reply(maps=names)
    sink.start(scan)
    geometry = Geometry(field_of_view=(0.2, 0.2, 0.1))
    return [
        message
        for number, name in enumerate(names)
        for message in sink.messages(
            Map(
                name,
                np.ones((3, 4, 4), np.float32),
                Place(number, Counters(), 0.0, geometry, Role.CONTROL, number=1),
                "s",
                2,
                {"t1_blood": Constant(1.65, "s", Source.DEFAULT)},
                "Buxton et al., MRM 40:383 (1998)",
            )
        )
        if isinstance(message, Image)
    ]


SCAN = Scan(
    labeling=Labeling(
        LabelingType.PCASL,
        (Role.M0SCAN, *(Role.CONTROL, Role.LABEL) * 2),
        labeling_duration=(1.8,),
        post_labeling_delay=(0.0, 1.0, 1.0, 2.0, 2.0),
        m0_type="Included",
        background_suppression=False,
        vascular_crushing=False,
        mr_acquisition_type="3D",
    ),
    repetition_time=5.0,
    echo_time=0.012,
    field_strength=3.0,
)


def test_the_sidecar_tells_how_a_map_was_acquired_and_computed(tmp_path):
    folder = BidsFolder(tmp_path)
    for sent in reply_to(SCAN, MapName.ATT, MapName.CONTROL):
        folder.add(sent)
    folder.close()
    facts = sidecar(tmp_path, "att")
    assert (facts["Units"], facts["Pairs"]) == ("s", 2)
    assert facts["Equation"] == "Buxton et al., MRM 40:383 (1998)"
    assert facts["Constants"]["t1_blood"] == {"value": 1.65, "unit": "s", "source": "default"}
    assert facts["ArterialSpinLabelingType"] == "PCASL"
    assert (facts["PostLabelingDelay"], facts["LabelingDuration"]) == ([1.0, 2.0], 1.8)
    assert (facts["MagneticFieldStrength"], facts["M0Type"], facts["BackgroundSuppression"]) == (3.0, "Included", False)
    assert sidecar(tmp_path, "desc-control_asl")["PostLabelingDelay"] == 1.0
    assert "LabelingEfficiency" not in facts


def test_what_others_call_an_acquisition_cannot_hide_ours(tmp_path):
    folder = BidsFolder(tmp_path)
    for number, said in enumerate(('{"Units": "ms", "Note": 1}', "[1]", "no JSON")):
        folder.add(
            image(np.ones((1, 1, 2, 2)), {"aslive_map": f"own{number}", "units": "s", "aslive_acquisition": said})
        )
    folder.close()
    assert [sidecar(tmp_path, f"desc-own{number}_asl")["Units"] for number in range(3)] == ["s"] * 3


@pytest.mark.skipif(shutil.which("bids-validator-deno") is None, reason="bids-validator-deno is not installed")
def test_the_bids_validator_finds_no_fault(tmp_path):
    folder = BidsFolder(tmp_path)
    for sent in reply_to(SCAN, *MapName):
        folder.add(sent)
    folder.close()
    command = ("bids-validator-deno", str(tmp_path), "--format", "json", "--ignoreWarnings")
    said = json.loads(subprocess.run(command, capture_output=True, check=False).stdout)
    assert [issue for issue in said["issues"]["issues"] if issue["severity"] == "error"] == []


def test_a_flush_writes_only_what_is_new(tmp_path):
    folder = BidsFolder(tmp_path)
    folder.flush()
    assert not list(tmp_path.iterdir())
    folder.add(image(np.ones((1, 1, 2, 2)), {"aslive_map": "cbf"}))
    folder.flush()
    (tmp_path / PERFUSION / "sub-aslive_cbf.nii.gz").unlink()
    folder.add(image(np.ones((1, 1, 2, 2)), {"aslive_map": "m0scan"}))
    folder.close()
    assert [path.name for path in (tmp_path / PERFUSION).glob("*.nii.gz")] == ["sub-aslive_m0scan.nii.gz"]


@pytest.mark.parametrize("way", [1, -1])
def test_slices_that_come_one_by_one_make_the_volume(tmp_path, way):
    volume = np.arange(5 * 2 * 3, dtype=np.float32).reshape(5, 2, 3)
    folder, whole = BidsFolder(tmp_path / "slices"), BidsFolder(tmp_path / "whole")
    middle = np.array((10, 20, 30))
    for number in (0, 2, 4, 1, 3):
        folder.add(
            image(
                volume[None, number : number + 1],
                {"aslive_map": "cbf"},
                slice=number,
                position=middle + np.array((0, 0, way * 4 * (number - 2))),
                field_of_view=(40, 30, 4),
                slice_dir=(0, 0, way),
            )
        )
    whole.add(image(volume[None], {"aslive_map": "cbf"}, position=middle, slice_dir=(0, 0, way)))
    folder.close()
    whole.close()
    np.testing.assert_array_equal(pixels(tmp_path / "slices", "cbf"), volume)
    one, other = (
        nibabel.Nifti1Image.from_filename(tmp_path / name / PERFUSION / "sub-aslive_cbf.nii.gz").affine
        for name in ("slices", "whole")
    )
    assert one is not None and other is not None
    np.testing.assert_allclose(one, other, atol=1e-4)


def test_a_slice_that_has_not_come_is_not_a_number(tmp_path):
    folder = BidsFolder(tmp_path)
    for number in (0, 2):
        folder.add(image(np.ones((1, 1, 2, 2)), {"aslive_map": "cbf"}, slice=number))
    folder.close()
    assert np.isnan(pixels(tmp_path, "cbf")).tolist() == [[[gap] * 2] * 2 for gap in (False, True, False)]


def test_scaled_integers_become_the_numbers_they_stand_for(tmp_path):
    folder = BidsFolder(tmp_path)
    attributes = {"aslive_map": "cbf", "RescaleSlope": "0.5", "RescaleIntercept": "-1"}
    folder.add(image([[[[0, 2, 122]]]], attributes, code=2))
    folder.close()
    assert pixels(tmp_path, "cbf").tolist() == [[[-1, 0, 60]]]


def test_images_of_other_programs_are_kept_too(tmp_path):
    folder = BidsFolder(tmp_path)
    folder.add(Image(image([[[[3 + 4j, 0]]]], series=3, code=7).header, "no XML", np.array([[[[3 + 4j, 0]]]], "<c8")))
    folder.add(image(np.arange(6).reshape(3, 1, 1, 2), series=4))
    folder.close()
    assert pixels(tmp_path, "desc-series3_asl").tolist() == [[[5, 0]]]
    assert pixels(tmp_path, "desc-series4_asl").shape == (3, 1, 1, 2)


def test_a_data_set_that_is_there_keeps_its_description(tmp_path):
    (tmp_path / "dataset_description.json").write_text("the site's own")
    folder = BidsFolder(tmp_path)
    folder.add(image(np.ones((1, 1, 2, 2))))
    folder.close()
    assert (tmp_path / "dataset_description.json").read_text() == "the site's own"


@pytest.mark.parametrize("subject", ["", "a b", "../x", "Ann_Other"])
def test_a_subject_that_bids_forbids_is_refused(tmp_path, subject):
    with pytest.raises(ConfigError, match="letters and digits"):
        BidsFolder(tmp_path, subject)
