"""Maps lie where the head lay: file and truth agree voxel by voxel."""

import nibabel
import numpy as np
import pytest
from through_session import reconstruct

from aslive.sim.protocol import Protocol
from aslive.sim.scanner import Scanner
from aslive.streaming.messages import Image
from aslive.streaming.sinks.nifti import BidsFolder


@pytest.mark.parametrize("slices", [3, 4])
@pytest.mark.parametrize("three_dimensional", [False, True])
@pytest.mark.parametrize("one_by_one", [False, True])
def test_the_file_of_a_map_lies_where_the_simulated_head_lies(tmp_path, slices, three_dimensional, one_by_one) -> None:
    protocol = Protocol(
        matrix=(16, 14, slices),
        field_of_view=(0.22, 0.20, 0.03 * slices),
        three_dimensional=three_dimensional,
        coils=1,
        pairs=1,
    )
    folder = BidsFolder(tmp_path)
    for reply in reconstruct(Scanner(protocol, snr=None).messages(), {"reply": {"slices": one_by_one}}):
        if isinstance(reply, Image):
            folder.add(reply)
    folder.close()
    image = nibabel.load(tmp_path / "sub-aslive" / "perf" / "sub-aslive_cbf.nii.gz")
    assert isinstance(image, nibabel.Nifti1Image)
    assert np.asarray(image.affine) == pytest.approx(protocol.grid.affine, abs=1e-3)  # mm; positions are float32
