import numpy as np

from aslive.gadgets.mask import MakeMask
from aslive.streaming.flow import Mask, Volume
from aslive.streaming.notices import Notice
from aslive.streaming.perfusion import Map, MapName
from aslive.streaming.scan import Role, Scan


def head(seed=0):
    """An ellipsoid with a dark hole, a bright far speck and noise."""
    _, y, x = np.meshgrid(np.arange(6), np.arange(32), np.arange(32), indexing="ij")
    inside = (x - 16) ** 2 + (y - 16) ** 2 < 120
    data = np.where(inside, 100.0, 0) + np.abs(np.random.default_rng(seed).standard_normal(inside.shape))
    data[3, 14:18, 14:18] = 1
    data[2, 1, 1] = 500
    return inside, data


def test_the_brain_is_the_largest_object_without_holes_or_specks(run, make_volume):
    inside, data = head()
    out = run([MakeMask()], [make_volume(data, Role.CONTROL, 0)], Scan())
    mask = next(m.data for m in out if isinstance(m, Mask))
    assert np.mean(mask == inside) > 0.995
    assert mask[3, 15, 15]
    assert not mask[2, 1, 1]


def test_the_mask_is_made_once_and_goes_before_its_volume(run, make_volume):
    _, data = head()
    volumes = [
        make_volume(data, Role.LABEL, 0),
        make_volume(data, Role.CONTROL, 1, missing=3),
        make_volume(data, Role.M0SCAN, 2),
        make_volume(data, Role.CONTROL, 3),
    ]
    out = run([MakeMask()], volumes, Scan())
    assert [type(m) for m in out] == [Volume, Volume, Mask, Map, Volume, Volume]
    assert out[3].name is MapName.MASK


def test_an_empty_image_gives_an_empty_mask_and_a_notice(run, make_volume):
    out = run([MakeMask()], [make_volume(np.zeros((2, 4, 4)), Role.CONTROL, 0)], Scan())
    assert not next(m.data for m in out if isinstance(m, Mask)).any()
    assert any(isinstance(m, Notice) for m in out)
    assert isinstance(out[-1], Volume)


def test_most_of_a_simulated_brain_is_found(run, make_volume, shared_data):
    import nibabel

    folder = shared_data / "truth/dro_single_pld"
    image = np.asarray(nibabel.Nifti1Image.from_filename(folder / "asl.nii.gz").dataobj[..., 0]).transpose()
    truth = np.asarray(nibabel.Nifti1Image.from_filename(folder / "gt_seg.nii.gz").dataobj).transpose() > 0
    out = run([MakeMask()], [make_volume(image, Role.M0SCAN, 0)], Scan())
    mask = next(m.data for m in out if isinstance(m, Mask))
    assert 2 * np.sum(mask & truth) / (mask.sum() + truth.sum()) > 0.98
