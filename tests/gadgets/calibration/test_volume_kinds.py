"""Which volumes should look alike."""

import numpy as np

from aslive.gadgets.calibration.volume_kinds import VolumeKinds
from aslive.streaming.scan import Role


def kinds_of(make_scan, make_readout, labeling, volumes: int, **counters: int) -> list[int]:
    """Give for each volume the number of the first one of its sort."""
    kinds = VolumeKinds(make_scan(labeling=labeling))
    data = np.zeros((1, 4), np.complex64)
    sorts = [kinds.sort(n, make_readout(data, repetition=n, **counters)) for n in range(volumes)]
    return [sorts.index(sort) for sort in sorts]


def test_roles_tell_volumes_apart(make_scan, make_readout, pcasl):
    labeling = pcasl(context=(Role.M0SCAN, *(Role.CONTROL, Role.LABEL) * 2))
    assert kinds_of(make_scan, make_readout, labeling, 5) == [0, 1, 2, 1, 2]


def test_delays_tell_volumes_apart(make_scan, make_readout, pcasl):
    labeling = pcasl(
        context=(Role.CONTROL, Role.LABEL) * 4, post_labeling_delay=(1.0, 1.0, 2.0, 2.0, 1.0, 1.0, 2.0, 2.0)
    )
    assert kinds_of(make_scan, make_readout, labeling, 8) == [0, 1, 2, 3, 0, 1, 2, 3]


def test_echoes_tell_volumes_apart(make_scan, make_readout, pcasl):
    kinds = VolumeKinds(make_scan(labeling=pcasl()))
    data = np.zeros((1, 4), np.complex64)
    one, other = (kinds.sort(echo, make_readout(data, repetition=1, contrast=echo)) for echo in (0, 1))
    assert one != other


def test_where_no_roles_are_stated_volumes_alternate(make_scan, make_readout, pcasl):
    assert kinds_of(make_scan, make_readout, pcasl(context=()), 4) == [0, 1, 0, 1]
