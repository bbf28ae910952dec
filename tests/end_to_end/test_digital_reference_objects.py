"""The digital reference objects, whose truth is known, as raw data through the whole session."""

import json
from functools import cache
from pathlib import Path

import nibabel
import numpy as np
import pytest
from numpy.typing import NDArray
from raw_images import raw_data
from scipy.optimize import least_squares
from scipy.stats import t
from through_session import maps, reconstruct

from aslive.sim.kinetics import continuous_difference
from aslive.streaming.messages import Message

OBJECTS = Path(__file__).resolve().parents[2].parent / "shared/data/truth"
SINGLE, MULTI = "dro_single_pld", "dro_multi_pld"
GRAY, WHITE = (1, 60.0, 0.8, 1.33), (2, 20.0, 1.2, 0.83)
"""Number in the segmentation, true flow (mL/100 g/min) and transit time (s), T1 (s)."""
NUMBERS = {"gray_matter": 1, "white_matter": 2, "fluid": 3}
KEYS = ("ArterialSpinLabelingType", "LabelingDuration", "PostLabelingDelay", "LabelingEfficiency", "M0Type")
KEYS += ("BackgroundSuppression", "RepetitionTimePreparation")
POSTERIOR = "cbf,cbf_stderr,cbf_lower,cbf_upper,att,att_stderr,att_lower,att_upper,m0"
SLAB = slice(8, 18)
"""Slices of the noisy objects: 5000 voxels of pure gray matter, and half a minute less."""

pytestmark = pytest.mark.skipif(
    not OBJECTS.is_dir(), reason=f"the reference objects are not beside the checkout: {OBJECTS}"
)


def read(path: Path) -> NDArray[np.float64]:
    return np.asarray(nibabel.Nifti1Image.from_filename(path).dataobj, np.float64).transpose()


@cache
def truth(folder: str, name: str) -> NDArray[np.float64]:
    return read(OBJECTS / folder / f"gt_{name}.nii.gz")


def pure(folder: str, tissue: tuple[int, float, float, float]) -> NDArray[np.bool_]:
    """Mark the voxels of one tissue alone, as those who made the objects do."""
    number, flow, _, _ = tissue
    return (np.abs(truth(folder, "cbf") - flow) < 0.1) & (truth(folder, "seg") == number)


@cache
def images(folder: str, name: str) -> tuple[NDArray[np.float64], list[str]]:
    """Give the volumes of a series, ``(volumes, z, y, x)``, and what they are."""
    context = "asl_noisefree_aslcontext.tsv" if name == "asl_noisefree" else "aslcontext.tsv"
    return read(OBJECTS / folder / f"{name}.nii.gz"), (OBJECTS / folder / context).read_text().split()[1:]


def stated(value: object) -> str:
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)


@cache
def replies(folder: str, name: str, wanted: str, slab: bool = False) -> list[Message]:
    """Send a series with the words of its own sidecar, and the true tissues as maps."""
    volumes, context = images(folder, name)
    sidecar = json.loads((OBJECTS / folder / f"{name}.json").read_text())
    parameters = {key: stated(sidecar[key]) for key in KEYS}
    parameters |= {"MRAcquisitionType": "3D", "aslcontext": ",".join(context)}
    slices = SLAB if slab else slice(None)
    tissues = {name: truth(folder, "seg")[slices] == number for name, number in NUMBERS.items()}
    x, y, z = sidecar["AcquisitionVoxelSize"]
    scan = raw_data(volumes[:, slices], parameters, (x, y, z), tissues)
    return reconstruct(scan, {"reply.maps": wanted})


def last(found: list[Message], name: str) -> NDArray[np.float32]:
    return maps(found, name)[-1]


