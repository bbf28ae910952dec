import numpy as np
import pytest

from aslive.gadgets.publish import Publish
from aslive.streaming.scan import Role, Scan


@pytest.mark.parametrize(
    ("role", "name"),
    [(Role.CONTROL, "control"), (Role.LABEL, "label"), (Role.M0SCAN, "m0scan"), (Role.NOT_APPLICABLE, "image")],
)
def test_the_magnitude_goes_out_by_its_role_and_the_volume_passes(run, make_volume, role, name):
    volume = make_volume(np.full((2, 3, 4), 3 - 4j), role, 0)
    passed, shown = run([Publish()], [volume], Scan())
    assert passed is volume
    assert shown.name == name
    assert shown.data.dtype == np.float32
    np.testing.assert_array_equal(shown.data, 5)
