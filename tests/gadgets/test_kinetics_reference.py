"""Flow and transit time of the digital reference objects, from their volumes to the maps."""

import json

import nibabel
import numpy as np
import pytest

from aslive.gadgets.average import Average
from aslive.gadgets.kinetics import FitKinetics
from aslive.gadgets.pair import Pair
from aslive.streaming.flow import Mask
from aslive.streaming.perfusion import M0, Constant, Map, MapName, Physiology, SliceTimes, TissueMaps
from aslive.streaming.scan import Role, Scan, Source

GRAY, WHITE = (1, 60.0, 0.8), (2, 20.0, 1.2)
CONSTANTS = {
    "t1_blood": 1.65,
    "t1_gray_matter": 1.33,
    "t1_white_matter": 0.83,
    "partition_coefficient": 0.9,
    "labeling_efficiency": 0.85,
}


@pytest.fixture(scope="module")
def truth(shared_data):
    folder = shared_data / "truth/dro_multi_pld"
    return {name: read(folder / f"gt_{name}.nii.gz") for name in ("seg", "cbf", "att")}


@pytest.fixture(scope="module")
def fitted(shared_data, truth, run, make_volume, pcasl):
    """Give the last maps of a series, and those after each pair, once."""
    folder = shared_data / "truth/dro_multi_pld"
    kept: dict[tuple[str, bool], list[Map]] = {}

    def fit(name: str, tissue_maps: bool = False) -> list[Map]:
        if (name, tissue_maps) not in kept:
            sidecar = json.loads((folder / f"{name}.json").read_text())
            context = "asl_noisefree_aslcontext.tsv" if "free" in name else "aslcontext.tsv"
            roles = tuple(Role(word) for word in (folder / context).read_text().split()[1:])
            data = read(folder / f"{name}.nii.gz").astype(np.float32)
            volumes = [make_volume(volume, role, n) for n, (volume, role) in enumerate(zip(data, roles, strict=True))]
            brain = truth["seg"] > 0
            known = [
                Physiology({key: Constant(value, "", Source.CONFIG) for key, value in CONSTANTS.items()}),
                SliceTimes((0.0,) * len(brain), Source.HEADER),
                M0(np.where(brain, data[0], 0).astype(np.float32), {}),
                Mask(brain),
            ]
            if tissue_maps:
                known.append(TissueMaps(*((truth["seg"] == kind).astype(np.float32) for kind in (1, 2, 3))))
            labeling = pcasl(
                context=roles,
                labeling_duration=(sidecar["LabelingDuration"],),
                post_labeling_delay=tuple(sidecar["PostLabelingDelay"]),
            )
            gadgets = [Pair(), Average(), FitKinetics()]
            out = run(gadgets, [*known, *volumes], Scan(labeling=labeling, field_strength=3.0))
            kept[name, tissue_maps] = [message for message in out if isinstance(message, Map)]
        return kept[name, tissue_maps]

    return fit


def read(path):
    return np.asarray(nibabel.Nifti1Image.from_filename(path).dataobj, np.float64).transpose()


def last(maps, name):
    return [message for message in maps if message.name == name][-1].data


def pure(truth, kind, cbf, att):
    """Mark the voxels that are of one tissue alone."""
    return (truth["seg"] == kind) & (np.abs(truth["cbf"] - cbf) < 0.1) & (np.abs(truth["att"] - att) < 1e-3)


@pytest.mark.parametrize(("tissue_maps", "tissue"), [(False, GRAY), (True, GRAY), (True, WHITE)])
def test_without_noise_flow_and_transit_time_are_the_true_ones(fitted, truth, tissue_maps, tissue):
    maps, where = fitted("asl_noisefree", tissue_maps), pure(truth, *tissue)
    _, cbf, att = tissue
    assert np.median(last(maps, MapName.CBF)[where]) == pytest.approx(cbf, rel=0.002)
    assert np.median(last(maps, MapName.ATT)[where]) == pytest.approx(att, abs=0.002)
    assert np.nanmedian(last(maps, MapName.ATT_WEIGHTED_DELAY)[where]) == pytest.approx(att, abs=0.01)


def test_white_matter_reads_low_with_the_t1_of_gray_matter(fitted, truth):
    assert np.median(last(fitted("asl_noisefree"), MapName.CBF)[pure(truth, *WHITE)]) == pytest.approx(14.76, rel=0.01)


def test_the_intervals_of_a_noisy_scan_hold_the_truth(fitted, truth):
    maps, where = fitted("asl"), pure(truth, *GRAY)
    for name, true in (("cbf", 60.0), ("att", 0.8)):
        lower, upper = (last(maps, MapName(f"{name}_{end}"))[where] for end in ("lower", "upper"))
        assert 0.93 <= np.mean((lower <= true) & (true <= upper)) <= 0.98
    assert np.mean(last(maps, MapName.CBF)[where]) == pytest.approx(63.0, abs=2.0)
    assert np.mean(last(maps, MapName.ATT)[where]) == pytest.approx(0.82, abs=0.03)


def test_maps_become_surer_from_pair_to_pair(fitted, truth):
    where = pure(truth, *GRAY)
    errors = [np.median(m.data[where]) for m in fitted("asl") if m.name is MapName.CBF_STDERR]
    assert len(errors) == 24
    assert errors[0] > 2 * errors[-1]
    assert np.isfinite(errors).all()