@pytest.mark.parametrize(
    ("tissue", "flow", "time"), [(GRAY, 0.005, 0.005), (WHITE, 0.01, 0.005)], ids=["gray", "white"]
)
def test_flow_and_transit_time_of_images_without_noise_are_true(tissue, flow, time):
    inside = pure(MULTI, tissue)
    assert inside.sum() == (8489 if tissue is GRAY else 2236)  # as the data say of themselves
    cbf, att = (last(replies(MULTI, "asl_noisefree", POSTERIOR), name)[inside] for name in ("cbf", "att"))
    for average in (np.mean, np.median):
        assert average(cbf) == pytest.approx(tissue[1], rel=flow)
        assert average(att) == pytest.approx(tissue[2], abs=time)
    assert np.mean(np.abs(cbf / tissue[1] - 1) < 0.02) > 0.9  # at borders the images are resampled, and ring
    assert np.mean(np.abs(att - tissue[2]) < 0.01) > 0.9


def most_likely(differences: NDArray[np.float64], delays: list[float]) -> tuple[float, float]:
    """Fit flow and transit time of gray matter to deltam / M0 of one voxel, from the best place of a grid on."""

    def model(flow: float, att: float) -> NDArray[np.float64]:
        labeling = {"labeling_duration": 1.4, "post_labeling_delay": delays, "labeling_efficiency": 0.85}
        return continuous_difference(flow, att, GRAY[3], **labeling)

    def left(place: NDArray[np.float64]) -> NDArray[np.float64]:
        return 1e3 * (model(*place) - differences)

    grid = np.arange(0.05, 2.6, 0.05)
    shapes = np.array([model(60, att) / 60 for att in grid])
    flows = shapes @ differences / np.sum(shapes**2, axis=1)
    best = np.argmin(np.sum((flows[:, None] * shapes - differences) ** 2, axis=1))
    flow, att = least_squares(left, (flows[best], grid[best]), x_scale=(10, 0.1), bounds=((-500, 0), (500, 2.8))).x
    return flow, att


def test_the_posterior_of_noisy_images_is_no_worse_than_the_most_likely_fit():
    volumes, context = images(MULTI, "asl")
    inside = np.flatnonzero(pure(MULTI, GRAY)[SLAB])[::40]
    series = volumes[:, SLAB].reshape(len(volumes), -1)[:, inside]
    assert context[:3] == ["m0scan", "control", "label"]
    pairs = ((series[1::2] - series[2::2]) / series[0]).reshape(4, 6, -1)  # four times through six delays
    fits = np.array([most_likely(voxel, [0.25, 0.5, 0.75, 1.0, 1.25, 1.5]) for voxel in pairs.mean(axis=0).T])
    for name, true, fitted in zip(("cbf", "att"), GRAY[1:3], fits.T, strict=True):
        found = last(replies(MULTI, "asl", POSTERIOR, slab=True), name).ravel()[inside]
        assert np.mean((found - true) ** 2) <= np.mean((fitted - true) ** 2)


@pytest.mark.parametrize(("name", "true"), [("cbf", GRAY[1]), ("att", GRAY[2])])
def test_intervals_of_noisy_images_hold_the_truth_as_often_as_they_say(name, true):
    inside = pure(MULTI, GRAY)[SLAB]
    assert inside.sum() > 5000
    found = replies(MULTI, "asl", POSTERIOR, slab=True)
    lower, upper = (last(found, f"{name}_{end}")[inside] for end in ("lower", "upper"))
    assert np.mean((lower < true) & (true < upper)) == pytest.approx(0.95, abs=0.02)


@pytest.mark.parametrize(("tissue", "formula"), [(GRAY, 45.81), (WHITE, 9.33)], ids=["gray", "white"])
def test_one_delay_gives_what_the_white_paper_s_formula_must_give_and_not_the_truth(tissue, formula):
    cbf = last(replies(SINGLE, "asl_noisefree", "cbf"), "cbf")[pure(SINGLE, tissue)]
    assert np.median(cbf) == pytest.approx(formula, rel=0.005)
    assert np.mean(cbf) == pytest.approx(formula, rel=0.005)
    noisy = replies(SINGLE, "asl", "cbf,cbf_stderr", slab=True)
    cbf, stderr = (last(noisy, name)[pure(SINGLE, tissue)[SLAB]] for name in ("cbf", "cbf_stderr"))
    score = (cbf - formula) / stderr
    assert abs(np.mean(cbf) - formula) < 3 * np.sqrt(np.mean(stderr**2) / len(cbf))
    assert np.std(score) == pytest.approx(t(14).std(), rel=0.05)
