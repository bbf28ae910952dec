import json
from dataclasses import replace

import nibabel
import numpy as np
import pytest
from nilearn.datasets import load_mni152_gm_template
from nilearn.image import resample_to_img

from aslive.sim.anatomy import Anatomy
from aslive.sim.effects import Effects
from aslive.sim.protocol import Order, Protocol
from aslive.sim.tissue import TISSUES
from aslive.sim.truth import expected_cbf, write_truth
from aslive.streaming.scan import LabelingType

GRAY, WHITE, FLUID = range(3)


def pure(protocol: Protocol, tissue: int) -> Anatomy:
    fractions = np.zeros((len(TISSUES), *protocol.grid.shape), np.float32)
    fractions[tissue] = 1
    return Anatomy(protocol.grid, fractions)


@pytest.mark.parametrize(
    ("labeling", "gray", "white"),
    [
        ({}, 45.81, 9.33),
        ({"labeling_duration": 1.4, "post_labeling_delay": (0.25,)}, 28.49, 4.14),
        ({"labeling_duration": 1.4, "post_labeling_delay": (1.5,)}, 49.00, 11.94),
        ({"labeling_type": LabelingType.PASL}, 54.64, 12.59),
    ],
)
def test_the_formula_gives_the_published_values_and_not_the_truth(labeling, gray, white):
    protocol = Protocol(matrix=(1, 1, 1), m0_repetition_time=1000, **labeling)
    assert expected_cbf(pure(protocol, GRAY), protocol).item() == pytest.approx(gray, abs=0.006)
    assert expected_cbf(pure(protocol, WHITE), protocol).item() == pytest.approx(white, abs=0.006)
    assert expected_cbf(pure(protocol, FLUID), protocol).item() == 0


def test_background_suppression_leaves_the_difference_as_it_is():
    protocol = Protocol(matrix=(1, 1, 1), background_suppression=0.1)
    head = pure(protocol, GRAY)
    wanted = expected_cbf(head, replace(protocol, background_suppression=1.0))
    assert expected_cbf(head, protocol) == pytest.approx(wanted, rel=1e-5)


def test_a_later_slice_is_as_a_scan_of_one_slice_at_its_own_delay():
    protocol = Protocol(matrix=(1, 40, 6), slice_order=Order.INTERLEAVED)
    cbf = expected_cbf(pure(protocol, GRAY), protocol)[:, 0, 0]
    for z, place in enumerate((0, 3, 1, 4, 2, 5)):
        one = Protocol(matrix=(1, 1, 1), post_labeling_delay=(1.8 + place * 0.030,))
        assert cbf[z] == pytest.approx(expected_cbf(pure(one, GRAY), one).item(), rel=1e-5)


def test_a_short_m0_repetition_time_is_corrected_for_the_t1_it_is_told():
    long = Protocol(matrix=(1, 1, 1), m0_repetition_time=1000)
    short = replace(long, m0_repetition_time=2.0)
    wanted = expected_cbf(pure(long, GRAY), long)
    assert expected_cbf(pure(short, GRAY), short, t1_tissue=1.33) == pytest.approx(wanted, rel=1e-5)


def test_without_m0_the_control_takes_its_place_unless_it_is_suppressed():
    protocol = Protocol(matrix=(1, 1, 1), m0scan=False, repetition_time=100)
    assert expected_cbf(pure(protocol, GRAY), protocol).item() == pytest.approx(45.81, abs=0.01)
    suppressed = replace(protocol, background_suppression=0.2)
    assert np.isnan(expected_cbf(pure(suppressed, GRAY), suppressed)).all()


def test_outside_the_head_there_is_no_value(coarse_brain):
    cbf = expected_cbf(coarse_brain, Protocol(matrix=(16, 16, 6)))
    assert np.array_equal(np.isnan(cbf), coarse_brain.m0 == 0)


def test_the_maps_lie_on_the_template_and_beside_them_the_protocol(tmp_path, fine_brain):
    protocol = Protocol(pairs=3)
    files = write_truth(tmp_path / "truth", fine_brain, protocol)
    names = {"att", "cbf", "expected_cbf", "m0", "pGM", "pWM", "protocol", "seg", "territory"}
    assert {path.name.split(".")[0] for path in files} == names
    image = nibabel.Nifti1Image.from_filename(tmp_path / "truth/pGM.nii.gz")
    assert nibabel.aff2axcodes(image.affine) == ("L", "P", "S")
    template = resample_to_img(load_mni152_gm_template(), image, force_resample=True, copy_header=True)
    assert np.corrcoef(image.get_fdata().ravel(), template.get_fdata().ravel())[0, 1] > 0.9
    sidecar = json.loads((tmp_path / "truth/protocol.json").read_text())
    assert sidecar["aslcontext"] == ["m0scan", *("control", "label") * 3]
    assert sidecar["PostLabelingDelay"] == 1.8
    assert len(sidecar["SliceTiming"]) == 24


def test_the_record_tells_the_effects_and_the_field(tmp_path, any_head):
    protocol = Protocol(matrix=(4, 4, 2), effects=Effects(off_resonance=80.0, drift=2.0))
    files = write_truth(tmp_path, any_head(protocol.grid), protocol)
    record = json.loads((tmp_path / "protocol.json").read_text())
    assert record["SimulatedEffects"]["off_resonance"] == 80.0
    assert record["SimulatedEffects"]["drift"] == 2.0
    assert tmp_path / "fieldmap.nii.gz" in files
